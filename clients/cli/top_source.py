"""Where `hulak top` has its data from: threads that subscribe and request, so that drawing never waits for a broker.

Each update is a small value; the threads put them into a queue, and the view takes them out. One thread subscribes to `stats`,
one requests what the shown tab needs, one follows the topic whose details are shown.
"""

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from hulak.bus.errors import BusError, HulakError
from hulak.bus.process.settings import Settings
from hulak.bus.wire.names import ALERT_TOPICS
from hulak.clients.calls.client import BusClient
from hulak.clients.history import last_events
from hulak.clients.subscriber import Subscriber

if TYPE_CHECKING:
    from hulak.bus.subscriber.events import Event

NAME = "hulak-top"  # among the subscribers in the broker's statistics
PREFIXES = ("tick.", "trade.", "market.", "app.", ALERT_TOPICS.decode())  # of the listed topics
POLL_S = 0.2  # most seconds until a thread sees that it is closed
REQUEST_S = 1.0  # between two requests, at least
SHARE = 5  # a request that took long is repeated after this many times as long
REPLY_S = 5.0
TASKS = 500  # newest ones that are listed
KEPT = 1000  # updates that wait for a view that does not take them


@dataclass(frozen=True, slots=True)
class Shown:
    """The tab and the row that the view shows."""

    tab: str
    key: str = ""  # of the row whose details are shown; empty: the list


@dataclass(frozen=True, slots=True)
class StatsUpdate:
    """A message on `stats`."""

    stats: Mapping[str, Any]
    at: float  # monotonic seconds


@dataclass(frozen=True, slots=True)
class TopicsUpdate:
    """The last messages of all topics."""

    events: "Sequence[Event]"
    at: float


@dataclass(frozen=True, slots=True)
class TasksUpdate:
    """The newest posted tasks."""

    rows: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class TaskUpdate:
    """The stored values of one task."""

    key: str
    row: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class MessageUpdate:
    """A message of the followed topic."""

    event: "Event"


@dataclass(frozen=True, slots=True)
class ProblemUpdate:
    """A request of a tab failed; empty: it succeeds again."""

    tab: str
    text: str


Update = StatsUpdate | TopicsUpdate | TasksUpdate | TaskUpdate | MessageUpdate | ProblemUpdate


class Source(Protocol):
    """The source of the view's data."""

    def updates(self) -> list[Update]:
        """Return the updates since the last call, oldest first."""

    def supervised(self) -> Sequence[Mapping[str, Any]]:
        """Return the processes of supervisord; empty without one."""

    def show(self, shown: Shown) -> None:
        """Record the shown tab and row; data for others is not requested."""


class TopSource:
    """The threads; a context manager.

    Args:
        settings: have the broker's addresses.
        home: its folder.
    """

    def __init__(self, settings: Settings, home: Path) -> None:
        from hulak.clients.judge.heartbeats import Heartbeats
        from hulak.clients.judge.supervisor_poll import SupervisorPoll

        self._settings = settings
        self._home = home
        self._supervisor = SupervisorPoll(home)
        self._beats = Heartbeats(time.monotonic())
        self._updates: deque[Update] = deque(maxlen=KEPT)
        self._shown = Shown("processes")
        self._wake = threading.Event()
        self._closing = threading.Event()
        targets = (self._read_stats, self._request, self._follow)
        self._threads = [threading.Thread(target=target, name=target.__name__, daemon=True) for target in targets]

    def __enter__(self) -> Self:
        self._supervisor.__enter__()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._wake.set()
        self._supervisor.stop()
        for thread in self._threads:
            thread.join(2 * POLL_S)

    def updates(self) -> list[Update]:
        """Return the updates since the last call, oldest first."""
        taken = []
        while self._updates:
            taken.append(self._updates.popleft())
        return taken

    def supervised(self) -> Sequence[Mapping[str, Any]]:
        """Return the processes of supervisord; empty without one."""
        return self._supervisor.rows

    def show(self, shown: Shown) -> None:
        """Record the shown tab and row."""
        self._shown = shown
        self._wake.set()

    def broker_silence_s(self, now: float) -> float | None:
        """Return the seconds since the broker's last heartbeat, at `now` in monotonic seconds; None before the first one."""
        return self._beats.silence_s(now)

    def _subscriber(self, *topics: str) -> Subscriber:
        return Subscriber(*topics, settings=self._settings, home=self._home, timeout_s=POLL_S, name=NAME)

    def _read_stats(self) -> None:
        while not self._closing.is_set():
            try:
                with self._subscriber("stats", "heartbeat") as subscriber:
                    while not self._closing.is_set():
                        event = self._beats.passed(subscriber.poll(POLL_S), time.monotonic())
                        if event is not None:
                            self._updates.append(StatsUpdate(event.body, time.monotonic()))
            except HulakError as error:
                self._updates.append(ProblemUpdate("", str(error)))
                self._closing.wait(POLL_S)

    def _follow(self) -> None:
        """Follow the topic whose details are shown."""
        while not self._closing.wait(POLL_S):
            shown = self._shown
            if shown.tab != "topics" or not shown.key:
                continue
            try:
                with self._subscriber(shown.key) as subscriber:
                    while not self._closing.is_set() and self._shown == shown:
                        event = subscriber.poll(POLL_S)
                        if event is not None:
                            self._updates.append(MessageUpdate(event))
            except HulakError as error:
                self._updates.append(ProblemUpdate("topics", str(error)))

    def _request(self) -> None:
        """Request what the shown tab needs, about once per second."""
        with BusClient(self._settings, self._home) as client:
            while not self._closing.is_set():
                shown, began = self._shown, time.monotonic()
                self._wake.clear()
                try:
                    update = _requested(client, shown)
                except HulakError as error:
                    self._updates.append(ProblemUpdate(shown.tab, str(error)))
                else:
                    self._updates += [update, ProblemUpdate(shown.tab, "")] if update is not None else []
                self._wake.wait(max(REQUEST_S, SHARE * (time.monotonic() - began)))


def _requested(client: BusClient, shown: Shown) -> Update | None:
    if shown.tab == "topics":
        events = [event for prefix in PREFIXES for event in _last(client, prefix)]
        return TopicsUpdate(events, time.monotonic())
    if shown.tab == "tasks" and shown.key:
        return TaskUpdate(shown.key, client.inspect_task(shown.key, timeout_s=REPLY_S))
    return TasksUpdate(client.list_tasks(limit=TASKS)) if shown.tab == "tasks" else None


def _last(client: BusClient, prefix: str) -> "list[Event]":
    """Return the last messages below a prefix; none for a key that may not read it."""
    try:
        return last_events(client, prefix, REPLY_S)
    except BusError as error:
        if error.code != "FORBIDDEN" or prefix == PREFIXES[0]:
            raise
        return []

"""Threads that collect the data of the live view, so that drawing never blocks.

One subscribes to `ticks` and `stats`, one polls supervisord and the memory of its processes, and in the demo one requests a
NEPSE task every few seconds. Each has a separate connection; the model is shared under a lock.
"""

import contextlib
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import psutil

from hulak.bus.errors import BusError, BusTimeout
from hulak.bus.process.settings import Settings
from hulak.bus.subscriber.events import Event
from hulak.clients.calls.client import BusClient
from hulak.clients.cli.command import subscribe
from hulak.clients.cli.live_model import LiveModel, Process, Snapshot
from hulak.clients.displays.client import DisplayClient
from hulak.clients.judge.heartbeats import HEARTBEAT
from hulak.clients.judge.situations import limits_of
from hulak.clients.supervisord import Supervisor, processes

POLL_PROCESSES_S = 1.0  # between two queries of supervisord
EAGER_S = 0.05  # the same during the start; each query wakes supervisord, which otherwise blocks for up to 1 s
TASK_EVERY_S = 3.0
TASK_S = 10.0
POLL_S = 0.2


class LiveThreads:
    """Collects data until it is closed; a context manager.

    Args:
        settings: have the broker's addresses.
        home: its folder.
        supervisor: of the processes to show.
        wanted_symbols: symbols with ticks that a complete start has.
        demo: request NEPSE tasks, and create displays.
        prices: subscribe to ticks, which only the live view shows.
        shown: symbols that get a display, once, if there are no displays.
    """

    def __init__(
        self,
        settings: Settings,
        home: Path,
        supervisor: Supervisor,
        *,
        wanted_symbols: int,
        demo: bool,
        prices: bool = True,
        shown: Sequence[str] = (),
    ) -> None:
        self.settings = settings
        self.home = home
        self.supervisor = supervisor
        self._model = LiveModel(
            time.monotonic(),
            wanted_symbols,
            demo,
            len(shown) or None,
            page=settings.gateway.url,
            expects_feed=settings.feed.runs,
            min_workers=settings.scaling.min_workers,
            limits=limits_of(settings),
        )
        self._shown = shown
        self._topics = ("ticks", "stats", HEARTBEAT) if prices else ("stats", HEARTBEAT)
        self._lock = threading.Lock()
        self._closing = threading.Event()
        targets = [
            self._subscribe,
            self._poll_processes,
            *([self._request_tasks] if demo else []),
            *([self._create_displays] if shown else []),
        ]
        self._threads = [threading.Thread(target=target, name=target.__name__, daemon=True) for target in targets]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the threads; does not wait for a thread that waits for a reply."""
        self._closing.set()
        for thread in self._threads:
            thread.join(POLL_S)

    def snapshot(self) -> Snapshot:
        """Return the data of this moment."""
        with self._lock:
            return self._model.snapshot(time.monotonic())

    def _subscribe(self) -> None:
        while not self._closing.is_set():
            with (
                contextlib.suppress(BusTimeout),
                subscribe(self.settings, self.home, *self._topics, timeout_s=POLL_S) as subscriber,
            ):
                while not self._closing.is_set():
                    event = subscriber.poll(POLL_S)
                    with self._lock:
                        event = self._model.heartbeats.passed(event, time.monotonic())
                    if event is not None:
                        self._add(event)

    def _add(self, event: Event) -> None:
        now, time_ns = time.monotonic(), time.time_ns()
        with self._lock:
            if event.topic == "stats":
                self._model.add_stats(event.body, now)
            else:
                self._model.add_tick(event.body, max(0, time_ns - event.stamp.time_ns) / 1000, now)

    def _poll_processes(self) -> None:
        wait_s = EAGER_S
        while not self._closing.wait(wait_s):
            self.supervisor.update()
            rows = [("supervisord", "running" if self.supervisor.runs else "ended", self.supervisor.process.pid)]
            supervised = processes(self.home)
            rows += [(row["name"], row["state"], row["pid"]) for row in supervised]
            shown = tuple(Process(name, state, pid, _rss(pid)) for name, state, pid in rows)
            with self._lock:
                self._model.add_processes(shown, supervised, now := time.monotonic())
                wait_s = EAGER_S if self._model.snapshot(now).is_starting else POLL_PROCESSES_S

    def _request_tasks(self) -> None:
        with BusClient(self.settings, self.home) as client:
            while not self._closing.is_set():
                done, text = _market_status(client)
                with self._lock:
                    self._model.add_task(done, text)
                self._closing.wait(TASK_EVERY_S if done else POLL_S)

    def _create_displays(self) -> None:
        """Create the displays of the demo if there are none; after an error go on with those that are missing."""
        with DisplayClient(self.settings, self.home, timeout_s=TASK_S) as client:
            wanted: Sequence[str] | None = None
            while not self._closing.wait(POLL_S):
                with contextlib.suppress(BusError):
                    there = {row["display"] for row in client.rows()}
                    if wanted is None:
                        wanted = () if there else self._shown
                    for symbol in wanted:
                        if symbol.lower() not in there:
                            client.create_worker_for_symbol(symbol, symbol.lower(), history=True)
                    count = len(client.rows())
                    with self._lock:
                        self._model.add_displays(count)
                    return


def _market_status(client: BusClient) -> tuple[bool, str]:
    try:
        status = client.call("nepse", "market-status", timeout_s=TASK_S)
    except BusError as error:
        return False, f"NEPSE: {error}"
    return True, f"NEPSE {status.get('isOpen', '')}" if isinstance(status, dict) else "NEPSE status received"


def _rss(pid: int) -> int | None:
    if pid:
        with contextlib.suppress(psutil.Error):
            return int(psutil.Process(pid).memory_info().rss)
    return None

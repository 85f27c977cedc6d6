"""Threads that bring the live view its numbers, so that it never waits for anybody.

One follows the topics `ticks` and `stats`, one looks at supervisord and at the memory of its processes, and in the demo one
has a NEPSE task done every few seconds. Each has its own connection; the model is shared under a lock.
"""

import contextlib
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import psutil

from bus.errors import BusError, BusTimeout
from bus.process.settings import Settings
from bus.subscriber.events import Event
from clients.calls.client import BusClient
from clients.cli.command import subscribe
from clients.cli.live_model import LiveModel, Process, Snapshot
from clients.displays.client import DisplayClient
from clients.judge.situations import limits_of
from clients.supervisord import Supervisor, processes

LOOK_S = 1.0  # seconds between two looks at the processes
EAGER_S = 0.05  # the same until everything stands; each look wakes supervisord, which else waits up to 1 s
TASK_EVERY_S = 3.0
TASK_S = 10.0
POLL_S = 0.2


class LiveThreads:
    """Collects numbers until it is closed; a context manager.

    Args:
        settings: say where the broker is.
        home: its folder.
        supervisor: whose processes are shown.
        wanted_symbols: that are to tick until everything stands.
        demo: have NEPSE tasks done, and displays created.
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
        shown: Sequence[str] = (),
    ) -> None:
        self.settings = settings
        self.home = home
        self.supervisor = supervisor
        self._model = LiveModel(
            time.monotonic(),
            wanted_symbols,
            demo,
            bool(shown),
            page=settings.gateway.url,
            wants_feed=bool(settings.feed.url),
            min_workers=settings.scaling.min_workers,
            limits=limits_of(settings),
        )
        self._shown = shown
        self._lock = threading.Lock()
        self._closing = threading.Event()
        work = [self._follow, self._look, *([self._have_tasks_done] if demo else []), *([self._show] if shown else [])]
        self._threads = [threading.Thread(target=one, name=one.__name__, daemon=True) for one in work]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Tell the threads to end; does not wait for one that waits for an answer."""
        self._closing.set()
        for thread in self._threads:
            thread.join(POLL_S)

    def snapshot(self) -> Snapshot:
        """Say how everything is now."""
        with self._lock:
            return self._model.snapshot(time.monotonic())

    def _follow(self) -> None:
        while not self._closing.is_set():
            with (
                contextlib.suppress(BusTimeout),
                subscribe(self.settings, self.home, "ticks", "stats", timeout_s=POLL_S) as subscriber,
            ):
                while not self._closing.is_set():
                    event = subscriber.poll(POLL_S)
                    if event is not None:
                        self._take(event)

    def _take(self, event: Event) -> None:
        now, time_ns = time.monotonic(), time.time_ns()
        with self._lock:
            if event.topic == "stats":
                self._model.take_stats(event.body, now)
            else:
                self._model.take_tick(event.body, max(0, time_ns - event.stamp.time_ns) / 1000, now)

    def _look(self) -> None:
        wait_s = EAGER_S
        while not self._closing.wait(wait_s):
            self.supervisor.look()
            rows = [("supervisord", "running" if self.supervisor.runs else "gone", self.supervisor.process.pid)]
            kept = processes(self.home)
            rows += [(row["name"], row["state"], row["pid"]) for row in kept]
            found = tuple(Process(name, state, pid, _rss(pid)) for name, state, pid in rows)
            with self._lock:
                self._model.processes, self._model.supervised = found, kept
                stands = not self._model.snapshot(time.monotonic()).waits_for()
            wait_s = LOOK_S if stands else EAGER_S

    def _have_tasks_done(self) -> None:
        with BusClient(self.settings, self.home) as client:
            while not self._closing.is_set():
                done, word = _market_status(client)
                with self._lock:
                    self._model.take_task(done, word)
                self._closing.wait(TASK_EVERY_S if done else POLL_S)

    def _show(self) -> None:
        """Create the demo's displays, once."""
        with DisplayClient(self.settings, self.home, timeout_s=TASK_S) as client:
            while not self._closing.wait(POLL_S):
                with contextlib.suppress(BusError):
                    if not client.rows():
                        for symbol in self._shown:
                            client.create_worker_for_symbol(symbol, symbol.lower(), history=True)
                    return


def _market_status(client: BusClient) -> tuple[bool, str]:
    try:
        status = client.call("nepse", "market-status", timeout_s=TASK_S)
    except BusError as error:
        return False, f"NEPSE: {error}"
    return True, f"NEPSE {status.get('isOpen', '')}" if isinstance(status, dict) else "NEPSE answered"


def _rss(pid: int) -> int | None:
    if pid:
        with contextlib.suppress(psutil.Error):
            return int(psutil.Process(pid).memory_info().rss)
    return None

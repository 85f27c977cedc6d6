"""The load of `hulak bench tasks`: workers of a service that does nothing, and a client with a window of tasks in flight.

The result of each task must be its number. The workers count the tasks that they run, so that a task that ran twice is detected
although its caller gets one result.
"""

import contextlib
import os
import shutil
import socket
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil
from msgspec.structs import replace

from hulak.bus.broker.loop import Broker
from hulak.bus.errors import BusError, BusTimeout
from hulak.bus.process import lifecycle, log
from hulak.bus.process.settings import Settings
from hulak.clients.calls.client import BusClient
from hulak.clients.calls.posted_tasks import posted_id, posting, result_args, value_of
from hulak.workers import noop
from hulak.workers.services import run_worker

STARTS_S = 20.0  # to wait for the broker and the workers
RETRY_S = 0.02
PROGRESS_EVERY = 256  # tasks between two updates of the progress bar
NOTE = "benchmark"  # makes an argument of about 25 bytes
MODULE = noop.__name__


@dataclass
class Tally:
    """Results of tasks 0 to `sent` - 1."""

    sent: int = 0
    right: int = 0
    wrong: int = 0  # results that were not the number of the task
    lost: int = 0  # no result, or an error
    trouble: str = ""  # the first error

    def add(self, number: int, result: Callable[[], Any]) -> None:
        """Wait for the result of a task and count it."""
        try:
            value = result()
        except BusError as error:
            self.lost += 1
            self.trouble = self.trouble or str(error)
            return
        if value == number:
            self.right += 1
        else:
            self.wrong += 1


class Caller:
    """Calls tasks on one connection.

    Args:
        client: a connected client.
        timeout_s: of each task.
    """

    def __init__(self, client: BusClient, timeout_s: float) -> None:
        self.client, self.timeout_s = client, timeout_s

    def submit(self, number: int) -> Callable[[], Any]:
        """Send a task; return a function that waits for its result."""
        future = self.client.submit(noop.SERVICE, noop.ACTION, {"n": number, "note": NOTE}, timeout_s=self.timeout_s)
        return future.result


class Poster(Caller):
    """Posts tasks, and requests the results of all accepted tasks together."""

    def __init__(self, client: BusClient, timeout_s: float) -> None:
        super().__init__(client, timeout_s)
        self._accepting: deque[list[Any]] = deque()

    def submit(self, number: int) -> Callable[[], Any]:
        """Post a task; return a function that waits for its result."""
        args = posting(noop.SERVICE, noop.ACTION, {"n": number, "note": NOTE})
        handle = [self.client.submit("hulak.post", "", args, timeout_s=self.timeout_s)]
        self._accepting.append(handle)
        return lambda: self._result(handle)

    def _result(self, handle: list[Any]) -> Any:
        while self._accepting and (self._accepting[0][0].done() or any(item is handle for item in self._accepting)):
            self._request_result(self._accepting.popleft())
        row = handle[0].result()
        if row["ended_ns"] is None:
            raise BusTimeout(f"a posted task is {row['state']} after {self.timeout_s:g} s")
        return value_of(row)

    def _request_result(self, handle: list[Any]) -> None:
        args = result_args(posted_id(handle[0].result()), self.timeout_s)
        handle[0] = self.client.submit("hulak.result", "", args, timeout_s=self.timeout_s + 1)


def window(caller: Caller, tally: Tally, count: int, width: int, show_done: Callable[[int], None]) -> float:
    """Run `count` tasks, `width` at a time; return the seconds it took. `show_done` gets the number of done tasks."""
    began, flying = time.monotonic(), deque[tuple[int, Callable[[], Any]]]()
    for done in range(count + width):
        if done >= width and flying:
            tally.add(*flying.popleft())
            if (done - width) % PROGRESS_EVERY == 0:
                show_done(done - width)
        if done < count:
            flying.append((tally.sent, caller.submit(tally.sent)))
            tally.sent += 1
    show_done(count)
    return time.monotonic() - began


def singles(caller: Caller, tally: Tally, count: int) -> list[float]:
    """Run tasks one after the other; return their durations, sorted, in microseconds."""
    durations_us = []
    for _ in range(count):
        began = time.perf_counter()
        tally.add(tally.sent, caller.submit(tally.sent))
        durations_us.append((time.perf_counter() - began) * 1e6)
        tally.sent += 1
    return sorted(durations_us)


def _redirect_output(path: Path) -> None:
    with path.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


def serve(settings: Settings, home: Path, name: str, log_file: Path) -> None:
    """Run a worker in this process, which was started for it; its output goes to a file."""
    lifecycle.end_with_parent()
    _redirect_output(log_file)
    code = run_worker(settings, home, noop.SERVICE, name, module=MODULE)
    sys.exit(code)


@contextlib.contextmanager
def workers(settings: Settings, home: Path, client: BusClient, count: int) -> Iterator[list[int]]:
    """Run workers for the duration of the block; yields their process ids.

    Raises:
        BusTimeout: not all workers registered in time.
    """
    names = [f"{noop.SERVICE}/{os.getpid()}-{at}" for at in range(count)]
    with tempfile.TemporaryDirectory(prefix="hulak-") as folder:
        log_file = Path(folder) / "workers.log"
        spawn = get_context("spawn")  # a fork would take over sockets and signal handlers
        processes = [spawn.Process(target=serve, args=(settings, home, name, log_file), daemon=True) for name in names]
        try:
            for process in processes:
                process.start()
            _wait_for(client, names, log_file)
            yield [process.pid or 0 for process in processes]
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.join(5)
                if process.is_alive():
                    process.kill()
                    process.join(5)


def _wait_for(client: BusClient, names: list[str], log_file: Path) -> None:
    deadline = time.monotonic() + STARTS_S
    while not set(names) <= {row["name"] for row in client.call("hulak.stats", timeout_s=STARTS_S)["workers"]}:
        if time.monotonic() > deadline:
            output = log_file.read_text(errors="replace")[-500:] if log_file.exists() else ""
            raise BusTimeout(f"not all of {len(names)} workers registered within {STARTS_S:g} s; their last output: {output}")
        time.sleep(RETRY_S)


@contextlib.contextmanager
def own_broker(settings: Settings) -> Iterator[tuple[Settings, Path]]:
    """Run a separate broker in a temporary folder; yields its settings and its home.

    Raises:
        BusTimeout: the broker did not answer in time.
    """
    home = Path(tempfile.mkdtemp(prefix="hulak-"))
    where = dict(zip(("collector", "publisher", "frontend", "backend"), _free_addresses(4), strict=True))
    separate = replace(settings, broker=replace(settings.broker, **where))
    process = get_context("spawn").Process(target=_run_broker, args=(separate, home), daemon=True)
    process.start()
    try:
        with BusClient(separate, home) as client:
            client.call("hulak.ping", timeout_s=STARTS_S)
        yield separate, home
    finally:
        process.terminate()
        process.join(10)
        if process.is_alive():
            process.kill()
            process.join(5)
        shutil.rmtree(home, ignore_errors=True)


def _free_addresses(count: int) -> list[str]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for item in sockets:
            item.bind(("127.0.0.1", 0))
        return [f"tcp://127.0.0.1:{item.getsockname()[1]}" for item in sockets]


def _run_broker(settings: Settings, home: Path) -> None:
    lifecycle.end_with_parent()
    lifecycle.make_home(home)
    lifecycle.raise_file_limit()
    _redirect_output(home / "log" / "broker.log")
    Broker(settings, home, lifecycle.Stop(), log.set_up(settings.log, process="broker")).run()


def cpu_s(pids: list[int]) -> float:
    """Return the total CPU seconds of the processes that exist."""
    total = 0.0
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            times = psutil.Process(pid).cpu_times()
            total += times.user + times.system
    return total

"""The load that `hulak bench tasks` puts on a broker: workers of a service that does nothing, and a client with a window.

Every answer must be its task's number; and the workers count how many tasks they carried out, so that one that was done twice
is found though its caller saw it once.
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

from bus.broker.loop import Broker
from bus.errors import BusError, BusTimeout
from bus.process import lifecycle, log
from bus.process.settings import Settings
from clients.calls.client import BusClient
from clients.calls.posted_tasks import posted_id, posting, result_args, value_of
from workers import noop
from workers.services import run_worker

STARTS_S = 20.0
LOOK_AGAIN_S = 0.02
TOLD_EVERY = 256  # tasks between two tellings of how far it is
NOTE = "benchmark"  # makes an argument of about 25 bytes
MODULE = noop.__name__


@dataclass
class Tally:
    """What became of tasks 0 to `asked` - 1."""

    asked: int = 0
    right: int = 0
    wrong: int = 0  # answers that were not their task's number
    lost: int = 0  # no answer, or an error
    trouble: str = ""  # the first error

    def take(self, number: int, answer: Callable[[], Any]) -> None:
        """Take what one task gives."""
        try:
            value = answer()
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
        client: connected.
        timeout_s: of each.
    """

    def __init__(self, client: BusClient, timeout_s: float) -> None:
        self.client, self.timeout_s = client, timeout_s

    def submit(self, number: int) -> Callable[[], Any]:
        """Hand a task in; return what waits for its answer."""
        future = self.client.submit(noop.SERVICE, noop.ACTION, {"n": number, "note": NOTE}, timeout_s=self.timeout_s)
        return future.result


class Poster(Caller):
    """Posts tasks, and asks for the results of those that were accepted, together."""

    def __init__(self, client: BusClient, timeout_s: float) -> None:
        super().__init__(client, timeout_s)
        self._accepting: deque[list[Any]] = deque()

    def submit(self, number: int) -> Callable[[], Any]:
        """Post a task; return what waits for its end."""
        told = posting(noop.SERVICE, noop.ACTION, {"n": number, "note": NOTE})
        handle = [self.client.submit("hulak.post", "", told, timeout_s=self.timeout_s)]
        self._accepting.append(handle)
        return lambda: self._result(handle)

    def _result(self, handle: list[Any]) -> Any:
        while self._accepting and (self._accepting[0][0].done() or any(one is handle for one in self._accepting)):
            self._ask(self._accepting.popleft())
        told = handle[0].result()
        if told["ended_ns"] is None:
            raise BusTimeout(f"a posted task is {told['state']} after {self.timeout_s:g} s")
        return value_of(told)

    def _ask(self, handle: list[Any]) -> None:
        asked = result_args(posted_id(handle[0].result()), self.timeout_s)
        handle[0] = self.client.submit("hulak.result", "", asked, timeout_s=self.timeout_s + 1)


def window(caller: Caller, tally: Tally, count: int, width: int, tell: Callable[[int], None]) -> float:
    """Have `count` tasks done, `width` at a time; `tell` is told how many are done. Returns how long it took, in seconds."""
    began, flying = time.monotonic(), deque[tuple[int, Callable[[], Any]]]()
    for done in range(count + width):
        if done >= width and flying:
            tally.take(*flying.popleft())
            if (done - width) % TOLD_EVERY == 0:
                tell(done - width)
        if done < count:
            flying.append((tally.asked, caller.submit(tally.asked)))
            tally.asked += 1
    tell(count)
    return time.monotonic() - began


def singles(caller: Caller, tally: Tally, count: int) -> list[float]:
    """Have tasks done one after the other; return how long each took, sorted, in microseconds."""
    took = []
    for _ in range(count):
        began = time.perf_counter()
        tally.take(tally.asked, caller.submit(tally.asked))
        took.append((time.perf_counter() - began) * 1e6)
        tally.asked += 1
    return sorted(took)


def _say_to(path: Path) -> None:
    with path.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


def serve(settings: Settings, home: Path, name: str, said: Path) -> None:
    """Be one worker, in a process of its own; what it says goes to a file."""
    lifecycle.end_with_parent()
    _say_to(said)
    code = run_worker(settings, home, noop.SERVICE, name, module=MODULE)
    sys.exit(code)


@contextlib.contextmanager
def workers(settings: Settings, home: Path, client: BusClient, count: int) -> Iterator[list[int]]:
    """Run workers as long as the block does; gives their process ids.

    Raises:
        BusTimeout: they were not all there in time.
    """
    names = [f"{noop.SERVICE}/{os.getpid()}-{at}" for at in range(count)]
    with tempfile.TemporaryDirectory(prefix="hulak-") as folder:
        said = Path(folder) / "workers.log"
        started = get_context("spawn")  # a fork would take over sockets and signal handlers
        processes = [started.Process(target=serve, args=(settings, home, name, said), daemon=True) for name in names]
        try:
            for process in processes:
                process.start()
            _wait_for(client, names, said)
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
            said = log_file.read_text(errors="replace")[-500:] if log_file.exists() else ""
            raise BusTimeout(f"the {len(names)} workers were not all there within {STARTS_S:g} s: {said}")
        time.sleep(LOOK_AGAIN_S)


@contextlib.contextmanager
def own_broker(settings: Settings) -> Iterator[tuple[Settings, Path]]:
    """Run a broker of our own on ipc files in a temporary folder; gives its settings and its home.

    Raises:
        BusTimeout: it did not answer in time.
    """
    home = Path(tempfile.mkdtemp(prefix="hulak-"))
    where = dict(zip(("collector", "publisher", "frontend", "backend"), _free_addresses(4), strict=True))
    told = replace(settings, broker=replace(settings.broker, **where))
    process = get_context("spawn").Process(target=_be_broker, args=(told, home), daemon=True)
    process.start()
    try:
        with BusClient(told, home) as client:
            client.call("hulak.ping", timeout_s=STARTS_S)
        yield told, home
    finally:
        process.terminate()
        process.join(10)
        if process.is_alive():
            process.kill()
            process.join(5)
        shutil.rmtree(home, ignore_errors=True)


def _free_addresses(count: int) -> list[str]:
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in found:
            one.bind(("127.0.0.1", 0))
        return [f"tcp://127.0.0.1:{one.getsockname()[1]}" for one in found]


def _be_broker(settings: Settings, home: Path) -> None:
    lifecycle.end_with_parent()
    lifecycle.make_home(home)
    lifecycle.raise_file_limit()
    _say_to(home / "log" / "broker.log")
    Broker(settings, home, lifecycle.Stop(), log.set_up(settings.log, process="broker")).run()


def cpu_s(pids: list[int]) -> float:
    """Sum the CPU seconds of processes that are there."""
    total = 0.0
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            times = psutil.Process(pid).cpu_times()
            total += times.user + times.system
    return total

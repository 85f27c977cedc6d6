"""The machine: CPU time, the hypervisor's share, memory, processes, ports. Linux."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

HOST = "127.0.0.1"
ROOT = Path(__file__).resolve().parents[1]
PR_SET_TIMERSLACK = 29  # prctl(2)
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
_clock_hz = os.sysconf("SC_CLK_TCK")
_page_bytes = os.sysconf("SC_PAGE_SIZE")
_libc = ctypes.CDLL(None)


def family(pid: int) -> list[int]:
    """List a process and all its descendants."""
    found, left = [], [pid]
    while left:
        one = left.pop()
        found.append(one)
        with contextlib.suppress(OSError):
            for thread in Path(f"/proc/{one}/task").iterdir():
                left += map(int, (thread / "children").read_text().split())
    return found


def cpu_s(pids: Iterable[int]) -> float:
    """Sum user and system time of processes and of their ended children, in seconds, in steps of 10 ms."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError, IndexError):
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += sum(map(int, fields[11:15]))
    return total / _clock_hz


def busy_s() -> float:
    """Sum the CPU seconds of every process there is.

    Not from /proc/stat: that is sampled at the timer's ticks, and a load that is paced by timers beats with it.
    """
    return cpu_s(int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def steal_s() -> float:
    """Return the seconds, summed over cores, in which the hypervisor ran somebody else."""
    return int(Path("/proc/stat").read_text().split("\n", 1)[0].split()[8]) / _clock_hz


def rss_bytes(pids: Iterable[int]) -> int:
    """Sum the resident memory of processes."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _page_bytes
    return total


class Noise:
    """What others take of the machine between two looks.

    Args:
        own: processes that are not others.
    """

    def __init__(self, own: Iterable[int]) -> None:
        self.own = [*own, os.getpid()]
        self.begin()

    def begin(self) -> None:
        """Start to measure."""
        self._at, self._busy, self._own, self._steal = time.monotonic(), busy_s(), cpu_s(self.own), steal_s()

    def look(self) -> dict[str, float]:
        """Return `foreign` (cores that other processes took) and `steal_pct` (of the whole machine) since `begin`."""
        over_s = time.monotonic() - self._at
        foreign = (busy_s() - self._busy - (cpu_s(self.own) - self._own)) / over_s
        steal = (steal_s() - self._steal) / over_s / (os.cpu_count() or 1)
        return {"foreign": round(max(0.0, foreign), 3), "steal_pct": round(100 * steal, 1)}


def spin_ms() -> float:
    """Time a fixed piece of Python, best of three, in ms: a virtual machine that is held back shows it here, if nowhere else."""
    best = float("inf")
    for _ in range(3):
        began = time.perf_counter()
        sum(range(400_000))
        best = min(best, time.perf_counter() - began)
    return round(best * 1000, 2)


def wait_until_quiet(most_foreign: float, limit_s: float) -> None:
    """Wait until other processes take less than so many cores, but no longer than `limit_s` seconds."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        noise = Noise([])
        time.sleep(0.4)
        if noise.look()["foreign"] < most_foreign:
            return


def wait_for(condition: Callable[[], bool], limit_s: float, what: str) -> None:
    """Wait until a condition is true. Raises `TimeoutError` when it is not within `limit_s` seconds."""
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {limit_s:g} s for {what}")
        time.sleep(0.02)


def fine_timers() -> None:
    """Let the sleeps of this process end when asked, not 50 us later."""
    _libc.prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)


def end_with_parent() -> None:
    """Be ended when the process that started this one is gone, so that an interrupted run leaves nothing behind."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def adopt(wanted: bool) -> None:
    """Have orphaned descendants of this process become its children, so that they can be measured and ended; or no more."""
    _libc.prctl(PR_SET_CHILD_SUBREAPER, int(wanted), 0, 0, 0)


def start(
    words: Sequence[str], log: Path, variables: Mapping[str, str] | None = None, fds: Sequence[int] = ()
) -> subprocess.Popen[bytes]:
    """Start a process in the checkout; what it says goes to a file. Variables of the project are not handed on."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HULAK_")}
    with log.open("ab") as file:
        return subprocess.Popen(  # noqa: S603 - the words are ours
            words,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            cwd=ROOT,
            env={**kept, **(variables or {})},
            pass_fds=fds,
        )


def python(module: str, *words: str) -> list[str]:
    """Make the words that run a module in this Python."""
    return [sys.executable, "-m", module, *words]


def end(process: subprocess.Popen[bytes], grace_s: float = 3.0) -> None:
    """End a process we started, by its id."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace_s)
    if process.poll() is None:
        process.kill()
        process.wait(grace_s)


def free_ports(count: int) -> list[int]:
    """Find loopback ports that are free now."""
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in found:
            one.bind((HOST, 0))
        return [int(one.getsockname()[1]) for one in found]


def connect_tcp(port: int, limit_s: float = 20.0) -> socket.socket:
    """Connect to a loopback port, waiting until somebody listens there.

    Raises:
        OSError: nobody did in time.
    """
    deadline = time.monotonic() + limit_s
    while True:
        try:
            found = socket.create_connection((HOST, port), 1.0)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            found.settimeout(None)
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            return found

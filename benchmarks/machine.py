"""The machine: CPU time, the hypervisor's share, memory, processes, ports. Linux."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

HOST = "127.0.0.1"
OPEN = '[security]\nloopback = "open"\n'  # of a broker's settings: clients connect by TCP without keys
ROOT = Path(__file__).resolve().parents[1]
PR_SET_TIMERSLACK = 29  # prctl(2)
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
SPINNER = (
    "import os; from benchmarks import machine; machine.end_with_parent();"
    " os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))\nwhile True: pass"
)
_clock_hz = os.sysconf("SC_CLK_TCK")
_page_bytes = os.sysconf("SC_PAGE_SIZE")
_libc = ctypes.CDLL(None)


def family(pid: int) -> list[int]:
    """Return the ids of a process and all its descendants."""
    pids, pending = [], [pid]
    while pending:
        child = pending.pop()
        pids.append(child)
        with contextlib.suppress(OSError):
            for thread in Path(f"/proc/{child}/task").iterdir():
                pending += map(int, (thread / "children").read_text().split())
    return pids


def cpu_s(pids: Iterable[int]) -> float:
    """Return user and system time of processes and of their ended children, in seconds, in steps of 10 ms."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError, IndexError):
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += sum(map(int, fields[11:15]))
    return total / _clock_hz


def cpu_clock_s(pid: int) -> float:
    """Return the CPU time of all threads of a process to the nanosecond, in seconds: its clock, clock_getcpuclockid(3)."""
    return time.clock_gettime((~pid << 3) | 2)


def busy_s() -> float:
    """Return the CPU seconds of all processes.

    Not from /proc/stat, which is sampled at timer ticks: a load paced by timers would alias with it.
    """
    return cpu_s(int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def steal_s() -> float:
    """Return the seconds, summed over cores, in which the hypervisor ran other machines."""
    return int(Path("/proc/stat").read_text().split("\n", 1)[0].split()[8]) / _clock_hz


def rss_bytes(pids: Iterable[int]) -> int:
    """Return the resident memory of processes."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _page_bytes
    return total


class Noise:
    """The load of other processes between two samples.

    Args:
        own: the processes of the measurement.
    """

    def __init__(self, own: Iterable[int]) -> None:
        self.own = [*own, os.getpid()]
        self.begin()

    def begin(self) -> None:
        """Start to measure."""
        self._at, self._busy, self._own, self._steal = time.monotonic(), busy_s(), cpu_s(self.own), steal_s()

    def sample(self) -> dict[str, float]:
        """Return `foreign` (cores used by other processes) and `steal_pct` (of the whole machine) since `begin`."""
        over_s = time.monotonic() - self._at
        foreign = (busy_s() - self._busy - (cpu_s(self.own) - self._own)) / over_s
        steal = (steal_s() - self._steal) / over_s / (os.cpu_count() or 1)
        return {"foreign": round(max(0.0, foreign), 3), "steal_pct": round(100 * steal, 1)}


def spin_ms() -> float:
    """Return the duration of a fixed piece of Python, best of three, in ms: it reveals a throttled virtual machine."""
    best = float("inf")
    for _ in range(3):
        began = time.perf_counter()
        sum(range(400_000))
        best = min(best, time.perf_counter() - began)
    return round(best * 1000, 2)


def wait_until_quiet(most_foreign: float, limit_s: float) -> None:
    """Wait until other processes use less than `most_foreign` cores, but no longer than `limit_s` seconds."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        noise = Noise([])
        time.sleep(0.4)
        if noise.sample()["foreign"] < most_foreign:
            return


def wait_for(condition: Callable[[], bool], limit_s: float, what: str) -> None:
    """Wait until a condition is true. Raises `TimeoutError` after `limit_s` seconds."""
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {limit_s:g} s for {what}")
        time.sleep(0.02)


def fine_timers() -> None:
    """Set the timer slack of this process to 1 ns instead of 50 us."""
    _libc.prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)


def end_with_parent() -> None:
    """Terminate this process when its parent ends, so that an interrupted run leaves no processes."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def adopt(wanted: bool) -> None:
    """Make this process the parent of its orphaned descendants, so that they can be measured and stopped; or not."""
    _libc.prctl(PR_SET_CHILD_SUBREAPER, int(wanted), 0, 0, 0)


def start(
    words: Sequence[str], log: Path, variables: Mapping[str, str] | None = None, fds: Sequence[int] = ()
) -> subprocess.Popen[bytes]:
    """Start a process in the checkout; its output goes to a file. Variables of the project are not passed on."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HULAK_")}
    with log.open("ab") as file:
        return subprocess.Popen(  # noqa: S603 - the words are trusted
            words,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            cwd=ROOT,
            env={**inherited, **(variables or {})},
            pass_fds=fds,
        )


def python(module: str, *words: str) -> list[str]:
    """Return the command that runs a module in this Python."""
    return [sys.executable, "-m", module, *words]


def end(process: subprocess.Popen[bytes], grace_s: float = 3.0) -> None:
    """Stop a child process, by its id."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace_s)
    if process.poll() is None:
        process.kill()
        process.wait(grace_s)


@contextlib.contextmanager
def warm_cores() -> Iterator[None]:
    """Keep every core busy with work that gives way to all other (SCHED_IDLE): none of them has to be woken first.

    Else a load of few wake-ups pays for each of them, in a virtual machine most of all, and a higher load seems to cost less.
    """
    count = len(os.sched_getaffinity(0))
    spinners = [subprocess.Popen([sys.executable, "-c", SPINNER], cwd=ROOT) for _ in range(count)]  # noqa: S603 - our own words
    try:
        yield
    finally:
        for spinner in spinners:
            end(spinner)


def free_ports(count: int) -> list[int]:
    """Return loopback ports that are free now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for bound in sockets:
            bound.bind((HOST, 0))
        return [int(bound.getsockname()[1]) for bound in sockets]


def connect_tcp(port: int, limit_s: float = 20.0) -> socket.socket:
    """Connect to a loopback port, retrying until it accepts.

    Raises:
        OSError: it did not accept in time.
    """
    deadline = time.monotonic() + limit_s
    while True:
        try:
            connection = socket.create_connection((HOST, port), 1.0)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            connection.settimeout(None)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            return connection

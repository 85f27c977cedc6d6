"""What every long-running process of Hulak does: stop on a signal, end with its supervisor, keep one file locked."""

import contextlib
import ctypes
import fcntl
import os
import resource
import signal
import socket
import stat
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import IO

import structlog
import zmq

from hulak.bus.errors import ConfigError
from hulak.bus.process import sockets
from hulak.bus.process.settings import Settings

PR_SET_PDEATHSIG = 1  # prctl(2)
FOLDERS = ("/proc/self/fd", "/dev/fd")  # of this process's descriptors
LOOK_AGAIN_MS = 100  # between two looks for a broker that is not there yet


class Stop:
    """Set by SIGTERM, SIGINT or SIGHUP; wakes the poll, which a flag alone would not (PEP 475 restarts it).

    Settings files are read at the start only, so SIGHUP is what it is to any other program: its terminal has gone. Who
    started it to outlive that (`nohup`) had it ignored.
    """

    def __init__(self) -> None:
        self.asked = False
        self.reader, self._writer = socket.socketpair()
        self.reader.setblocking(False)
        self._writer.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in stop_signals():
            signal.signal(number, self._ask)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.asked = True

    def drain(self) -> None:
        """Empty the reader after it woke the poll."""
        with contextlib.suppress(BlockingIOError):
            while self.reader.recv(64):
                pass


def stop_signals() -> list[signal.Signals]:
    """List the signals by which a process of ours ends in good order; SIGHUP unless whoever started it had it ignored."""
    hangs_up = [] if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else [signal.SIGHUP]
    return [signal.SIGTERM, signal.SIGINT, *hangs_up]


def end_with_supervisor() -> None:
    """Get SIGTERM when the supervisord that started us dies, however it dies. Linux only; elsewhere without effect."""
    if "SUPERVISOR_ENABLED" in os.environ:
        end_with_parent()
        if _is_orphan(os.environ.get("SUPERVISOR_SERVER_URL", "")):
            os.kill(os.getpid(), signal.SIGTERM)


def _is_orphan(url: str) -> bool:
    """Tell whether the supervisord at this address died before we asked to be told: while Python was still starting."""
    if not url.startswith("unix://") or not hasattr(socket, "SO_PEERCRED"):
        return False
    with socket.socket(socket.AF_UNIX) as trial:
        trial.settimeout(1.0)
        try:
            trial.connect(url.removeprefix("unix://"))
        except (ConnectionRefusedError, FileNotFoundError):
            return True  # it listens before it starts anybody
        except OSError:
            return False
        listener = struct.unpack("3i", trial.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))[0]
    return os.getppid() == 1 and listener != 1  # another one has taken its place meanwhile, and we are init's


def end_with_parent() -> None:
    """Get SIGTERM when the process that started us dies, however it dies. Linux only; elsewhere without effect."""
    parent = os.getppid()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died in between
        os.kill(os.getpid(), signal.SIGTERM)


def make_home(home: Path) -> None:
    """Make the folder of everything written, and `run` and `log` in it; only the owner may enter, who made them before too.

    Raises:
        ConfigError: it cannot be made.
    """
    try:
        for folder in (home, home / "run", home / "log"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = folder.stat()
            if found.st_mode & 0o077 and found.st_uid == os.geteuid() and not found.st_mode & stat.S_ISVTX:  # as /tmp has
                folder.chmod(0o700)
    except OSError as error:
        raise ConfigError(f"home folder {home} cannot be made: {error}; choose another with --home") from error


@contextlib.contextmanager
def only_one(path: Path, what: str) -> Iterator[IO[str]]:
    """Hold a lock file, with our pid in it as far as the disk takes it, as long as the block runs.

    Raises:
        ConfigError: another process holds it, or it can neither be made nor opened.
    """
    with _open_lock(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            pid = file.read().strip() or "unknown"
            raise ConfigError(f"{what} runs already on home {path.parent.parent}, as process {pid}") from None
        _write_whole(file, str(os.getpid()))
        try:
            yield file
        finally:
            _write_whole(file, "")


def _open_lock(path: Path) -> IO[str]:
    try:
        return path.open("a+", encoding="ascii")
    except OSError as error:
        with contextlib.suppress(OSError):
            return path.open("r", encoding="ascii")  # of a disk that is read-only: it can be locked all the same
        raise ConfigError(f"lock file {path} cannot be made: {error}; see to its disk, or choose another home") from error


def _write_whole(file: IO[str], text: str) -> None:
    """Have a file hold this text, as far as its disk takes it: the lock counts, not what is in it."""
    with contextlib.suppress(OSError):
        os.ftruncate(file.fileno(), 0)
        os.pwrite(file.fileno(), text.encode("ascii"), 0)


def find_broker(settings: Settings, home: Path, name: str, stop: Stop, log: structlog.typing.FilteringBoundLogger) -> str | None:
    """Wait, for ever, until one of the broker's sockets can be reached.

    Returns:
        the endpoint to connect to; None if a signal asked to stop meanwhile.
    """
    poller = zmq.Poller()
    poller.register(stop.reader, zmq.POLLIN)
    told = False
    while not stop.asked:
        where = sockets.endpoint(settings.broker, home, name)
        if where is not None:
            return where
        if not told:
            log.info("broker awaited", socket=name, address=getattr(settings.broker, name))
            told = True
        poller.poll(LOOK_AGAIN_MS)
    return None


def raise_file_limit() -> None:
    """Allow as many open files as the system lets us: a connection is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def file_limit() -> int:
    """Say how many files, connections included, this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft if soft != resource.RLIM_INFINITY else sys.maxsize


def open_files() -> list[int]:
    """List this process's descriptors; none where the system does not tell."""
    for folder in FOLDERS:
        with contextlib.suppress(OSError):
            return [int(name) for name in os.listdir(folder)]  # noqa: PTH208 - numbers, not paths
    return []


def boot_id() -> str:
    """Name the machine's present boot; empty where the system does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


def since_boot() -> float:
    """Return the seconds since the machine's boot, suspended ones counted where the system does so."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))

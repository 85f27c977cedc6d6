"""The life of every long-running process of Hulak: stop on a signal, end with its supervisor, keep one file locked."""

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
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import IO

import zmq

from hulak.bus.errors import AlreadyRuns, ConfigError
from hulak.bus.process import endpoints
from hulak.bus.process.home import SERVICE_HOME, user_name
from hulak.bus.process.log_type import Log
from hulak.bus.process.settings import Settings
from hulak.bus.process.sockets import BrokerAddress

PR_SET_PDEATHSIG = 1  # prctl(2)
FOLDERS = ("/proc/self/fd", "/dev/fd")  # the descriptors of this process
SEARCH_AGAIN_MS = 100  # between two checks for a broker that does not run yet
_reloads: list[Callable[[], object]] = []  # called at SIGHUP


class Stop:
    """Set by SIGTERM, SIGINT or SIGHUP; also wakes the poll, which Python restarts after a signal (PEP 475).

    SIGHUP means that the terminal was closed; a process that was started to survive that (`nohup`) inherits it as ignored. To a
    process under supervisord, which has no terminal, it means a reload of the settings: see `on_reload`.
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
        """Empty the reader after it has woken the poll."""
        with contextlib.suppress(BlockingIOError):
            while self.reader.recv(64):
                pass


def stop_signals() -> list[signal.Signals]:
    """List the signals that stop a process: SIGTERM, SIGINT, and SIGHUP unless it was inherited ignored or means a reload."""
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN or "SUPERVISOR_ENABLED" in os.environ
    return [signal.SIGTERM, signal.SIGINT, *([] if ignored else [signal.SIGHUP])]


def on_reload(call: Callable[[], object]) -> Callable[[], None]:
    """Call a function at each SIGHUP, in the main thread, if this process is under supervisord; it must be quick.

    Returns:
        a function that ends this; further calls of it do nothing.
    """
    _reloads.append(call)

    def end() -> None:
        with contextlib.suppress(ValueError):
            _reloads.remove(call)

    return end


def _reload(number: int, frame: FrameType | None) -> None:
    del number, frame
    for call in _reloads.copy():
        call()


def end_with_supervisor() -> None:
    """Close the files of this process to other users; under supervisord, take SIGHUP as a reload, and end with supervisord.

    It then receives SIGTERM when supervisord dies, even by SIGKILL. Linux only; elsewhere without effect.
    """
    os.umask(0o077)  # a supervisord that does not daemonise, as with -n, leaves that of its parent
    if "SUPERVISOR_ENABLED" in os.environ:
        signal.signal(signal.SIGHUP, _reload)
        end_with_parent()
        if _is_orphan(os.environ.get("SUPERVISOR_SERVER_URL", "")):
            os.kill(os.getpid(), signal.SIGTERM)


def _is_orphan(url: str) -> bool:
    """Return whether the supervisord at this address died before prctl(2) was called: while Python was still starting."""
    if not url.startswith("unix://") or not hasattr(socket, "SO_PEERCRED"):
        return False
    with socket.socket(socket.AF_UNIX) as trial:
        trial.settimeout(1.0)
        try:
            trial.connect(url.removeprefix("unix://"))
        except (ConnectionRefusedError, FileNotFoundError):
            return True  # supervisord listens before it starts a process
        except OSError:
            return False
        listener = struct.unpack("3i", trial.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))[0]
    return os.getppid() == 1 and listener != 1  # another supervisord has its place, and init is this process's parent


def end_with_parent() -> None:
    """Receive SIGTERM when the parent process dies, even by SIGKILL. Linux only; elsewhere without effect."""
    parent = os.getppid()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before prctl(2) was called
        os.kill(os.getpid(), signal.SIGTERM)


def exit_within(seconds: float, code: int) -> None:
    """End this process with this code after a time, if it has not ended by then.

    For a process that has run code of others: a pool of threads or a function of `atexit` that this code has left would keep the
    process from ending.
    """

    def end() -> None:
        time.sleep(seconds)
        os._exit(code)

    threading.Thread(target=end, name="exit", daemon=True).start()


def make_home(home: Path, service: Path = SERVICE_HOME) -> None:
    """Make the folder of everything written, with `run` and `log`; each is closed to other users, also if it existed before.

    Args:
        home: the folder.
        service: the home of the system service, whose user cannot read what root would write there.
    Raises:
        ConfigError: it cannot be made, or belongs to the service and this is root.
    """
    try:
        if home == service and os.geteuid() == 0 and home.exists() and (owner := home.stat().st_uid):
            raise ConfigError(
                f"home folder {home} belongs to the service, and root would write files there that it cannot read; start it with "
                f"`systemctl start hulak` or `runuser -u {user_name(owner)} -- hulak up`, or choose another home with --home"
            )
        for folder in (home, home / "run", home / "log"):
            if folder.is_symlink() and not folder.exists():
                folder.unlink()  # to a folder of systemd that went with the service
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = folder.stat()
            if status.st_mode & 0o077 and status.st_uid == os.geteuid() and not status.st_mode & stat.S_ISVTX:  # sticky, as /tmp
                folder.chmod(0o700)
    except OSError as error:
        raise ConfigError(f"home folder {home} cannot be made: {error}; choose another with --home") from error


@contextlib.contextmanager
def only_one(path: Path, what: str) -> Iterator[IO[str]]:
    """Hold a lock file while the block runs, with this process's pid in it if the disk has room.

    Raises:
        AlreadyRuns: another process holds it.
        ConfigError: it can neither be made nor opened.
    """
    with _open_lock(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            pid = file.read().strip() or "unknown"
            home = path.parent.parent
            raise AlreadyRuns(
                f"{what} already runs on home {home}, as process {pid}; stop it, or choose another home with --home"
            ) from None
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
            return path.open("r", encoding="ascii")  # on a read-only disk, where it can still be locked
        raise ConfigError(f"lock file {path} cannot be made: {error}; check its disk, or choose another home") from error


def _write_whole(file: IO[str], text: str) -> None:
    """Replace the text of a file, if its disk has room: only the lock matters, not the text."""
    with contextlib.suppress(OSError):
        os.ftruncate(file.fileno(), 0)
        os.pwrite(file.fileno(), text.encode("ascii"), 0)


def find_broker(settings: Settings, home: Path, name: str, stop: Stop, log: Log) -> BrokerAddress | None:
    """Wait, without limit, until one of the broker's sockets can be reached.

    Returns:
        the endpoint to connect to; None if a signal asked to stop first.
    Raises:
        HandshakeFailed: the broker and this process do not accept each other's keys.
    """
    poller = zmq.Poller()
    poller.register(stop.reader, zmq.POLLIN)
    logged = False
    while not stop.asked:
        where = endpoints.find(settings, home, name)
        if where is not None:
            return where
        if not logged:
            log.info("waiting for broker", socket=name, address=endpoints.expected(settings, home, name))
            logged = True
        poller.poll(SEARCH_AGAIN_MS)
    return None


def raise_file_limit() -> None:
    """Raise the limit of open files as far as the system allows: each connection is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def file_limit() -> int:
    """Return how many files, connections included, this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft if soft != resource.RLIM_INFINITY else sys.maxsize


def open_files() -> list[int]:
    """List this process's descriptors; empty where the system does not report them."""
    for folder in FOLDERS:
        with contextlib.suppress(OSError):
            return [int(name) for name in os.listdir(folder)]  # noqa: PTH208 - numbers, not paths
    return []


def boot_id() -> str:
    """Return the id of the machine's present boot; empty where the system does not report one."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


def since_boot() -> float:
    """Return the seconds since the machine's boot, including time suspended where the system counts it."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def is_running(pid: int) -> bool:
    """Return whether a process of this id exists; a process of another user does too."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):  # an id that a peer reports may be any integer
        return False
    except PermissionError:
        pass
    return True

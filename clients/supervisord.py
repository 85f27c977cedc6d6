"""supervisord of a home folder: start it with `etc/supervisord.conf`, query it, stop it and all its processes.

It runs in a separate session, so that Ctrl-C reaches only its parent, and gets SIGTERM when its parent dies for any reason. Its
RPC client is `bus.process.supervisor_rpc`.
"""

import configparser
import contextlib
import ctypes
import glob
import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

from hulak.bus.errors import AlreadyRuns, HulakError
from hulak.bus.process.lifecycle import PR_SET_PDEATHSIG, make_home
from hulak.bus.process.load_settings import shipped
from hulak.bus.process.settings import Settings
from hulak.bus.process.supervisor_rpc import ASK_S, Unreached, ask, foreign_socket, link_socket, list_processes, socket_path

HURRY = 0.6  # share of a given limit after which all get SIGTERM: a worker busy with a task no longer delays the others
STUCK_S = 10.0  # without an answer of supervisord: then all get SIGTERM, and after as long again SIGKILL
KILLED_S = 1.0  # to wait for a killed process
SIMULATED = "sim-binance"  # source of simulated ticks: Binance's messages, invented prices
DEMO_BARS = "1s,1m,5m,1h,1d"
MODULE = "supervisor.supervisord"
MARGIN_S = 5.0  # of `stop_limit_s`, for a busy machine
WAIT_S = 10.0  # supervisord's default of stopwaitsecs
POKE_S = 0.05  # between two connections; each wakes supervisord, which otherwise notices an exit up to 1 s late


def pid_of(home: Path) -> int | None:
    """Return the process id of the supervisord of this home, also if it does not answer; None if none runs."""
    try:
        return int(ask(home, "getPID"))
    except Unreached:
        return _pid_by_file(home)


def _pid_by_file(home: Path) -> int | None:
    """Read it from the pid file, since the socket may have been removed; None if another process has the pid now."""
    with contextlib.suppress(OSError, ValueError, KeyError, psutil.Error):
        process = psutil.Process(int((home / "run" / "supervisord.pid").read_text(encoding="ascii")))
        if MODULE in process.cmdline() and Path(process.environ()["HULAK_HOME"]).samefile(home):
            return process.pid
    return None


def unreached(home: Path) -> str:
    """Return an error text if the supervisord of this home runs and its socket does not work; else empty."""
    try:
        ask(home, "getPID")
    except Unreached as error:
        if (pid := _pid_by_file(home)) is not None:
            advice = "restart with `hulak down` and `hulak up`"
            return f"supervisord runs as process {pid} and cannot be reached at {socket_path(home)} ({error}); {advice}"
    return ""


def processes(home: Path) -> list[dict[str, Any]]:
    """List the processes of supervisord: `name`, `group`, `state`, `pid` (0 if none), `uptime_s`; empty if it does not answer."""
    try:
        return list_processes(home)
    except Unreached:
        return []


class Supervisor:
    """A running supervisord and all processes that it started.

    Args:
        process: supervisord itself.
        home: its folder.
    """

    def __init__(self, process: psutil.Process, home: Path) -> None:
        self.process = process
        self.home = home
        self._seen: set[psutil.Process] = set()  # psutil compares start times: a reused pid is another process

    @property
    def runs(self) -> bool:
        """Whether supervisord itself is alive."""
        return _alive(self.process)

    def exit_code(self) -> int | None:
        """Return the exit code of supervisord, 0 after an orderly stop; None if it runs or is not a child of this process."""
        return self.process.poll() if isinstance(self.process, psutil.Popen) else None

    def update(self) -> None:
        """Record its processes, so that they can be stopped even if it dies first."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self._seen.update(self.process.children(recursive=True))

    def alive(self) -> list[psutil.Process]:
        """List the processes that are alive, supervisord included."""
        self.update()
        self._seen = {process for process in self._seen if _alive(process)}
        return [*([self.process] if self.runs else []), *self._seen]

    def stop(self, limit_s: float | None = None, on_wait: Callable[[float, list[psutil.Process]], bool] | None = None) -> bool:
        """Stop all processes, in reverse order of priority; kill those that remain after the limit.

        Each process has its stopwaitsecs before supervisord kills it. A supervisord that does not answer is not waited for: see
        `STUCK_S`.

        Args:
            limit_s: seconds; `stop_limit_s` if None, so that supervisord has its time.
            on_wait: called often with the seconds passed and the processes that remain; if it returns true, they are killed now.
        Returns:
            True if this did not have to kill a process.
        """
        started = answered = time.monotonic()
        deadline = started + (stop_limit_s(self.home) if limit_s is None else limit_s)
        hurry_at = math.inf if limit_s is None else started + limit_s * HURRY
        self.update()
        self._request_stop()
        while (rest := self.alive()) and (now := time.monotonic()) < deadline:
            if now >= answered + ASK_S and self.answers():
                answered = now
            if now >= min(hurry_at, answered + STUCK_S):
                deadline, hurry_at = min(deadline, now + STUCK_S), math.inf
                answered = math.inf
                _signal(rest, signal.SIGTERM)
            if on_wait is not None and on_wait(now - started, rest):
                break
            self._poke()
            time.sleep(POKE_S)
        _signal(rest, signal.SIGKILL)
        killed = time.monotonic()
        while self.alive() and time.monotonic() < killed + KILLED_S:
            time.sleep(POKE_S)
        self.exit_code()  # reaps the child
        if rest and not self.alive():  # a killed supervisord leaves its socket behind
            with contextlib.suppress(OSError):
                socket_path(self.home).unlink(missing_ok=True)
        return not rest

    def start_program(self, name: str) -> bool:
        """Start a program that does not start by itself; returns whether supervisord answers."""
        try:
            ask(self.home, "startProcess", name, False)
        except Unreached:
            return False
        return True

    def answers(self) -> bool:
        """Return whether supervisord answers, if only that it is stopping."""
        try:
            ask(self.home, "getState")
        except OSError:
            return False
        except Unreached:
            return True
        return True

    def mark_stopped(self) -> None:
        """Record that `hulak down` stops this supervisord: its `hulak up` then knows, also if it has to be killed."""
        with contextlib.suppress(OSError):
            _mark(self.home).write_text(str(self.process.pid), encoding="ascii")

    def is_marked_stopped(self) -> bool:
        """Return whether `hulak down` has stopped this supervisord."""
        with contextlib.suppress(OSError):
            return _mark(self.home).read_text(encoding="ascii") == str(self.process.pid)
        return False

    def _request_stop(self) -> None:
        try:
            ask(self.home, "shutdown")
        except Unreached:  # not listening yet, stopping already, or stuck
            with contextlib.suppress(psutil.NoSuchProcess):
                self.process.terminate()

    def _poke(self) -> None:
        with contextlib.suppress(OSError), contextlib.closing(socket.socket(socket.AF_UNIX)) as poke:
            poke.settimeout(POKE_S)
            poke.connect(str(socket_path(self.home)))


def _mark(home: Path) -> Path:
    return home / "run" / "stopped-by-down"


def stop_limit_s(home: Path) -> float:
    """Return the longest time that supervisord takes to stop: one group after the other, each within its stopwaitsecs."""
    files = [shipped("supervisord.conf"), *sorted((home / "programs").glob("*.conf"))]
    return sum(sum(_stop_waits(file)) for file in files) + MARGIN_S


def _stop_waits(file: Path) -> list[float]:
    """Return the stopwaitsecs of each group of a file of supervisord; a group of several programs has their largest."""
    parser = configparser.RawConfigParser(strict=False, inline_comment_prefixes=(";",))
    with contextlib.suppress(OSError, ValueError, configparser.Error):
        parser.read(file, encoding="utf-8")
    waits = {}
    for section in parser.sections():
        kind, _, name = section.partition(":")
        if kind in ("program", "fcgi-program", "eventlistener"):
            try:
                waits[name.strip()] = max(0.0, parser.getfloat(section, "stopwaitsecs", fallback=WAIT_S))
            except ValueError:  # an expression
                waits[name.strip()] = WAIT_S
    groups = [parser.get(section, "programs", fallback="") for section in parser.sections() if section.startswith("group:")]
    grouped = [[waits.pop(name.strip(), 0.0) for name in programs.split(",")] for programs in groups]
    return [*waits.values(), *map(max, grouped)]


def _signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in reversed(processes):  # supervisord is the first, and gets it last
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _alive(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def refuse_foreign(home: Path) -> None:
    """Check that the supervisord of this home is that of `hulak up`, and may be stopped.

    Raises:
        HulakError: one of the machine runs Hulak's programs beside others.
    """
    socket = foreign_socket(home)
    if socket is None or (pid := pid_of(home)) is None:
        return
    raise HulakError(
        f"the processes of home {home} belong to the supervisord of the machine, process {pid}; start and stop them with "
        f"`supervisorctl -s unix://{socket}`"
    )


def find(home: Path) -> Supervisor | None:
    """Return the supervisord of this home; None if none runs. Raises as `refuse_foreign`."""
    refuse_foreign(home)
    pid = pid_of(home)
    try:
        return None if pid is None else Supervisor(psutil.Process(pid), home)
    except psutil.NoSuchProcess:
        return None


def refuse_running(home: Path) -> None:
    """Check that no supervisord runs on this home.

    Raises:
        AlreadyRuns: one runs.
        ConfigError: the home's path is too long.
    """
    refuse_foreign(home)
    if (pid := pid_of(home)) is not None:
        raise AlreadyRuns(
            f"Hulak already runs on home {home}, as process {pid}; stop it with `hulak down`, or choose another home with --home"
        )


def switches(
    *,
    demo: bool = False,
    feed: bool = False,
    displays: bool = True,
    gateway: bool = True,
    derive: bool = False,
    archiver: bool = False,
    bridge: bool = False,
) -> dict[str, str]:
    """Make the variables that say which programs of `etc/supervisord.conf` start by themselves; broker and pool always do."""
    given = {"DEMO": demo, "FEED": feed, "DISPLAYS": displays, "GATEWAY": gateway}
    given |= {"DERIVE": derive, "ARCHIVER": archiver, "BRIDGE": bridge}
    return {f"HULAKUP_{name}": str(value).lower() for name, value in given.items()}


def switches_of(settings: Settings, *, demo: bool) -> dict[str, str]:
    """Make the variables of `switches` as the settings say."""
    feed, derive = demo or settings.feed.runs, demo or settings.derive.runs
    archiver, bridge = settings.archive.daily, bool(settings.bridge.site)
    return switches(demo=demo, feed=feed, derive=derive, archiver=archiver, bridge=bridge)


def demo_variables(settings: Settings) -> dict[str, str]:
    """Make the variables that point feed and NEPSE workers to the simulators, and ask for bars if the settings ask for none."""
    host = f"[{settings.sim.host}]" if ":" in settings.sim.host else settings.sim.host
    return {
        "HULAK_NEPSE__BASE_URL": f"http://{host}:{settings.sim.nepse_port}",
        "HULAK_DERIVE__BARS": settings.derive.bars or DEMO_BARS,
        "HULAK_FEED__VENUE": "binance",
        "HULAK_FEED__SOURCE": SIMULATED,
        "HULAK_FEED__URL": f"ws://{host}:{settings.sim.venue_port}/stream?streams=!bookTicker",
    }


def _places(home: Path) -> dict[str, str]:
    return {"HULAK_HOME": str(home), "HULAK_PYTHON": sys.executable, "HULAKUP_PROGRAMS": programs_pattern(home)}


def programs_pattern(home: Path) -> str:
    """Return the pattern of the operator's program files for supervisord, where a space ends a pattern.

    A space is written as a character class that matches no other character of folder names, other white space as `?`.
    """
    folder = glob.escape(str(home / "programs")).replace(" ", "[!!-\U0010ffff]")
    return "".join("?" if character.isspace() else character for character in folder) + "/*.conf"


def _die_with_us() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def start(home: Path, variables: Mapping[str, str], *, detached: bool) -> Supervisor:
    """Start supervisord, without waiting for it. Call it in the main thread: the end of the calling thread stops supervisord.

    Args:
        home: absolute path; created if missing.
        variables: environment variables for it and its children, added to those of this process.
        detached: it outlives this process.
    Raises:
        HulakError: a supervisord runs on this home, that of the machine included.
        ConfigError: the path of the home is too long, or cannot be created.
    """
    refuse_running(home)
    make_home(home)
    link_socket(home, None)
    with contextlib.suppress(OSError):
        _mark(home).unlink(missing_ok=True)
    command = [sys.executable, "-P", "-m", MODULE, "-n", "-c", str(shipped("supervisord.conf"))]
    with os.fdopen(os.open(home / "log" / "supervisord.out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        os.fchmod(out.fileno(), 0o600)  # an existing file has the mode of its day
        process = psutil.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, **variables, **_places(home)},
            umask=0o077,  # [supervisord] umask applies only to a supervisord that daemonises
            start_new_session=True,
            preexec_fn=None if detached else _die_with_us,
        )
    return Supervisor(process, home)


def last_line(home: Path) -> str:
    """Return the last line that supervisord wrote before it ended."""
    with contextlib.suppress(OSError):
        lines = (home / "log" / "supervisord.out").read_text(encoding="utf-8", errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "nothing")
    return "nothing"

"""supervisord of one home folder: start it with `etc/supervisord.conf`, ask it, stop it and all that it started.

It runs in a session of its own, so that Ctrl-C reaches only whoever started it, and gets SIGTERM when that one dies, however
it dies. Asking it is the business of `bus.process.supervisor_rpc`.
"""

import contextlib
import ctypes
import glob
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from bus.errors import HulakError
from bus.process.lifecycle import PR_SET_PDEATHSIG, make_home
from bus.process.load_settings import shipped
from bus.process.settings import Settings
from bus.process.supervisor_rpc import Unreached, ask, list_processes, socket_path

GRACE_S = 3.5  # seconds between the wish to stop and SIGKILL for what is left
HURRY = 0.6  # share of it after which all are asked to end: a worker busy with a task holds up those behind it no longer
KILLED_S = 1.0  # seconds that a killed process has to be gone
MODULE = "supervisor.supervisord"
POKE_S = 0.05  # seconds between two looks; each look wakes supervisord, which else sees an exit up to 1 s late


def pid_of(home: Path) -> int | None:
    """Find the process id of the supervisord that serves this home, whether it answers or not; None if there is none."""
    try:
        return int(ask(home, "getPID"))
    except Unreached:
        return _pid_by_file(home)


def _pid_by_file(home: Path) -> int | None:
    """Find it by its pid file: its socket may have been cleared away. A pid may be another process's by now."""
    with contextlib.suppress(OSError, ValueError, KeyError, psutil.Error):
        process = psutil.Process(int((home / "run" / "supervisord.pid").read_text(encoding="ascii")))
        if MODULE in process.cmdline() and Path(process.environ()["HULAK_HOME"]).samefile(home):
            return process.pid
    return None


def unreached(home: Path) -> str:
    """Say that the supervisord of this home runs and cannot be asked anything; empty if it can be, or there is none."""
    try:
        ask(home, "getPID")
    except Unreached as error:
        if (pid := _pid_by_file(home)) is not None:
            again = "`hulak down` and `hulak up` start everything anew"
            return f"supervisord runs as process {pid} and cannot be reached at {socket_path(home)} ({error}); {again}"
    return ""


def processes(home: Path) -> list[dict[str, Any]]:
    """List what supervisord keeps: `name`, `group`, `state`, `pid` (0 if none), `uptime_s`; empty if it does not answer."""
    try:
        return list_processes(home)
    except Unreached:
        return []


class Supervisor:
    """A running supervisord and everything that it started.

    Args:
        process: supervisord itself.
        home: the folder it serves.
    """

    def __init__(self, process: psutil.Process, home: Path) -> None:
        self.process = process
        self.home = home
        self._seen: set[psutil.Process] = set()  # with their start times, so that a pid used again is not mistaken

    @property
    def runs(self) -> bool:
        """Tell whether supervisord itself is alive."""
        return _alive(self.process)

    def exit_code(self) -> int | None:
        """Say how supervisord ended: 0 in good order; None if it runs, or is not our child."""
        return self.process.poll() if isinstance(self.process, psutil.Popen) else None

    def look(self) -> None:
        """Note which processes it has, so that they can be stopped even if it dies first."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self._seen.update(self.process.children(recursive=True))

    def left(self) -> list[psutil.Process]:
        """List what is still alive, supervisord included."""
        self.look()
        self._seen = {one for one in self._seen if _alive(one)}
        return [*([self.process] if self.runs else []), *self._seen]

    def stop(self, grace_s: float = GRACE_S) -> bool:
        """Stop everything, in the order of priorities reversed; kill what is left after `grace_s`.

        Returns:
            whether all ended by themselves.
        """
        started, hurried = time.monotonic(), False
        self.look()
        self._ask_to_stop()
        while (rest := self.left()) and time.monotonic() < started + grace_s:
            if not hurried and time.monotonic() > started + grace_s * HURRY:
                hurried = True
                _signal(rest, signal.SIGTERM)
            self._poke()
            time.sleep(POKE_S)
        _signal(rest, signal.SIGKILL)
        killed = time.monotonic()
        while self.left() and time.monotonic() < killed + KILLED_S:
            time.sleep(POKE_S)
        self.exit_code()  # takes our child's, so that it is no zombie
        if rest and not self.left():  # who was killed could not clear away its socket
            with contextlib.suppress(OSError):
                socket_path(self.home).unlink(missing_ok=True)
        return not rest

    def _ask_to_stop(self) -> None:
        try:
            ask(self.home, "shutdown")
        except Unreached:  # not listening yet, stopping already, or stuck
            with contextlib.suppress(psutil.NoSuchProcess):
                self.process.terminate()

    def _poke(self) -> None:
        with contextlib.suppress(OSError), contextlib.closing(socket.socket(socket.AF_UNIX)) as poke:
            poke.settimeout(POKE_S)
            poke.connect(str(socket_path(self.home)))


def _signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    for one in reversed(processes):  # supervisord, the first, last
        with contextlib.suppress(psutil.NoSuchProcess):
            one.send_signal(number)


def _alive(one: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return one.is_running() and one.status() != psutil.STATUS_ZOMBIE
    return False


def find(home: Path) -> Supervisor | None:
    """Find the supervisord that serves this home; None if there is none."""
    pid = pid_of(home)
    try:
        return None if pid is None else Supervisor(psutil.Process(pid), home)
    except psutil.NoSuchProcess:
        return None


def refuse_running(home: Path) -> None:
    """Make sure that no supervisord serves this home.

    Raises:
        HulakError: one does.
        ConfigError: the home's path is too long.
    """
    if (pid := pid_of(home)) is not None:
        raise HulakError(f"Hulak runs already on home {home}, as process {pid}; `hulak down` stops it, --home names another")


def switches(*, demo: bool = False, feed: bool = False, displays: bool = True, gateway: bool = True) -> dict[str, str]:
    """Make the variables that say which programs of `etc/supervisord.conf` start by themselves; broker and pool always do."""
    given = {"DEMO": demo, "FEED": feed, "DISPLAYS": displays, "GATEWAY": gateway}
    return {f"HULAKUP_{name}": str(value).lower() for name, value in given.items()}


def demo_variables(settings: Settings) -> dict[str, str]:
    """Make the variables that point feed and NEPSE workers to the simulators."""
    host = f"[{settings.sim.host}]" if ":" in settings.sim.host else settings.sim.host
    return {
        "HULAK_NEPSE__BASE_URL": f"http://{host}:{settings.sim.nepse_port}",
        "HULAK_FEED__VENUE": "binance",
        "HULAK_FEED__URL": f"ws://{host}:{settings.sim.venue_port}/stream?streams=!bookTicker",
    }


def _places(home: Path) -> dict[str, str]:
    return {"HULAK_HOME": str(home), "HULAK_PYTHON": sys.executable, "HULAKUP_PROGRAMS": programs_pattern(home)}


def programs_pattern(home: Path) -> str:
    """Make the pattern of the operator's own programs for supervisord, which takes a blank for the end of a pattern.

    A plain blank is written as what nothing else matches that a folder is named with; any other as `?`.
    """
    told = glob.escape(str(home / "programs")).replace(" ", "[!!-\U0010ffff]")
    return "".join("?" if one.isspace() else one for one in told) + "/*.conf"


def _die_with_us() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def start(home: Path, variables: Mapping[str, str], *, detached: bool) -> Supervisor:
    """Start supervisord; returns at once. To be called from the main thread, whose death would be taken for ours.

    Args:
        home: absolute; made if it is not there.
        variables: for it and its children, beside our own.
        detached: it outlives us.
    Raises:
        HulakError: one runs already on this home.
        ConfigError: the home's path is too long or cannot be made.
    """
    refuse_running(home)
    make_home(home)
    command = [sys.executable, "-P", "-m", MODULE, "-n", "-c", str(shipped("supervisord.conf"))]
    with (home / "log" / "supervisord.out").open("wb") as out:
        process = psutil.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, **variables, **_places(home)},
            umask=0o077,  # [supervisord] umask is for one that makes itself a daemon
            start_new_session=True,
            preexec_fn=None if detached else _die_with_us,
        )
    return Supervisor(process, home)


def last_words(home: Path) -> str:
    """Read the last line that supervisord wrote before it ended."""
    with contextlib.suppress(OSError):
        lines = (home / "log" / "supervisord.out").read_text(encoding="utf-8", errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "nothing")
    return "nothing"

"""`hulak up` and `hulak down`: all processes, under a supervisord per home."""

import contextlib
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hulak.bus.errors import BusError, BusTimeout, ConfigError, HulakError
from hulak.clients.cli.command import BROKER_S, FAILED, Call, Command, print_json
from hulak.clients.cli.help_text import examples
from hulak.clients.cli.keys import terminal
from hulak.clients.cli.live_output import LiveOutput
from hulak.clients.cli.port_check import refuse_taken
from hulak.clients.judge.situations import Level

if TYPE_CHECKING:
    from psutil import Process

    from hulak.clients.cli.live_model import Snapshot
    from hulak.clients.cli.live_threads import LiveThreads
    from hulak.clients.cli.service_manager import ServiceManager
    from hulak.clients.supervisord import Supervisor

START_S = 60.0  # that --detach waits for a complete start; after it the processes run on
FRAME_S = 0.25  # between two frames of the live view
SLOW_S = 3.0  # of a stop, after which the processes that remain are named
STARTING_S = 0.05  # between two checks during the start
STOP_MARGIN_S = 10.0  # of the time that the service manager has to wait for a stop
SHOWN = 24  # currency pairs with a display in the demo
DEMO_FEED = "demo-nepse"  # in etc/supervisord.conf
SHOWN_NEPSE = ("NEPSE", "BANKING", "HYDROPOWER", "NABIL")  # indices and a security, likewise


@click.command(
    cls=Command,
    short_help="Start all processes and show live status.",
    timeout_help=f"Seconds to wait for a complete start, after which all is stopped; with --detach {START_S:g} by default, after "
    "which the processes run on.",
    epilog=examples("hulak up --demo --home ./var", "hulak up --demo --for 30 --json", "hulak up --detach"),
)
@click.option("--demo", is_flag=True, help="Also start the simulated venue and the simulated exchange.")
@click.option(
    "--for",
    "for_s",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Seconds to run before an orderly stop; no limit by default.",
)
@click.option("-q", "--quiet", is_flag=True, help="Print changes only, as without a terminal: no live view.")
@click.option("--detach", is_flag=True, help="Return when the start is complete; stop the processes with `hulak down`.")
@click.pass_context
def up(ctx: click.Context, call: Call, demo: bool, for_s: float | None, quiet: bool, detach: bool) -> None:
    """Start broker, feed, workers and gateway under supervisord, and show their status until q or Ctrl-C stops them.

    The first lines have the problems that `hulak check` finds, the worst first, then what is frozen; ? shows the keys. Without a
    terminal the command prints one line for each change. The exit code of --for is 0 if all processes were healthy at the end,
    else 1. SIGHUP without a terminal is `hulak reload`. Subscribes to the topic stats, with the live view also to ticks; with
    --demo it sends REQUEST nepse market-status every few seconds. In a service of systemd it notifies systemd.
    """
    from hulak.bus.process import key_files
    from hulak.clients import supervisord
    from hulak.clients.cli import reload, service_environment
    from hulak.clients.cli.service_manager import ServiceManager
    from hulak.clients.gateway import tokens

    if detach and for_s is not None:
        raise click.UsageError("--for excludes --detach; give one of them")
    manager = ServiceManager.of(os.environ)
    service_environment.refuse_other_owner(call.home)
    if call.settings.scaling.supervisor_socket is not None:
        raise ConfigError(
            f"setting scaling.supervisor_socket is {call.settings.scaling.supervisor_socket}: its supervisord runs the programs; "
            "start them with `supervisorctl`, or remove the setting"
        )
    supervisord.refuse_running(call.home)
    has_keys = key_files.broker_path(call.home).exists()
    if call.settings.security.key is not None and not has_keys:
        key = call.settings.security.key
        raise ConfigError(f"the key {key} is of another broker: home {call.home} has no keys; unset HULAK_KEY or security.key")
    if call.settings.nepse.ca_file is not None:  # with which no NEPSE worker could start
        from hulak.workers.nepse.http import check_ca_file

        check_ca_file(call.settings.nepse.ca_file)
    refuse_taken(call.settings, demo=demo, has_keys=has_keys)
    tokens.refuse_open(call.settings.gateway, tokens.load(call.home))
    signals = Signals.install()
    service_environment.use_runtime_folder(call.home)
    live, to_journal = os.isatty(1) and not (quiet or call.as_json), service_environment.is_journal(1)
    output = LiveOutput(call.as_json, live, call.settings.gateway.url, quiet, to_journal)
    if demo and call.settings.feed.runs:
        output.print("--demo: the feed of [feed] does not run, simulated feeds run instead")
    supervisor = supervisord.start(call.home, variables(call, demo=demo), detached=detach)
    reload.record(call.home, call.settings)
    start_s = START_S if detach and call.timeout_s is None else call.timeout_s
    run, stays = Run(call, output, supervisor, signals, manager, start_s, for_s, detach, demo=demo), False
    try:
        with (
            _threads(call, supervisor, demo=demo, prices=output.live and not detach) as threads,
            terminal(output.live and not detach) as run.pressed,
        ):
            code = run.until_complete(threads) if detach else run.until_stopped(threads)
            stays = detach and not signals.stop.is_set() and supervisor.runs
    except BusTimeout:
        stays = detach  # a slow start is no reason to end it
        raise
    finally:
        output.end()
        if not stays:
            signals.stop.set()
            run.report_stop()
            _stop(supervisor, output, signals.kill)
    if stays:
        output.print(f"running in the background; stop with `hulak down --home {call.home}`")
    ctx.exit(code)


def variables(call: Call, *, demo: bool) -> dict[str, str]:
    """Return the environment variables of supervisord that are added to those of this process."""
    from hulak.clients import supervisord
    from hulak.clients.cli import service_environment

    result = supervisord.switches_of(call.settings, demo=demo)
    if call.file is not None:
        result["HULAK_CONFIG"] = str(call.file.absolute())
    if call.settings.log.format == "auto" and service_environment.is_journal(2):
        result["HULAK_LOG__FORMAT"] = "journal"
    return {**result, **(supervisord.demo_variables(call.settings) if demo else {})}


def _threads(call: Call, supervisor: "Supervisor", *, demo: bool, prices: bool) -> "LiveThreads":
    from hulak.clients.cli.live_threads import LiveThreads
    from hulak.sim.fx_market import PAIRS

    wanted = len(PAIRS) if demo else 0
    shown = [*(pair.symbol for pair in PAIRS[:SHOWN]), *SHOWN_NEPSE] if demo else []
    return LiveThreads(call.settings, call.home, supervisor, wanted_symbols=wanted, demo=demo, prices=prices, shown=shown)


def _stop(supervisor: "Supervisor", output: LiveOutput, kill: threading.Event) -> None:
    from hulak.clients.supervisord import stop_limit_s

    before, waiting = time.monotonic(), Waiting(supervisor.home, stop_limit_s(supervisor.home))

    def on_wait(waited_s: float, remaining: "list[Process]") -> bool:
        if waited_s >= SLOW_S and not waiting.printed:
            waiting.printed = True
            output.print(f"{waiting.text(waited_s, remaining)}; Ctrl-C kills them now")
        return kill.is_set()

    orderly = supervisor.stop(on_wait=on_wait)
    output.print(_stopped_text(time.monotonic() - before, orderly=orderly))


def _stopped_text(took_s: float, *, orderly: bool) -> str:
    return f"all processes ended in {took_s:.1f} s" + ("" if orderly else ", the last ones were killed")


@dataclass
class Waiting:
    """Names the processes that a stop waits for.

    Args:
        home: their home; its supervisord runs.
        limit_s: seconds after which they are killed.
    """

    home: Path
    limit_s: float
    printed: bool = False

    def __post_init__(self) -> None:
        from hulak.clients import supervisord

        self._names = {row["pid"]: row["name"] for row in supervisord.processes(self.home)}  # not listed during a stop

    def text(self, waited_s: float, remaining: "list[Process]") -> str:
        """Return "stopping, 12 s of at most 130 s: waiting for broker and nepse_00"."""
        names = sorted(self._names[process.pid] for process in remaining if process.pid in self._names)
        listed = " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:]))) or "supervisord"
        return f"stopping, {waited_s:.0f} s of at most {self.limit_s:.0f} s: waiting for {listed}"


@dataclass
class Signals:
    """Set by signals and keys."""

    stop: threading.Event = field(default_factory=threading.Event)
    kill: threading.Event = field(default_factory=threading.Event)  # a second Ctrl-C
    reload: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def install(cls) -> "Signals":
        """Handle SIGTERM, SIGINT, and SIGHUP: with a terminal it says that this was closed, without one it requests a reload.

        A process that was started to survive its terminal (`nohup`) has inherited SIGHUP as ignored; for it, too, it is a reload.
        """
        from hulak.clients.cli import service_environment

        signals = cls()
        signal.signal(signal.SIGTERM, lambda *_: signals.stop.set())
        signal.signal(signal.SIGINT, lambda *_: (signals.kill if signals.stop.is_set() else signals.stop).set())
        ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        hangup = signals.stop if service_environment.has_terminal() and not ignored else signals.reload
        signal.signal(signal.SIGHUP, lambda *_: hangup.set())
        return signals


@dataclass
class Run:
    """The loop in the foreground."""

    call: Call
    output: LiveOutput
    supervisor: "Supervisor"
    signals: Signals
    manager: "ServiceManager"
    start_s: float | None  # most seconds until the start is complete
    for_s: float | None  # seconds until an orderly stop
    detached: bool = False  # the processes outlive this one
    demo: bool = False  # its second feed is started when the start is complete, so that this does not take longer
    pressed: Callable[[float], list[str]] | None = None  # waits for keys and returns them
    started: float = field(default_factory=time.monotonic)
    hangs: bool = False  # the service manager's watchdog gets no message

    def until_complete(self, threads: "LiveThreads") -> int:
        """Show the progress until the start is complete; returns the exit code."""
        return self._loop(threads, lambda snapshot: not snapshot.waits_for())

    def until_stopped(self, threads: "LiveThreads") -> int:
        """Show the status until a signal, a key, the end of --for or of supervisord; returns the exit code."""
        return self._loop(threads, lambda _: False)

    def _loop(self, threads: "LiveThreads", enough: Callable[["Snapshot"], bool]) -> int:
        while True:
            snapshot = threads.snapshot()
            self.output.progress(snapshot)
            if self.demo and self.output.complete and self.supervisor.start_program(DEMO_FEED):
                self.demo = False
            self.output.frame(snapshot)
            self._notify(snapshot)
            if self.signals.stop.is_set() or enough(snapshot):
                return 0
            if self.signals.reload.is_set():
                self.signals.reload.clear()
                self._reload()
            if not self.supervisor.runs:
                return self._ended()
            up_s = time.monotonic() - self.started
            if self.for_s is not None and up_s >= self.for_s:
                self.output.result(snapshot)
                return 0 if self.output.complete and snapshot.healthy else FAILED
            if self.start_s is not None and up_s >= self.start_s and not self.output.complete:
                runs_on = f"; the processes run on until `hulak down --home {self.call.home}`" if self.detached else ""
                raise BusTimeout(
                    f"start incomplete after {self.start_s:g} s, still waiting for {snapshot.waits_for()}; "
                    f"see the logs in {self.call.home / 'log'}{runs_on}"
                )
            self._wait(STARTING_S if snapshot.is_starting else FRAME_S)

    def report_stop(self) -> None:
        """Send the longest time of a stop to the service manager."""
        from hulak.clients import supervisord

        self.manager.stopping(supervisord.stop_limit_s(self.call.home) + STOP_MARGIN_S)

    def _notify(self, snapshot: "Snapshot") -> None:
        if self.manager.address and self.supervisor.is_marked_stopped():  # `hulak down` stops all
            self.report_stop()
            return
        hangs = self.manager.update(snapshot, time.monotonic(), complete=self.output.complete)
        if hangs and not self.hangs:
            self.output.print(f"{hangs}; the service manager will restart all processes", Level.CRITICAL)
        self.hangs = bool(hangs)

    def _reload(self) -> None:
        from hulak.clients.cli.reload import reload_settings, report

        try:
            report(reload_settings(self.call), self.output.print)
        except HulakError as error:
            self.output.print(f"settings not reloaded: {error}", Level.CRITICAL)

    def _wait(self, wait_s: float) -> None:
        """Wait for a signal, and on a terminal for keys."""
        if self.pressed is None:
            self.signals.stop.wait(wait_s)
            return
        for key in self.pressed(wait_s):
            if self.output.press(key):
                self.signals.stop.set()

    def _ended(self) -> int:
        from hulak.clients import supervisord

        self.output.end()
        code = self.supervisor.exit_code()
        if code == 0 or self.supervisor.is_marked_stopped():
            self.output.print("stopped by `hulak down`" + ("" if code == 0 else ", which had to kill supervisord"))
            return 0
        if code is not None and code < 0:
            raise HulakError(f"supervisord was killed by signal {-code}; start it again with `hulak up`")
        raise HulakError(f"supervisord ended unexpectedly; its last line: {supervisord.last_line(self.call.home)}")


@click.command(
    cls=Command,
    short_help="Stop all processes of `hulak up`.",
    timeout_help="Seconds to wait before the remaining processes are killed; 135 by default, the sum of their stopwaitsecs.",
    epilog=examples("hulak down --home ./var", "hulak down --timeout 5"),
)
def down(call: Call) -> None:
    """Stop all processes that `hulak up` started on this home, in order; kill those that remain after --timeout.

    A worker finishes its tasks first, for up to [task] drain_s seconds. Sends its request to supervisord over the socket in the
    home folder. The exit code is 0, also if nothing ran; it is 1 if a broker answers that `hulak up` did not start on this home.
    """
    from hulak.clients import supervisord

    supervisor = supervisord.find(call.home)
    if supervisor is None:
        _refuse_other_broker(call)
        if call.as_json:
            print_json({"stopped": False, "text": f"nothing runs on home {call.home}"})
        else:
            click.echo(f"nothing runs on home {call.home}")
        return
    before, limit_s = time.monotonic(), call.timeout_s or supervisord.stop_limit_s(call.home)
    supervisor.mark_stopped()
    with _progress(Waiting(call.home, limit_s)) as on_wait:
        orderly = supervisor.stop(call.timeout_s, on_wait)
    took_s = round(time.monotonic() - before, 3)
    if call.as_json:
        print_json({"stopped": True, "orderly": orderly, "seconds": took_s})
    else:
        click.echo(_stopped_text(took_s, orderly=orderly))


@contextlib.contextmanager
def _progress(waiting: Waiting) -> "Iterator[Callable[[float, list[Process]], bool] | None]":
    """Show on a terminal what a stop waits for, in one line on standard error that is removed at the end."""
    if not os.isatty(2):
        yield None
        return

    def on_wait(waited_s: float, remaining: "list[Process]") -> bool:
        click.echo(f"\r\x1b[K{waiting.text(waited_s, remaining)[: shutil.get_terminal_size().columns - 1]}", nl=False, err=True)
        return False

    try:
        yield on_wait
    finally:
        click.echo("\r\x1b[K", nl=False, err=True)


def _refuse_other_broker(call: Call) -> None:
    """Check that no broker answers where that of this home would.

    Raises:
        HulakError: one answers, or another program listens there.
    """
    from hulak.bus.process import endpoints
    from hulak.clients.calls.client import BusClient

    where = endpoints.find(call.settings, call.home, "frontend")
    if where is None:
        return
    text = f"nothing that `hulak up` started runs on home {call.home}, but "
    try:
        with BusClient(call.settings, call.home) as client:
            pong = client.call("hulak.ping", timeout_s=BROKER_S)
    except BusError as error:
        raise HulakError(f"{text}a process listens at {where} and does not answer as a broker does: {error}") from error
    home, pid = pong.get("home", ""), pong.get("pid", "unknown")
    text += f"a broker answers at {where}: process {pid}"
    if home and Path(home).resolve() != call.home.resolve():
        raise HulakError(f"{text} of home {home}; stop it with `hulak down --home {home}`")
    raise HulakError(f"{text} of this home, started without `hulak up`; stop it with `kill {pid}`")

"""`hulak up` and `hulak down`: all processes, under a supervisord per home."""

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from hulak.bus.errors import BusTimeout, HulakError
from hulak.clients.cli.command import FAILED, Call, Command, print_json
from hulak.clients.cli.help_text import examples
from hulak.clients.cli.keys import terminal
from hulak.clients.cli.live_output import LiveOutput
from hulak.clients.cli.port_check import refuse_taken

if TYPE_CHECKING:
    from hulak.clients.cli.live_model import Snapshot
    from hulak.clients.cli.live_threads import LiveThreads
    from hulak.clients.supervisord import Supervisor

START_S = 60.0  # that --detach waits for a complete start
FRAME_S = 0.25  # between two frames of the live view
STARTING_S = 0.05  # between two checks until the start is complete
SHOWN = 24  # displays of the demo


@click.command(
    cls=Command,
    short_help="Start all processes and show live status.",
    timeout_help=f"Seconds to wait for a complete start; {START_S:g} by default with --detach, else no limit.",
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
@click.option("-q", "--quiet", is_flag=True, help="Print changes only: no live view and no line per second.")
@click.option("--detach", is_flag=True, help="Return when the start is complete; stop the processes with `hulak down`.")
@click.pass_context
def up(ctx: click.Context, call: Call, demo: bool, for_s: float | None, quiet: bool, detach: bool) -> None:
    """Start broker, feed, workers and gateway under supervisord, and show their status until q or Ctrl-C stops them.

    The first line has the worst finding of `hulak check`; ? shows the keys. Without a terminal the command prints one line per
    second, with --quiet none. The exit code of --for is 0 if all processes were healthy at the end, else 1. Subscribes to the
    topics ticks and stats; with --demo it sends REQUEST nepse market-status every few seconds.
    """
    from hulak.clients import supervisord

    if detach and for_s is not None:
        raise click.UsageError("--for excludes --detach; give one of them")
    supervisord.refuse_running(call.home)
    refuse_taken(call.settings, demo=demo)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    output = LiveOutput(call.as_json, os.isatty(1) and not quiet, call.settings.gateway.url, quiet)
    supervisor = supervisord.start(call.home, variables(call, demo=demo), detached=detach)
    start_s = START_S if detach and call.timeout_s is None else call.timeout_s
    run, stays = Run(call, output, supervisor, stop, start_s, for_s), False
    try:
        with (
            _threads(call, supervisor, demo=demo) as threads,
            terminal(output.live and not call.as_json and not detach) as run.pressed,
        ):
            code = run.until_complete(threads) if detach else run.until_stopped(threads)
            stays = detach and not stop.is_set()
    finally:
        output.end()
        if not stays:
            _stop(supervisor, output)
    if stays:
        output.print(f"running in the background; stop with `hulak down --home {call.home}`")
    ctx.exit(code)


def variables(call: Call, *, demo: bool) -> dict[str, str]:
    """Return the environment variables of supervisord that are added to those of this process."""
    from hulak.clients import supervisord

    result = supervisord.switches(demo=demo, feed=demo or bool(call.settings.feed.url))
    if call.file is not None:
        result["HULAK_CONFIG"] = str(call.file.absolute())
    return {**result, **(supervisord.demo_variables(call.settings) if demo else {})}


def _threads(call: Call, supervisor: "Supervisor", *, demo: bool) -> "LiveThreads":
    from hulak.clients.cli.live_threads import LiveThreads
    from hulak.sim.fx_market import PAIRS

    wanted = len(PAIRS) if demo else int(bool(call.settings.feed.url))
    shown = [pair.symbol for pair in PAIRS[:SHOWN]] if demo else []
    return LiveThreads(call.settings, call.home, supervisor, wanted_symbols=wanted, demo=demo, shown=shown)


def _stop(supervisor: "Supervisor", output: LiveOutput) -> None:
    before = time.monotonic()
    orderly = supervisor.stop()
    output.print(_stopped_text(time.monotonic() - before, orderly=orderly))


def _stopped_text(took_s: float, *, orderly: bool) -> str:
    return f"all processes ended in {took_s:.1f} s" + ("" if orderly else ", the last ones were killed")


@dataclass
class Run:
    """The loop in the foreground."""

    call: Call
    output: LiveOutput
    supervisor: "Supervisor"
    stop: threading.Event  # set by a signal or a key
    start_s: float | None  # most seconds until the start is complete
    for_s: float | None  # seconds until an orderly stop
    pressed: Callable[[float], list[str]] | None = None  # waits for keys and returns them
    started: float = field(default_factory=time.monotonic)

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
            self.output.frame(snapshot)
            if self.stop.is_set() or enough(snapshot):
                return 0
            if not self.supervisor.runs:
                return self._ended()
            up_s = time.monotonic() - self.started
            if self.for_s is not None and up_s >= self.for_s:
                return 0 if self.output.complete and snapshot.healthy else FAILED
            if self.start_s is not None and up_s >= self.start_s and not self.output.complete:
                raise BusTimeout(
                    f"start incomplete after {self.start_s:g} s, still waiting for {snapshot.waits_for()}; "
                    f"see the logs in {self.call.home / 'log'}"
                )
            self._wait(FRAME_S if self.output.complete else STARTING_S)

    def _wait(self, wait_s: float) -> None:
        """Wait for a signal, and on a terminal for keys."""
        if self.pressed is None:
            self.stop.wait(wait_s)
            return
        for key in self.pressed(wait_s):
            if self.output.press(key):
                self.stop.set()

    def _ended(self) -> int:
        from hulak.clients import supervisord

        self.output.end()
        code = self.supervisor.exit_code()
        if code == 0:
            self.output.print("stopped by `hulak down`")
            return 0
        if code is not None and code < 0:
            raise HulakError(f"supervisord was killed by signal {-code}; start it again with `hulak up`")
        raise HulakError(f"supervisord ended unexpectedly; its last line: {supervisord.last_line(self.call.home)}")


@click.command(
    cls=Command,
    short_help="Stop all processes of `hulak up`.",
    timeout_help="Seconds to wait before the remaining processes are killed; 3.5 by default.",
    epilog=examples("hulak down --home ./var"),
)
def down(call: Call) -> None:
    """Stop all processes that `hulak up` started on this home, in order; kill those that remain after --timeout.

    Sends its request to supervisord over the socket in the home folder, and nothing on the bus. The exit code is 0, also if
    nothing ran.
    """
    from hulak.clients import supervisord

    supervisor = supervisord.find(call.home)
    if supervisor is None:
        if call.as_json:
            print_json({"stopped": False, "text": f"nothing runs on home {call.home}"})
        else:
            click.echo(f"nothing runs on home {call.home}")
        return
    before = time.monotonic()
    orderly = supervisor.stop(call.timeout_s or supervisord.GRACE_S)
    took_s = round(time.monotonic() - before, 3)
    if call.as_json:
        print_json({"stopped": True, "orderly": orderly, "seconds": took_s})
    else:
        click.echo(_stopped_text(took_s, orderly=orderly))

"""`hulak up` and `hulak down`: everything at once, under a supervisord of its own."""

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from bus.errors import BusTimeout, HulakError
from clients.cli.command import FAILED, Call, Command, print_json
from clients.cli.keys import terminal
from clients.cli.live_output import LiveOutput
from clients.cli.port_check import refuse_taken

if TYPE_CHECKING:
    from clients.cli.live_model import Snapshot
    from clients.cli.live_threads import LiveThreads
    from clients.supervisord import Supervisor

STAND_S = 60.0  # seconds that --detach waits for everything to stand
FRAME_S = 0.25  # between two frames of the live view
WAITING_S = 0.05  # between two looks until everything stands
SHOWN = 24  # displays of the demo


@click.command(
    cls=Command,
    short_help="Start everything, and show how it does.",
    timeout_help=f"How long it may take until everything stands. Default: {STAND_S:g} with --detach, else for ever.",
)
@click.option("--demo", is_flag=True, help="With a simulated venue and a simulated exchange.")
@click.option("--for", "for_s", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="End after so long.")
@click.option("-q", "--quiet", is_flag=True, help="Tell only what changes: no live view, and no line a second.")
@click.option("--detach", is_flag=True, help="Return when everything stands; `hulak down` stops it.")
@click.pass_context
def up(ctx: click.Context, call: Call, demo: bool, for_s: float | None, quiet: bool, detach: bool) -> None:
    """Start broker, feed, workers and gateway under supervisord, and show how they do until q or Ctrl-C.

    The first line says what is not well, as `hulak check` does; ? shows the keys. Without a terminal it prints one line a
    second, with --quiet none. --for ends with 0 if everything was healthy, else with 1. Subscribes to
    the topics ticks and stats; with --demo it sends REQUEST nepse market-status every few seconds.

    \b
    hulak up --demo --home ./var
    hulak up --demo --for 30 --json
    hulak up --detach
    """
    from clients import supervisord

    if detach and for_s is not None:
        raise click.UsageError("--for is for a run in the foreground, --detach is not one")
    supervisord.refuse_running(call.home)
    refuse_taken(call.settings, demo=demo)
    asked = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: asked.set())
    show = LiveOutput(call.as_json, os.isatty(1) and not quiet, call.settings.gateway.url, quiet)
    supervisor = supervisord.start(call.home, variables(call, demo=demo), detached=detach)
    stand_s = STAND_S if detach and call.timeout_s is None else call.timeout_s
    run, stays = Run(call, show, supervisor, asked, stand_s, for_s), False
    try:
        with _watch(call, supervisor, demo=demo) as watch, terminal(show.live and not call.as_json and not detach) as run.pressed:
            code = run.until_standing(watch) if detach else run.until_asked(watch)
            stays = detach and not asked.is_set()
    finally:
        show.end()
        if not stays:
            _stop(supervisor, show)
    if stays:
        show.say(f"it goes on in the background; stop it with `hulak down --home {call.home}`")
    ctx.exit(code)


def variables(call: Call, *, demo: bool) -> dict[str, str]:
    """Make the environment variables of supervisord, beside the operator's own."""
    from clients import supervisord

    found = supervisord.switches(demo=demo, feed=demo or bool(call.settings.feed.url))
    if call.file is not None:
        found["HULAK_CONFIG"] = str(call.file.absolute())
    return {**found, **(supervisord.demo_variables(call.settings) if demo else {})}


def _watch(call: Call, supervisor: "Supervisor", *, demo: bool) -> "LiveThreads":
    from clients.cli.live_threads import LiveThreads
    from sim.fx_market import PAIRS

    wanted = len(PAIRS) if demo else int(bool(call.settings.feed.url))
    shown = [pair.symbol for pair in PAIRS[:SHOWN]] if demo else []
    return LiveThreads(call.settings, call.home, supervisor, wanted_symbols=wanted, demo=demo, shown=shown)


def _stop(supervisor: "Supervisor", show: LiveOutput) -> None:
    before = time.monotonic()
    orderly = supervisor.stop()
    how = "" if orderly else ", the last ones by force"
    show.say(f"all processes ended in {time.monotonic() - before:.1f} s{how}")


@dataclass
class Run:
    """The foreground's loop."""

    call: Call
    show: LiveOutput
    supervisor: "Supervisor"
    asked: threading.Event  # a signal asked to stop
    stand_s: float | None  # seconds until everything must stand
    for_s: float | None  # seconds until it ends by itself
    pressed: Callable[[float], list[str]] | None = None  # waits for keys, and gives them
    started: float = field(default_factory=time.monotonic)

    def until_standing(self, watch: "LiveThreads") -> int:
        """Tell the progress until everything stands; returns 0, or what `_ended` says."""
        return self._loop(watch, lambda snapshot: not snapshot.waits_for())

    def until_asked(self, watch: "LiveThreads") -> int:
        """Show everything until a signal, the end of --for, or supervisord's own; returns the exit code."""
        return self._loop(watch, lambda _: False)

    def _loop(self, watch: "LiveThreads", enough: Callable[["Snapshot"], bool]) -> int:
        while True:
            snapshot = watch.snapshot()
            self.show.progress(snapshot)
            self.show.frame(snapshot)
            if self.asked.is_set() or enough(snapshot):
                return 0
            if not self.supervisor.runs:
                return self._ended()
            up_s = time.monotonic() - self.started
            if self.for_s is not None and up_s >= self.for_s:
                return 0 if self.show.stood and snapshot.healthy else FAILED
            if self.stand_s is not None and up_s >= self.stand_s and not self.show.stood:
                raise BusTimeout(
                    f"waited {self.stand_s:g} s for {snapshot.waits_for()}, in vain; "
                    f"the processes' logs are in {self.call.home / 'log'}"
                )
            self._wait(FRAME_S if self.show.stood else WAITING_S)

    def _wait(self, wait_s: float) -> None:
        """Wait for a signal, or for keys where there is a terminal."""
        if self.pressed is None:
            self.asked.wait(wait_s)
            return
        for key in self.pressed(wait_s):
            if self.show.press(key):
                self.asked.set()

    def _ended(self) -> int:
        from clients import supervisord

        self.show.end()
        code = self.supervisor.exit_code()
        if code == 0:
            self.show.say("stopped by `hulak down`")
            return 0
        if code is not None and code < 0:
            raise HulakError(f"supervisord was killed by signal {-code}; `hulak up` starts everything anew")
        raise HulakError(f"supervisord ended by itself; its last words: {supervisord.last_words(self.call.home)}")


@click.command(
    cls=Command,
    short_help="Stop what `hulak up` started.",
    timeout_help="How long to wait before what is left is killed. Default: 3.5.",
)
def down(call: Call) -> None:
    """Stop what `hulak up` started on this home, in good order; what is left after a few seconds is killed.

    Asks supervisord over its own socket; no message is sent on the bus. Exit code 0, also when nothing ran.

    \b
    hulak down --home ./var
    """
    from clients import supervisord

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
        click.echo(f"all processes ended in {took_s:.1f} s" + ("" if orderly else ", the last ones by force"))

"""`hulak up` and `hulak down`: everything at once, under a supervisord of its own."""

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from bus.errors import BusTimeout, HulakError
from clients.cli.addresses import refuse_taken
from clients.cli.common import FAILED, Call, Command, print_json

if TYPE_CHECKING:
    from bus.settings import Settings
    from clients.cli.board import Snapshot
    from clients.cli.supervise import Supervisor
    from clients.cli.watch import Watch

STAND_S = 60.0  # seconds that --detach waits for everything to stand
LINE_S = 1.0  # between two plain lines
FRAME_S = 0.25  # between two frames of the live view
SHOWN = 24  # displays of the demo


def demo_variables(settings: "Settings") -> dict[str, str]:
    """Point exchange and feed to the simulators."""
    host = f"[{settings.sim.host}]" if ":" in settings.sim.host else settings.sim.host
    return {
        "HULAK_NEPSE__BASE_URL": f"http://{host}:{settings.sim.nepse_port}",
        "HULAK_FEED__VENUE": "binance",
        "HULAK_FEED__URL": f"ws://{host}:{settings.sim.venue_port}/stream?streams=!bookTicker",
    }


@dataclass
class Show:
    """Tells the operator how it goes: in words until everything stands, then as a live view or line by line."""

    as_json: bool
    live: bool  # standard output is a terminal
    page: str  # where the gateway serves it
    quiet: bool = False  # tell only what changes, no line a second
    stood: bool = False
    _said: str = ""
    _line_at: float = 0.0
    _started: float = field(default_factory=time.monotonic)
    _screen: Any = None

    def progress(self, snapshot: "Snapshot") -> None:
        """Say what is waited for, once, and the one line when everything stands."""
        missing = snapshot.waits_for()
        self.stood = self.stood or not missing
        said = f"waiting for {missing} ..." if missing else snapshot.standing()
        kind = said.partition(",")[0]  # counts that grow are not told anew
        if kind != self._said and not (self.stood and missing):
            self._said = kind
            self.say(said if missing else f"{said} ({time.monotonic() - self._started:.1f} s); page: {self.page}")

    def say(self, text: str) -> None:
        """Print one sentence."""
        if self.as_json:
            print_json({"event": text})
        else:
            click.echo(text)

    def frame(self, snapshot: "Snapshot") -> None:
        """Show the numbers: a new frame of the live view, or a line if a second has passed."""
        from clients.cli import view

        if self.live and self.stood and not self.as_json:
            self._draw(snapshot)
        elif self.stood and not self.quiet and time.monotonic() - self._line_at >= LINE_S:
            self._line_at = time.monotonic()
            if self.as_json:
                print_json(view.facts(snapshot))
            else:
                click.echo(view.line(snapshot))

    def _draw(self, snapshot: "Snapshot") -> None:
        from rich.live import Live

        from clients.cli import view

        if self._screen is None:
            self._screen = Live(screen=True, auto_refresh=False)
            self._screen.start()
        console = self._screen.console
        self._screen.update(view.render(snapshot, console.width, console.height), refresh=True)

    def end(self) -> None:
        """Give the terminal back."""
        if self._screen is not None:
            self._screen.stop()
            self._screen = None


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
    """Start broker, feed, workers and gateway under supervisord, and show how they do until Ctrl-C.

    Without a terminal it prints one line a second, with --quiet none. --for ends with 0 if everything was healthy, else with 1.
    Subscribes to the topics ticks and stats; with --demo it sends REQUEST nepse market-status every few seconds.

    \b
    hulak up --demo --home ./var
    hulak up --demo --for 30 --json
    hulak up --detach
    """
    from clients.cli import supervise

    if detach and for_s is not None:
        raise click.UsageError("--for is for a run in the foreground, --detach is not one")
    supervise.refuse_running(call.home)
    refuse_taken(call.settings, demo=demo)
    asked = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: asked.set())
    show = Show(call.as_json, os.isatty(1) and not quiet, call.settings.gateway.url, quiet)
    supervisor = supervise.start(call.home, variables(call, demo=demo), detached=detach)
    stand_s = STAND_S if detach and call.timeout_s is None else call.timeout_s
    run, stays = Run(call, show, supervisor, asked, stand_s, for_s), False
    try:
        with _watch(call, supervisor, demo=demo) as watch:
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
    settings = call.settings
    found = {"HULAKUP_DEMO": str(demo).lower(), "HULAKUP_FEED": str(demo or bool(settings.feed.url)).lower()}
    if call.file is not None:
        found["HULAK_CONFIG"] = str(call.file.absolute())
    return {**found, **(demo_variables(settings) if demo else {})}


def _watch(call: Call, supervisor: "Supervisor", *, demo: bool) -> "Watch":
    from clients.cli.watch import Watch
    from sim.market import PAIRS

    wanted = len(PAIRS) if demo else int(bool(call.settings.feed.url))
    shown = [pair.symbol for pair in PAIRS[:SHOWN]] if demo else []
    return Watch(call.settings, call.home, supervisor, wanted_symbols=wanted, demo=demo, shown=shown)


def _stop(supervisor: "Supervisor", show: Show) -> None:
    before = time.monotonic()
    orderly = supervisor.stop()
    how = "" if orderly else ", the last ones by force"
    show.say(f"all processes ended in {time.monotonic() - before:.1f} s{how}")


@dataclass
class Run:
    """The foreground's loop."""

    call: Call
    show: Show
    supervisor: "Supervisor"
    asked: threading.Event  # a signal asked to stop
    stand_s: float | None  # seconds until everything must stand
    for_s: float | None  # seconds until it ends by itself
    started: float = field(default_factory=time.monotonic)

    def until_standing(self, watch: "Watch") -> int:
        """Tell the progress until everything stands; returns 0, or what `_ended` says."""
        return self._loop(watch, lambda snapshot: not snapshot.waits_for())

    def until_asked(self, watch: "Watch") -> int:
        """Show everything until a signal, the end of --for, or supervisord's own; returns the exit code."""
        return self._loop(watch, lambda _: False)

    def _loop(self, watch: "Watch", enough: Callable[["Snapshot"], bool]) -> int:
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
            self.asked.wait(FRAME_S if self.show.stood else 0.05)

    def _ended(self) -> int:
        from clients.cli import supervise

        self.show.end()
        code = self.supervisor.exit_code()
        if code == 0:
            self.show.say("stopped by `hulak down`")
            return 0
        if code is not None and code < 0:
            raise HulakError(f"supervisord was killed by signal {-code}; `hulak up` starts everything anew")
        raise HulakError(f"supervisord ended by itself; its last words: {supervise.last_words(self.call.home)}")


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
    from clients.cli import supervise

    supervisor = supervise.find(call.home)
    if supervisor is None:
        if call.as_json:
            print_json({"stopped": False, "text": f"nothing runs on home {call.home}"})
        else:
            click.echo(f"nothing runs on home {call.home}")
        return
    before = time.monotonic()
    orderly = supervisor.stop(call.timeout_s or supervise.GRACE_S)
    took_s = round(time.monotonic() - before, 3)
    if call.as_json:
        print_json({"stopped": True, "orderly": orderly, "seconds": took_s})
    else:
        click.echo(f"all processes ended in {took_s:.1f} s" + ("" if orderly else ", the last ones by force"))

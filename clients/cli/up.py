"""`hulak up` and `hulak down`: everything at once, under a supervisord of its own."""

import contextlib
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from bus.errors import BusTimeout, ConfigError, HulakError
from clients.cli.common import FAILED, Call, Command, print_json

if TYPE_CHECKING:
    from bus.settings import Settings
    from clients.cli.board import Snapshot
    from clients.cli.supervise import Supervisor
    from clients.cli.watch import Watch

STAND_S = 60.0  # seconds that --detach waits for everything to stand
LINE_S = 1.0  # between two plain lines
FRAME_S = 0.25  # between two frames of the live view
PORTS_S = 2.0  # seconds for the ports of a Hulak that has just ended to become free
SHOWN = 24  # displays of the demo
SOCKETS = ("collector", "publisher", "frontend", "backend")


def demo_variables(settings: "Settings") -> dict[str, str]:
    """Point exchange and feed to the simulators."""
    host = f"[{settings.sim.host}]" if ":" in settings.sim.host else settings.sim.host
    return {
        "HULAK_NEPSE__BASE_URL": f"http://{host}:{settings.sim.nepse_port}",
        "HULAK_FEED__VENUE": "binance",
        "HULAK_FEED__URL": f"ws://{host}:{settings.sim.venue_port}/stream?streams=!bookTicker",
    }


def addresses(settings: "Settings", *, demo: bool) -> dict[str, tuple[str, int]]:
    """List the addresses that will be bound, by the setting that names them."""
    found = {"gateway.port": (settings.gateway.host, settings.gateway.port)}
    for name in SOCKETS:
        parts = re.fullmatch(r"tcp://\[?([^\]]+?)\]?:(\d+)", getattr(settings.broker, name))
        if parts is not None:
            found[f"broker.{name}"] = (parts[1], int(parts[2]))
    if demo:
        found["sim.venue_port"] = (settings.sim.host, settings.sim.venue_port)
        found["sim.nepse_port"] = (settings.sim.host, settings.sim.nepse_port)
    return found


def taken(wanted: dict[str, tuple[str, int]]) -> list[str]:
    """Say which of these addresses somebody else has: "127.0.0.1:5560 (sim.venue_port)"."""
    return [f"{host}:{port} ({setting})" for setting, (host, port) in wanted.items() if not _is_free(host, port)]


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with contextlib.closing(socket.socket(family, socket.SOCK_STREAM)) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what has just been closed is free
        try:
            trial.bind((host, port))
        except OSError:
            return False
        return True


def refuse_taken(settings: "Settings", *, demo: bool) -> None:
    """Make sure that all addresses are free, waiting a little for those of a Hulak that is just ending.

    Raises:
        ConfigError: some are not; names them and what to do.
    """
    wanted, deadline = addresses(settings, demo=demo), time.monotonic() + PORTS_S
    while used := taken(wanted):
        if time.monotonic() > deadline:
            raise ConfigError(
                f"in use already: {', '.join(used)}; stop what listens there (`ss -ltnp` shows it), or name other ports, "
                "for example with HULAK_SIM__VENUE_PORT=5580 or HULAK_BROKER__FRONTEND=tcp://127.0.0.1:6552"
            )
        time.sleep(0.05)


@dataclass
class Show:
    """Tells the operator how it goes: in words until everything stands, then as a live view or line by line."""

    as_json: bool
    live: bool  # standard output is a terminal
    page: str  # where the gateway serves it
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
        elif self.stood and time.monotonic() - self._line_at >= LINE_S:
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
@click.option("--detach", is_flag=True, help="Return when everything stands; `hulak down` stops it.")
@click.pass_context
def up(ctx: click.Context, call: Call, demo: bool, for_s: float | None, detach: bool) -> None:
    """Start broker, feed, workers and gateway under supervisord, and show how they do until Ctrl-C.

    Without a terminal it prints one line a second. --for ends with 0 if everything was healthy, else with 1. Subscribes to
    the topics ticks and stats; with --demo it sends REQUEST nepse market-status every few seconds.

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
    show = Show(call.as_json, os.isatty(1), call.settings.gateway.url)
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

"""`hulak top`: every process, live."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

import click

from clients.cli.command import Call, Command, print_json, subscribe
from clients.cli.keys import terminal
from clients.cli.top_view import NAMES, TopView, render
from clients.judge.facts import Facts
from clients.judge.lookout import Lookout
from clients.judge.situations import limits_of
from clients.judge.verdict import Verdict, judge

POLL_S = 0.1  # so long a key waits at most


@click.command(cls=Command, short_help="Show every process, live.", timeout_help="How long to wait for a broker. Default: 5.")
@click.option("--sort", type=click.Choice(list(NAMES)), default="kind", show_default=True, help="The highest first.")
@click.option(
    "--count", type=click.IntRange(1), help="End after so many screens, a second each. Default: 1 if not on a terminal."
)
def top(call: Call, sort: str, count: int | None) -> None:
    """Show every process with its memory, CPU, configuration and latency, sorted, and the broker's numbers, each second.

    The first line says what is not well, as `hulak check` does. Keys: ? shows them; arrows, PageUp, PageDown, Home and End
    scroll; k n m g c l r sort by kind, name, memory, growth, cores, latency, restarts, and the other way round if pressed again;
    space stops the picture; q quits. Colours add nothing: NO_COLOR=1 takes them away. With --json it prints the statistics,
    a line each second, with `health`: what is not well.

    Subscribes to the topic stats, NUL at its end, and asks supervisord, if `hulak up` runs on this home.

    \b
    hulak top
    hulak top --sort memory
    hulak top --count 1 | head -20
    """
    call.wait_for_broker("publisher")
    live = sys.stdout.isatty() and not call.as_json
    state, left = TopView(NAMES[sort]), count if count is not None or live else 1
    limits = limits_of(call.settings)
    with (
        contextlib.suppress(KeyboardInterrupt),
        Lookout(call.home) as lookout,
        subscribe(call.settings, call.home, "stats", timeout_s=call.timeout_s) as events,
        terminal(live) as pressed,
        screen(state, live) as draw,
    ):

        def verdict() -> Verdict:
            heard_s = time.monotonic() - state.heard
            return judge(Facts.of(call.settings, state.stats, heard_s=heard_s, supervised=lookout.rows), limits)

        while not state.quits and left != 0:
            event = events.poll(POLL_S)
            if event is not None:
                state.take(event.body, time.monotonic())
                left = left if left is None else left - 1
                if call.as_json:
                    print_json({**event.body, "health": verdict().told()})
            for key in pressed(0.0) if pressed is not None else ():
                state.press(key)
            if not call.as_json and (live or event is not None):
                state.verdict = verdict()
                draw()


@contextlib.contextmanager
def screen(state: TopView, live: bool) -> Iterator[Callable[[], None]]:
    """Draw on the whole terminal, and give it back at the end; or, where there is none, one screen after the other."""
    from rich.console import Console
    from rich.live import Live

    console = Console(highlight=False, markup=False, emoji=False)
    if not live:
        yield lambda: console.print(render(state, time.monotonic(), console.width, console.height))
        return
    with Live(console=console, screen=True, auto_refresh=False) as shown:
        yield lambda: shown.update(render(state, time.monotonic(), console.width, console.height), refresh=True)

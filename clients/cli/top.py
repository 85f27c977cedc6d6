"""`hulak top`: a live table of all processes."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

import click

from hulak.clients.cli.command import Call, Command, print_json, subscribe
from hulak.clients.cli.help_text import examples
from hulak.clients.cli.keys import terminal
from hulak.clients.cli.top_view import NAMES, TopView, render
from hulak.clients.judge.facts import Facts
from hulak.clients.judge.situations import limits_of
from hulak.clients.judge.supervisor_poll import SupervisorPoll
from hulak.clients.judge.verdict import Verdict, judge

POLL_S = 0.1  # most seconds until a key is handled


@click.command(
    cls=Command,
    short_help="Show a live table of all processes.",
    timeout_help="Seconds to wait for a broker; 5 by default.",
    epilog=examples("hulak top", "hulak top --sort memory", "hulak top --count 1 | head -20"),
)
@click.option(
    "--sort", type=click.Choice(list(NAMES)), default="kind", help="Column to sort by, highest value first; kind by default."
)
@click.option(
    "--count",
    type=click.IntRange(1),
    help="Number of screens, one per second, after which to stop; no limit by default on a terminal, else 1.",
)
def top(call: Call, sort: str, count: int | None) -> None:
    """Show every process with its memory, CPU, configuration and latency, and the broker's statistics, updated each second.

    The first line has the worst finding of `hulak check`; the line of faults begins with slow subscribers. Keys: ? shows the
    keys; a shows the actions of tasks, with their times in the queue (wait) and the durations of their attempts (run) since the
    start of the broker; arrows, PageUp, PageDown, Home and End scroll; k n m g c l r sort by kind, name, memory, growth, cores,
    latency, restarts, and reverse the order if pressed again; space pauses the updates; q quits. NO_COLOR=1 removes the colours;
    they carry no extra information. --json prints the statistics, one line per second, with the findings under `health`.

    Subscribes to the topic stats, with NUL at its end, and queries the supervisord of this home, if one runs.
    """
    call.wait_for_broker("publisher")
    live = sys.stdout.isatty() and not call.as_json
    state, remaining = TopView(NAMES[sort]), count if count is not None or live else 1
    limits = limits_of(call.settings)
    with (
        contextlib.suppress(KeyboardInterrupt),
        SupervisorPoll(call.home) as supervisor,
        subscribe(call.settings, call.home, "stats", timeout_s=call.timeout_s) as events,
        terminal(live) as pressed,
        screen(state, live) as draw,
    ):

        def verdict() -> Verdict:
            age_s = time.monotonic() - state.received
            return judge(Facts.of(call.settings, state.stats, stats_age_s=age_s, supervised=supervisor.rows), limits)

        while not state.quits and remaining != 0:
            event = events.poll(POLL_S)
            if event is not None:
                state.add(event.body, time.monotonic())
                remaining = remaining if remaining is None else remaining - 1
                if call.as_json:
                    print_json({**event.body, "health": verdict().as_dict()})
            for key in pressed(0.0) if pressed is not None else ():
                state.press(key)
            if not call.as_json and (live or event is not None):
                state.verdict = verdict()
                draw()


@contextlib.contextmanager
def screen(state: TopView, live: bool) -> Iterator[Callable[[], None]]:
    """Draw on the whole terminal and restore it at the end; without a terminal, print each screen."""
    from rich.console import Console
    from rich.live import Live

    console = Console(highlight=False, markup=False, emoji=False)
    if not live:
        yield lambda: console.print(render(state, time.monotonic(), console.width, console.height))
        return
    with Live(console=console, screen=True, auto_refresh=False) as shown:
        yield lambda: shown.update(render(state, time.monotonic(), console.width, console.height), refresh=True)

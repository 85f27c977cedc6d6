"""`hulak top`: processes, feeds, topics and tasks, live."""

import contextlib
import os
import sys
import time
from collections import deque
from typing import TYPE_CHECKING

import click

from hulak.clients.cli.command import Call, Command, print_json, subscribe
from hulak.clients.cli.help_text import examples
from hulak.clients.cli.keys import is_foreground

if TYPE_CHECKING:
    from hulak.clients.cli.top_tabs import TopData
    from hulak.clients.judge.verdict import Verdict

POLL_S = 0.1  # of one wait for a message: the silence of the broker is measured between them
SORTS = ("kind", "name", "memory", "growth", "cores", "latency", "restarts")  # columns of the processes


@click.command(
    cls=Command,
    short_help="Show processes, feeds, topics and tasks live.",
    timeout_help="Seconds to wait for a broker; 5 by default.",
    epilog=examples("hulak top", "hulak top --sort memory", "hulak top --count 1 | head -20"),
)
@click.option("--sort", type=click.Choice(SORTS), default="kind", help="Column by which processes are sorted; kind by default.")
@click.option(
    "--count",
    type=click.IntRange(1),
    help="Number of screens, one per second, after which to stop; no limit by default on a terminal, else 1.",
)
def top(call: Call, sort: str, count: int | None) -> None:
    """Show processes, feeds, topics, posted tasks, times of actions, and problems, in tabs that are updated each second.

    The first lines have the problems that `hulak check` finds, the worst first, then what is frozen; the last tab has all of
    them. The line of faults begins with slow subscribers. Enter shows the details of a row: of a topic its messages as they
    come, of a task its result and the error of each attempt. `/` filters, `<` and `>` sort by another column, `r` reverses the
    order, `?` shows all keys, `q` quits. NO_COLOR=1 removes the colours; they carry no extra information. Without a terminal
    the processes are printed; --json prints the statistics, one line per second, with the findings under `health`.

    Subscribes to the topics stats and heartbeat, with NUL at their ends, and queries the supervisord of this home, if one runs;
    while a tab shows them, sends REQUEST hulak.last, hulak.tasks and hulak.task.show.
    """
    call.wait_for_broker("publisher")
    is_live = all(map(os.isatty, (0, 1))) and is_foreground(0) and os.environ.get("TERM") != "dumb"
    if is_live and not call.as_json:
        _run(call, sort, count)
    else:
        _print(call, sort, count or (None if call.as_json and sys.stdout.isatty() else 1))


def _run(call: Call, sort: str, count: int | None) -> None:
    """Show the tabs until `q`."""
    from hulak.clients.cli.listing import Order
    from hulak.clients.cli.top_app import TopApp
    from hulak.clients.cli.top_source import TopSource
    from hulak.clients.cli.top_state import TopState
    from hulak.clients.judge.facts import Facts
    from hulak.clients.judge.situations import limits_of
    from hulak.clients.judge.verdict import judge

    limits, began = limits_of(call.settings), time.monotonic()

    def judged(data: "TopData", now: float) -> "Verdict":
        more = {"asked_s": now - began, "supervised": data.supervised, "broker_silence_s": source.broker_silence_s(now)}
        return judge(Facts.of(call.settings, data.stats, stats_age_s=now - data.received, **more), limits)

    with TopSource(call.settings, call.home) as source:
        TopApp(source, judged, TopState(count, call.context), Order("" if sort == "kind" else sort)).run()


def _print(call: Call, sort: str, count: int | None) -> None:
    """Print screens, or with --json the statistics."""
    from rich.console import Console

    from hulak.clients.cli.listing import Order
    from hulak.clients.cli.top_tabs import TopData
    from hulak.clients.cli.top_view import HISTORY, screen
    from hulak.clients.judge.facts import Facts
    from hulak.clients.judge.heartbeats import Heartbeats
    from hulak.clients.judge.situations import limits_of
    from hulak.clients.judge.supervisor_poll import SupervisorPoll
    from hulak.clients.judge.verdict import judge

    limits, data, history = limits_of(call.settings), TopData(), deque[float](maxlen=HISTORY)
    console = Console(highlight=False, markup=False, emoji=False)
    with (
        contextlib.suppress(KeyboardInterrupt),
        SupervisorPoll(call.home) as supervisor,
        subscribe(call.settings, call.home, "stats", "heartbeat", timeout_s=call.timeout_s) as events,
    ):
        beats = Heartbeats(time.monotonic())
        while count is None or count > 0:
            event = beats.passed(events.poll(POLL_S), time.monotonic())
            if event is None:
                continue
            count = count and count - 1
            now = time.monotonic()
            data.stats, data.received, data.supervised = event.body, now, supervisor.rows
            more = {"supervised": data.supervised, "broker_silence_s": beats.silence_s(now)}
            data.verdict = judge(Facts.of(call.settings, data.stats, **more), limits)
            history.append(data.stats["ticks"]["per_s"])
            if call.as_json:
                print_json({**event.body, "health": data.verdict.as_dict()})
            else:
                console.print(screen(data, history, Order("" if sort == "kind" else sort), now, console.width))

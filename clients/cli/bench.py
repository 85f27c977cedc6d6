"""`hulak bench`: the throughput of ticks and tasks of the running broker."""

from typing import Any

import click

from hulak.clients.cli.command import FAILED, Call, Command, print_json
from hulak.clients.cli.groups import Group
from hulak.clients.cli.help_text import examples

SYMBOLS = [f"BENCH{at:02d}" for at in range(28)]
WINDOW = 4096  # most ticks that the feed is ahead of the slowest subscriber


@click.group(cls=Group, epilog=examples("hulak bench ticks", "hulak bench tasks"))
def bench() -> None:
    """Measure the running broker with synthetic ticks and tasks."""


@bench.command(
    cls=Command,
    short_help="Measure the throughput of ticks.",
    timeout_help="Seconds to wait for a broker; 5 by default.",
    epilog=examples("hulak bench ticks", "hulak bench ticks --subscribers 8 --seconds 10 --by symbols --json"),
)
@click.option("--subscribers", default=4, type=click.IntRange(1, 64), help="Number of subscriber processes; 4 by default.")
@click.option("--seconds", default=5.0, type=click.FloatRange(0.2, 600), help="Seconds to publish; 5 by default.")
@click.option(
    "--by",
    type=click.Choice(["ticks", "symbols"]),
    default="ticks",
    help="Topics to subscribe to: `ticks` or one topic per symbol; ticks by default.",
)
@click.pass_context
def ticks(ctx: click.Context, call: Call, subscribers: int, seconds: float, by: str) -> None:
    """Publish ticks as fast as all subscribers keep up, and count the deliveries.

    The symbols are BENCH00 to BENCH27, reserved for this command; their topics are removed at the end. Each subscriber decodes
    every tick and detects gaps; the exit code is 1 if a tick was lost. Other work of the broker continues, and is slower
    during the measurement.

    Sends numbered frames `tick.BENCHnn NUL stamp body` to the collector; subscribes to `ticks NUL` or `tick.BENCHnn NUL`.
    """
    from hulak.clients.cli.tick_load import TickLoad, machine, machine_line

    call.wait_for_broker()
    idle = machine()
    if not call.as_json:
        click.echo(machine_line(idle))
    topics = ["ticks"] if by == "ticks" else [f"tick.{symbol}" for symbol in SYMBOLS]
    with TickLoad(call.settings, call.home, SYMBOLS, topics, subscribers, keep=False) as load:
        rate = load.blast(seconds, WINDOW)
        tallies = load.finish()
        posted = load.number
    lost = sum(tally.lost for tally in tallies) + posted * (subscribers - len(tallies))
    result = {
        "machine": idle,
        "subscribers": subscribers,
        "by": by,
        "seconds": seconds,
        "posted": posted,
        "ticks_per_s": round(rate),
        "deliveries_per_s": round(rate * subscribers),
        "received": sum(tally.received for tally in tallies),
        "lost": lost,
        "twice": sum(tally.twice for tally in tallies),
    }
    show(call, result)
    ctx.exit(FAILED if lost else 0)


def show(call: Call, result: dict[str, Any]) -> None:
    """Print the result of `hulak bench ticks`."""
    if call.as_json:
        print_json(result)
        return
    click.echo(
        f"{result['ticks_per_s']:,} ticks/s to {result['subscribers']} subscribers by {result['by']}, "
        f"{result['deliveries_per_s']:,} deliveries/s, for {result['seconds']:g} s"
    )
    click.echo(
        f"{result['posted']:,} posted, {result['received']:,} received, {result['lost']:,} lost, {result['twice']:,} twice"
    )


@bench.command(
    cls=Command,
    short_help="Measure the throughput and latency of tasks.",
    timeout_help="Seconds to wait for the result of each task; 30 by default.",
    epilog=examples(
        "hulak bench tasks",
        "hulak bench tasks --tasks 100000 --window 500 --workers 2",
        "hulak bench tasks --posted --own --json",
    ),
)
@click.option("--tasks", "count", default=20_000, type=click.IntRange(1, 10_000_000), help="Number of tasks; 20000 by default.")
@click.option(
    "--window", default=100, type=click.IntRange(1, 10_000), help="Number of tasks in flight at a time; 100 by default."
)
@click.option(
    "--singles",
    default=500,
    type=click.IntRange(1, 1_000_000),
    help="Number of tasks sent one at a time after the others; 500 by default.",
)
@click.option(
    "--workers", "count_workers", default=1, type=click.IntRange(1, 64), help="Number of worker processes; 1 by default."
)
@click.option("--posted", is_flag=True, help="Post the tasks, which stores them on the broker's disk, instead of calling them.")
@click.option("--own", is_flag=True, help="Measure a separate broker in a temporary folder.")
@click.pass_context
def tasks(
    ctx: click.Context, call: Call, count: int, window: int, singles: int, count_workers: int, posted: bool, own: bool
) -> None:
    """Run tasks that do nothing, first many at a time and then one at a time, on workers that the command starts and stops.

    Every result is checked; the exit code is 1 if one is missing or wrong, or a task ran twice. The service is bench, the action
    noop, the argument has about 25 bytes. Other work of the broker continues, and is slower during the measurement.

    Sends REQUEST bench noop to the frontend, or REQUEST hulak.post and then hulak.result.
    """
    from hulak.clients.cli.task_bench import BenchOptions, measure, show_tasks
    from hulak.clients.cli.tick_load import machine, machine_line

    if not own:
        call.wait_for_broker()
    idle = machine()
    if not call.as_json:
        click.echo(machine_line(idle))
    options = BenchOptions(count, window, singles, count_workers, posted, own, call.timeout_s or 30.0)
    result = {"machine": idle, **measure(call, options)}
    show_tasks(call, result)
    ctx.exit(FAILED if result["lost"] or result["wrong"] or result["twice"] else 0)

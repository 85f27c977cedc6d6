"""`hulak bench`: how many ticks a second the running broker gets to so many subscribers, and how many tasks it has done."""

from typing import Any

import click

from clients.cli.command import FAILED, Call, Command, print_json

SYMBOLS = [f"BENCH{at:02d}" for at in range(28)]
WINDOW = 4096  # ticks that the feed may be ahead of the slowest subscriber


@click.group()
def bench() -> None:
    """Measure the running broker with synthetic ticks and tasks."""


@bench.command(cls=Command, timeout_help="How long to wait for a broker. Default: 5.")
@click.option("--subscribers", default=4, type=click.IntRange(1, 64), show_default=True, help="Each is a process.")
@click.option("--seconds", default=5.0, type=click.FloatRange(0.2, 600), show_default=True)
@click.option("--by", type=click.Choice(["ticks", "symbols"]), default="ticks", show_default=True, help="What they subscribe to.")
@click.pass_context
def ticks(ctx: click.Context, call: Call, subscribers: int, seconds: float, by: str) -> None:
    """Post ticks as fast as every subscriber keeps up, and count what arrives.

    The symbols are BENCH00 to BENCH27, which nobody else uses; their topics are removed at the end. Each subscriber decodes
    every tick and checks that none is missing. Exits with 1 if one was. The broker's other work goes on, and is slower
    meanwhile.

    Sends numbered frames `tick.BENCHnn NUL stamp body` to the collector; subscribes to `ticks NUL` or `tick.BENCHnn NUL`.

    \b
    hulak bench ticks
    hulak bench ticks --subscribers 8 --seconds 10 --by symbols --json
    """
    from clients.cli.tick_load import TickLoad, machine, machine_line

    call.wait_for_broker()
    idle = machine()
    if not call.as_json:
        click.echo(machine_line(idle))
    topics = ["ticks"] if by == "ticks" else [f"tick.{symbol}" for symbol in SYMBOLS]
    with TickLoad(call.settings, call.home, SYMBOLS, topics, subscribers, keep=False) as load:
        rate = load.blast(seconds, WINDOW)
        seen = load.finish()
        posted = load.number
    lost = sum(one.lost for one in seen) + posted * (subscribers - len(seen))
    told = {
        "machine": idle,
        "subscribers": subscribers,
        "by": by,
        "seconds": seconds,
        "posted": posted,
        "ticks_per_s": round(rate),
        "deliveries_per_s": round(rate * subscribers),
        "received": sum(one.received for one in seen),
        "lost": lost,
        "twice": sum(one.twice for one in seen),
    }
    show(call, told)
    ctx.exit(FAILED if lost else 0)


def show(call: Call, told: dict[str, Any]) -> None:
    """Print what `hulak bench ticks` found."""
    if call.as_json:
        print_json(told)
        return
    click.echo(
        f"{told['ticks_per_s']:,} ticks/s to {told['subscribers']} subscribers by {told['by']}, "
        f"{told['deliveries_per_s']:,} deliveries/s, for {told['seconds']:g} s"
    )
    click.echo(f"{told['posted']:,} posted, {told['received']:,} received, {told['lost']:,} lost, {told['twice']:,} twice")


@bench.command(cls=Command, short_help="Have tasks done that do nothing.", timeout_help="Of one task. Default: 30.")
@click.option("--tasks", "count", default=20_000, type=click.IntRange(1, 10_000_000), show_default=True)
@click.option("--window", default=100, type=click.IntRange(1, 10_000), show_default=True, help="Tasks under way at a time.")
@click.option("--singles", default=500, type=click.IntRange(1, 1_000_000), show_default=True, help="Then so many one at a time.")
@click.option("--workers", "count_workers", default=1, type=click.IntRange(1, 64), show_default=True, help="Each is a process.")
@click.option("--posted", is_flag=True, help="Post the tasks, which are on the broker's disk then, instead of calling.")
@click.option("--own", is_flag=True, help="Measure a broker of its own, in a temporary folder.")
@click.pass_context
def tasks(
    ctx: click.Context, call: Call, count: int, window: int, singles: int, count_workers: int, posted: bool, own: bool
) -> None:
    """Have tasks done that do nothing, many at a time and then one at a time, by workers that it starts and ends.

    Every answer is checked, and that no task was carried out twice; exits with 1 otherwise. The service is bench, the action
    noop, the argument of about 25 bytes. The broker's other work goes on, and is slower meanwhile.

    Sends REQUEST bench noop to the frontend, or REQUEST hulak.post and then hulak.result.

    \b
    hulak bench tasks
    hulak bench tasks --tasks 100000 --window 500 --workers 2
    hulak bench tasks --posted --own --json
    """
    from clients.cli.task_bench import BenchOptions, measure, show_tasks
    from clients.cli.tick_load import machine, machine_line

    if not own:
        call.wait_for_broker()
    idle = machine()
    if not call.as_json:
        click.echo(machine_line(idle))
    wanted = BenchOptions(count, window, singles, count_workers, posted, own, call.timeout_s or 30.0)
    told = {"machine": idle, **measure(call, wanted)}
    show_tasks(call, told)
    ctx.exit(FAILED if told["lost"] or told["wrong"] or told["twice"] else 0)

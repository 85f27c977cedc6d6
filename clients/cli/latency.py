"""`hulak latency`: the latency of a tick from the feed to a subscriber of the running broker."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import click

from hulak.bus.errors import BusTimeout
from hulak.clients.cli.command import FAILED, Call, Command, print_json
from hulak.clients.cli.help_text import examples
from hulak.clients.cli.status import span

SYMBOL = "BENCHLAT"
BAR = 40  # characters of the histogram's longest bar
STEPS = 2  # buckets of the histogram per doubling
SKIPPED = 0.1  # share of the first ticks to skip: those of a new connection are not typical


def quantiles_us(ordered: Sequence[float]) -> dict[str, float]:
    """Return p50, p99 and max of at least one sorted latency, in microseconds."""
    at = {"p50": 0.5, "p99": 0.99}
    quantiles = {name: ordered[min(len(ordered) - 1, int(share * len(ordered)))] for name, share in at.items()}
    return {name: round(value, 1) for name, value in {**quantiles, "max": ordered[-1]}.items()}


def histogram(values_us: Sequence[float]) -> list[tuple[float, int]]:
    """Return the histogram of latencies.

    Args:
        values_us: above 0, microseconds.
    Returns:
        (upper bound in microseconds, count), two buckets per doubling, from the first to the last that is not empty.
    """
    steps = Counter(math.floor(math.log2(max(value, 1.0)) * STEPS) for value in values_us)
    if not steps:
        return []
    return [(round(2 ** ((step + 1) / STEPS), 1), steps[step]) for step in range(min(steps), max(steps) + 1)]


@click.command(
    cls=Command,
    short_help="Measure the latency of ticks.",
    timeout_help="Seconds to wait for a broker; 5 by default.",
    epilog=examples("hulak latency", "hulak latency --rate 5000 --seconds 10 --subscribers 8 --json"),
)
@click.option("--rate", default=1000.0, type=click.FloatRange(1, 100_000), help="Ticks per second; 1000 by default.")
@click.option("--seconds", default=5.0, type=click.FloatRange(0.2, 600), help="Seconds to publish; 5 by default.")
@click.option("--subscribers", default=1, type=click.IntRange(1, 64), help="Number of subscriber processes; 1 by default.")
@click.pass_context
def latency(ctx: click.Context, call: Call, rate: float, seconds: float, subscribers: int) -> None:
    """Publish ticks at a rate, and print quantiles and a histogram of their latency.

    The latency is measured at every subscriber, from the time when the feed has a quote to the time when the subscriber has
    decoded it; the first tenth of the ticks is skipped. The symbol is BENCHLAT, reserved for this command; its topic is removed
    at the end. The exit code is 1 if a tick was lost.

    Sends numbered frames `tick.BENCHLAT NUL stamp body` to the collector and subscribes to `tick.BENCHLAT NUL`.
    """
    from hulak.clients.cli.tick_load import TickLoad, machine, machine_line

    call.wait_for_broker()
    idle = machine()
    if not call.as_json:
        click.echo(machine_line(idle))
    with TickLoad(call.settings, call.home, [SYMBOL], [f"tick.{SYMBOL}"], subscribers, keep=True) as load:
        load.pace(seconds, rate)
        tallies = load.finish()
        posted = load.number
    values = sorted(value for tally in tallies for value in tally.latencies_us[int(len(tally.latencies_us) * SKIPPED) :])
    if not values:
        raise BusTimeout(f"none of {posted} ticks arrived")
    lost = sum(tally.lost for tally in tallies) + posted * (subscribers - len(tallies))
    result = {"machine": idle, "rate": rate, "seconds": seconds, "subscribers": subscribers, "posted": posted, "lost": lost}
    show(call, {**result, "us": quantiles_us(values), "histogram": histogram(values)})
    ctx.exit(FAILED if lost else 0)


def show(call: Call, result: dict[str, Any]) -> None:
    """Print the result of `hulak latency`."""
    if call.as_json:
        print_json(result)
        return
    us = result["us"]
    click.echo(
        f"{result['posted']:,} ticks at {result['rate']:,g}/s to {_subscribers(result['subscribers'])}, {result['lost']:,} lost: "
        f"p50 {span(us['p50'])}, p99 {span(us['p99'])}, max {span(us['max'])}"
    )
    highest = max(count for _, count in result["histogram"])
    for bound, count in result["histogram"]:
        click.echo(f"below {span(bound):>9} {count:>9,} {'#' * math.ceil(count / highest * BAR)}")


def _subscribers(count: int) -> str:
    return f"{count:,} subscriber{'' if count == 1 else 's'}"

"""`hulak latency`: how long a tick takes from the feed to a subscriber of the running broker."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import click

from bus.errors import BusTimeout
from clients.cli.command import FAILED, Call, Command, print_json

SYMBOL = "BENCHLAT"
BAR = 40  # characters of the histogram's longest bar
STEPS = 2  # of the histogram for each doubling
SKIPPED = 0.1  # share of the ticks, the first ones: a new connection's first messages are no one's daily ones


def quantiles_us(ordered: Sequence[float]) -> dict[str, float]:
    """Read p50, p99 and max from sorted latencies in microseconds, at least one."""
    at = {"p50": 0.5, "p99": 0.99}
    found = {name: ordered[min(len(ordered) - 1, int(share * len(ordered)))] for name, share in at.items()}
    return {name: round(value, 1) for name, value in {**found, "max": ordered[-1]}.items()}


def histogram(values_us: Sequence[float]) -> list[tuple[float, int]]:
    """Count values by size.

    Args:
        values_us: above 0, microseconds.
    Returns:
        (upper bound in microseconds, count), two bounds for each doubling, from the first that has any to the last.
    """
    steps = Counter(math.floor(math.log2(max(value, 1.0)) * STEPS) for value in values_us)
    if not steps:
        return []
    return [(round(2 ** ((step + 1) / STEPS), 1), steps[step]) for step in range(min(steps), max(steps) + 1)]


@click.command(cls=Command, timeout_help="How long to wait for a broker. Default: 5.")
@click.option("--rate", default=1000.0, type=click.FloatRange(1, 100_000), show_default=True, help="Ticks/s.")
@click.option("--seconds", default=5.0, type=click.FloatRange(0.2, 600), show_default=True)
@click.option("--subscribers", default=1, type=click.IntRange(1, 64), show_default=True, help="Each is a process.")
@click.pass_context
def latency(ctx: click.Context, call: Call, rate: float, seconds: float, subscribers: int) -> None:
    """Post ticks at a rate and tell how long they take to each subscriber.

    From the moment the feed has a quote to the moment a subscriber has decoded it, at every subscriber. The first tenth is
    left out. The symbol is BENCHLAT, which nobody else uses; its topic is removed at the end. Exits with 1 if a tick was lost.

    Sends numbered frames `tick.BENCHLAT NUL stamp body` to the collector and subscribes to `tick.BENCHLAT NUL`.

    \b
    hulak latency
    hulak latency --rate 5000 --seconds 10 --subscribers 8 --json
    """
    from clients.cli.tick_load import TickLoad, machine, machine_line

    call.wait_for_broker()
    idle = machine()
    if not call.as_json:
        click.echo(machine_line(idle))
    with TickLoad(call.settings, call.home, [SYMBOL], [f"tick.{SYMBOL}"], subscribers, keep=True) as load:
        load.pace(seconds, rate)
        seen = load.finish()
        posted = load.number
    values = sorted(value for one in seen for value in one.latencies_us[int(len(one.latencies_us) * SKIPPED) :])
    if not values:
        raise BusTimeout(f"none of {posted} ticks came back")
    lost = sum(one.lost for one in seen) + posted * (subscribers - len(seen))
    told = {"machine": idle, "rate": rate, "seconds": seconds, "subscribers": subscribers, "posted": posted, "lost": lost}
    show(call, {**told, "us": quantiles_us(values), "histogram": histogram(values)})
    ctx.exit(FAILED if lost else 0)


def show(call: Call, told: dict[str, Any]) -> None:
    """Print what `hulak latency` found."""
    if call.as_json:
        print_json(told)
        return
    us = told["us"]
    click.echo(
        f"{told['posted']:,} ticks at {told['rate']:g}/s to {told['subscribers']} subscribers, {told['lost']:,} lost: "
        f"p50 {us['p50']:,.0f} us, p99 {us['p99']:,.0f} us, max {us['max']:,.0f} us"
    )
    most = max(count for _, count in told["histogram"])
    for bound, count in told["histogram"]:
        click.echo(f"below {bound:>11,.0f} us {count:>9,} {'#' * math.ceil(count / most * BAR)}")

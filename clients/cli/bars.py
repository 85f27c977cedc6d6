"""`hulak bars`: bars of a symbol, as a chart in the terminal, a table or CSV."""

import csv
import io
import shutil
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from hulak.bus.errors import BusError
from hulak.clients.cli import nearest, table
from hulak.clients.cli.command import Call, Command, print_json
from hulak.clients.cli.help_text import examples
from hulak.clients.cli.history import Moment

if TYPE_CHECKING:
    from hulak.clients.derive.journal_bars import BarHistory

INTERVALS = ["1s", "1m", "5m", "1h", "1d"]  # a copy of those of `clients.derive.rules.intervals`
SIDES = ["mid", "bid", "ask"]
PARTS = ["open", "high", "low", "close"]
LAST = 200  # bars, by default: more than a terminal is wide
MOST = 1_000_000
HEAD_LINES, PROMPT_LINES = 1, 1
ORIGINS = {"topic": "published", "ticks": "from the journal's ticks"}


@click.command(
    cls=Command,
    short_help="Show bars of a symbol as a chart.",
    timeout_help="Seconds to wait for each reply; 10 by default.",
    epilog=examples(
        "hulak bars EURUSD --since 1d", "hulak bars EURUSD --interval 1h --last 24 --csv", "hulak bars kraken.BTCUSD --json"
    ),
)
@click.argument("symbol")
@click.option("--interval", type=click.Choice(INTERVALS), default="1m", help="Length of a bar; 1m by default.")
@click.option(
    "--since", type=Moment(), help="Earliest time, such as 1d for one day ago, 09:00, or 2026-11-22; UTC without a zone."
)
@click.option(
    "--last", type=click.IntRange(1, MOST), metavar="N", help=f"The newest N bars only; {LAST} by default without --since."
)
@click.option("--side", type=click.Choice(SIDES), default="mid", help="Prices of the chart and the table; mid by default.")
@click.option("--csv", "as_csv", is_flag=True, help="Print the prices of all sides as CSV.")
def bars(call: Call, symbol: str, interval: str, since: int | None, last: int | None, side: str, as_csv: bool) -> None:
    """Show the bars of SYMBOL: a chart of candles in a terminal, a table elsewhere, in UTC.

    These are the messages of bar.INTERVAL.SYMBOL, of each bar the newest. If `hulak derive` does not make that topic, the same
    bars are computed here from the ticks in the journal, by the same rules. The last bar is usually unfinished.

    Sends REQUEST hulak.last and hulak.replay to the frontend.
    """
    from hulak.clients.derive.journal_bars import bars_of

    if as_csv and call.as_json:
        raise click.UsageError("--csv excludes --json; give one of them")
    name = symbol.replace("/", "")
    most = LAST if last is None and since is None else last
    with call.client() as client, nearest.suggesting(client, name, is_symbol=True):
        past = bars_of(client, name, interval, since_ns=since, last=most, now_ns=time.time_ns(), timeout_s=call.timeout_s or 10.0)
    if past.refused:
        what = "1 message of {} is no bar" if past.refused == 1 else f"{past.refused:,} messages of {{}} are no bars"
        click.echo(f"{what.format(f'bar.{interval}.{name}')}, and left out", err=True)
    if call.as_json:
        print_json({"symbol": name, "interval": interval, "origin": past.origin, "bars": past.bars})
    elif as_csv:
        click.echo(csv_of(past.bars), nl=False)
    elif not past.bars:
        raise BusError(
            "NO_BARS", f"the journal has no whole bar of {name} of {interval} in that time; see `hulak topics ls tick.{name}`"
        )
    elif table.on_terminal():
        show_chart(past, name, interval, side)
    else:
        decimals = digits_for(past, name) + 1  # a middle has one more
        rows = [
            [time_of(bar["start"]), *_prices(bar[side], decimals), bar["ticks"], bool(bar["final"]), bar["revision"]]
            for bar in past.bars
        ]
        table.show(["start", *PARTS, "ticks", "final", "revision"], rows)


def show_chart(past: "BarHistory", symbol: str, interval: str, side: str) -> None:
    """Print a chart that fits the terminal, below a line about its newest bar."""
    from hulak.clients.cli.candles import candles_of, chart

    candles, digits = candles_of(past.bars, side), digits_for(past, symbol)
    if not candles:
        raise BusError("NO_BARS", f"{side} of {symbol} had no price in that time; give another --side")
    width, height = shutil.get_terminal_size()
    newest = past.bars[-1]
    prices = " ".join(f"{part[0].upper()} {price:.{digits}f}" for part, price in zip(PARTS, newest[side] or (), strict=False))
    state = "" if newest["final"] else ", unfinished"
    head = f"{symbol} {interval} {side}  {prices}  {newest['ticks']:,} ticks{state}; {ORIGINS[past.origin]}"
    click.echo(head[:width])
    lines = chart(candles, width, height - HEAD_LINES - PROMPT_LINES, digits, lambda text, colour: click.style(text, fg=colour))
    click.echo("\n".join(lines))


def _prices(prices: list[float] | None, decimals: int) -> list[str]:
    return [""] * len(PARTS) if prices is None else [f"{price:.{decimals}f}" for price in prices]


def digits_for(past: "BarHistory", symbol: str) -> int:
    """Return the decimals of a symbol's prices."""
    from hulak.bus.wire.price_digits import OF_VENUES, digits_of, usual_digits

    usual = usual_digits(symbol.rpartition(".")[2])
    if past.source in OF_VENUES or usual is not None:
        return OF_VENUES.get(past.source) or usual or 0
    return digits_of(price for bar in past.bars[-1:] for side in ("bid", "ask") for price in bar[side] or ())


def csv_of(bars: list[dict[str, Any]]) -> str:
    """Return bars as CSV with a header line; times are in UTC, a side without a price is empty."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["start", "end", *(f"{side}_{part}" for side in SIDES for part in PARTS), "ticks", "final", "revision"])
    for bar in bars:
        prices = [price for side in SIDES for price in bar[side] or [""] * len(PARTS)]
        lines.writerow(
            [time_of(bar["start"]), time_of(bar["end"]), *prices, bar["ticks"], str(bar["final"]).lower(), bar["revision"]]
        )
    return text.getvalue()


def time_of(at_ms: int) -> str:
    """Return a time as ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

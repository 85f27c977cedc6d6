"""`hulak feed`: ticks from a WebSocket or from a file, onto the bus."""

from pathlib import Path
from typing import Any

import click

from bus.errors import ConfigError
from clients.cli.command import FAILED, Call, Command, print_json


def parse_speed(text: str) -> float | None:
    """Read --speed: a factor above 0, or None for `max`.

    Raises:
        ConfigError: it is neither.
    """
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise ConfigError(f"--speed is {text!r}, must be a number above 0, or max")
    return speed


VENUES = ["binance", "kraken", "kraken-v1", "coinbase", "oanda", "fx", "json"]  # `clients.feeds.VENUES`, without its imports
FORMATS = [
    "plain",
    "histdata",
    "dukascopy",
    "truefx",
    "mt5",
    "lean-crypto",
    "binance",
]  # likewise, of `clients.feeds.file_columns`


@click.command(cls=Command, daemon=True, short_help="Post ticks from a venue or a file.")
@click.option("--venue", type=click.Choice(VENUES), help="What the url speaks. Default: [feed] venue.")
@click.option("--url", help="ws(s):// or, of oanda, http(s):// address to stay connected to. Default: [feed] url.")
@click.option("--symbols", metavar="A,B", help="To subscribe to, as the venue writes them. Default: [feed] symbols.")
@click.option("--file", "tick_file", type=click.Path(path_type=Path), help="Replay this file of ticks instead.")
@click.option("--symbol", help="Of the ticks in --file, where the file names none; where it has several, only this one's.")
@click.option("--format", "form", type=click.Choice(FORMATS), help="Of a --file whose first line names no columns.")
@click.option(
    "--prefix", metavar="NAME", help="Post under tick.NAME.SYMBOL instead of tick.SYMBOL. Default, of venues: [feed] prefix."
)
@click.option("--live", is_flag=True, help="Let old ticks of --file go to the topics of the live ones.")
@click.option("--speed", default="1", help="Of --file: 1 as it was, 10 ten times as fast, max without waiting. Default: 1.")
@click.option("--name", help="Of this feed in `hulak status`. Default: the venue's or the file's.")
@click.pass_context
def feed(
    ctx: click.Context,
    call: Call,
    venue: str | None,
    url: str | None,
    symbols: str | None,
    tick_file: Path | None,
    symbol: str | None,
    form: str | None,
    prefix: str | None,
    live: bool,
    speed: str,
    name: str | None,
) -> None:
    """Post ticks to the broker: from a venue, reconnecting for ever, or from a file.

    Each feed is a process with a name of its own; `hulak feeds` shows how they are. A token for the venue is taken from the
    variable HULAK_FEED__TOKEN. Two feeds of one symbol share a topic, and displays mix them, unless one has a --prefix.

    A file's columns are found by the names in its first line, or by the keys of its JSON objects, one a line; without names it
    has to be time,bid,ask, or of a --format. Times without a zone are UTC. One that is no file of quotes is refused before
    anything is posted (exit code 1). So is one with ticks further than a day from now, unless --prefix keeps them from the live
    topics, or --live says that they are wanted there.

    Sends numbered frames `tick.SYMBOL NUL stamp body` to the collector, and REQUEST hulak.feed to the frontend to learn
    what has been taken.

    \b
    hulak feed --venue json --url ws://127.0.0.1:5560/json
    hulak feed --name kraken --venue kraken --url wss://ws.kraken.com/v2 --symbols BTC/USD,ETH/USD
    hulak feed --file ticks.csv --symbol EURUSD --speed max --prefix back
    """
    from clients.feeds import process as feeds

    if tick_file is not None:
        if url is not None or venue is not None or symbols is not None:
            raise click.UsageError("--file goes without --url, --venue and --symbols: ticks come from one or the other")
        told = feeds.run_replay(
            call.settings,
            call.home,
            file=tick_file,
            symbol=symbol,
            speed=parse_speed(speed),
            name=name,
            prefix=prefix or "",
            live=live,
            form=form,
        )
        show(call, told)
        ctx.exit(0 if told["confirmed"] == told["posted"] > 0 else FAILED)
    if symbol is not None or speed != "1" or form is not None or live:
        raise click.UsageError("--symbol, --format, --live and --speed are for --file")
    section = call.settings.feed
    where = url or section.url
    if not where:
        raise ConfigError("setting feed.url is '', must be an address of ws(s):// or http(s)://; give one with --url, or --file")
    wanted = None if symbols is None else symbols.split(",")
    feeds.run_feed(call.settings, call.home, venue=venue or section.venue, url=where, symbols=wanted, name=name, prefix=prefix)


def show(call: Call, told: dict[str, Any]) -> None:
    """Print what a replay came to."""
    if call.as_json:
        print_json(told)
        return
    click.echo(
        f"{told['posted']:,} ticks posted in {told['seconds']:g} s, {told['confirmed']:,} confirmed, "
        f"{told['resent']:,} sent again, {told['refused']:,} refused"
    )
    for symbol, code in told["refusals"].items():
        click.echo(f"the broker refused ticks of {symbol}: {code}")

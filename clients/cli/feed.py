"""`hulak feed`: publishes ticks from a venue or a file."""

from pathlib import Path
from typing import Any, get_args

import click

from hulak.bus.errors import ConfigError
from hulak.bus.process.settings import VenueName
from hulak.clients.cli.command import FAILED, Call, Command
from hulak.clients.cli.feed_files import describe, file_options, is_done, ms_of, progress, show, show_files
from hulak.clients.cli.help_text import examples
from hulak.clients.cli.history import Moment


def parse_speed(text: str) -> float | None:
    """Parse --speed: a factor above 0; None for `max`.

    Raises:
        ConfigError: neither a number above 0 nor max.
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


VENUES = list(get_args(VenueName))  # the names in `clients.feeds.venues.registry`, without its imports
CCXT = "ccxt:"  # copied from that registry
FORMATS = [
    "plain",
    "histdata",
    "dukascopy",
    "truefx",
    "mt5",
    "lean-crypto",
    "lean-equity",
    "lean-option",
    "binance",
]  # copied from `clients.feeds.file_columns`


class Venue(click.Choice[str]):
    """One of the venues, or `ccxt:EXCHANGE`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the venue; ccxt knows whether it has the exchange."""
        return value if str(value).startswith(CCXT) else super().convert(value, param, ctx)


@click.command(
    cls=Command,
    daemon=True,
    short_help="Publish ticks from a venue or a file.",
    epilog=examples(
        "hulak feed --venue json --url ws://127.0.0.1:5560/json",
        "hulak feed --name kraken --venue kraken --url wss://ws.kraken.com/v2 --symbols BTC/USD,ETH/USD",
        "hulak feed --venue nepse --symbols NABIL",
        "hulak feed --file ticks.csv --symbol EURUSD --speed max --prefix back",
        "hulak feed --file EURUSD/2024 --file mt5.csv --zone America/New_York+7 --dry-run",
    ),
)
@click.option("--venue", type=Venue(VENUES), help="Protocol of the URL, or ccxt:EXCHANGE; [feed] venue by default.")
@click.option("--url", help="Address to connect to, ws(s):// or, for oanda, http(s)://; [feed] url by default.")
@click.option(
    "--symbols",
    metavar="A,B",
    help="Symbols to subscribe to, as the venue writes them; of nepse, those whose books are read. [feed] symbols by default.",
)
@click.option(
    "--file",
    "tick_files",
    type=click.Path(path_type=Path),
    multiple=True,
    help="File of ticks to replay instead of a venue, or a folder of them; several are merged by time. - is standard input.",
)
@click.option("--symbol", help="Symbol of a --file without a symbol column; of other files, the only symbol to replay.")
@click.option("--format", "form", type=click.Choice(FORMATS), help="Format of a --file without a header line; plain by default.")
@click.option(
    "--zone",
    metavar="ZONE",
    help="Clock of a --file whose times do not say it: UTC, UTC+2, America/New_York or America/New_York+7.",
)
@click.option("--scale", type=click.IntRange(1, 10**9), metavar="N", help="Prices of a .bi5 --file are multiples of 1/N.")
@click.option("--date", "day", metavar="DATE", help="Day of a --file that does not say it, or its hour: 2024-01-02T10.")
@click.option("--from", "first", type=Moment(), help="Earliest time of the ticks of --file, such as 2024-01-02; none by default.")
@click.option("--to", "last", type=Moment(), help="Time from which on the ticks of --file are left out, in the same forms.")
@click.option("--dry-run", is_flag=True, help="Show how each --file is read, with its first ticks, and post nothing.")
@click.option(
    "--prefix",
    metavar="NAME",
    help="Publish on tick.NAME.SYMBOL instead of tick.SYMBOL; [feed] prefix by default for venues, none for files.",
)
@click.option("--source", metavar="NAME", help="Source in the ticks of --url, and the name of its feed; the venue's by default.")
@click.option(
    "--live",
    is_flag=True,
    help="Allow topics without a prefix to a --file of exported ticks, or of ticks more than a day old or ahead.",
)
@click.option(
    "--speed", default="1", help="Speed of --file: 1 is real time, 10 is ten times as fast, max does not wait; 1 by default."
)
@click.option(
    "--trades",
    "trades_s",
    type=click.FloatRange(0, 3600),
    metavar="SECONDS",
    help="With nepse, seconds between two readings of single trades; 0 publishes none. [feed] trades_s by default.",
)
@click.option("--name", help="Name of this feed in `hulak status`; the venue or the file name by default.")
@click.pass_context
def feed(
    ctx: click.Context,
    call: Call,
    venue: str | None,
    url: str | None,
    symbols: str | None,
    tick_files: tuple[Path, ...],
    symbol: str | None,
    form: str | None,
    zone: str | None,
    scale: int | None,
    day: str | None,
    first: int | None,
    last: int | None,
    dry_run: bool,
    prefix: str | None,
    source: str | None,
    live: bool,
    speed: str,
    trades_s: float | None,
    name: str | None,
) -> None:
    """Publish ticks from a venue, with reconnection, or from a file.

    Each feed is a process with a unique name; `hulak feeds` shows their status. The variable HULAK_FEED__TOKEN has the token for
    the venue; docs/howto/venues.md has each venue's address and symbols, and a feed takes symbols while it runs. Two
    feeds of one symbol share a topic, and displays mix their ticks, unless one of them has a --prefix.

    --venue ccxt:EXCHANGE reads an exchange with the library ccxt (extra `ccxt`): the newest quotes, not each one.

    The venue nepse has no URL: the feed asks the NEPSE workers for the prices once a minute, while the exchange trades. It also
    publishes the state of the exchange as market.nepse and, with --trades, single trades as trade.SYMBOL.

    The content of a file shows its format: CSV and JSON lines of many makers, Dukascopy's .bi5, LEAN's zips, Databento's
    DBN, Parquet. Its header line names the columns; the keys of JSON lines do the same. A file that could be read in two ways, as
    by a clock, a scale or sides that it does not say, is refused before any tick is published (exit code 1), and the error names
    the option that says it; --dry-run shows how it is read. So is a file with ticks more than a day from now, and an export of
    the journal, unless --prefix gives it other topics or --live allows it. A bad row is skipped; the exit code is 1 if more rows
    are refused than posted.

    Sends numbered frames `tick.SYMBOL NUL stamp body` to the collector, and REQUEST hulak.feed to the frontend to confirm them.
    """
    from hulak.clients.feeds import process as feeds

    of_files = (symbol, form, zone, scale, day, first, last)
    if tick_files:
        if any(given is not None for given in (url, venue, symbols, source, trades_s)):
            raise click.UsageError("--file excludes --url, --venue, --symbols, --source and --trades; give a file or a venue")
        options = file_options(symbol, form, zone, scale, day)
        window = {"from_ms": ms_of(first), "to_ms": ms_of(last)}
        if dry_run:
            show_files(call, describe(tick_files, options))
            return
        with progress(shown=not call.as_json) as note:
            result = feeds.run_replay(
                call.settings,
                call.home,
                files=tick_files,
                options=options,
                speed=parse_speed(speed),
                name=name,
                prefix=prefix or "",
                live=live,
                progress=note,
                **window,
            )
        show(call, result)
        ctx.exit(0 if is_done(result) else FAILED)
    if any(given is not None for given in of_files) or speed != "1" or live or dry_run:
        raise click.UsageError(
            "--symbol, --format, --zone, --scale, --date, --from, --to, --dry-run, --live and --speed need --file"
        )
    listed = None if symbols is None else symbols.split(",")
    if (venue or call.settings.feed.venue) == "nepse":
        if url is not None or source is not None:
            raise click.UsageError("--venue nepse excludes --url and --source; the workers ask [nepse] base_url")
        feeds.run_nepse(call.settings, call.home, watched=listed, name=name, prefix=prefix, trades_s=trades_s)
        return
    if trades_s is not None:
        raise click.UsageError("--trades needs --venue nepse")
    feeds.run_feed(call.settings, call.home, symbols=listed, name=name, prefix=prefix, **_place(call, venue, url, source))


def _place(call: Call, venue: str | None, url: str | None, source: str | None) -> dict[str, str]:
    """Return the venue, its address and the source of its ticks, with those of the settings if they are not given."""
    section = call.settings.feed
    venue = venue or section.venue
    is_ccxt = venue.startswith(CCXT)
    if is_ccxt and url is not None:
        raise click.UsageError("--venue ccxt:EXCHANGE excludes --url; ccxt knows the addresses")
    where = "" if is_ccxt else url or section.url
    if not where and not is_ccxt:
        raise ConfigError("setting feed.url is '', must be a ws(s):// or http(s):// address; give --url or --file")
    if source is None and url is None:
        source = section.source  # it belongs to the url of the settings
    return {"venue": venue, "url": where, "source": source or ""}

"""`hulak feeds`: the status of each feed, and its symbols."""

from collections.abc import Mapping
from typing import Any

import click

from hulak.clients.cli import table
from hulak.clients.cli.command import Call, Command, print_json
from hulak.clients.cli.feed_symbols import add, remove, symbols
from hulak.clients.cli.groups import ListingGroup
from hulak.clients.cli.help_text import examples
from hulak.clients.durations import fine_age
from hulak.clients.printable import printable

HEADS = ["feed", "state", "for", "data", "heartbeat", "posted", "unconfirmed", "resent", "refused", "symbols", "stale", "errors"]


@click.group(
    cls=ListingGroup,
    short_help="Show feeds, and add and remove their symbols.",
    epilog=examples("hulak feeds", "hulak feeds symbols kraken", "hulak feeds add kraken SOL/USD"),
)
def feeds() -> None:
    """Show the status of feeds, and add and remove their symbols; without a command, show the status as `hulak feeds ls`."""


feeds.add_command(add)
feeds.add_command(remove)
feeds.add_command(symbols)


@feeds.command(cls=Command, short_help="Show feed status.", epilog=examples("hulak feeds", "hulak feeds ls --json"))
def ls(call: Call) -> None:
    """Show the status of each feed: state, age of data and heartbeats, published ticks, refused symbols.

    States: connecting, restoring (subscriptions), connected, degraded (heartbeats without data), stale (neither), backoff, closed
    (the exchange of the venue nepse does not trade: no quotes are expected). A
    feed that replays a file has no state. A feed that ended is listed for a while. Sends REQUEST hulak.stats to the frontend.
    """
    stats = call.request("hulak.stats")
    rows = feeds_of(stats)
    if call.as_json:
        print_json(rows)
        return
    table.show(HEADS, [cells(row) for row in rows], "no feed has reported; `hulak feed` runs one, and `hulak up` that of [feed]")
    for line in [*(line for row in rows for line in remarks(row)), *mixed(stats)]:
        click.echo(printable(line))


def mixed(stats: Mapping[str, Any]) -> list[str]:
    """Return a line for each topic to which several feeds publish; empty for older brokers, which do not report it."""
    ticks = stats["ticks"]
    topics = ticks.get("shared_topics") or {}
    lines = [
        f"{topic} gets ticks of {' and '.join(names)}, and its subscribers a mixture: give one of them a prefix (--prefix)"
        for topic, names in topics.items()
    ]
    more = ticks.get("shared", 0) - len(topics)
    return lines + ([f"and {more} more topics with several feeds"] if more > 0 else [])


def feeds_of(stats: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the feeds of the broker's statistics, sorted by name."""
    return sorted((row for row in stats["processes"] if row["kind"] == "feed"), key=lambda row: str(row["name"]))


def cells(row: Mapping[str, Any]) -> list[Any]:
    """Return the cells of a feed's row, in the order of `HEADS`; None for values that the feed does not report."""
    ages = [_age(row.get(name)) for name in ("since_s", "data_age_s", "heartbeat_age_s")]
    counts = [row.get(name) for name in ("posted", "unconfirmed", "resent", "refused", "symbols", "stale", "errors")]
    return [row["name"], row.get("state"), *ages, *counts]


def _age(seconds: Any) -> str | None:
    if not isinstance(seconds, int | float):
        return None
    return fine_age(seconds)


def remarks(row: Mapping[str, Any]) -> list[str]:
    """Return a line for the stale symbols of a feed and for each symbol that its venue refuses."""
    lines = []
    if wait_s := row.get("asked_to_wait_s"):
        lines.append(f"{row['name']}: next attempt in {wait_s:g} s, as requested by the venue (Retry-After)")
    stale, count = row.get("stale_symbols") or [], row.get("stale") or 0
    if stale:
        more = f" and {count - len(stale)} more" if count > len(stale) else ""
        lines.append(f"{row['name']}: no recent tick of {', '.join(map(str, stale))}{more}")
    for symbol, text in (row.get("symbol_errors") or {}).items():
        lines.append(f"{row['name']}: {symbol or 'venue'} {text}")
    return lines

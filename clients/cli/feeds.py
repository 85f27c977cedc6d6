"""`hulak feeds`: how each feed is with its venue and with the broker."""

from collections.abc import Mapping
from typing import Any

import click

from clients.cli import table
from clients.cli.command import Call, Command, print_json
from clients.judge.perf import age

HEADS = ["feed", "state", "for", "data", "heartbeat", "posted", "unconfirmed", "resent", "refused", "symbols", "stale", "errors"]


@click.command(cls=Command, short_help="Show how each feed is with its venue.")
def feeds(call: Call) -> None:
    """Show each feed: its state, how old its data and heartbeats are, what it posted, and what its venue refuses.

    States: connecting, restoring (subscriptions), connected, degraded (heartbeats without data), stale (neither), backoff. A
    feed that replays a file has none. Sends REQUEST hulak.stats to the frontend; one that died is shown for a while.

    \b
    hulak feeds
    hulak feeds --json
    """
    stats = call.ask("hulak.stats")
    rows = feeds_of(stats)
    if call.as_json:
        print_json(rows)
        return
    if not rows:
        click.echo("no feed reports; start one with `hulak feed`")
        return
    table.show(HEADS, [cells(row) for row in rows])
    for line in (line for row in rows for line in remarks(row)):
        click.echo(line)
    for line in mixed(stats):
        click.echo(line)


def mixed(stats: Mapping[str, Any]) -> list[str]:
    """Say which topics several feeds post to at one time; of older brokers nothing is known."""
    ticks = stats["ticks"]
    topics = ticks.get("shared_topics") or {}
    said = [
        f"{topic} is posted by {' and '.join(feeds)} at one time, and its readers see a mixture: start one of them with --prefix"
        for topic, feeds in topics.items()
    ]
    more = ticks.get("shared", 0) - len(topics)
    return said + ([f"and {more} more topics are posted by several feeds"] if more > 0 else [])


def feeds_of(stats: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Pick the feeds out of the broker's statistics, by name."""
    return sorted((row for row in stats["processes"] if row["kind"] == "feed"), key=lambda row: str(row["name"]))


def cells(row: Mapping[str, Any]) -> list[Any]:
    """Write the cells of one feed's row, under `HEADS`; what a feed does not report is None."""
    ages = [_age(row.get(name)) for name in ("since_s", "data_age_s", "heartbeat_age_s")]
    counts = [row.get(name) for name in ("posted", "unconfirmed", "resent", "refused", "symbols", "stale", "errors")]
    return [row["name"], row.get("state"), *ages, *counts]


def _age(seconds: Any) -> str | None:
    if not isinstance(seconds, int | float):
        return None
    return f"{seconds:.1f} s" if seconds < 10 else age(seconds)


def remarks(row: Mapping[str, Any]) -> list[str]:
    """Say which symbols of a feed are stale and what its venue refuses, a line for each refusal."""
    said = []
    if wait_s := row.get("asked_to_wait_s"):
        said.append(f"{row['name']}: the venue asked to be left alone, for {wait_s:g} s more (Retry-After)")
    stale, count = row.get("stale_symbols") or [], row.get("stale") or 0
    if stale:
        more = f" and {count - len(stale)} more" if count > len(stale) else ""
        said.append(f"{row['name']}: no tick in time of {', '.join(map(str, stale))}{more}")
    for symbol, text in (row.get("symbol_errors") or {}).items():
        said.append(f"{row['name']}: {symbol or 'venue'} {text}")
    return said

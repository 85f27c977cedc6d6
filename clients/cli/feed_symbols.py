"""`hulak feeds add|remove|symbols`: the symbols of a feed, changed while it runs.

A change is a new version of the live configuration, in the scope of the feed (PROTOCOL.md section 7.5), which the broker keeps.
The feed applies it, and reports what became of each symbol.
"""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from hulak.bus.errors import FeedError
from hulak.bus.live_config import symbol_lists
from hulak.bus.live_config.keys import FEED
from hulak.clients.cli import table
from hulak.clients.cli.command import BROKER_S, FAILED, Call, Command, print_json
from hulak.clients.cli.help_text import examples
from hulak.clients.feed_symbols import ADDED, REMOVED, Lists, Row, adding, change, check_names, feed_row, removing
from hulak.clients.printable import printable

if TYPE_CHECKING:
    from hulak.clients.calls.client import BusClient

HEADS = ["symbol", "topic", "since", "state"]
WAIT_S = 10.0
ASK_S = 0.2  # between two questions whether the feed has applied a change
NOT_LISTED = "unknown: the feed has more symbols than its report has room for"
PENDING, DONE = "pending", ("", "subscribed", "removed")  # states of a symbol that was added or removed

_wait = click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(min=0, max=3600),
    default=WAIT_S,
    metavar="SECONDS",
    help=f"Seconds to wait for the answer of the venue; {WAIT_S:g} by default.",
)


@click.command(
    cls=Command,
    short_help="Add symbols to a feed.",
    epilog=examples("hulak feeds add kraken SOL/USD", "hulak feeds add okx BTC-USDT-SWAP ETH-USDT-SWAP"),
)
@click.argument("feed", metavar="FEED")
@click.argument("names", nargs=-1, required=True, metavar="SYMBOL...")
@_wait
def add(call: Call, feed: str, names: tuple[str, ...], wait_s: float) -> None:
    """Add symbols, as the venue writes them, to a running feed; they stay when it or the broker restarts.

    A symbol that the venue refuses is reported with its code, and the exit code is 1; the feed requests it again at each
    connection, until it is removed. Sends REQUEST hulak.config.set and hulak.stats to the frontend.
    """
    _change(call, feed, names, wait_s, adding(names), "subscribed")


@click.command(
    cls=Command,
    short_help="Remove symbols from a feed.",
    epilog=examples("hulak feeds remove kraken SOL/USD"),
)
@click.argument("feed", metavar="FEED")
@click.argument("names", nargs=-1, required=True, metavar="SYMBOL...")
@_wait
def remove(call: Call, feed: str, names: tuple[str, ...], wait_s: float) -> None:
    """Remove symbols from a running feed, also those of its command or settings; `add` takes them back.

    No further tick of a removed symbol is published; its topic stays, see `hulak topics rm`. Sends REQUEST hulak.config.set and
    hulak.stats to the frontend.
    """
    _change(call, feed, names, wait_s, removing(feed, names), "removed")


@click.command(
    cls=Command,
    short_help="List the symbols of a feed.",
    epilog=examples("hulak feeds symbols kraken", "hulak feeds symbols kraken --json"),
)
@click.argument("feed", metavar="FEED")
def symbols(call: Call, feed: str) -> None:
    """List the symbols of a feed, their topics, and those that were added or removed while it ran.

    The state is empty where the feed reports nothing about a symbol: its venue sends it. Sends REQUEST hulak.stats and
    hulak.config.get to the frontend.
    """
    from hulak.clients.live_config import LiveConfig

    with call.client() as client:
        row = feed_row(client, feed)
        values = LiveConfig(client).get()["scopes"].get(FEED + feed, {})
    listed = rows_of(row, values)
    more = row["symbols_named"] - len(row["symbol_names"])
    if call.as_json:
        print_json({"feed": feed, "symbols": listed, "not_listed": more})
        return
    table.show(HEADS, [[line[head] for head in HEADS] for line in listed])
    if more > 0:
        click.echo(f"and {more} more, which a report has no room for")


def rows_of(row: Row, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the symbols of a feed: symbol, topic, since (start, added, removed), state.

    Args:
        row: of the feed, in the broker's statistics.
        values: of the scope of the feed, in the live configuration.
    """
    from hulak.clients.feeds.subscriptions import shown_name
    from hulak.clients.feeds.symbol_keys import canonical_symbol

    added, removed = (symbol_lists.split(values.get(key, "")) for key in (ADDED, REMOVED))
    prefix = f"tick.{row['prefix']}." if row.get("prefix") else "tick."
    states, errors, stale = row["symbol_changes"], row.get("symbol_errors") or {}, row.get("stale_symbols") or []
    listed = []
    for name in dict.fromkeys([*row["symbol_names"], *added, *removed]):
        try:
            key = canonical_symbol(name)
        except FeedError:
            key = ""
        state = errors.get(name) or errors.get(key) or ("no recent tick" if key in stale else "")
        if (change := states.get(shown_name(name), "")) not in DONE:
            state = change
        since = "removed" if name in removed else "added" if name in added else "start"
        topic = prefix + key if key else None
        listed.append({"symbol": name, "topic": topic, "since": since, "state": "" if since == "removed" else state})
    return listed


def _change(call: Call, feed: str, names: Sequence[str], wait_s: float, make: Lists, done: str) -> None:
    """Change both lists of a feed, wait until the feed has applied them, and print what became of each symbol."""
    from hulak.clients.cli.config import user

    names = tuple(dict.fromkeys(names))
    check_names(names)
    with call.client() as client:
        version = change(client, feed, make, by=user(), timeout_s=call.timeout_s or BROKER_S)
        states = _states(client, feed, names, version, wait_s)
    if call.as_json:
        print_json({"feed": feed, "version": version, "symbols": states})
    else:
        for name, state in states.items():
            click.echo(f"{printable(name)}: {printable('no answer of the venue yet' if state == PENDING else state)}")
    if set(states.values()) != {done}:
        click.get_current_context().exit(FAILED)


def _states(client: "BusClient", feed: str, names: Sequence[str], version: int, wait_s: float) -> dict[str, str]:
    """Wait until the feed knows what became of each symbol, at most `wait_s`; returns the states."""
    deadline = time.monotonic() + wait_s
    while True:
        states = states_of(feed_row(client, feed), names, version)
        if PENDING not in states.values() or time.monotonic() >= deadline:
            return states
        time.sleep(ASK_S)


def states_of(row: Row, names: Sequence[str], version: int) -> dict[str, str]:
    """Return the state of each symbol; "pending" while the feed has not applied the version, or the venue not answered.

    Args:
        row: of the feed, in the broker's statistics.
        names: of symbols that were added or removed.
        version: of the live configuration.
    """
    if row.get("config_version", 0) < version or row.get("symbols_version", 0) < version:
        return dict.fromkeys(names, PENDING)
    from hulak.clients.feeds.subscriptions import shown_name

    changes, present = row["symbol_changes"], row["symbol_names"]
    absent = NOT_LISTED if row.get("symbols_named", 0) > len(present) else "removed"
    return {name: changes.get(shown_name(name)) or ("subscribed" if name in present else absent) for name in names}

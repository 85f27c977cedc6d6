"""Changes of a running feed's symbols: new versions of the live configuration, in its scope. PROTOCOL.md section 7.5."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hulak.bus.errors import BusError, FeedError
from hulak.bus.live_config import symbol_lists
from hulak.bus.live_config.keys import FEED
from hulak.bus.wire.plain_values import suggestion
from hulak.clients.calls.client import BusClient
from hulak.clients.live_config import LiveConfig

ADDED, REMOVED = "symbols_added", "symbols_removed"  # keys of the live configuration
TRIES = 5  # of a change, if another change came before it
STATS_S = 5.0  # limit for the statistics
Row = Mapping[str, Any]
Lists = Callable[[Row, str, str], tuple[str, str]]  # from the feed's row and both lists to both lists


class UnknownFeed(FeedError):
    """No feed of that name reports."""


def check_names(names: Sequence[str]) -> None:
    """Check the names of symbols. Raises `FeedError`."""
    for name in names:
        if not symbol_lists.is_name(name):
            longest = symbol_lists.LONGEST_SYMBOL
            raise FeedError(f"symbol is {name!r:.60}, must be 1 to {longest} printable characters without a comma")


def adding(names: Sequence[str]) -> Lists:
    """Return the change that adds symbols."""

    def with_these(row: Row, added: str, removed: str) -> tuple[str, str]:
        return symbol_lists.add(row["symbol_names"], added, removed, names)

    return with_these


def removing(feed: str, names: Sequence[str]) -> Lists:
    """Return the change that removes symbols; it raises `FeedError` if the feed has not all of them, or no other one."""

    def without(row: Row, added: str, removed: str) -> tuple[str, str]:
        present = list(dict.fromkeys([*row["symbol_names"], *symbol_lists.split(added)]))
        if row["symbols_named"] <= len(row["symbol_names"]) and (unknown := [name for name in names if name not in present]):
            raise FeedError(f"feed {feed!r} has no symbol {unknown[0]!r}{suggestion(unknown[0], present)}")
        remaining = row["symbols_named"] - len(set(row["symbol_names"]) & set(names))
        if remaining < 1 and "market" not in row:  # that of the exchange posts all prices, also without order books
            raise FeedError(f"feed {feed!r} would have no symbol left; end the feed, or add another symbol first")
        return symbol_lists.remove(added, removed, names)

    return without


def feed_row(client: BusClient, feed: str) -> Row:
    """Return the row of a feed whose symbols can be changed.

    Raises:
        UnknownFeed: there is none of this name.
        FeedError: there are several, or its symbols cannot be changed.
    """
    processes: list[Row] = client.call("hulak.stats", timeout_s=STATS_S)["processes"]
    rows = [row for row in processes if row["kind"] == "feed"]
    matches = [row for row in rows if row["name"] == feed]
    names = sorted({str(row["name"]) for row in rows})
    if not matches:
        near = suggestion(feed, names) or (f"; there are {', '.join(names)}" if names else "; none runs")
        raise UnknownFeed(f"no feed has the name {feed!r}{near}")
    if len(matches) > 1:
        raise FeedError(f"{len(matches)} feeds have the name {feed!r}; give each its own with `hulak feed --name`")
    if "symbol_names" not in matches[0]:
        raise FeedError(f"the symbols of feed {feed!r} cannot be changed: it replays a file, is a program, or has just started")
    return matches[0]


def change(client: BusClient, feed: str, make: Lists, *, by: str, timeout_s: float) -> int:
    """Make a new version of the live configuration; returns its number, or that of the present one if nothing changes.

    Args:
        client: connected.
        feed: its name.
        make: `adding` or `removing`.
        by: author of the change.
        timeout_s: for each answer.
    Raises:
        FeedError: see `feed_row` and `make`.
        BusError: as `BusClient.call`.
    """
    live = LiveConfig(client, by=by, timeout_s=timeout_s)
    for attempt in range(1, TRIES + 1):
        row, document = feed_row(client, feed), live.get()
        before = document["scopes"].get(FEED + feed, {})
        after = dict(zip((ADDED, REMOVED), make(row, before.get(ADDED, ""), before.get(REMOVED, "")), strict=True))
        unset = [key for key, value in after.items() if not value and key in before]
        values = {key: value for key, value in after.items() if value}
        try:
            return int(live.set(FEED + feed, values, unset=unset, if_version=document["version"])["version"])
        except BusError as error:
            if error.code != "OTHER_VERSION" or attempt == TRIES:
                raise
    raise AssertionError("unreachable")

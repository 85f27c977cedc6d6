"""The newest value of everything that clients can subscribe to, and what a client lacks. Pure.

Every change gets the next *revision*, a running number. The only thing known of a client is its revision: it lacks what has a
higher one, in its newest form. So a client that reads slowly skips intermediate states and costs no memory, and clients at the
same revision with the same subscription share one frame, encoded once.
"""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from hulak.bus.errors import ProtocolError
from hulak.bus.wire import codec
from hulak.bus.wire.messages import Tick
from hulak.clients.gateway.interest import Interest
from hulak.clients.gateway.profile_deltas import ProfileDeltas

NS_PER_MS = 1e6
MAX_UNLISTED = 1000
QUOTES = 2000  # rows of one frame: a client that reads slowly must get a first part of a large table, too
MALFORMED = (ProtocolError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError, msgspec.MsgspecError)

encode = msgspec.json.encode


@dataclass(slots=True)
class Entry:
    """One display."""

    revision: int
    pending: bytes | None = None  # the newest state, not decoded yet
    state: dict[str, Any] = field(default_factory=dict)  # without its profile; empty before the first
    profile: ProfileDeltas = field(default_factory=ProfileDeltas)
    head: bytes = b""  # the state as JSON, without its closing brace


@dataclass(slots=True)
class Row:
    """A value that is always sent as a whole."""

    revision: int
    value: Any
    json: bytes | None = None  # encoded when it is first needed


class StateCache:
    """The newest values."""

    def __init__(self) -> None:
        self.revision = 0
        # All three in the order of their revisions, so that the newest are at the end.
        self.displays: dict[str, Entry] = {}
        self.ticks: dict[str, Row] = {}
        self.quotes: dict[str, Row] = {}  # symbol -> its row
        self.removed: dict[str, int] = {}  # display -> revision
        self.stats: Row | None = None
        self.health: Row | None = None  # the judge's verdict
        self.config: Row | None = None
        self.markets: dict[str, Row] = {}
        self.silence: Row | None = None  # whether the broker is silent; None until it first was
        self.unassigned: Row | None = None  # the displays that have no worker; None until there first were any
        self.of_symbol: dict[str, str] = {}  # symbol -> one of its displays
        self.malformed = 0
        self._known: frozenset[str] | None = None  # all displays; None until their list was received
        self._unlisted: dict[str, bytes] = {}  # states of other displays: they may come before the list

    def _next(self) -> int:
        self.revision += 1
        return self.revision

    # Input

    def take_state(self, display: str, body: bytes) -> None:
        """Store a newer state of a display; it is decoded when it is first needed."""
        if self._known is not None and display not in self._known:
            if len(self._unlisted) < MAX_UNLISTED:
                self._unlisted[display] = body
            return
        entry = self.displays.pop(display, None) or Entry(0)
        entry.revision, entry.pending = self._next(), body
        self.displays[display] = entry
        self.removed.pop(display, None)

    def take_displays(self, names: Iterable[str]) -> None:
        """Store the list of all displays; others are removed."""
        self._known = frozenset(names)
        for name in self.displays.keys() - self._known:
            self._remove(name)
        unlisted, self._unlisted = self._unlisted, {}
        for name in unlisted.keys() & self._known:
            self.take_state(name, unlisted[name])

    def _remove(self, name: str) -> None:
        entry = self.displays.pop(name)
        self.removed[name] = self._next()
        symbol = entry.state.get("symbol", "")
        if self.of_symbol.get(symbol) == name:
            del self.of_symbol[symbol]
            rest = (other for other, candidate in self.displays.items() if candidate.state.get("symbol") == symbol)
            if (other := next(rest, None)) is not None:
                self.of_symbol[symbol] = other

    def take_ticks(self, ticks: Iterable[Tick]) -> None:
        """Store the newest tick of each symbol."""
        for symbol, tick in {tick.symbol: tick for tick in ticks}.items():
            self.ticks.pop(symbol, None)
            self.ticks[symbol] = Row(self._next(), tick)

    def take_quotes(self, rows: Mapping[str, list[Any]]) -> None:
        """Store the newest row of each symbol that has changed, see `quotes.COLUMNS`."""
        for symbol, row in rows.items():
            self.quotes.pop(symbol, None)
            self.quotes[symbol] = Row(self._next(), row)

    def take_stats(self, value: Any) -> None:
        """Store the broker's statistics. Raises `TypeError` if JSON cannot express them."""
        self.stats = Row(self._next(), value, _encode(value))

    def take_health(self, value: Any) -> None:
        """Store the judge's verdict."""
        self.health = Row(self._next(), value, _encode(value))

    def last_health(self) -> Any:
        """Return the last verdict; None before the first."""
        return None if self.health is None else self.health.value

    def take_config(self, value: Any) -> None:
        """Store the live configuration. Raises as `take_stats`."""
        self.config = Row(self._next(), value, _encode(value))

    def take_market(self, name: str, value: Any) -> None:
        """Store the state of a market. Raises as `take_stats`."""
        self.markets[name] = Row(self._next(), value, _encode(value))

    def take_silence(self, silent: bool) -> bool:
        """Store whether the broker is silent now; return whether that has changed."""
        changes = silent != (self.silence is not None and self.silence.value)
        if changes:
            self.silence = Row(self._next(), silent, _encode(silent))
        return changes

    def take_unassigned(self, names: list[str]) -> None:
        """Store the displays that have no worker now."""
        if names != ([] if self.unassigned is None else self.unassigned.value):
            self.unassigned = Row(self._next(), names, _encode(names))

    def forget_removed(self, revision: int) -> None:
        """Drop the removed displays that every client knows of: up to a revision."""
        self.removed = {name: removed_at for name, removed_at in self.removed.items() if removed_at > revision}

    # Output

    def entry(self, name: str) -> Entry | None:
        """Return a display, decoded; None if it does not exist, or has no valid state."""
        entry = self.displays.get(name)
        if entry is None:
            return None
        if entry.pending is not None:
            body, entry.pending = entry.pending, None
            try:
                self._decode(name, entry, body)
            except MALFORMED:
                self.malformed += 1
        return entry if entry.head else None

    def _decode(self, name: str, entry: Entry, body: bytes) -> None:
        state: Any = codec.unpack(body)
        profile = state.pop("profile", None)
        for key in ("received", "published"):
            state.pop(f"{key}_ms", None)  # made here, of times in ns
            if isinstance(ns := state.pop(f"{key}_ns", None), int):
                state[f"{key}_ms"] = ns / NS_PER_MS
        head = encode(state)[:-1]
        symbol = state["symbol"]
        if not isinstance(symbol, str):
            raise TypeError(f"symbol is {symbol!r:.40}, must be a text")
        if profile is not None:
            entry.profile.update(profile, entry.revision)
        entry.state, entry.head = state, head
        self.of_symbol.setdefault(symbol, name)

    def frame(self, interest: Interest, before: Interest, at: int, sent_ms: float, quotes: Iterable[Row] = ()) -> bytes | None:
        """Return the frame for clients with `interest` that have all of `before` up to the revision `at`.

        Args:
            sent_ms: ms since 1970 UTC.
            quotes: the next ones that they lack, of `next_quotes`.
        Returns:
            JSON, see PROTOCOL.md section 12.3; None if there is nothing new.
        """
        same = interest == before
        parts = []
        if fragments := self._displays(interest, before, at, same):
            parts.append(b'"displays":{%b}' % b",".join(fragments))
        if fragments := self._ticks(interest, before, at, same):
            parts.append(b'"ticks":{%b}' % b",".join(fragments))
        if rows_of_quotes := [_quote_json(row) for row in quotes]:
            parts.append(b'"quotes":[%b]' % b",".join(rows_of_quotes))
        if removed := self._removed(interest, before, at):
            parts.append(b'"removed":%b' % encode(removed))
        parts += self._health(at if before.stats else 0) if interest.stats else []
        if self.config is not None and interest.config and self.config.revision > (at if before.config else 0):
            parts.append(b'"config":%b' % _json(self.config))
        since = at if before.markets else 0
        if interest.markets and (rows := [(market, row) for market, row in self.markets.items() if row.revision > since]):
            parts.append(b'"markets":{%b}' % b",".join(b"%b:%b" % (encode(market), _json(row)) for market, row in rows))
        if not parts:
            return None
        return b'{"type":"frame","sent_ms":%b,%b}' % (encode(sent_ms), b",".join(parts))

    def _health(self, since: int) -> list[bytes]:
        rows = {b"stats": self.stats, b"health": self.health, b"silent": self.silence, b"unassigned": self.unassigned}
        return [b'"%b":%b' % (key, _json(row)) for key, row in rows.items() if row is not None and row.revision > since]

    def _displays(self, interest: Interest, before: Interest, at: int, same: bool) -> list[bytes]:
        if not interest.displays:
            return []
        fragments = []
        for name in reversed(self.displays):
            revision = self.displays[name].revision
            if same and revision <= at:
                break
            since = at if before.display(name) else 0
            if revision > since and interest.display(name) and (entry := self.entry(name)) is not None:
                try:
                    fragments.append(_fragment(name, entry, since))
                except MALFORMED:  # JSON cannot express its profile; the other displays are not affected
                    self.malformed += 1
        return fragments

    def _ticks(self, interest: Interest, before: Interest, at: int, same: bool) -> list[bytes]:
        if not interest.ticks:
            return []
        fragments = []
        for symbol in reversed(self.ticks):
            row = self.ticks[symbol]
            if same and row.revision <= at:
                break
            if row.revision > (at if before.tick(symbol) else 0) and interest.tick(symbol):
                if row.json is None:
                    row.json = _tick_json(row.value)
                fragments.append(row.json)
        return fragments

    def _removed(self, interest: Interest, before: Interest, at: int) -> list[str]:
        known = (name for name, revision in self.removed.items() if revision > at)
        return [name for name in known if interest.display(name) and before.display(name)]

    def next_quotes(self, since: int) -> list[Row]:
        """Return the first `QUOTES` quotes, in the order of their revisions, that have changed after the revision `since`."""
        if since < self.first_quote:
            return list(itertools.islice(self.quotes.values(), QUOTES))
        later = list(itertools.takewhile(lambda row: row.revision > since, reversed(self.quotes.values())))
        return later[: -QUOTES - 1 : -1]

    @property
    def first_quote(self) -> int:
        """Return the revision of the quote that has not changed for the longest time; 0 without any."""
        return next((row.revision for row in self.quotes.values()), 0)

    @property
    def last_quote(self) -> int:
        """Return the revision of the newest quote; 0 without any."""
        return next((row.revision for row in reversed(self.quotes.values())), 0)


def _quote_json(row: Row) -> bytes:
    if row.json is None:
        row.json, row.value = encode(row.value), None  # its list takes more than its text
    return row.json


def _fragment(name: str, entry: Entry, since: int) -> bytes:
    """Encode one display for clients that have it at the revision `since`; 0: never."""
    profile, tail = entry.profile, b""
    if profile.changed > since:
        whole = since < profile.base
        tail = b',"profile":%b' % profile.full() if whole else b',"profile_delta":%b' % profile.delta(since)
    return b"%b:%b%b}" % (encode(name), entry.head, tail)


def _tick_json(tick: Tick) -> bytes:
    fields = {"bid": tick.bid, "ask": tick.ask, "timestamp": tick.timestamp}
    if tick.received_ns:
        fields["received_ms"] = tick.received_ns / NS_PER_MS
    return b"%b:%b" % (encode(tick.symbol), encode(fields))


def _json(row: Row) -> bytes:
    return row.json if row.json is not None else b"null"


def _encode(value: Any) -> bytes:
    try:
        return encode(value)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise TypeError(str(error)) from error

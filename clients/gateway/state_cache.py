"""The newest of everything that clients of the gateway can want, and what one of them has to be told. Pure.

Whatever changes gets the next *revision*, one running number. All that is known of a client is the revision it has been told
up to: what it is owed is what has a higher one, in its newest form. So a client that reads slowly misses states in between and
costs no memory, and clients at the same revision that want the same share one frame, encoded once.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from bus.errors import ProtocolError
from bus.wire import codec
from bus.wire.messages import Tick
from clients.gateway.interest import Interest
from clients.gateway.profile_deltas import ProfileDeltas

NS_PER_MS = 1e6
MOST_STRAYS = 1000
MALFORMED = (ProtocolError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError, msgspec.MsgspecError)

encode = msgspec.json.encode


@dataclass(slots=True)
class Entry:
    """One display."""

    revision: int
    pending: bytes | None = None  # the newest state, not yet looked at
    state: dict[str, Any] = field(default_factory=dict)  # without its profile; empty before the first
    profile: ProfileDeltas = field(default_factory=ProfileDeltas)
    head: bytes = b""  # the state as JSON, without its closing brace


@dataclass(slots=True)
class Row:
    """One value that is told whole."""

    revision: int
    value: Any
    json: bytes | None = None  # encoded when somebody wants it


class StateCache:
    """Everything that there is to tell."""

    def __init__(self) -> None:
        self.revision = 0
        # Both in the order of their revisions, so that what is new stands at the end.
        self.displays: dict[str, Entry] = {}
        self.ticks: dict[str, Row] = {}
        self.removed: dict[str, int] = {}  # display -> revision
        self.stats: Row | None = None
        self.health: Row | None = None  # what the judge says
        self.config: Row | None = None
        self.of_symbol: dict[str, str] = {}  # symbol -> one of its displays
        self.malformed = 0
        self._known: frozenset[str] | None = None  # the displays that there are; None until they were told
        self._strays: dict[str, bytes] = {}  # states of others: on joining they may come before the list

    def _next(self) -> int:
        self.revision += 1
        return self.revision

    # What comes in

    def take_state(self, display: str, body: bytes) -> None:
        """Take a newer state of a display; it is decoded when somebody wants it."""
        if self._known is not None and display not in self._known:
            if len(self._strays) < MOST_STRAYS:
                self._strays[display] = body
            return
        entry = self.displays.pop(display, None) or Entry(0)
        entry.revision, entry.pending = self._next(), body
        self.displays[display] = entry
        self.removed.pop(display, None)

    def take_displays(self, names: Iterable[str]) -> None:
        """Take the list of all displays that there are: others are gone."""
        self._known = frozenset(names)
        for name in self.displays.keys() - self._known:
            self._remove(name)
        strays, self._strays = self._strays, {}
        for name in strays.keys() & self._known:
            self.take_state(name, strays[name])

    def _remove(self, name: str) -> None:
        entry = self.displays.pop(name)
        self.removed[name] = self._next()
        symbol = entry.state.get("symbol", "")
        if self.of_symbol.get(symbol) == name:
            del self.of_symbol[symbol]
            rest = (other for other, one in self.displays.items() if one.state.get("symbol") == symbol)
            if (other := next(rest, None)) is not None:
                self.of_symbol[symbol] = other

    def take_ticks(self, ticks: Iterable[Tick]) -> None:
        """Take ticks; the newest of each symbol stays."""
        for symbol, tick in {tick.symbol: tick for tick in ticks}.items():
            self.ticks.pop(symbol, None)
            self.ticks[symbol] = Row(self._next(), tick)

    def take_stats(self, value: Any) -> None:
        """Take the broker's statistics. Raises TypeError if they are nothing that JSON has."""
        self.stats = Row(self._next(), value, _encode(value))

    def take_health(self, value: Any) -> None:
        """Take what the judge says of it all."""
        self.health = Row(self._next(), value, _encode(value))

    def health_told(self) -> Any:
        """Give what it said last; None before that."""
        return None if self.health is None else self.health.value

    def take_config(self, value: Any) -> None:
        """Take the live configuration. Raises as `take_stats`."""
        self.config = Row(self._next(), value, _encode(value))

    def forget(self, told: int) -> None:
        """Forget which displays are gone, as far as everybody has been told: up to the revision `told`."""
        self.removed = {name: revision for name, revision in self.removed.items() if revision > told}

    # What is told

    def entry(self, name: str) -> Entry | None:
        """Return a display, decoded; None if there is none, or its newest state is malformed and there was none before."""
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
        told: Any = codec.unpack(body)
        profile = told.pop("profile", None)
        for key in ("received", "published"):
            if isinstance(ns := told.pop(f"{key}_ns", None), int):
                told[f"{key}_ms"] = ns / NS_PER_MS
        head = encode(told)[:-1]
        symbol = told["symbol"]
        if profile is not None:
            entry.profile.take(profile, entry.revision)
        entry.state, entry.head = told, head
        self.of_symbol.setdefault(symbol, name)

    def frame(self, interest: Interest, before: Interest, at: int, sent_ms: float) -> bytes | None:
        """Make the frame for clients that want `interest`, and have been told all of `before` up to the revision `at`.

        Args:
            sent_ms: ms since 1970 UTC.
        Returns:
            JSON, see PROTOCOL.md section 12.3; None if there is nothing to tell.
        """
        same = interest == before
        parts = []
        if found := self._displays(interest, before, at, same):
            parts.append(b'"displays":{%b}' % b",".join(found))
        if found := self._ticks(interest, before, at, same):
            parts.append(b'"ticks":{%b}' % b",".join(found))
        gone = [
            name for name, revision in self.removed.items() if revision > at and interest.display(name) and before.display(name)
        ]
        if gone:
            parts.append(b'"removed":%b' % encode(gone))
        if self.stats is not None and interest.stats and self.stats.revision > (at if before.stats else 0):
            parts.append(b'"stats":%b' % _json(self.stats))
        if self.health is not None and interest.stats and self.health.revision > (at if before.stats else 0):
            parts.append(b'"health":%b' % _json(self.health))
        if self.config is not None and interest.config and self.config.revision > (at if before.config else 0):
            parts.append(b'"config":%b' % _json(self.config))
        if not parts:
            return None
        return b'{"type":"frame","sent_ms":%b,%b}' % (encode(sent_ms), b",".join(parts))

    def _displays(self, interest: Interest, before: Interest, at: int, same: bool) -> list[bytes]:
        if not interest.displays:
            return []
        found = []
        for name in reversed(self.displays):
            revision = self.displays[name].revision
            if same and revision <= at:
                break
            since = at if before.display(name) else 0
            if revision > since and interest.display(name) and (entry := self.entry(name)) is not None:
                try:
                    found.append(_fragment(name, entry, since))
                except MALFORMED:  # its profile holds what JSON has not; nobody else has to miss anything
                    self.malformed += 1
        return found

    def _ticks(self, interest: Interest, before: Interest, at: int, same: bool) -> list[bytes]:
        if not interest.ticks:
            return []
        found = []
        for symbol in reversed(self.ticks):
            row = self.ticks[symbol]
            if same and row.revision <= at:
                break
            if row.revision > (at if before.tick(symbol) else 0) and interest.tick(symbol):
                if row.json is None:
                    row.json = _tick_json(row.value)
                found.append(row.json)
        return found


def _fragment(name: str, entry: Entry, since: int) -> bytes:
    """Write one display for readers that have seen it at the revision `since`; 0: never."""
    profile, tail = entry.profile, b""
    if profile.changed > since:
        whole = since < profile.base
        tail = b',"profile":%b' % profile.full() if whole else b',"profile_delta":%b' % profile.delta(since)
    return b"%b:%b%b}" % (encode(name), entry.head, tail)


def _tick_json(tick: Tick) -> bytes:
    told = {"bid": tick.bid, "ask": tick.ask, "timestamp": tick.timestamp}
    if tick.received_ns:
        told["received_ms"] = tick.received_ns / NS_PER_MS
    return b"%b:%b" % (encode(tick.symbol), encode(told))


def _json(row: Row) -> bytes:
    return row.json if row.json is not None else b"null"


def _encode(value: Any) -> bytes:
    try:
        return encode(value)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise TypeError(str(error)) from error

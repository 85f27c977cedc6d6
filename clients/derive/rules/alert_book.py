"""All alerts: their memory of each symbol, and the firings. PROTOCOL.md section 7.10. Pure.

Like the derived topics it has no clock but the stamps of messages: from the same definitions and messages the same alerts fire,
so a maker that goes on from a checkpoint fires none twice.
"""

from collections.abc import Iterable, Mapping
from heapq import heapify, heappop, heappush
from typing import Any, NamedTuple

import msgspec

from hulak.bus.wire.codec import MAX_TOPIC
from hulak.bus.wire.names import ALERT_TOPICS
from hulak.clients.derive.rules.alert_rule import STAR, AlertRule
from hulak.clients.derive.rules.alert_track import (
    DAY_MS,
    STALE,
    Crossing,
    DayOpen,
    PriceWindow,
    Track,
    change_of,
    decide,
    price_of,
    spread_of,
)
from hulak.clients.derive.rules.quote import Body, MarketState, Quote, quote_of

MOST_SYMBOLS = 1_000  # of one alert
MOST_WATCHES = 100_000  # of all alerts: pairs of an alert and a symbol
MOST_WINDOWS = 10_000  # of these with a window, which remembers up to 101 prices
MOST_MARKETS = 1_000
MS = 1000
Open = tuple[int, float | None, float | None, float | None]  # a day since 1970, and its first bid, ask and last price


class Message(NamedTuple):
    """The numbered message that is taken."""

    number: int = 0
    epoch: int = 0
    at: int = 0  # the largest stamp since the broker's clock was last set back, ms


class Firing(NamedTuple):
    """An alert that fires, as it is posted: `alert.<name>`."""

    name: str  # of the alert, and the symbol
    body: dict[str, Any]


class Watch(msgspec.Struct, array_like=True):
    """An alert and one symbol."""

    alert: str  # id
    symbol: str
    track: Track
    window: PriceWindow | None = None
    open: DayOpen | None = None
    source: str = ""  # of its last tick
    seen: int = 0  # the stamp of its last tick; 0: not known yet

    def due(self, rule: AlertRule, opened: Mapping[str, int]) -> int:
        """Return when it is stale, if no tick comes."""
        return max(self.seen, opened.get(self.source, 0)) + rule.after_ms


class BookState(msgspec.Struct, array_like=True):
    """All that is known, for a checkpoint."""

    rules: list[AlertRule]
    watches: list[Watch]
    past: list[tuple[str, str, int, int]]  # alert, symbol, fired, at: of symbols without a tick since
    opens: list[tuple[str, int, float | None, float | None, float | None]]  # symbol, day, bid, ask, last
    closed: list[str]
    opened: dict[str, int]


class AlertBook:
    """The alerts that are defined, and what they remember."""

    def __init__(self) -> None:
        self.rules: dict[str, AlertRule] = {}  # by id
        self.ignored = 0  # symbols beyond the limits
        self.fired = 0
        self._of: dict[str, list[Watch]] = {}  # symbol -> its watches; empty for a symbol without
        self._whole: dict[str, list[AlertRule]] = {}
        self._patterns: dict[str, list[AlertRule]] = {}  # by what the symbols begin with
        self._count: dict[str, int] = {}  # alert -> symbols
        self._total = 0  # of all alerts
        self._stale: dict[tuple[str, str], Watch] = {}  # by alert and symbol
        self._windows = 0
        self._past: dict[tuple[str, str], tuple[int, int]] = {}
        self._opens: dict[str, Open] = {}
        self._closed: dict[str, None] = {}  # sources whose market is closed
        self._opened: dict[str, int] = {}  # source -> when its market opened
        self._due: list[tuple[int, str, str]] = []  # a heap: not after it is stale; alert and symbol
        self._parked: dict[str, dict[tuple[str, str], None]] = {}  # source whose market is closed -> alert and symbol

    # Definitions

    def define(
        self,
        rules: Iterable[AlertRule],
        past: Mapping[tuple[str, str], tuple[int, int]],
        opens: Mapping[str, Open],
        now: int,
    ) -> None:
        """Replace the definitions; the memory of those that stay is kept.

        Args:
            rules: all of them.
            past: (alert, symbol) -> times fired, and when last: of firings that are not remembered; such an alert is not armed.
            opens: symbol -> day since 1970, and its first bid, ask and last price.
            now: the largest stamp so far, ms.
        """
        known = {(watch.alert, watch.symbol): watch for watches in self._of.values() for watch in watches}
        symbols = dict.fromkeys(self._of)
        self.rules = {rule.id: rule for rule in rules}
        self._past = {key: value for key, value in {**self._past, **past}.items() if key[0] in self.rules}
        self._opens = dict(opens)
        self._index()
        for watch in known.values():
            if watch.alert in self.rules:
                self._place(watch)
        for symbol in (symbols | dict.fromkeys(self._whole)) if self.rules else ():
            self._discover(symbol, now, known)

    def _index(self) -> None:
        self._of, self._whole, self._patterns, self._count, self._stale = {}, {}, {}, {}, {}
        self._due, self._parked, self._windows, self._total = [], {}, 0, 0
        for rule in self.rules.values():
            if rule.symbol.endswith(STAR):
                self._patterns.setdefault(rule.symbol[:-1], []).append(rule)
            else:
                self._whole.setdefault(rule.symbol, []).append(rule)

    def _place(self, watch: Watch) -> None:
        rule = self.rules[watch.alert]
        self._of.setdefault(watch.symbol, []).append(watch)
        self._count[rule.id] = self._count.get(rule.id, 0) + 1
        self._total += 1
        self._windows += watch.window is not None
        if rule.on == STALE:
            self._stale[rule.id, watch.symbol] = watch
        if rule.on == STALE and watch.track.armed:
            heappush(self._due, (watch.due(rule, self._opened) if watch.seen else 0, rule.id, watch.symbol))

    def _begin(self, rule: AlertRule, symbol: str, now: int) -> None:
        """Begin to watch a symbol for an alert."""
        windowed = rule.on == "change" and rule.window_ms is not None
        too_long = len(ALERT_TOPICS) + len(rule.name) + 1 + len(symbol) > MAX_TOPIC
        full = too_long or self._count.get(rule.id, 0) >= MOST_SYMBOLS or self._total >= MOST_WATCHES
        if full or (windowed and self._windows >= MOST_WINDOWS):
            self.ignored += 1
            return
        past = self._past.pop((rule.id, symbol), None)
        track = Track() if past is None else Track(False, *past)
        watch = Watch(rule.id, symbol, track, PriceWindow() if windowed else None, seen=now)
        if rule.on == "change" and not windowed:
            watch.open = self._day_open(rule, symbol, now)
        self._place(watch)

    def _day_open(self, rule: AlertRule, symbol: str, now: int) -> DayOpen:
        day, bid, ask, last = self._opens.get(symbol, (-1, None, None, None))
        price = price_of(rule, Quote(bid, ask, None, "", False), last)
        return DayOpen(day, price) if price is not None and day == now // DAY_MS else DayOpen()

    def _discover(self, symbol: str, now: int, known: Mapping[tuple[str, str], object]) -> list[Watch]:
        """Begin to watch a symbol for all alerts that are about it, but the known ones."""
        if symbol not in self._of and len(self._of) >= MOST_WATCHES:
            self.ignored += 1
            return []
        watches = self._of.setdefault(symbol, [])
        rules = self._rules_of(symbol)
        if self._total >= MOST_WATCHES:
            self.ignored += len(rules) - len(watches)
            return watches
        for rule in rules:
            if (rule.id, symbol) not in known:
                self._begin(rule, symbol, now)
        return watches

    def _rules_of(self, symbol: str) -> list[AlertRule]:
        """Return the alerts about a symbol; it costs nothing for the patterns of other symbols."""
        rules = list(self._whole.get(symbol, ()))
        for end in range(len(symbol) + 1) if self._patterns else ():
            rules += self._patterns.get(symbol[:end], ())
        return rules

    # Messages

    def tick(self, symbol: str, body: Body, message: Message) -> list[Firing]:
        """Take a tick; return the alerts that fire."""
        if not self.rules:
            return []
        watches = self._of.get(symbol)
        if watches is None:
            watches = self._discover(symbol, message.at, {})
        if not watches:
            return []
        quote, made = quote_of(body), []
        for watch in watches:
            rule, source_before = self.rules[watch.alert], watch.source
            watch.source = quote.source
            if rule.on == STALE:
                self._tick_of_stale(rule, watch, message.at, source_before)
                continue
            value = self._value(
                rule, watch, quote, body.get("last"), message.at
            )  # of one that is not evaluated too: windows have no gaps
            if value is None or not rule.counts(message.at):
                continue
            if (reached := decide(rule, watch.track, value, message.at)) is not None:
                made.append(self._firing(rule, watch, reached, message, quote))
        return made

    def _value(self, rule: AlertRule, watch: Watch, quote: Quote, last: object, now: int) -> float | None:
        if rule.on == "spread":
            return spread_of(rule, watch.symbol, quote)
        price = price_of(rule, quote, last)
        if price is None or rule.on == "price":
            return price
        if watch.window is not None and rule.window_ms is not None:
            return change_of(price, watch.window.take(price, now, rule.window_ms))
        watch.open = watch.open or DayOpen()
        return change_of(price, watch.open.take(price, now))

    def _tick_of_stale(self, rule: AlertRule, watch: Watch, now: int, source_before: str) -> None:
        watch.seen = now
        if watch.source != source_before and source_before in self._parked:  # its market is another one
            key = rule.id, watch.symbol
            parked = self._parked[source_before]
            if key in parked:
                del parked[key]
                heappush(self._due, (now + rule.after_ms, *key))
        if not watch.track.armed and rule.repeat:
            watch.track.armed = True
            heappush(self._due, (now + rule.after_ms, rule.id, watch.symbol))

    def market(self, state: MarketState, now: int) -> None:
        """Take the state of a market: while it is closed, its symbols do not become stale."""
        name = state.market
        if not state.is_open:
            if len(self._closed) < MOST_MARKETS:
                self._closed[name] = None
            return
        if name in self._closed:
            del self._closed[name]
            self._opened[name] = now
            for alert, symbol in self._parked.pop(name, ()):
                heappush(self._due, (now, alert, symbol))

    def grow_old(self, message: Message) -> list[Firing]:
        """Return the alerts that fire since no tick came."""
        made, due = [], self._due
        while due and due[0][0] <= message.at:
            _, alert, symbol = heappop(due)
            rule = self.rules[alert]
            watch = self._stale[alert, symbol]
            if not rule.counts(message.at):
                continue
            watch.seen = watch.seen or message.at
            if watch.source in self._closed:
                self._parked.setdefault(watch.source, {})[alert, symbol] = None
                continue
            at = watch.due(rule, self._opened)
            if at <= message.at and watch.track.fired:
                at = max(at, watch.track.at + rule.cooldown_ms)
            if at > message.at:
                heappush(due, (at, alert, symbol))
                continue
            watch.track.armed, watch.track.fired, watch.track.at = False, watch.track.fired + 1, message.at
            silent_s = (message.at - max(watch.seen, self._opened.get(watch.source, 0))) / MS
            made.append(self._firing(rule, watch, Crossing(STALE, silent_s, rule.after_ms / MS), message, None))
        return made

    def set_back(self, now: int) -> None:
        """Go on from an earlier stamp of the broker, whose clock was set back: no remembered time is of the future."""
        self._opened = {source: min(at, now) for source, at in self._opened.items()}
        for watch in (watch for watches in self._of.values() for watch in watches):
            rule, track = self.rules[watch.alert], watch.track
            watch.seen, track.at = min(watch.seen, now), min(track.at, now)
            if watch.window is not None and rule.window_ms is not None:
                watch.window.set_back(now, rule.window_ms)
        parked = {key for keys in self._parked.values() for key in keys}
        self._due = [
            (watch.due(self.rules[key[0]], self._opened) if watch.seen else 0, *key)
            for key, watch in self._stale.items()
            if watch.track.armed and key not in parked
        ]
        heapify(self._due)

    def due(self) -> int | None:
        """Return when an alert may fire although no message comes, ms since 1970 UTC."""
        return self._due[0][0] if self._due else None

    def _firing(self, rule: AlertRule, watch: Watch, reached: Crossing, message: Message, quote: Quote | None) -> Firing:
        self.fired += 1
        body = {
            "alert": rule.name,
            "id": rule.id,
            "symbol": watch.symbol,
            "on": rule.on,
            "way": reached.way,
            "value": reached.value,
            "limit": reached.limit,
            "unit": _unit(rule),
            "at": message.at,
            "number": message.number,
            "epoch": message.epoch,
            "tick_ms": None if quote is None else quote.at,
            "bid": None if quote is None else quote.bid,
            "ask": None if quote is None else quote.ask,
            "fired": watch.track.fired,
            "note": rule.note,
        }
        return Firing(f"{rule.name}.{watch.symbol}", body)

    # Checkpoints

    def dump(self) -> BookState:
        """Return all that is known; it shares its parts with this object."""
        watches = [watch for watches in self._of.values() for watch in watches]
        past = [(*key, *value) for key, value in self._past.items()]
        opens = [(symbol, *value) for symbol, value in self._opens.items()]
        return BookState(list(self.rules.values()), watches, past, opens, list(self._closed), self._opened)

    @classmethod
    def loaded(cls, state: BookState) -> "AlertBook":
        """Continue from what was known."""
        book = cls()
        book.rules = {rule.id: rule for rule in state.rules}
        book._past = {(alert, symbol): (fired, at) for alert, symbol, fired, at in state.past}
        book._opens = {symbol: (day, bid, ask, last) for symbol, day, bid, ask, last in state.opens}
        book._closed, book._opened = dict.fromkeys(state.closed), state.opened
        book._index()
        for watch in state.watches:
            book._place(watch)
        return book


def _unit(rule: AlertRule) -> str:
    """Return what value and limit are measured in."""
    return rule.unit if rule.on == "spread" else {"change": "percent", STALE: "s"}.get(rule.on, "price")

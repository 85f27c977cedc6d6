"""How a feed talks to a venue: the events in a venue's messages, as values, and the interface of every dialect.

A dialect is the language of one venue, pure: it parses each message into events, and returns effects (`Send`,
`Reconnect`), which the feed carries out. Messages that the venue wants regularly are data: its `timers`. It raises `FeedError` on
any bad input and nothing else; of several quotes in a message, a bad one becomes an event, its error, and does not affect the
others. A valid message without anything of interest (a status, another stream) gives no events. Prices are not checked here:
`clients.feeds.quote_flags` flags unusual quotes.

The codes of a `SymbolError` are those of the FX backend; `classify_refusal` maps a venue's own words to them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlencode

from hulak.bus.errors import FeedError
from hulak.bus.wire.messages import Tick
from hulak.clients.feeds.symbol_keys import SymbolKeys, canonical_symbol
from hulak.clients.feeds.venues.parsing import price_of

NOT_FOUND, RATE_LIMIT, TIMEOUT = "SYMBOL_NOT_FOUND", "RATE_LIMIT", "TIMEOUT"
RESOLVE_FAILED, INVALID, FAILED = "RESOLVE_FAILED", "INVALID_SYMBOL", "SUBSCRIPTION_FAILED"
GENERIC = "VENUE_ERROR"  # the venue gave no code
CODES = (NOT_FOUND, RATE_LIMIT, TIMEOUT, RESOLVE_FAILED, INVALID, FAILED, GENERIC)
LONGEST_TEXT = 200  # characters of a venue's error text that are kept
MAX_SYMBOLS = 10_000  # kept by a dialect; bounds the memory for a venue that sends new names without end


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The venue is alive; it sends no data with this."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The venue accepts requests from now on."""


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The venue sends a symbol's quotes, or will from now on."""

    symbol: str  # the canonical key


@dataclass(frozen=True, slots=True)
class SymbolError:
    """The venue refused a symbol, or a request of unknown symbol."""

    symbol: str | None  # the canonical key; None where the venue names none
    code: str  # one of CODES
    text: str  # the venue's own words, at most LONGEST_TEXT characters


@dataclass(frozen=True, slots=True)
class Send:
    """An effect: send a message to the venue."""

    text: str = field(repr=False)  # may hold a secret


@dataclass(frozen=True, slots=True)
class Reconnect:
    """An effect: this connection is of no more use, make another one."""

    why: str  # for the log, at most LONGEST_TEXT characters
    by_choice: bool = False  # the connection has not failed: the next attempt is not delayed further


@dataclass(frozen=True, slots=True)
class Timer:
    """A message that the venue wants regularly; it closes the connection of a client that does not send it."""

    text: str
    every_s: float  # at most; the feed sends it more often where its own limit of heartbeats is shorter


Event = Tick | Heartbeat | Ready | Subscribed | SymbolError | FeedError  # FeedError: a bad quote among several of a message
Effect = Event | Send | Reconnect


class Dialect(Protocol):
    """The language of one venue; one object for each connection."""

    own_heartbeats: (
        bool  # the venue sends heartbeats, or answers `timers`; otherwise the feed pings, and pongs count as heartbeats
    )
    greets: bool  # the venue sends `Ready`, and may lose requests before it
    signs_in: bool  # its messages carry the token; otherwise the request to connect does
    timers: tuple[Timer, ...]
    names: SymbolKeys  # the keys of its symbols

    def address(self, url: str, symbols: Sequence[str]) -> str:
        """Return the url to connect to; it differs from `url` where the url subscribes.

        Raises:
            FeedError: the venue is known to send nothing there.
        """
        ...

    def selects(self, url: str) -> bool:
        """Return whether the url alone brings quotes: a feed without symbols then takes all that it sends."""
        ...

    def opening(self) -> list[Effect]:
        """Return what a new connection begins with."""
        ...

    def subscribe(self, symbols: Sequence[str]) -> list[Effect]:
        """Subscribe to these symbols: requests, or `Subscribed` where the url subscribes.

        Args:
            symbols: as the venue writes them.
        """
        ...

    def unsubscribe(self, symbols: Sequence[str]) -> list[Effect]:
        """End the subscriptions of these symbols, and forget their quotes; `Reconnect` where the url subscribes.

        Args:
            symbols: as the venue writes them.
        """
        ...

    def parse(self, message: str | bytes, received_ms: int) -> list[Effect]:
        """Parse one message of the venue.

        Args:
            message: as received, text or its UTF-8 bytes; mostly JSON.
            received_ms: when it was received, ms since 1970 UTC; the ticks' time where the venue gives none.
        Returns:
            its events, in its order, and the answers that it wants; empty if it has none.
        Raises:
            FeedError: it is not a message of this venue.
        """
        ...


class Sides:
    """The last known bid and ask of each symbol, which complete an update of one side.

    A side that an update does not have is unchanged. A side of 0 is empty, as crypto venues write it, and as an option or a stock
    at its limit has it: the tick has None there until the side comes back.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[float | None, float | None]] = {}  # None: never known; 0.0: empty

    def forget(self, symbol: str) -> None:
        """Forget the sides of a symbol, whose subscription ends: they would complete a much later update."""
        self._known.pop(symbol, None)

    def quote(
        self, symbol: str, bid: object, ask: object, time_ms: int, source: str, flags: tuple[str, ...] = ()
    ) -> list[Effect]:
        """Make the tick of an update.

        Args:
            symbol: the canonical key.
            bid: a price; None or "" where the update has none; 0 where the book is empty.
            ask: likewise.
            time_ms: ms since 1970 UTC.
            source: of the tick.
            flags: the venue's own flags.
        Returns:
            one tick; none while a side is still unknown.
        Raises:
            FeedError: a side is not a price; the known sides of the symbol are unchanged.
        """
        new_bid, new_ask = _side_of(bid, "bid"), _side_of(ask, "ask")
        if new_bid is None and new_ask is None:
            raise FeedError(f"quote of {symbol} has neither bid nor ask, must have one of them")
        if new_bid is None or new_ask is None:
            old_bid, old_ask = self._known.get(symbol, (None, None))
            new_bid, new_ask = old_bid if new_bid is None else new_bid, old_ask if new_ask is None else new_ask
        if symbol not in self._known and len(self._known) >= MAX_SYMBOLS:
            del self._known[next(iter(self._known))]
        self._known[symbol] = (new_bid, new_ask)
        if new_bid is None or new_ask is None:
            return []
        return [Tick(symbol, new_bid or None, new_ask or None, time_ms, source, flags)]


def _side_of(value: object, name: str) -> float | None:
    return None if value is None or value == "" else price_of(value, name)


_KINDS = (  # the first match counts; compared with code and text in upper case
    (
        RATE_LIMIT,
        re.compile(r"FREQUENCY_EXCEEDED|SPEED_OVERLIMIT|BLOCKED_PAYLOAD|TOO.(?:MANY|FREQUENT)|RATE.?LIMIT|EXCEEDED.*RATE|429"),
    ),
    (TIMEOUT, re.compile(r"TIMED.OUT|TIMEOUT")),
    (
        NOT_FOUND,
        re.compile(
            r"NOT.FOUND|NOT.SUPPORTED|DOES.?N.T.EXIST|UNKNOWN.SYMBOL|NOT A VALID PRODUCT|UNKNOWN.*(PAIR|PRODUCT|INSTRUMENT)"
        ),
    ),
    (INVALID, re.compile(r"INVALID.*(SYMBOL|PAIR|PRODUCT|INSTRUMENT)|NOT IN ISO")),
)
_ALREADY = re.compile(r"ALREADY.SUBSCRIBED").search


def classify_refusal(raw: object, text: object, code: object = None, otherwise: str = GENERIC) -> Subscribed | SymbolError:
    """Map a venue's refusal to one of CODES, or to success where the venue only says that it was subscribed already.

    Args:
        raw: the symbol as the venue writes it; ignored if not text.
        text: the venue's error text, of any type.
        code: the venue's code, of any type.
        otherwise: the code where neither is known.
    """
    sentence = text[:LONGEST_TEXT] if isinstance(text, str) else ""
    name = code.upper()[:64] if isinstance(code, str) else ""
    try:
        symbol = canonical_symbol(raw) if isinstance(raw, str) and raw else None
    except FeedError:  # the venue echoes a bad name; its error must be reported all the same
        symbol, sentence = None, f"{str(raw)[:40]!r}: {sentence}"[:LONGEST_TEXT]
    words = f"{name} {sentence.upper()}"
    if symbol is not None and _ALREADY(words):
        return Subscribed(symbol)
    if name in CODES:
        return SymbolError(symbol, name, sentence)
    kind = next((kind for kind, pattern in _KINDS if pattern.search(words)), None)
    return SymbolError(symbol, kind or otherwise, sentence or name)


class BaseDialect:
    """The common parts of the dialects; by default the venue sends heartbeats, and requests subscribe.

    Args:
        names: the keys of the venue's symbols; a new `SymbolKeys` if None.
    """

    own_heartbeats = True
    greets = False
    signs_in = False
    timers: tuple[Timer, ...] = ()

    def __init__(self, names: SymbolKeys | None = None) -> None:
        self.names = names or SymbolKeys()
        self._sides = Sides()

    def address(self, url: str, symbols: Sequence[str]) -> str:
        """Return the url unchanged; see `Dialect.address`."""
        del symbols
        return url

    def selects(self, url: str) -> bool:
        """Return False: symbols are requested; see `Dialect.selects`."""
        del url
        return False

    def opening(self) -> list[Effect]:
        """Return nothing; see `Dialect.opening`."""
        return []

    def forget(self, symbols: Sequence[str]) -> None:
        """Forget the names and sides of symbols, whose subscriptions end."""
        for symbol in symbols:
            self._sides.forget(self.names.key(symbol))
            self.names.forget(symbol)


class UrlDialect(BaseDialect):
    """The common parts of the dialects of venues that subscribe by the url."""

    parameter = "symbols"  # of the url's query; it lists the symbols

    def __init__(self) -> None:
        super().__init__()
        self._selected: frozenset[str] = frozenset()  # by the url of this connection

    def selects(self, url: str) -> bool:
        """Return True; see `Dialect.selects`."""
        del url
        return True

    def address(self, url: str, symbols: Sequence[str]) -> str:
        """Add the symbols to the url; see `Dialect.address`."""
        if not symbols:
            return url
        self._selected = frozenset(symbols)
        return f"{url}{'&' if '?' in url else '?'}{urlencode({self.parameter: ','.join(symbols)}, safe=',')}"

    def subscribe(self, symbols: Sequence[str]) -> list[Effect]:
        """Confirm the symbols that the url selects; others need a new connection; see `Dialect.subscribe`."""
        if not self._selected.issuperset(symbols):
            return [Reconnect("symbols were added: the url subscribes", by_choice=True)]
        return [Subscribed(self.names.key(symbol)) for symbol in symbols]

    def unsubscribe(self, symbols: Sequence[str]) -> list[Effect]:
        """Ask for a new connection; see `Dialect.unsubscribe`."""
        self.forget(symbols)
        return [Reconnect("symbols were removed: the url subscribes", by_choice=True)]

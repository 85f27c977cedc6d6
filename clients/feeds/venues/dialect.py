"""How a feed speaks with a venue: what a venue's messages tell, as values, and what every dialect promises.

A dialect is one venue's language, pure: it writes the requests to subscribe, and turns each message into events. Whatever
it is given, it raises `FeedError` and nothing else; of several quotes in a message one that is bad is an event, its error, and
costs the others nothing. A message that is valid and tells nothing of interest (a status, another
kind of stream) gives no events. Prices are not judged here: `clients.feeds.quote_flags` flags what is odd.

The codes of a `SymbolError` are those of the FX backend, and a venue's own words are sorted into them by `refused`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bus.errors import FeedError
from bus.wire.messages import Tick
from clients.feeds.symbol_keys import SymbolKeys, canonical_symbol
from clients.feeds.venues.parsing import price_of

NOT_FOUND, RATE_LIMIT, TIMEOUT = "SYMBOL_NOT_FOUND", "RATE_LIMIT", "TIMEOUT"
RESOLVE_FAILED, INVALID, FAILED = "RESOLVE_FAILED", "INVALID_SYMBOL", "SUBSCRIPTION_FAILED"
GENERIC = "VENUE_ERROR"  # the venue gave no code
CODES = (NOT_FOUND, RATE_LIMIT, TIMEOUT, RESOLVE_FAILED, INVALID, FAILED, GENERIC)
LONGEST_TEXT = 200  # characters of a venue's sentence that are kept
MOST_SYMBOLS = 10_000  # remembered by a dialect; a venue that sends ever new names cannot fill the memory


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The venue says that it is there; of data it says nothing."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The venue takes requests from now on."""


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The venue sends, from now on or already, a symbol's quotes."""

    symbol: str  # the canonical key


@dataclass(frozen=True, slots=True)
class SymbolError:
    """The venue refused something: a symbol, or what it cannot be told to belong to."""

    symbol: str | None  # the canonical key; None where the venue names none
    code: str  # one of CODES
    text: str  # the venue's own words, at most LONGEST_TEXT characters


Event = Tick | Heartbeat | Ready | Subscribed | SymbolError | FeedError  # FeedError: one bad quote among several of a message


class Dialect(Protocol):
    """The language of one venue; one object for each connection."""

    own_heartbeats: bool  # the venue sends some; otherwise the feed pings, and pongs count
    greets: bool  # the venue says `Ready`, and may lose what it is asked before
    names: SymbolKeys  # the keys of its symbols

    def address(self, url: str, symbols: Sequence[str]) -> str:
        """Return the url to connect to; another than `url` where a venue subscribes by it.

        Raises:
            FeedError: the venue is known to send nothing there.
        """
        ...

    def subscribe_messages(self, symbols: Sequence[str]) -> list[str]:
        """Write the requests that subscribe to these symbols; none where the url has done it.

        Args:
            symbols: as the venue writes them.
        """
        ...

    def parse(self, message: str | bytes, received_ms: int) -> list[Event]:
        """Read one message of the venue.

        Args:
            message: as it came, JSON text or its UTF-8 bytes.
            received_ms: when it came, ms since 1970 UTC; the ticks' time where the venue gives none.
        Returns:
            what it tells, in its order; nothing if it is of no interest.
        Raises:
            FeedError: it is not what this venue sends.
        """
        ...


class Sides:
    """The last known bid and ask of each symbol: what an update of one side is completed with.

    A side that an update does not have is as it was. One that is 0 is gone, as the venues of crypto-currencies write it, and an
    option or a stock at its limit has it: its tick has None there, until the side comes again.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[float | None, float | None]] = {}  # None: never known; 0.0: there is none

    def quote(self, symbol: str, bid: object, ask: object, time_ms: int, source: str, flags: tuple[str, ...] = ()) -> list[Event]:
        """Make the tick of an update.

        Args:
            symbol: the canonical key.
            bid: a price; None or "" where the update has none; 0 where the book has none.
            ask: likewise.
            time_ms: ms since 1970 UTC.
            source: of the tick.
            flags: what the venue says of it.
        Returns:
            one tick; none while a side has never been known.
        Raises:
            FeedError: a side is no price; what was known of the symbol stays.
        """
        new_bid, new_ask = _side_of(bid, "bid"), _side_of(ask, "ask")
        if new_bid is None and new_ask is None:
            raise FeedError(f"quote of {symbol} has neither bid nor ask, must have one of them")
        if new_bid is None or new_ask is None:
            old_bid, old_ask = self._known.get(symbol, (None, None))
            new_bid, new_ask = old_bid if new_bid is None else new_bid, old_ask if new_ask is None else new_ask
        if symbol not in self._known and len(self._known) >= MOST_SYMBOLS:
            del self._known[next(iter(self._known))]
        self._known[symbol] = (new_bid, new_ask)
        if new_bid is None or new_ask is None:
            return []
        return [Tick(symbol, new_bid or None, new_ask or None, time_ms, source, flags)]


def _side_of(value: object, name: str) -> float | None:
    return None if value is None or value == "" else price_of(value, name)


_KINDS = (  # the first that fits, against code and text in capitals
    (RATE_LIMIT, re.compile(r"FREQUENCY_EXCEEDED|SPEED_OVERLIMIT|BLOCKED_PAYLOAD|TOO.MANY|RATE.?LIMIT|EXCEEDED.*RATE|429")),
    (TIMEOUT, re.compile(r"TIMED.OUT|TIMEOUT")),
    (NOT_FOUND, re.compile(r"NOT.FOUND|NOT.SUPPORTED|UNKNOWN.SYMBOL|NOT A VALID PRODUCT|UNKNOWN.*(PAIR|PRODUCT|INSTRUMENT)")),
    (INVALID, re.compile(r"INVALID.*(SYMBOL|PAIR|PRODUCT|INSTRUMENT)|NOT IN ISO")),
)
_ALREADY = re.compile(r"ALREADY.SUBSCRIBED").search


def refused(raw: object, text: object, code: object = None, otherwise: str = GENERIC) -> Subscribed | SymbolError:
    """Sort a venue's refusal: one of CODES, or success where the venue only says that it had subscribed already.

    Args:
        raw: the symbol as the venue writes it; what is no text names none.
        text: the venue's sentence, of any type.
        code: the venue's code, of any type.
        otherwise: the code where neither says what kind it is.
    """
    said = text[:LONGEST_TEXT] if isinstance(text, str) else ""
    name = code.upper()[:64] if isinstance(code, str) else ""
    try:
        symbol = canonical_symbol(raw) if isinstance(raw, str) and raw else None
    except FeedError:  # the venue repeats a name that can be none; the error still has to surface
        symbol, said = None, f"{str(raw)[:40]!r}: {said}"[:LONGEST_TEXT]
    words = f"{name} {said.upper()}"
    if symbol is not None and _ALREADY(words):
        return Subscribed(symbol)
    if name in CODES:
        return SymbolError(symbol, name, said)
    kind = next((kind for kind, pattern in _KINDS if pattern.search(words)), None)
    return SymbolError(symbol, kind or otherwise, said or name)


def same_url(url: str, symbols: Sequence[str]) -> str:
    """Be the `address` of a venue that subscribes by messages."""
    del symbols
    return url

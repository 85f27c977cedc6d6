"""The one key of a symbol, which its topic is named by: PROTOCOL.md section 3.3. Pure.

A topic has letters, digits, `.`, `-` and `_`. Any other character of a venue's name is escaped in the key: its hexadecimal UTF-8
between two `_`. `M&M` is `M_26_M`, `^GSPC` is `_5E_GSPC`. `name_of` reverses it.
"""

import re
from functools import lru_cache

from hulak.bus.errors import FeedError
from hulak.bus.wire.names import ANY_SOURCE
from hulak.clients.feeds.venues.parsing import shown

MAX_CHARACTERS = 64  # of a key
LONGEST_NAME = 200  # characters of a feed's name or source
_PLAIN = re.compile(r"[A-Z0-9](?:[A-Z0-9.-]{0,62}[A-Z0-9-])?").fullmatch
_ESCAPED = re.compile(r"_((?:[0-9A-F]{2})+)_")
_ODD = re.compile(r"[^A-Z0-9.-]+")
_SUFFIXED = re.compile(r"(.+)\.[A-Z]+[0-9]*").fullmatch
_PREFIX = re.compile(r"[a-z0-9][a-z0-9-]{0,15}").fullmatch
_BETWEEN_DIGITS = re.compile(r"(?<=[0-9])/(?=[0-9])")


class BadSymbol(FeedError):
    """A venue's name that cannot be a topic.

    Args:
        name: the venue's name.
        why: the error text.
    """

    def __init__(self, name: str, why: str) -> None:
        super().__init__(why)
        self.name = name


@lru_cache(maxsize=4096)  # a venue has a few hundred symbols, each in every message
def canonical_symbol(raw: str) -> str:
    """Return the key of a symbol, however the venue writes it. A key is its own key.

    Upper case; "/" and "_" between the parts of a pair are dropped, "-" and "." stay (BTC-PERP is not BTCPERP, BRK.A not BRK.B,
    BTCUSDT.P not BTCUSDT); all other characters are escaped.

    Args:
        raw: the venue's name for it.
    Returns:
        1 to 64 characters of A-Z, 0-9, ".", "-" and "_", the last one not ".".
    Raises:
        BadSymbol: it is empty or too long, or holds characters that cannot be printed.
    """
    if not raw.isprintable():
        raise BadSymbol(raw, f"symbol is {shown(raw)}, must be characters that can be printed")
    symbol = raw.upper() if raw.isascii() else "".join(char.upper() if char.isascii() else char for char in raw)
    if not _PLAIN(symbol):
        symbol = _escaped(symbol)
    if not 0 < len(symbol) <= MAX_CHARACTERS:
        raise BadSymbol(raw, f"symbol is {shown(raw)}, must be a name that is written in 1 to {MAX_CHARACTERS} characters")
    return symbol


def _escaped(symbol: str) -> str:
    """Escape every character that needs it, and leave what is escaped already."""
    parts = []
    at = 0
    for match in _ESCAPED.finditer(symbol):
        if _unescaped(match[1]) is not None:
            parts += [_escape(symbol[at : match.start()]), match[0]]
            at = match.end()
    return _close("".join([*parts, _escape(symbol[at:])]))


def _escape(text: str) -> str:
    return _ODD.sub(lambda match: f"_{match[0].encode().hex().upper()}_", text.replace("/", "").replace("_", ""))


def _close(symbol: str) -> str:
    """Escape a "." at an end, and a "-" at the beginning, and join adjacent escapes."""
    if symbol.startswith((".", "-")):
        symbol = f"_{symbol[0].encode().hex().upper()}_{symbol[1:]}"
    if symbol.endswith("."):
        symbol = f"{symbol[:-1]}_2E_"
    return symbol.replace("__", "")


def _unescaped(digits: str) -> str | None:
    try:
        text = bytes.fromhex(digits).decode()
    except ValueError:
        return None
    return text if text.isprintable() and not any(char.isascii() and (char.isalnum() or char in "/_") for char in text) else None


def name_of(symbol: str) -> str:
    """Return the name that a key was made from, in upper case and without the dropped characters."""
    return _ESCAPED.sub(lambda match: _unescaped(match[1]) or match[0], symbol)


def without_suffix(symbol: str) -> str:
    """Drop the suffix of a contract or venue, where it follows a digit or at least six characters: `USD/JPY.P`, `US500.MAY25`.

    Only for venues that are known to add such suffixes: `BTCUSDT.P` is another instrument elsewhere.
    """
    match = _SUFFIXED(symbol.upper().replace("/", "").replace("_", "")) if symbol.isascii() else None
    return match[1] if match and (len(match[1]) >= 6 or match[1][-1].isdigit()) else symbol


def check_prefix(prefix: str) -> str:
    """Return a prefix as it stands before its symbols, with its dot; empty if there is none.

    Raises:
        FeedError: it does not consist of lower-case letters, digits and "-".
    """
    if prefix and not _PREFIX(prefix):
        raise FeedError(f"prefix is {shown(prefix)}, must be 1 to 16 of a-z, 0-9 and '-', beginning with a letter or digit")
    return f"{prefix}." if prefix else ""


def check_text(what: str, text: object, *, least: int) -> None:
    """Check a name that is shown to users, such as that of a feed.

    Raises:
        FeedError: it is no text, or has fewer than `least`, more than `LONGEST_NAME` or unprintable characters.
    """
    if not (isinstance(text, str) and least <= len(text) <= LONGEST_NAME and text.isprintable()):
        raise FeedError(f"{what} is {text!r:.60}, must be text of {least} to {LONGEST_NAME} printable characters")


def check_source(source: object) -> None:
    """Check a source of ticks; an empty one is valid.

    Raises:
        FeedError: as `check_text`; or it is `any`, which means all sources.
    """
    check_text("source", source, least=0)
    if source == ANY_SOURCE:
        raise FeedError(f"source is {source!r}, which means all sources; it must be another text")


def any_symbol(raw: str) -> str:
    """Return the key of a symbol as users write it, which may have a prefix: `kraken.BTC/USD` is `kraken.BTCUSD`.

    Raises:
        BadSymbol: as `canonical_symbol`.
    """
    prefix, symbol = _cut(raw)
    return prefix + canonical_symbol(symbol)


def in_capitals(raw: str) -> str:
    """Return the symbol of what users write: in upper case, except its prefix.

    `eur/usd` is EURUSD; a slash between digits is part of a name: `NICAD85/86` is NICAD85-86, as the exchange's feed has it.
    """
    prefix, symbol = _cut(raw)
    return prefix + _without_slash(symbol.upper())


def typed_topic(text: str) -> str:
    """Return the topic, or prefix of topics, of what users write: `tick.NICAD85/86` is tick.NICAD85-86."""
    family, dot, name = text.partition(".")
    return family + dot + _without_slash(name)


def _without_slash(symbol: str) -> str:
    return _BETWEEN_DIGITS.sub("-", symbol).replace("/", "")


def _cut(raw: str) -> tuple[str, str]:
    """Split a prefix with its dot from its symbol: lower case before upper case. Digits alone are no prefix."""
    prefix, dot, rest = raw.partition(".")
    is_prefix = dot and rest == rest.upper() != "" and _PREFIX(prefix) and not prefix.isdigit()
    return (prefix + dot, rest) if is_prefix else ("", raw)


class SymbolKeys:
    """The keys of one connection's symbols: two names with one key are two instruments; the first one keeps the key.

    Args:
        decorated: the venue adds suffixes to its names; they are dropped.
        by_case: names that differ in upper and lower case only are two instruments: kPEPE is a thousand of PEPE, KPEPE is not.
        limit: names remembered; beyond it the oldest is forgotten.
    """

    def __init__(self, *, decorated: bool = False, by_case: bool = False, limit: int = 10_000) -> None:
        self._decorated = decorated
        self._by_case = by_case
        self._limit = limit
        self._keys: dict[str, str] = {}  # name as the venue writes it -> key
        self._names: dict[str, str] = {}  # key -> the name that has it

    def key(self, name: object) -> str:
        """Return the key of a name, which may be of any type. Raises `FeedError`."""
        if not isinstance(name, str):
            raise FeedError(f"symbol is {shown(name)}, must be text")
        return canonical_symbol(without_suffix(name) if self._decorated else name)

    def of(self, name: object) -> str:
        """Return the key of the name in a quote.

        Raises:
            FeedError: it is not text.
            BadSymbol: it cannot be a topic; or its key belongs to another name.
        """
        key = self._keys.get(name) if isinstance(name, str) else None
        return key if key is not None else self._new(name)

    def is_same(self, name: str, other: str) -> bool:
        """Return whether two names of one key are one instrument."""
        return name == other or (not self._by_case and name.upper() == other.upper())

    def forget(self, name: str) -> None:
        """Release the key of a name, whose subscription ends."""
        key = self.key(name)
        if self.is_same(self._names.get(key, ""), name):
            self._names.pop(key, None)
            self._keys = {known: its_key for known, its_key in self._keys.items() if its_key != key}

    def _new(self, name: object) -> str:
        key = self.key(name)
        assert isinstance(name, str)
        other = self._names.setdefault(key, name)
        if not self.is_same(other, name):
            text = f"symbol {shown(name)} would have the topic tick.{key}, which belongs to {shown(other)} of this venue"
            raise BadSymbol(name, text)
        if len(self._keys) >= self._limit:
            oldest = next(iter(self._keys))
            self._names.pop(self._keys.pop(oldest), None)
        self._keys[name] = key
        return key

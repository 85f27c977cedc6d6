"""The symbols that a feed subscribes to, and their state: requested in groups, bounded, with a code for each refusal. Pure.

Subscriptions are restored after the connection is open, never within the limit for connecting: restoring 56 symbols within that
limit is how a feed can reconnect endlessly. A symbol that the venue does not answer in time, or refuses with RATE_LIMIT, is
requested twice more, then it is dropped with its code: restoring ends whatever the venue does. RATE_LIMIT also doubles the pause
between groups. A tick counts as a confirmation.

A name that cannot be a topic is refused here and never requested; the others are requested. Two names with one topic refuse
everything at the start: only the operator knows which of them is meant. While the feed runs, symbols are added and removed
(`change`); then the one that was there keeps the topic, and the new one is refused.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from hulak.bus.errors import FeedError
from hulak.clients.feeds.symbol_keys import BadSymbol, SymbolKeys, canonical_symbol
from hulak.clients.feeds.venues.dialect import FAILED, INVALID, LONGEST_TEXT, RATE_LIMIT, TIMEOUT, Subscribed, SymbolError

GROUP = 10  # symbols per group
PAUSE_S = 0.25  # between groups: Binance accepts five messages a second and disconnects clients that send more
MAX_PAUSE_S = 4.0
RETRIES = 2  # of a symbol that was refused for the rate, or not answered
MAX_NAME = 40  # characters of a name in reports
MAX_OTHERS = 1000  # errors kept of symbols that were not requested
LISTED_BYTES = 3000  # of the names in a report
CHANGES = 20  # in a report: symbols that were added or removed last
SUBSCRIBED, PENDING, REMOVED = "subscribed", "pending", "removed"  # states of a symbol that was added or removed

_USUAL = SymbolKeys()


def shown_name(name: str) -> str:
    """Cut a venue's name for reports."""
    return name if len(name) <= MAX_NAME else name[: MAX_NAME - 3] + "..."


def name_error(error: BadSymbol) -> SymbolError:
    """Make the error of a name that cannot be a topic."""
    return SymbolError(shown_name(error.name), INVALID, str(error)[:LONGEST_TEXT])


class Subscriptions:
    """The symbols of one feed.

    Args:
        symbols: as the venue writes them, in the order of the requests; empty where the url selects them.
        resolve_s: limit for the venue's answer, seconds.
        key: returns the key of a name; raises `BadSymbol`.
        is_same: returns whether two names of one key are one instrument.
    Raises:
        FeedError: two of them have the same key.
    """

    def __init__(
        self,
        symbols: Iterable[str],
        resolve_s: float,
        key: Callable[[str], str] = canonical_symbol,
        is_same: Callable[[str, str], bool] = _USUAL.is_same,
    ) -> None:
        self._key = key
        self._is_same = is_same
        self.names: dict[str, str] = {}  # key -> the venue's name
        self.bad: dict[str, SymbolError] = {}  # by name: symbols that cannot be topics; never dropped
        for symbol in symbols:
            try:
                self._add(key(symbol), symbol)
            except BadSymbol as error:
                self.bad[shown_name(symbol)] = name_error(error)
        self.since: dict[str, float] = {}  # key -> when it was added while the feed ran, monotonic seconds
        self.ended: set[str] = set()  # keys removed from this connection; the venue may still send them
        self._changed: dict[str, None] = {}  # names added and removed last, the newest at the end
        self.errors = dict(self.bad)  # by key, or by name where there is none; "" for errors of no symbol
        self._resolve_s = resolve_s
        self._pending: dict[str, None] = {}  # keys to request, in order
        self._requested: dict[str, float] = {}  # key -> when it was requested, monotonic seconds
        self._tries: dict[str, int] = {}
        self._next = 0.0
        self._pause_s = PAUSE_S

    def _add(self, key: str, symbol: str) -> None:
        other = self.names.get(key, symbol)
        if not self._is_same(other, symbol):
            raise FeedError(f"symbols {other!r} and {symbol!r} would both have the topic tick.{key}: remove one of them")
        self.names[key] = symbol

    @property
    def restored(self) -> bool:
        """Whether every symbol was confirmed or refused."""
        return not self._pending and not self._requested

    def opened(self, now: float, *, wait_for_ready: bool) -> None:
        """Start over on a new connection: every symbol is requested again.

        Args:
            now: monotonic seconds.
            wait_for_ready: hold requests until `ready`, at most for the limit of an answer.
        """
        self._pending = dict.fromkeys(self.names)
        self.ended.clear()
        self._requested, self._tries, self.errors = {}, {}, dict(self.bad)
        self._next = now + self._resolve_s if wait_for_ready else now
        self._pause_s = PAUSE_S

    def change(self, wanted: Sequence[str], now: float) -> list[str]:
        """Replace the symbols: new ones are requested, and the others' state stays.

        A new name that cannot be a topic, or whose topic belongs to another name, is refused with its error.

        Args:
            wanted: all symbols, as the venue writes them.
            now: monotonic seconds.
        Returns:
            the symbols whose subscriptions are to be ended, as the venue writes them.
        """
        before, bad = self.names, self.bad
        self.names, self.bad = {}, {}
        for symbol in wanted:
            try:
                self._add(self._key(symbol), symbol)
            except FeedError as error:
                self.bad[shown_name(symbol)] = name_error(BadSymbol(symbol, str(error)))
        kept = {key for key, name in self.names.items() if self._is_same(before.get(key, ""), name)}
        removed = {key: name for key, name in before.items() if key not in kept}
        added = {key: name for key, name in self.names.items() if key not in kept}
        for key in removed:
            for table in (self._pending, self._requested, self._tries, self.errors, self.since):
                table.pop(key, None)
        self.ended = (self.ended | removed.keys()) - self.names.keys()
        self._pending |= dict.fromkeys(added)
        self.since |= dict.fromkeys(added, now)
        self.errors = {key: error for key, error in self.errors.items() if key not in bad} | self.bad
        self._note([*removed.values(), *(name for name in self.bad if name not in bad), *added.values()])
        return list(removed.values())

    def refuse_changes(self, names: Iterable[str], text: str) -> None:
        """Record that symbols cannot be added to this feed, and why."""
        self.bad |= {shown_name(name): SymbolError(shown_name(name), FAILED, text) for name in islice(names, CHANGES)}
        self.errors |= self.bad
        self._note(self.bad)

    def _note(self, names: Iterable[str]) -> None:
        for name in names:
            self._changed.pop(name, None)
            self._changed[name] = None
        while len(self._changed) > CHANGES:
            del self._changed[next(iter(self._changed))]

    def changes(self) -> dict[str, str]:
        """Return the states of the symbols that were added and removed last, by name; a refused one has "CODE: text"."""
        return {shown_name(name): self._state(name) for name in self._changed}

    def _state(self, name: str) -> str:
        error = self.bad.get(shown_name(name))
        if error is None:
            try:
                key = self._key(name)
            except FeedError:  # it was refused, and then removed
                return REMOVED
            if key not in self.names:
                return REMOVED
            if key in self._pending or key in self._requested:
                return PENDING
            error = self.errors.get(key)
        return SUBSCRIBED if error is None else f"{error.code}: {error.text[:60]}"

    def listed(self) -> list[str]:
        """Return the symbols as the venue writes them, as many as a report can hold."""
        names, room = [], LISTED_BYTES
        for name in self.names.values():
            room -= len(name.encode()) + 3
            if room < 0:
                break
            names.append(name)
        return names

    def ready(self, now: float) -> None:
        """Send requests from now on."""
        self._next = min(self._next, now)

    def due(self, now: float) -> list[str]:
        """Take the next group to request, as the venue writes them; empty if none is due."""
        for key in [key for key, at in self._requested.items() if now - at >= self._resolve_s]:
            self._retry(key)
            if key in self._requested:
                self.refuse(SymbolError(key, TIMEOUT, f"no answer to {1 + RETRIES} requests within {self._resolve_s:g} s each"))
        if not self._pending or now < self._next:
            return []
        group = list(self._pending)[:GROUP]
        for key in group:
            del self._pending[key]
            self._requested[key] = now
        self._next = now + self._pause_s
        return [self.names[key] for key in group]

    def confirm(self, subscribed: Subscribed) -> None:
        """Record that the venue sends, or will send, a symbol."""
        self._requested.pop(subscribed.symbol, None)
        self._pending.pop(subscribed.symbol, None)
        self.errors.pop(subscribed.symbol, None)

    def ticked(self, symbol: str) -> None:
        """Record that a tick of the symbol came."""
        if self._requested or self._pending or self.errors:
            self.confirm(Subscribed(symbol))

    def is_known(self, error: SymbolError) -> bool:
        """Return whether the error is not new: the symbol was refused on this connection before, or too many others were."""
        return (error.symbol or "") in self.errors or not self._has_room(error.symbol or "")

    def _has_room(self, key: str) -> bool:
        return key in self.names or key in self.errors or len(self.errors) < len(self.names) + MAX_OTHERS

    def refuse(self, error: SymbolError) -> None:
        """Record that the venue refused a symbol, or something that it does not name."""
        if error.code == RATE_LIMIT:
            self._pause_s = min(2 * self._pause_s, MAX_PAUSE_S)
            again = [error.symbol] if error.symbol in self._requested else [] if error.symbol else list(self._requested)
            for key in again:
                self._retry(key)
            if again and error.symbol in self._pending:
                return
        key = error.symbol or ""
        self._requested.pop(key, None)
        if self._has_room(key):
            self.errors[key] = error

    def _retry(self, key: str) -> None:
        self._tries[key] = self._tries.get(key, 0) + 1
        if self._tries[key] <= RETRIES:
            del self._requested[key]
            self._pending[key] = None

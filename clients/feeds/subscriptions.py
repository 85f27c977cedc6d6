"""What a feed wants of its venue, and what has become of it: asked in groups, bounded, with a code for each refusal. Pure.

Subscriptions are restored after the connection stands, never within the time it has to connect: restoring 56 symbols inside that
time is how a feed can reconnect for ever. A symbol that the venue does not answer about in time, or refuses with RATE_LIMIT, is
asked for twice more, then it is left with its code: restoring ends whatever the venue does. RATE_LIMIT also doubles the pause
between groups. A tick is as good as an answer.

A name that can get no topic is refused here, and never asked for; the others are. Two names that would get one topic refuse the
whole: which of them is meant only the operator knows.
"""

from collections.abc import Callable, Iterable

from bus.errors import FeedError
from clients.feeds.symbol_keys import BadSymbol, canonical_symbol
from clients.feeds.venues.dialect import INVALID, LONGEST_TEXT, RATE_LIMIT, TIMEOUT, Subscribed, SymbolError

GROUP = 10  # symbols asked for at once
PAUSE_S = 0.25  # between groups: Binance takes five messages a second and disconnects who sends more
MOST_PAUSE_S = 4.0
RETRIES = 2  # of a symbol that was refused for the rate, or not answered about
MOST_NAME = 40  # characters of a name that are told
MOST_OTHERS = 1000  # errors kept of symbols that were not asked for


def shown_name(name: str) -> str:
    """Cut a venue's name for reports."""
    return name if len(name) <= MOST_NAME else name[: MOST_NAME - 3] + "..."


def name_error(error: BadSymbol) -> SymbolError:
    """Make what is told of a name that gets no topic."""
    return SymbolError(shown_name(error.name), INVALID, str(error)[:LONGEST_TEXT])


class Subscriptions:
    """The symbols of one feed.

    Args:
        symbols: as the venue writes them, in the order in which they are asked for; none where the url says what comes.
        resolve_s: how long an answer is waited for, seconds.
        key: gives the key of a name; raises `BadSymbol`.
    Raises:
        FeedError: two of them have one key.
    """

    def __init__(self, symbols: Iterable[str], resolve_s: float, key: Callable[[str], str] = canonical_symbol) -> None:
        self.names: dict[str, str] = {}  # key -> what the venue calls it
        self.bad: dict[str, SymbolError] = {}  # by name: what gets no topic, whatever the venue says; never forgotten
        for symbol in symbols:
            try:
                self._want(key(symbol), symbol)
            except BadSymbol as error:
                self.bad[shown_name(symbol)] = name_error(error)
        self.errors = dict(self.bad)  # by key, or by name what has none; "" for those that belong to no symbol
        self._resolve_s = resolve_s
        self._waiting: dict[str, None] = {}  # keys to ask for, in order
        self._asked: dict[str, float] = {}  # key -> when it was asked for, monotonic seconds
        self._tries: dict[str, int] = {}
        self._next = 0.0
        self._pause_s = PAUSE_S

    def _want(self, key: str, symbol: str) -> None:
        other = self.names.get(key, symbol)
        if other.upper() != symbol.upper():
            raise FeedError(f"symbols {other!r} and {symbol!r} would both have the topic tick.{key}: leave one of them out")
        self.names[key] = symbol

    @property
    def restored(self) -> bool:
        """Every symbol was answered about, one way or the other."""
        return not self._waiting and not self._asked

    def opened(self, now: float, *, held: bool) -> None:
        """A connection stands: everything is to be asked for anew.

        Args:
            now: monotonic seconds.
            held: until the venue is `ready`, at most as long as an answer may take.
        """
        self._waiting = dict.fromkeys(self.names)
        self._asked, self._tries, self.errors = {}, {}, dict(self.bad)
        self._next = now + self._resolve_s if held else now
        self._pause_s = PAUSE_S

    def ready(self, now: float) -> None:
        """Ask from now on."""
        self._next = min(self._next, now)

    def due(self, now: float) -> list[str]:
        """Take the next group to ask for, as the venue writes them; none if it is not time yet."""
        for key in [key for key, at in self._asked.items() if now - at >= self._resolve_s]:
            self._ask_again(key)
            if key in self._asked:
                self.refuse(SymbolError(key, TIMEOUT, f"no answer to {1 + RETRIES} requests within {self._resolve_s:g} s each"))
        if not self._waiting or now < self._next:
            return []
        group = list(self._waiting)[:GROUP]
        for key in group:
            del self._waiting[key]
            self._asked[key] = now
        self._next = now + self._pause_s
        return [self.names[key] for key in group]

    def take(self, subscribed: Subscribed) -> None:
        """The venue sends, or will send, a symbol."""
        self._asked.pop(subscribed.symbol, None)
        self._waiting.pop(subscribed.symbol, None)
        self.errors.pop(subscribed.symbol, None)

    def ticked(self, symbol: str) -> None:
        """A tick of the symbol came."""
        if self._asked or self._waiting or self.errors:
            self.take(Subscribed(symbol))

    def refused(self, error: SymbolError) -> bool:
        """Tell whether this is no news: the symbol was refused on this connection already, or too much else was."""
        return (error.symbol or "") in self.errors or not self._has_room(error.symbol or "")

    def _has_room(self, key: str) -> bool:
        return key in self.names or key in self.errors or len(self.errors) < len(self.names) + MOST_OTHERS

    def refuse(self, error: SymbolError) -> None:
        """The venue refused a symbol, or something that it does not name."""
        if error.code == RATE_LIMIT:
            self._pause_s = min(2 * self._pause_s, MOST_PAUSE_S)
            again = [error.symbol] if error.symbol in self._asked else [] if error.symbol else list(self._asked)
            for key in again:
                self._ask_again(key)
            if again and error.symbol in self._waiting:
                return
        key = error.symbol or ""
        self._asked.pop(key, None)
        if self._has_room(key):
            self.errors[key] = error

    def _ask_again(self, key: str) -> None:
        self._tries[key] = self._tries.get(key, 0) + 1
        if self._tries[key] <= RETRIES:
            del self._asked[key]
            self._waiting[key] = None

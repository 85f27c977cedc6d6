"""Reads lists of the exchange for all clients of the gateway: each at most once in some seconds, however many clients ask."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

from hulak.bus.errors import BusError
from hulak.bus.wire.names import NEPSE_SERVICE
from hulak.clients.gateway.bus_calls import BusCalls
from hulak.clients.gateway.nepse_lists import SOURCES, shown

KEPT_S = 5.0  # for which an answer serves all clients
BOOK_KEPT_S = 2.0
AWAY_S = 5.0  # after a call without an answer, in which none is made
CALL_S = 4.0
MOST_KEPT = 64  # answers, the books of many securities among them
MOST_PENDING = 12  # calls that are queued or running
AWAY = "no NEPSE worker answered; `hulak up` runs one, and `hulak workers` lists them"


class _Kept(NamedTuple):
    until: float
    answer: "asyncio.Future[Any]"


class NepseReads:
    """The lists that were read last.

    Args:
        calls: with separate threads, so that a worker that does not answer holds up no other command.
        clock: monotonic seconds.
    """

    def __init__(self, calls: BusCalls, clock: Callable[[], float]) -> None:
        self.calls = calls
        self._clock = clock
        self._kept: OrderedDict[tuple[str, str | None], _Kept] = OrderedDict()
        self._pending = 0
        self._away_until = 0.0

    async def read(self, what: str, symbol: str | None) -> Any:
        """Return a list of `nepse_lists`.

        Args:
            what: one of `SOURCES`.
            symbol: of a book.
        Raises:
            BusError: `BAD_ARGUMENT`, a book without a symbol, or a list with one; `BUSY`; `TIMEOUT`, no worker answers; others as
                the worker raises them.
        """
        if (what == "book") != (symbol is not None):
            raise BusError("BAD_ARGUMENT", f"argument symbol is {symbol!r}, must be there for a book and for nothing else")
        key, now = (what, symbol), self._clock()
        kept = self._kept.get(key)
        if kept is None or (kept.until <= now and kept.answer.done()):
            kept = self._begin(key, now)
        return await asyncio.shield(kept.answer)

    def _begin(self, key: tuple[str, str | None], now: float) -> _Kept:
        if now < self._away_until:
            raise BusError("TIMEOUT", AWAY)
        if self._pending >= MOST_PENDING:
            raise BusError("BUSY", f"{self._pending} reads of the exchange are pending, the maximum; try again later")
        answer: asyncio.Future[Any] = asyncio.ensure_future(self._call(*key))
        answer.add_done_callback(_retrieve)
        kept = self._kept[key] = _Kept(now + (BOOK_KEPT_S if key[0] == "book" else KEPT_S), answer)
        self._kept.move_to_end(key)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return kept

    async def _call(self, what: str, symbol: str | None) -> Any:
        source = SOURCES[what]
        args = source.args if symbol is None else {"symbol": symbol}
        self._pending += 1
        try:
            answer = await self.calls.run(
                lambda client: self._asked(lambda: client.call(NEPSE_SERVICE, source.action, args, timeout_s=CALL_S))
            )
        except BusError as error:
            if error.code in ("EXPIRED", "TIMEOUT"):
                self._away_until = self._clock() + AWAY_S
                raise BusError("TIMEOUT", AWAY) from error
            raise
        finally:
            self._pending -= 1
        return shown(what, answer)

    def _asked(self, call: Callable[[], Any]) -> Any:
        """Make a call whose turn has come, unless one before it was not answered; in a thread."""
        if self._clock() < self._away_until:
            raise BusError("TIMEOUT", AWAY)
        return call()


def _retrieve(answer: "asyncio.Future[Any]") -> None:
    """Take the error of a call whose clients have left."""
    if not answer.cancelled():
        answer.exception()

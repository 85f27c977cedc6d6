"""Single trades from the newest pages of the floor sheet. Pure.

The exchange lists its contracts newest first, so that new ones shift the pages while they are read: each contract is taken once,
by its number. A number is the day, the part of the exchange that matched it, and a count within both (2025103005017614): numbers
ascend with the time within a part only.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from hulak.bus.errors import FeedError
from hulak.clients.feeds.nepse.rows import SOURCE, count_of, name_of, price_in, symbol_of, time_us

PAGE_ROWS = 500  # the largest page in wide use
PART = 10**6  # a number without its count
DAY = 10**8  # a number without part and count
LARGEST_CONTRACT = 2**63


class Trade(msgspec.Struct, frozen=True, omit_defaults=True):
    """One contract, as the body of `trade.SECURITY`: PROTOCOL.md section 3.4."""

    security: str  # as in the topic
    price: float  # rupees
    quantity: int  # shares
    timestamp: int  # ms since 1970 UTC, by the exchange's clock
    time_us: int  # the same in microseconds
    contract: int  # its number
    source: str
    buyer: str = ""  # the brokers' numbers, which the exchange tells after the close only
    seller: str = ""
    name: str = ""  # as the exchange writes the security, where that differs


def trade_of(row: Mapping[str, Any]) -> Trade:
    """Return the trade of a row of the floor sheet.

    Raises:
        FeedError: number, security, price, quantity or time are missing.
    """
    contract, quantity, text = row.get("contractId"), count_of(row.get("contractQuantity")), row.get("stockSymbol")
    if isinstance(contract, bool) or not isinstance(contract, int) or not 0 < contract < LARGEST_CONTRACT:
        raise FeedError(f"contractId is {contract!r:.40}, must be a number above 0 and below 2**63")
    if quantity is None or quantity <= 0:
        raise FeedError(f"contractQuantity is {row.get('contractQuantity')!r:.40}, must be a number above 0")
    security, at_us = symbol_of(text), time_us(row.get("tradeTime"))
    return Trade(
        security=security,
        price=price_in(row, "contractRate"),
        quantity=quantity,
        timestamp=at_us // 1000,
        time_us=at_us,
        contract=contract,
        source=SOURCE,
        buyer=_broker(row.get("buyerMemberId")),
        seller=_broker(row.get("sellerMemberId")),
        name=name_of(text, security),
    )


def _broker(value: object) -> str:
    return str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""


class FloorSheet:
    """The contracts that are on the bus, and the read of new ones, page by page."""

    def __init__(self) -> None:
        self.page = 0  # to ask for next
        self._found: dict[int, Trade] = {}  # of the read under way
        self._days: set[int] = set()  # of all contracts of the read under way
        self._posted: set[int] = set()  # numbers of the days of the last read with new contracts
        self._last: dict[int, int] = {}  # day and part -> the last number that an earlier run posted

    def recall(self, bodies: Iterable[Any]) -> None:
        """Take over the last trades that the broker keeps; those of other sources are ignored."""
        for body in bodies:
            if isinstance(body, Mapping) and body.get("source") == SOURCE and isinstance(body.get("contract"), int):
                contract = body["contract"]
                self._last[contract // PART] = max(contract, self._last.get(contract // PART, 0))

    def add(self, trades: Iterable[Trade], *, is_last: bool) -> list[Trade] | None:
        """Take a page; return the new trades when there are no more, else None: `page` is to be asked for.

        Args:
            trades: of the page, newest first.
            is_last: there is no older page.
        Returns:
            the trades that are to be posted, oldest first.
        """
        is_known = is_last
        for trade in trades:
            self._days.add(trade.contract // DAY)
            is_known = is_last or self._is_posted(trade.contract)
            if not self._is_posted(trade.contract):
                self._found[trade.contract] = trade
        if not is_known:
            self.page += 1
            return None
        new = sorted(self._found.values(), key=lambda trade: (trade.time_us, trade.contract))
        if new:
            self._posted.update(trade.contract for trade in new)
            self._posted = {contract for contract in self._posted if contract // DAY in self._days}
        self.page, self._found, self._days = 0, {}, set()
        return new

    def _is_posted(self, contract: int) -> bool:
        return contract in self._posted or contract <= self._last.get(contract // PART, 0)

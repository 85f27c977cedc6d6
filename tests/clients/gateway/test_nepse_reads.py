"""Lists of the exchange for the page: their form, and that many clients cost a worker one call."""

import asyncio
import math

import pytest

from hulak.bus.errors import BusError, BusTimeout
from hulak.clients.gateway.nepse_lists import SOURCES, shown
from hulak.clients.gateway.nepse_reads import AWAY_S, KEPT_S, MOST_KEPT, NepseReads

MOVER = {"symbol": "NABIL", "ltp": 500.5, "pointChange": 5.5, "percentageChange": 1.11, "cp": None, "securityId": 131}
ORDER = {"orderBookOrderPrice": 499.5, "quantity": 10, "orderCount": 2, "stockId": 131}


def test_lists_have_the_columns_that_the_page_shows():
    assert shown("gainers", [MOVER]) == [{"symbol": "NABIL", "price": 500.5, "change": 5.5, "percent": 1.11}]
    assert shown("summary", [{"detail": "Total Turnover Rs:", "value": 5.0}]) == [{"name": "Total Turnover Rs:", "value": 5.0}]
    changes = [{"percentageChange": value} for value in (1, -1, 0.0, 2.5, None, "x", math.nan)]
    assert shown("breadth", changes) == {"advances": 2, "declines": 1, "unchanged": 1}
    book = {"totalBuyQty": 10, "marketDepth": {"buyMarketDepthList": [ORDER] * 7, "sellMarketDepthList": []}}
    assert shown("book", book) == {
        "bids": [{"price": 499.5, "quantity": 10, "orders": 2}] * 5,
        "asks": [],
        "bid_total": 10,
        "ask_total": None,
    }


@pytest.mark.parametrize("what", SOURCES)
@pytest.mark.parametrize(
    "answer", [None, 5, "x", {}, [], [None, 5, []], [{}], {"marketDepth": 5}, {"marketDepth": {"buyMarketDepthList": 5}}]
)
def test_an_answer_of_another_form_is_an_empty_list(what, answer):
    assert not any(shown(what, answer).values() if isinstance(shown(what, answer), dict) else shown(what, answer))


def test_a_list_is_bounded_and_so_are_its_texts():
    assert len(shown("gainers", [MOVER] * 500)) == 20
    assert len(shown("gainers", [{**MOVER, "symbol": "x" * 5000}])[0]["symbol"]) == 100


class Calls:
    """Calls that are answered at once, or fail."""

    def __init__(self):
        self.made, self.error, self.now = [], None, 100.0

    async def run(self, work):
        await asyncio.sleep(0)
        return work(self)

    def call(self, service, action, args, *, timeout_s):
        self.made.append((service, action, args))
        if self.error:
            raise self.error
        return [MOVER]


def tried(body):
    async def within():
        calls = Calls()
        await body(calls, NepseReads(calls, lambda: calls.now))

    asyncio.run(within())


def test_clients_that_ask_at_once_and_within_some_seconds_share_one_call():
    async def body(calls, reads):
        answers = await asyncio.gather(*(reads.read("gainers", None) for _ in range(50)))
        assert all(answer == answers[0] for answer in answers)
        calls.now += KEPT_S - 0.1
        await reads.read("gainers", None)
        assert calls.made == [("nepse", "top-gainers", {})]
        calls.now += 0.2
        await reads.read("gainers", None)
        await reads.read("book", "NABIL")
        assert calls.made[1:] == [("nepse", "top-gainers", {}), ("nepse", "market-depth", {"symbol": "NABIL"})]

    tried(body)


def test_after_a_call_without_an_answer_none_is_made_for_some_seconds():
    async def body(calls, reads):
        calls.error = BusTimeout("late")
        for what in ("gainers", "losers", "gainers"):
            with pytest.raises(BusError, match="no NEPSE worker answered"):
                await reads.read(what, None)
        assert len(calls.made) == 1
        calls.now += AWAY_S + KEPT_S
        calls.error = None
        assert await reads.read("gainers", None)

    tried(body)


def test_an_error_of_the_worker_is_passed_on_and_a_wrong_request_is_refused():
    async def body(calls, reads):
        calls.error = BusError("BAD_ARGUMENT", "symbol 'X' is unknown")
        with pytest.raises(BusError, match="unknown"):
            await reads.read("book", "X")
        for what, symbol in (("book", None), ("gainers", "X")):
            with pytest.raises(BusError, match="argument symbol"):
                await reads.read(what, symbol)

    tried(body)


def test_the_answers_that_are_kept_are_bounded():
    async def body(calls, reads):
        for number in range(MOST_KEPT + 20):
            await reads.read("book", f"S{number}")
        assert len(reads._kept) == MOST_KEPT

    tried(body)

"""Public clients of the exchange, pinned, each in a separate virtual environment, read the simulated exchange.

Their decoders and formulas are their own, so that a mistake of the simulator fails them. Their own faults are listed, and each
must occur: a call that is listed and works fails the test too. nepsepy is in `tests/sim/test_nepse_third_party.py`.
"""

import json
import time
from dataclasses import dataclass, field

import pytest
from client_environments import environment, run_judge

from hulak.sim.nepse.exchange import nepal_date
from hulak.sim.nepse.server import serve
from hulak.sim.nepse.tokens import body_id

BLOCKED = "the exchange blocks this path for every client: use the floor sheet with stockId"
DJANGO = "imports django, which it does not require"
COROUTINE = "signs a POST with a coroutine it did not await"
FORMULA = "signs today-price with the formula of the floor sheet"
NO_ROWS = "the exchange has no rows when closed"


@dataclass(frozen=True)
class Client:
    """A client and its own faults: call -> reason."""

    package: str
    judge: str
    calls: int
    faults: dict = field(default_factory=dict)  # an error, or a printed one
    empty: dict = field(default_factory=dict)  # answered, and nothing found in the answer
    faults_when_closed: dict = field(default_factory=dict)
    empty_when_closed: dict = field(default_factory=dict)
    faults_with_formulas_apart: dict = field(default_factory=dict)


CLIENTS = {
    "nepseman-api 1.0.1": Client(
        "nepseman-api",
        "nepseman",
        calls=28,
        empty_when_closed={"live_market": NO_ROWS},
        faults_with_formulas_apart={"today_price": FORMULA},
    ),
    "nepse-client 0.1.4": Client(
        "nepse-client",
        "nepse_client_sync",
        calls=54,
        faults={"getFloorSheetOf": BLOCKED, "getCompanyNewsList": DJANGO, "getNewsAndAlertList": DJANGO},
        empty_when_closed=dict.fromkeys(("getLiveMarket", "getCompanyMarketDepth", "getSymbolMarketDepth"), NO_ROWS),
        faults_with_formulas_apart={"getPriceVolumeHistory": FORMULA},
    ),
    "nepse-client 0.1.4, asynchronous": Client(
        "nepse-client",
        "nepse_client_async",
        calls=24,
        faults=dict.fromkeys(("getCompanyDetails", "getDailyScripPriceGraph", "getFloorSheet", "getFloorSheetOf"), COROUTINE),
        empty_when_closed=dict.fromkeys(("getLiveMarket", "getSymbolMarketDepth"), NO_ROWS),
    ),
    "nepse-scraper 1.0.0": Client(
        "nepse-scraper",
        "nepse_scraper",
        calls=33,
        faults={"get_live_trades": "posts to lives-market, which is a GET"},
        empty={
            "get_company_disclosures": "reads the key news, which the answer does not have",
            "get_security_daily_trade_stat": "sends the id of a security where an index's belongs",
        },
        empty_when_closed={"get_live_trades": "asks nothing when the market is closed"},
    ),
    "nepse-data-api 1.0.0.4": Client(
        "nepse-data-api",
        "nepse_data_api",
        calls=51,
        faults={
            "get_historical_chart 58": "GETs a graph that must be a POST",
            "get_historical_chart 131": "GETs a graph that must be a POST",
            "async get_today_price": "sends the body id 1",
            "get_market_summary after the refresh": "keeps the refreshed token undecoded",
        },
        faults_when_closed={"get_market_depth": "reads JSON in an empty body"},
        empty_when_closed=dict.fromkeys(
            ("get_stocks", "get_stocks uncached", "async get_live_market", "async get_stock_info"), NO_ROWS
        ),
        faults_with_formulas_apart=dict.fromkeys(
            ("get_today_price", "get_today_price uncached", "get_today_price of a day", "get_stocks of a day"), FORMULA
        ),
    ),
}
QUICK = "nepseman-api 1.0.1"


def distinguishing_market():
    """Find a market id for which prices and floor sheet want different body ids today (raw id ending in 4)."""
    day = nepal_date(time.time()).day
    return next(market for market in range(100) if body_id("raw", market, (), day) % 10 == 4)


def judged(request, tmp_path, client, **options):
    """Return a client's calls that failed, and those that found nothing, with what they said."""
    python = environment(request, client.package)
    with serve(seed=9, **options) as exchange:
        file = run_judge(python, client.judge, exchange.url, tmp_path / "results.json")
    results = json.loads(file.read_text(encoding="utf-8"))
    assert len(results) == client.calls
    wrong = {call: text for call, text in results.items() if text}
    empty = {call: text for call, text in wrong.items() if text.startswith("empty")}
    return {call: text for call, text in wrong.items() if call not in empty}, empty


def check(seen, listed):
    """Compare what failed with what is listed; say which is which."""
    unexpected = {call: text for call, text in seen.items() if call not in listed}
    assert not unexpected, "calls failed that are not listed"
    mended = {call: reason for call, reason in listed.items() if call not in seen}
    assert not mended, "calls worked that are listed as faulty"


@pytest.mark.parametrize("name", [name if name == QUICK else pytest.param(name, marks=pytest.mark.full_size) for name in CLIENTS])
def test_a_public_client_reads_the_open_exchange(name, request, tmp_path):
    client = CLIENTS[name]
    failed, empty = judged(request, tmp_path, client)
    check(failed, client.faults)
    check(empty, client.empty)


@pytest.mark.full_size
@pytest.mark.parametrize("name", CLIENTS)
def test_a_public_client_reads_the_closed_exchange(name, request, tmp_path):
    client = CLIENTS[name]
    failed, empty = judged(request, tmp_path, client, hours="closed")
    faults = client.faults | client.faults_when_closed
    check(failed, {call: reason for call, reason in faults.items() if call not in client.empty_when_closed})
    check(empty, client.empty | client.empty_when_closed)


@pytest.mark.full_size
@pytest.mark.parametrize("name", CLIENTS)
def test_a_market_id_shows_which_formula_a_client_has_for_prices(name, request, tmp_path):
    client = CLIENTS[name]
    failed, empty = judged(request, tmp_path, client, market_id=distinguishing_market())
    check(failed, client.faults | client.faults_with_formulas_apart)
    check(empty, client.empty)

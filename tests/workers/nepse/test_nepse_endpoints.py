"""Every resource as an action: against the simulated exchange over real loopback HTTP, with good and bad arguments."""

import hashlib
import time

import msgpack
import pytest
from nepse_worker_fixture import Settings

from hulak.bus.errors import TaskFailed
from hulak.sim.nepse.exchange import nepal_date, previous_session
from hulak.sim.nepse.files import encrypted_id
from hulak.sim.nepse.request_gate import HTML_403, Reply
from hulak.sim.nepse.server import serve
from hulak.workers.nepse import reader
from hulak.workers.nepse.actions import NepseActions, build_actions
from hulak.workers.nepse.arguments import Kind
from hulak.workers.nepse.endpoint import PAGED, SAVED, Shape
from hulak.workers.nepse.endpoints import ENDPOINTS, SESSION_ACTIONS
from hulak.workers.nepse.http import HttpFetch
from hulak.workers.nepse.live_settings import LiveSettings

DAY = previous_session(nepal_date(time.time())).isoformat()  # the exchange serves the last year only
BY_NAME = {endpoint.action: endpoint for endpoint in ENDPOINTS}
REFUSED_BY_THE_EXCHANGE = {"company-floor-sheet"}
GIVEN = {Kind.SECURITY: "nabil", Kind.INDEX: "nepse", Kind.DATE: DAY}
OPTIONS = {
    Kind.SECURITY: 131,
    Kind.INDEX: "58",
    Kind.DATE: DAY,
    Kind.YEAR: "2026",
    Kind.FLAG: True,
    Kind.NUMBER: 1,
    Kind.TEXT: "Broker",
}
# by the original's names
ORIGINALS = {
    "get_market_status": "market-status",
    "getSummary": "summary",
    "disclosure": "disclosures",
    "getTopTenTradeScrips": "top-trades",
    "getTopTenTransactions": "top-transactions",
    "getTopTenTurnover": "top-turnover",
    "getTopGainers": "top-gainers",
    "getTopLoosers": "top-losers",
    "getNepseIndex": "nepse-index",
    "getNepseIndexIntraday": "index-graph",
    "stockIntraday": "scrip-intraday",
    "getPriceVolume": "price-volume",
    "getSecurityList": "securities",
    "getMarket_depth": "market-depth",
    "getSupplyDemand": "supply-demand",
    "getPriceVolumeHistory": "price-history",
    "getIndexPriceVolumeHistory": "index-history",
    "getStockDailyPrice": "scrip-history",
    "getCompaniesList": "company-list",
    "liveMarketData": "live-market",
    "get_security_detail": "company-details",
}


ONE_OF_A_FILE = {Kind.FILE, Kind.DATE}


def known_files():
    """Return a name of a file that the simulated exchange has, by action."""
    day = nepal_date(time.time())
    session = previous_session(day).isoformat()
    number = day.toordinal() - 1
    logo = "/images/NABIL/logo.png"
    of_day = {"notice-file": f"notice-{number}.pdf", "application-file": encrypted_id(number), "day-export": session}
    return of_day | {"security-file": logo, "security-image": logo, "price-export": session}


@pytest.fixture(scope="module")
def exchange():
    with serve(seed=5) as running:
        yield running


@pytest.fixture(scope="module")
def actions(exchange):
    return build_actions(Settings(exchange.url))


def needed(endpoint):
    return {argument.name: given(endpoint, argument, GIVEN) for argument in endpoint.arguments if argument.required}


def given(endpoint, argument, values):
    """Return a value that an argument allows."""
    if argument.kind is Kind.WORD:
        return argument.choices[0][0]
    if argument.kind is Kind.SORT:
        return f"{argument.words[0]},desc"
    return known_files()[endpoint.action] if endpoint.shape in SAVED and argument.kind in ONE_OF_A_FILE else values[argument.kind]


def finished(action, given):
    """Run an action; return its partial results and its result."""
    value = action(given)
    parts = []
    while hasattr(value, "send"):
        try:
            parts.append(next(value))
        except StopIteration as end:
            value = end.value
    return parts, value


def paths_below(endpoint):
    files = known_files()
    date = files[endpoint.action] if endpoint.action == "day-export" else DAY
    path = endpoint.path.format(symbol=131, index=58, date=date, category=1, name=files["notice-file"])
    return endpoint.api + path


@pytest.mark.parametrize("name", sorted(BY_NAME.keys() - REFUSED_BY_THE_EXCHANGE))
def test_each_resource_is_read_and_its_answer_fits_msgpack(actions, exchange, monkeypatch, name):
    monkeypatch.setattr(reader, "READ_S", 60.0)  # however slow the machine is, all pages are read
    endpoint = BY_NAME[name]
    before = exchange.counts[paths_below(endpoint), 200]
    pages = {"pages": 20} if endpoint.shape in PAGED else {}
    parts, value = finished(actions[name], needed(endpoint) | pages)
    assert value
    assert msgpack.unpackb(msgpack.packb(value)) == value
    requests = 1 if endpoint.shape in SAVED else max(1, len(parts))
    assert exchange.counts[paths_below(endpoint), 200] == before + requests
    if endpoint.shape is Shape.OBJECT:
        assert isinstance(value, dict)
    elif endpoint.shape is Shape.ROWS:
        assert isinstance(value, list)
    elif endpoint.shape in PAGED:
        assert value["complete"]
        assert value["next"] is None
        assert value["rows"] == [row for part in parts for row in part["rows"]]
    elif endpoint.shape in SAVED:
        content = b"".join(part["content"] for part in parts)
        assert (len(content), hashlib.sha256(content).hexdigest()) == (value["size"], value["sha256"])


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_each_resource_accepts_each_of_its_arguments(actions, name):
    endpoint = BY_NAME[name]
    for argument in endpoint.arguments:
        values = needed(endpoint) | {argument.name: given(endpoint, argument, OPTIONS)}
        if name in REFUSED_BY_THE_EXCHANGE:
            with pytest.raises(TaskFailed) as caught:
                finished(actions[name], values)
            assert caught.value.code == "BLOCKED"
        else:
            finished(actions[name], values)


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_an_unknown_argument_is_refused_with_the_allowed_ones_and_nothing_is_sent(name):
    def fetch(_):
        pytest.fail("something was sent")

    endpoint = BY_NAME[name]
    with pytest.raises(TaskFailed, match="was given colour, allowed: ") as caught:
        NepseActions(fetch, lambda: 0.0).by_name()[name](needed(endpoint) | {"colour": 1})
    assert caught.value.code == "BAD_ARGUMENT"
    assert all(argument.name in str(caught.value) for argument in endpoint.arguments)


@pytest.mark.parametrize("original", sorted(ORIGINALS))
def test_each_action_of_the_original_pool_has_a_counterpart(original):
    assert ORIGINALS[original] in BY_NAME.keys() | SESSION_ACTIONS.keys()


@pytest.mark.parametrize(
    ("name", "given", "text"),
    [
        ("market-depth", {}, "needs symbol: a symbol such as NABIL, or its id"),
        ("market-depth", {"symbol": ""}, "symbol is ''"),
        ("market-depth", {"symbol": "A?b=1"}, "symbol is"),
        ("market-depth", {"symbol": "NOTHERE"}, "symbol is 'NOTHERE', which is not listed"),
        ("market-depth", {"symbol": 0}, "symbol is '0'"),
        ("market-depth", {"symbol": True}, "symbol is 'True'"),
        ("market-depth", {"symbol": ["NABIL"]}, "symbol is"),
        ("index-history", {"index": "moon"}, "index is 'moon', must be an index's id or name"),
        ("index-history", {"index": 99}, "index is '99'"),
        ("index-history", {"index": 58, "size": 501}, "size is '501', must be a whole number from 1 to 500"),
        ("index-history", {"index": 58, "size": 0}, "size is '0'"),
        ("index-history", {"index": 58, "page": -1}, "page is '-1'"),
        ("index-history", {"index": 58, "pages": 2.5}, "pages is '2.5'"),
        ("price-history", {"symbol": 131, "start": "2026-02-30"}, "start is '2026-02-30', must be a date"),
        ("price-history", {"symbol": 131, "start": 20260201}, "start is"),
        ("price-history", {"symbol": 131, "start": "2026-04-02", "end": "2026-04-01"}, "must not be after end"),
        ("holidays", {"year": 26}, "year is '26', must be a year such as 2026"),
        ("top-gainers", {"all": "perhaps"}, "all is 'perhaps', must be true or false"),
        ("floor-sheet", {"buyer": "x" * 500}, "buyer is 'xxx"),
        ("bonds", {"type": "shares"}, "type is 'shares', must be one of debenture, government"),
        ("bonds", {"type": 1}, "type is '1'"),
        ("classification", {"group": "C"}, "group is 'C', must be one of a, b, g, z"),
        ("exchange-reports", {}, "needs category: one of weekly, monthly, annual, agm, other"),
        ("exchange-reports", {"category": "daily"}, "category is 'daily', must be one of weekly"),
        (
            "today-price",
            {"sort": "price"},
            "sort is 'price', must be a column, and perhaps ,asc or ,desc, such as symbol,desc: s",
        ),
        ("today-price", {"sort": "closePrice,up"}, "sort is 'closePrice,up'"),
        ("today-price", {"sort": "closePrice,"}, "sort is 'closePrice,'"),
        ("today-price", {"sort": ["symbol"]}, "sort is"),
        ("brokers", {"name": ""}, "name is '', must be a text of at most 300 printable characters"),
        ("brokers", {"name": "a\nb"}, "name is 'a\\nb'"),
        ("brokers", {"name": "\ud800"}, "name is"),
        ("brokers", {"name": "x" * 301}, "name is 'xxx"),
        ("dealers", {"code": "x"}, "code is 'x', must be a whole number from 1 to 9999"),
        ("notice-file", {}, "needs name: a file's name, as the exchange writes it"),
        ("notice-file", {"name": ".."}, "name is '..'"),
        ("notice-file", {"name": "./"}, "name is './'"),
        ("application-file", {"id": None}, "needs id"),
        ("day-export", {"date": "today"}, "date is 'today', must be a date"),
        ("price-export", {"symbol": "NABIL", "start": "2026-04-02", "end": "2026-04-01"}, "must not be after end"),
    ],
)
def test_a_wrong_argument_is_refused_with_its_value_and_what_is_allowed(actions, name, given, text):
    with pytest.raises(TaskFailed) as caught:
        finished(actions[name], given)
    assert caught.value.code == "BAD_ARGUMENT"
    assert text in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_security_is_named_by_symbol_or_id_and_an_index_by_name_or_number(actions):
    def depth_of(security):
        depth = actions["market-depth"]({"symbol": security})["marketDepth"]
        return {order["stockId"] for side in depth.values() for order in side}

    assert depth_of("nabil") == depth_of("NABIL") == depth_of(131) == depth_of("131") == {131}
    for name in ("hydro", "Hydropower", "hydropower "):
        assert actions["index-graph"]({"index": name}) == actions["index-graph"]({"index": 54})
    assert finished(actions["index-history"], {"index": "Banking"}) == finished(actions["index-history"], {"index": 51})


def test_lists_have_the_length_of_the_arguments(actions):
    assert len(actions["top-turnover"]({})) == 10
    assert len(actions["top-turnover"]({"all": True})) == 80
    briefs = actions["securities"]({})
    assert len(actions["securities"]({"promoters": False})) < len(briefs)
    assert {row["activeStatus"] for row in actions["securities"]({"delisted": True})} == {"A", "D"}
    _, history = finished(actions["price-history"], {"symbol": "NABIL"})
    day = history["rows"][5]["businessDate"]
    _, result = finished(actions["price-history"], {"symbol": "NABIL", "start": day, "end": day})
    assert result["rows"] == [history["rows"][5]]


@pytest.mark.parametrize(
    ("action", "given"),
    [
        ("security-detail", {"symbol": 424242}),
        ("company-details", {"symbol": 424242}),
        ("price-history", {"symbol": 424242}),
        ("today-price", {"symbol": 424242}),
        ("floor-sheet", {"symbol": 424242}),
        ("market-depth", {"symbol": 424242}),
    ],
)
def test_an_unknown_security_is_named_as_such_also_where_the_exchange_has_an_empty_answer(actions, action, given):
    with pytest.raises(TaskFailed, match=r"no (listed )?security") as caught:
        finished(actions[action], given)
    assert caught.value.code == "NOT_FOUND"


def test_a_listed_security_without_rows_has_none(actions, exchange):
    assert finished(actions["price-history"], {"symbol": "NABIL", "start": "2001-01-01", "end": "2001-02-01"})[1]["rows"] == []
    exchange.plan("/api/nots/nepse-data/marketdepth/131", Reply(200, b""))
    assert finished(actions["market-depth"], {"symbol": 131}) == ([], None)


def test_an_empty_order_book_is_no_data_and_any_other_empty_answer_a_failure():
    with serve(seed=5, hours="closed") as exchange:
        actions = build_actions(Settings(exchange.url))
        assert actions["market-depth"]({"symbol": "NABIL"}) is None
        exchange.plan("/api/nots/nepse-index", Reply(200, b""))
        with pytest.raises(TaskFailed) as caught:
            actions["nepse-index"]({})
        assert (caught.value.code, caught.value.retryable) == ("EMPTY", True)


FAULTS = {  # NEPSE.md's section on failures: the answer, its code, whether another attempt may help, and when
    "429": (Reply(429, b""), "RATE_LIMITED", True, None),
    "429 with Retry-After": (Reply(429, b"", headers={"Retry-After": "7"}), "RATE_LIMITED", True, 7.0),
    "403 of the front door": (Reply(403, HTML_403, "text/html"), "BLOCKED", True, 5.0),
    "a day beyond the history": (Reply(500, b"Searched Date is not valid.", "text/plain"), "NO_SUCH_DAY", False, None),
    "500": (Reply(500, b"{}"), "UPSTREAM", True, None),
    "502": (Reply(502, b"<html>", "text/html"), "UPSTREAM", True, None),
    "503 with Retry-After": (Reply(503, b"", headers={"Retry-After": "3"}), "UPSTREAM", True, 3.0),
    "HTML instead of JSON": (Reply(200, b"<html>hello</html>", "text/html"), "NOT_JSON", True, None),
    "another shape": (Reply(200, b'"text"'), "BAD_ANSWER", False, None),
    "reset": (Reply(200, b"", cut=True), "NETWORK", True, None),
    "silence": (Reply(200, b"[]", delay_s=3.0), "TIMEOUT", True, None),
    "401 every time": (Reply(401, b"{}"), "UNAUTHORIZED", True, 2.0),
    "404": (Reply(404, b"{}"), "NOT_FOUND", False, None),
    "redirect": (Reply(302, b"", headers={"Location": "/"}), "REFUSED", False, None),
}


@pytest.mark.parametrize("fault", sorted(FAULTS))
@pytest.mark.parametrize("name", ["nepse-index", "market-depth", "company-details", "price-history", "floor-sheet"])
def test_every_observed_failure_has_its_own_error_and_the_next_task_succeeds(name, fault):
    reply, code, retryable, after_s = FAULTS[fault]
    endpoint = BY_NAME[name]
    timeout_s = 1.0 if code == "TIMEOUT" else 20.0
    with serve(seed=5) as exchange:
        actions = build_actions(Settings(exchange.url, read_timeout_s=timeout_s))
        actions["market-id"]({})
        # a 401 leads to a refresh and then to a new session before it is believed
        exchange.plan(paths_below(endpoint), reply, times=3 if code == "UNAUTHORIZED" else 1)
        with pytest.raises(TaskFailed) as caught:
            finished(actions[name], needed(endpoint))
        assert (caught.value.code, caught.value.retryable, caught.value.retry_after_s) == (code, retryable, after_s)
        if code == "BLOCKED":
            with pytest.raises(TaskFailed, match="its path was refused before, and is asked again in"):
                finished(actions[name], needed(endpoint))
            assert actions["summary"]({})
        elif code != "TIMEOUT":  # the result after that depends on the speed of this machine
            assert finished(actions[name], needed(endpoint))[1]


def test_a_clock_a_day_ahead_and_tokens_that_expire_at_once_are_handled():
    with serve(seed=5, clock_offset_s=86_400.0, token_lifetime_s=0.2, delay_s=0.05) as exchange:
        actions = build_actions(Settings(exchange.url))
        for name in ("company-details", "floor-sheet", "today-price", "index-graph", "market-depth"):
            assert finished(actions[name], needed(BY_NAME[name]) | ({"pages": 3} if name == "floor-sheet" else {}))[1]


def test_an_answer_is_cached_for_its_time_and_a_daily_list_until_midnight_in_nepal():
    now = [1000.0]
    with serve(seed=5, wall=lambda: 1_776_968_100.0 - 100.0) as exchange:  # midnight in 100 s
        fetch = HttpFetch(Settings(exchange.url))
        actions = NepseActions(fetch, lambda: now[0], cache_s=lambda: 2.0).by_name()

        def requests(name, **given):
            before = sum(exchange.counts.values())
            actions[name](given)
            return sum(exchange.counts.values()) - before

        actions["market-id"]({})
        assert [requests("nepse-index"), requests("nepse-index"), requests("company-list"), requests("company-list")] == [
            1,
            0,
            1,
            0,
        ]
        assert [requests("top-gainers"), requests("top-gainers", all=True), requests("top-gainers")] == [1, 1, 0]
        now[0] += 2.0
        assert [requests("nepse-index"), requests("company-list")] == [1, 0]
        now[0] += 90.0
        actions["company-list"]({})
        assert exchange.by_path["/api/nots/company/list"] == 1
        now[0] += 10.0
        actions["company-list"]({})
        assert exchange.by_path["/api/nots/company/list"] == 2


def test_the_time_for_which_an_answer_is_cached_may_change():
    cache_s = [1000.0]
    with serve(seed=5) as exchange:
        actions = NepseActions(HttpFetch(Settings(exchange.url)), lambda: 7.0, cache_s=lambda: cache_s[0]).by_name()

        def requests():
            before = exchange.by_path["/api/nots/nepse-index"]
            actions["nepse-index"]({})
            return exchange.by_path["/api/nots/nepse-index"] - before

        assert [requests(), requests()] == [1, 0]
        cache_s[0] = 1.0
        assert [requests(), requests()] == [1, 0]  # the longer cached answer was dropped
        cache_s[0] = 0.0
        assert [requests(), requests()] == [1, 1]


def test_live_settings_follow_and_the_others_are_fixed():
    values = {"rate_per_s": 1.0, "cache_s": 2.0}
    live = LiveSettings(Settings("http://127.0.0.1:9"), lambda: values)
    values = {"rate_per_s": 3, "cache_s": 0.0}
    assert (live.rate_per_s, live.cache_s, live.base_url, live.ca_file) == (3.0, 0.0, "http://127.0.0.1:9", None)
    assert (live.connect_timeout_s, live.read_timeout_s) == (5.0, 20.0)

"""One session: when it is renewed and what a 401 leads to, with plain numbers for time and no network."""

import json

import pytest
from nepse_worker_fixture import ExchangeFetch, reply

from hulak.bus.errors import TaskFailed
from hulak.workers.nepse import tokens
from hulak.workers.nepse.token_manager import MARKET_OPEN_PATH, PROVE, REFRESH_PATH, TokenManager

FLOOR_SHEET = "/api/nots/nepse-data/floorsheet"
INDICES = "/api/nots/nepse-index"


def manager_of(exchange):
    return TokenManager(exchange, exchange.clock)


def test_a_session_is_opened_once_and_kept_for_45_seconds():
    exchange = ExchangeFetch()
    manager = manager_of(exchange)
    first = manager.session()
    exchange.now += 44.9
    assert manager.session() is first
    assert exchange.paths() == [PROVE.path]


def test_a_session_of_45_seconds_is_refreshed_with_new_tokens_and_salts():
    exchange = ExchangeFetch()
    manager = manager_of(exchange)
    first = manager.session()
    exchange.now += 45.0
    second = manager.session()
    assert exchange.paths() == [PROVE.path, REFRESH_PATH]
    assert exchange.requests[1].body == {"refreshToken": first.refresh}
    assert second.salts != first.salts
    assert second.access != first.access
    assert tokens.has_known_header(second.access)
    assert tokens.has_known_header(second.refresh)
    assert manager.get(INDICES)


@pytest.mark.parametrize("status", [400, 401, 403, 500])
def test_a_refused_refresh_leads_to_a_new_session(status):
    exchange = ExchangeFetch()
    manager = manager_of(exchange)
    manager.session()
    exchange.plan(REFRESH_PATH, reply(status, "{}"))
    exchange.now += 50.0
    manager.session()
    assert exchange.paths() == [PROVE.path, REFRESH_PATH, PROVE.path]


@pytest.mark.parametrize("text", ["", "[]", "{}", "<html>", '{"salt1": 1}'])
def test_a_malformed_refresh_leads_to_a_new_session(text):
    exchange = ExchangeFetch()
    manager = manager_of(exchange)
    manager.session()
    exchange.plan(REFRESH_PATH, reply(200, text))
    exchange.now += 50.0
    manager.session()
    assert exchange.paths() == [PROVE.path, REFRESH_PATH, PROVE.path]


def test_a_rate_limited_refresh_does_not_lead_to_another_request():
    exchange = ExchangeFetch()
    manager = manager_of(exchange)
    manager.session()
    exchange.plan(REFRESH_PATH, reply(429, Retry_After=7))
    exchange.now += 50.0
    with pytest.raises(TaskFailed) as caught:
        manager.session()
    assert (caught.value.code, caught.value.retry_after_s) == ("RATE_LIMITED", 7.0)
    assert exchange.paths() == [PROVE.path, REFRESH_PATH]


def test_a_401_leads_to_one_refresh_and_a_repeated_request():
    exchange = ExchangeFetch()
    manager = manager_of(exchange)
    exchange.plan(INDICES, reply(401))
    assert len(manager.get(INDICES)) == 4
    assert exchange.paths() == [PROVE.path, INDICES, REFRESH_PATH, INDICES]


def test_a_second_401_leads_to_one_new_session_and_a_third_to_unauthorized():
    exchange = ExchangeFetch()
    manager = manager_of(exchange)
    exchange.plan(INDICES, reply(401), reply(401), reply(401))
    with pytest.raises(TaskFailed) as caught:
        manager.get(INDICES)
    assert caught.value.code == "UNAUTHORIZED"
    assert exchange.paths() == [PROVE.path, INDICES, REFRESH_PATH, INDICES, PROVE.path, INDICES]


def test_the_first_refusal_of_a_fresh_session_is_tried_again_later_and_the_next_is_final():
    exchange = ExchangeFetch()
    manager = manager_of(exchange)

    def refusal():
        exchange.plan(INDICES, reply(401), reply(401), reply(401))
        with pytest.raises(TaskFailed) as caught:
            manager.get(INDICES)
        return caught.value.retryable, caught.value.retry_after_s

    assert [refusal(), refusal(), refusal()] == [(True, 2.0), (False, None), (False, None)]
    assert manager.get(INDICES)
    assert refusal() == (True, 2.0)


def test_after_unauthorized_the_next_task_begins_with_a_new_session():
    exchange = ExchangeFetch()
    manager = manager_of(exchange)
    exchange.plan(INDICES, reply(401), reply(401), reply(401))
    with pytest.raises(TaskFailed):
        manager.get(INDICES)
    exchange.requests.clear()
    assert manager.get(INDICES)
    assert exchange.paths() == [PROVE.path, INDICES]


def test_a_restart_of_the_exchange_costs_one_refused_refresh_and_one_new_session():
    exchange = ExchangeFetch()
    manager = manager_of(exchange)
    manager.get(INDICES)
    exchange.gate.forget_sessions()
    exchange.requests.clear()
    assert manager.get(INDICES)
    assert exchange.paths() == [INDICES, REFRESH_PATH, PROVE.path, INDICES]


def test_an_error_page_that_mentions_a_jwe_counts_as_a_refused_token():
    exchange = ExchangeFetch()
    manager = manager_of(exchange)
    exchange.plan(INDICES, reply(500, '{"message": "Invalid JWE header"}'))
    assert manager.get(INDICES)
    assert REFRESH_PATH in exchange.paths()


@pytest.mark.parametrize(
    ("path", "formula"),
    [
        ("/api/nots/security/131", tokens.raw_id),
        ("/api/nots/graph/index/58", tokens.index_graph_id),
        ("/api/nots/nepse-data/today-price?&size=20", tokens.today_price_id),
        (FLOOR_SHEET + "?&size=20&sort=contractId,desc", tokens.floor_sheet_id),
    ],
)
@pytest.mark.parametrize("market_id", [80, 3, 0, 99])
def test_each_formula_is_accepted_by_an_exchange_that_checks_it(path, formula, market_id):
    exchange = ExchangeFetch(market_id=market_id)
    assert manager_of(exchange).post(path, formula)
    assert exchange.paths() == [PROVE.path, MARKET_OPEN_PATH, path]


def test_the_body_id_is_computed_for_each_attempt():
    exchange = ExchangeFetch()
    manager = manager_of(exchange)
    manager.market_id()
    exchange.gate.forget_sessions()
    exchange.requests.clear()
    assert manager.post(FLOOR_SHEET, tokens.floor_sheet_id)
    # a new session may have a new market: its id is read again
    assert exchange.paths() == [FLOOR_SHEET, REFRESH_PATH, PROVE.path, MARKET_OPEN_PATH, FLOOR_SHEET]
    first, last = (request.body["id"] for request in (exchange.requests[0], exchange.requests[-1]))
    assert first != last


def test_the_day_is_that_of_the_servers_clock_advanced_by_monotonic_time():
    midnight_s = 1_776_968_100.0  # 2026-04-24 00:00 in Nepal
    exchange = ExchangeFetch(server_s=midnight_s - 20.0)
    manager = manager_of(exchange)
    before, session = manager.body_id(tokens.index_graph_id)
    assert before == tokens.index_graph_id(80, session.salts, 23)
    exchange.now += 21.0
    after, session_after = manager.body_id(tokens.index_graph_id)
    assert session_after is session
    assert after == tokens.index_graph_id(80, session.salts, 24)
    assert manager.post("/api/nots/graph/index/58", tokens.index_graph_id)
    assert REFRESH_PATH not in exchange.paths()


def test_a_refresh_without_a_server_time_keeps_the_clock_of_the_session_before():
    exchange = ExchangeFetch()
    manager = manager_of(exchange)
    first = manager.session()
    answer = {f"salt{n}": 10_000 * n for n in range(1, 6)}
    answer |= {"accessToken": tokens.KNOWN_HEADER + "x" * 200, "refreshToken": "y" * 250}
    exchange.plan(REFRESH_PATH, reply(200, json.dumps(answer)))
    exchange.plan(MARKET_OPEN_PATH, reply(200, '{"isOpen": "OPEN", "asOf": "2026-04-02T12:22:25.7", "id": 80}'))
    exchange.now += 46.0
    assert manager.session().server_ms == first.server_ms + 46_000


def prove_with_foreign_header():
    answer = {f"salt{n}": 10_000 * n for n in range(1, 6)}
    return {**answer, "serverTime": 1_776_968_000_000, "accessToken": "A" * 250, "refreshToken": "B" * 250}


def test_an_unfamiliar_token_that_the_exchange_accepts_is_used():
    exchange = ExchangeFetch()
    exchange.plan(PROVE.path, reply(200, json.dumps(prove_with_foreign_header())))
    exchange.plan(MARKET_OPEN_PATH, reply(200, '{"isOpen": "CLOSE", "asOf": "2026-04-02T15:00:00", "id": 80}'))
    assert manager_of(exchange).session().access == "A" * 245


def test_an_unfamiliar_token_that_the_exchange_refuses_means_a_changed_scheme():
    exchange = ExchangeFetch()
    exchange.plan(PROVE.path, reply(200, json.dumps(prove_with_foreign_header())))
    with pytest.raises(TaskFailed, match="token scheme changed") as caught:
        manager_of(exchange).session()
    assert caught.value.code == "TOKEN_SCHEME"
    assert "AAAA" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"salt4": -5}, "BAD_ANSWER"),
        ({"serverTime": None}, "BAD_ANSWER"),
        ({"serverTime": 10**18}, "BAD_ANSWER"),
        ({"accessToken": None}, "BAD_ANSWER"),
        ({"accessToken": "A" * 200 + "\r\nHost: elsewhere"}, "BAD_ANSWER"),
        ({"accessToken": "é" * 250}, "BAD_ANSWER"),
        ({"refreshToken": "short"}, "TOKEN_SCHEME"),
    ],
)
def test_a_malformed_prove_answer_is_refused_without_quoting_it(change, code):
    exchange = ExchangeFetch()
    exchange.plan(PROVE.path, reply(200, json.dumps(prove_with_foreign_header() | change)))
    with pytest.raises(TaskFailed) as caught:
        manager_of(exchange).session()
    assert caught.value.code == code
    assert "AAAA" not in str(caught.value)


@pytest.mark.parametrize("status_id", [-1, 100, "x", None])
def test_a_market_id_outside_the_table_is_refused(status_id):
    exchange = ExchangeFetch()
    exchange.plan(MARKET_OPEN_PATH, reply(200, json.dumps({"isOpen": "OPEN", "asOf": "2026", "id": status_id})))
    with pytest.raises(TaskFailed) as caught:
        manager_of(exchange).market_id()
    assert caught.value.code == "BAD_ANSWER"


def test_the_repr_of_a_session_or_request_hides_its_token():
    exchange = ExchangeFetch()
    session = manager_of(exchange).session()
    manager = manager_of(exchange)
    manager.get(INDICES)
    shown = repr(session) + repr(exchange.requests)
    assert tokens.KNOWN_HEADER not in shown
    assert str(session.salts[0]) not in repr(session)

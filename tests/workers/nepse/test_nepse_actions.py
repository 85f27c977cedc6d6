"""The eight actions about the session, over a simulated exchange without a socket."""

import msgpack
import pytest
from nepse_worker_fixture import ExchangeFetch, reply

from hulak.bus.errors import TaskFailed
from hulak.workers.nepse import tokens
from hulak.workers.nepse.actions import NepseActions
from hulak.workers.nepse.endpoints import ENDPOINTS, SESSION_ACTIONS

NAMES = {
    "access-token",
    "security-brief",
    "post-payload-id",
    "post-payload-id-floor-sheet",
    "symbol-id-map",
    "market-status",
    "market-id",
    "salts",
}
STATUS = "/api/nots/nepse-data/market-open"


def actions_of(exchange):
    return NepseActions(exchange, exchange.clock).by_name()


def test_there_are_eight_session_actions_and_one_for_each_endpoint():
    assert set(SESSION_ACTIONS) == NAMES
    names = [*NAMES, *(endpoint.action for endpoint in ENDPOINTS)]
    assert sorted(actions_of(ExchangeFetch())) == sorted(names)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_session_action_refuses_arguments_before_it_sends_anything(name):
    exchange = ExchangeFetch()
    with pytest.raises(TaskFailed, match="symbol") as caught:
        actions_of(exchange)[name]({"symbol": "NABIL"})
    assert caught.value.code == "BAD_ARGUMENT"
    assert exchange.requests == []


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_action_returns_values_that_msgpack_can_encode(name):
    result = actions_of(ExchangeFetch())[name]({})
    assert msgpack.unpackb(msgpack.packb(result)) == result


def test_an_access_token_comes_with_its_age_and_the_time_it_has_left():
    exchange = ExchangeFetch()
    actions = actions_of(exchange)
    fresh = actions["access-token"]({})
    assert fresh["access_token"].startswith(tokens.KNOWN_HEADER)
    assert (fresh["age_s"], fresh["expires_in_s"]) == (0.0, 45.0)
    exchange.now += 15.0
    assert actions["access-token"]({}) == {**fresh, "age_s": 15.0, "expires_in_s": 30.0}


def test_payload_ids_and_salts_come_with_their_token():
    exchange = ExchangeFetch()
    actions = actions_of(exchange)
    salts = actions["salts"]({})
    graph, sheet = actions["post-payload-id"]({}), actions["post-payload-id-floor-sheet"]({})
    assert salts["access_token"] == graph["access_token"] == sheet["access_token"]
    day = tokens.nepal_day(exchange.server_s * 1000)
    assert graph["payload_id"] == tokens.index_graph_id(80, tuple(salts["salts"]), day)
    assert sheet["payload_id"] == tokens.floor_sheet_id(80, tuple(salts["salts"]), day)


def test_the_market_status_is_returned_as_received_with_any_form_of_time():
    exchange = ExchangeFetch()
    status = '{"isOpen": "Pre Open CLOSE", "asOf": "2026-04-02T12:22:25.746796", "id": 80, "new": [1]}'
    exchange.plan(STATUS, reply(200, status))
    actions = actions_of(exchange)
    assert actions["market-status"]({}) == {
        "isOpen": "Pre Open CLOSE",
        "asOf": "2026-04-02T12:22:25.746796",
        "id": 80,
        "new": [1],
    }
    assert actions["market-id"]({}) == {"market_id": 80}


@pytest.mark.parametrize("status", ["[]", "{}", '{"isOpen": 1, "asOf": "x", "id": 80}', "null"])
def test_a_market_status_of_another_shape_is_a_bad_answer(status):
    exchange = ExchangeFetch()
    exchange.plan(STATUS, reply(200, status))
    with pytest.raises(TaskFailed) as caught:
        actions_of(exchange)["market-status"]({})
    assert caught.value.code == "BAD_ANSWER"


def test_the_security_brief_has_the_rows_and_keys_of_the_exchange():
    rows = actions_of(ExchangeFetch())["security-brief"]({})
    assert {"id": 131, "symbol": "NABIL"}.items() <= rows[0].items()
    assert all(set(row) == {"id", "symbol", "securityName", "name", "activeStatus"} for row in rows)


@pytest.mark.parametrize("rows", ["{}", "[1]", '[{"symbol": "NABIL"}]', '[{"symbol": null, "id": 1}]'])
def test_a_security_list_of_another_shape_is_a_bad_answer(rows):
    exchange = ExchangeFetch()
    exchange.plan("/api/nots/security", reply(200, rows))
    with pytest.raises(TaskFailed) as caught:
        actions_of(exchange)["security-brief"]({})
    assert caught.value.code == "BAD_ANSWER"


def test_the_symbol_map_is_read_once_per_day_in_nepal():
    exchange = ExchangeFetch(server_s=1_776_968_100.0 - 30.0)  # half a minute before midnight in Nepal
    actions = actions_of(exchange)
    first = actions["symbol-id-map"]({})
    assert first["NABIL"] == 131
    first.clear()  # a change of the caller's copy does not affect the cache
    assert actions["symbol-id-map"]({})["NABIL"] == 131
    lists = [path for path in exchange.paths() if path.startswith("/api/nots/security")]
    assert len(lists) == 1
    exchange.now += 31.0
    actions["symbol-id-map"]({})
    assert len([path for path in exchange.paths() if path.startswith("/api/nots/security")]) == 2

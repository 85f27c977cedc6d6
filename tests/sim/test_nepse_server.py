"""The simulated exchange over real loopback HTTP: our own client, raw sockets, and a third party's client."""

import http.client
import json
import signal
import socket
import threading
import time

import pytest
from nepse_worker_fixture import Settings

from hulak.bus.errors import TaskFailed
from hulak.sim.nepse.request_gate import Reply
from hulak.sim.nepse.server import run, serve
from hulak.workers.nepse import tokens
from hulak.workers.nepse.actions import build_actions
from hulak.workers.nepse.faults import HttpRequest
from hulak.workers.nepse.http import HttpFetch
from hulak.workers.nepse.token_manager import TokenManager

STATUS = "/api/nots/nepse-data/market-open"
FLOOR_SHEET = "/api/nots/nepse-data/floorsheet"


class Hand:
    """A clock that the test moves."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def hand():
    return Hand()


@pytest.fixture
def exchange(hand):
    with serve(seed=5, clock=hand) as running:
        yield running


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_our_worker_does_every_action_against_it(exchange):
    actions = build_actions(Settings(exchange.url + "/"))
    assert actions["market-status"]({})["isOpen"] == "OPEN"
    assert actions["market-id"]({}) == {"market_id": 80}
    assert actions["symbol-id-map"]({})["NABIL"] == 131
    assert len(actions["security-brief"]({})) >= 80
    assert len(actions["salts"]({})["salts"]) == 5
    assert actions["post-payload-id"]({})["access_token"] == actions["access-token"]({})["access_token"]
    assert set(exchange.by_status) == {200}


def test_our_manager_posts_with_all_four_formulas_and_survives_expired_tokens(exchange, hand):
    manager = TokenManager(HttpFetch(Settings(exchange.url)), lambda: 0.0)  # a worker whose own clock stands still
    for path, formula in [
        ("/api/nots/security/131", tokens.raw_id),
        ("/api/nots/graph/index/58", tokens.index_graph_id),
        ("/api/nots/nepse-data/today-price?&size=5", tokens.today_price_id),
        (FLOOR_SHEET + "?&size=5&sort=contractId,desc", tokens.floor_sheet_id),
    ]:
        assert manager.post(path, formula)
        hand.now += 61.0
    assert exchange.by_status[401] == 3
    assert exchange.by_path["/api/authenticate/refresh-token"] == 3
    assert exchange.by_path["/api/authenticate/prove"] == 1


def test_a_body_id_of_another_formula_day_or_session_is_refused():
    with serve(seed=5, market_id=3) as exchange:
        manager = TokenManager(HttpFetch(Settings(exchange.url)), time.monotonic)
        with pytest.raises(TaskFailed) as caught:
            manager.post(FLOOR_SHEET, lambda market, salts, day: tokens.floor_sheet_id(market, salts, day % 28 + 1))
        assert caught.value.code == "UNAUTHORIZED"
        with pytest.raises(TaskFailed):
            manager.post("/api/nots/security/131", tokens.index_graph_id)
        assert manager.post(FLOOR_SHEET, tokens.floor_sheet_id)


def test_an_exchange_whose_clock_is_a_day_ahead_is_understood():
    with serve(seed=5, clock_offset_s=86_400.0) as exchange:
        manager = TokenManager(HttpFetch(Settings(exchange.url)), time.monotonic)
        assert manager.post(FLOOR_SHEET, tokens.floor_sheet_id)
        assert exchange.by_status[401] == 0


def test_market_depth_has_no_body_when_closed_and_five_levels_when_open(exchange):
    manager = TokenManager(HttpFetch(Settings(exchange.url)), time.monotonic)
    assert len(manager.get("/api/nots/nepse-data/marketdepth/131/")["marketDepth"]["buyMarketDepthList"]) == 5
    with serve(seed=5, hours="closed") as closed:
        manager = TokenManager(HttpFetch(Settings(closed.url)), time.monotonic)
        with pytest.raises(TaskFailed) as caught:
            manager.get("/api/nots/nepse-data/marketdepth/131/")
        assert caught.value.code == "EMPTY"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_what_it_does_not_know_or_allow_is_answered_with_json_or_refused(exchange, method):
    connection = http.client.HTTPConnection("127.0.0.1", exchange.port, timeout=10)
    statuses = []
    for path in (STATUS, "/api/nots/nothing-here", "/"):
        connection.request(method, path, body=b"not json", headers={"Authorization": "Salter wrong"})
        answer = connection.getresponse()
        statuses.append(answer.status)
        if method != "PUT":
            assert json.loads(answer.read())["status"] == answer.status
        else:
            answer.read()
    connection.close()
    assert statuses == {"GET": [401, 404, 404], "POST": [404, 404, 404], "PUT": [501, 501, 501]}[method]


def test_one_connection_carries_many_requests(exchange):
    connection = http.client.HTTPConnection("127.0.0.1", exchange.port, timeout=10)
    connection.connect()
    first = connection.sock
    for _ in range(5):
        connection.request("GET", "/api/authenticate/prove")
        assert connection.getresponse().read()
        assert connection.sock is first
    connection.close()


def test_a_body_that_is_too_long_is_refused_and_the_connection_closed(exchange):
    connection = http.client.HTTPConnection("127.0.0.1", exchange.port, timeout=10)
    connection.putrequest("POST", FLOOR_SHEET)
    connection.putheader("Content-Length", "99999999999")
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 400
    assert answer.read() == b""
    connection.close()


def test_a_planned_failure_is_played_once_and_counted(exchange):
    fetch = HttpFetch(Settings(exchange.url))
    manager = TokenManager(fetch, time.monotonic)
    manager.session()
    exchange.plan(STATUS, Reply(429, b"", headers={"Retry-After": "3"}))
    with pytest.raises(TaskFailed) as caught:
        manager.market_status()
    assert (caught.value.code, caught.value.retry_after_s) == ("RATE_LIMITED", 3.0)
    assert manager.market_status()
    assert exchange.counts == {("/api/authenticate/prove", 200): 1, (STATUS, 429): 1, (STATUS, 200): 1}


def test_every_request_is_paced_also_the_one_that_opens_a_session(exchange):
    hand, slept = Hand(), []

    def sleep(seconds):
        slept.append(round(seconds, 3))
        hand.now += seconds

    manager = TokenManager(HttpFetch(Settings(exchange.url, rate_per_s=2.0), clock=hand, sleep=sleep), hand)
    manager.market_status()
    manager.market_status()
    assert sum(slept) == pytest.approx(1.0)
    assert exchange.by_status[200] == 3


def test_a_rate_that_is_raised_meanwhile_ends_the_waiting_for_the_slow_one(exchange, hand):
    settings, slept = Settings(exchange.url, rate_per_s=0.001), []

    def sleep(seconds):
        slept.append(seconds)
        hand.now += seconds
        if len(slept) == 5:
            settings.rate_per_s = 1e6

    fetch = HttpFetch(settings, clock=hand, sleep=sleep)
    request = HttpRequest("GET", "/api/authenticate/prove")
    assert [fetch(request).status, fetch(request).status] == [200, 200]
    assert 0.4 < sum(slept) < 1.0  # not 1,000 s
    settings.rate_per_s = 2.0
    slept.clear()
    assert [fetch(request).status, fetch(request).status] == [200, 200]
    assert sum(slept) == pytest.approx(0.5, rel=1e-4)


def test_a_port_without_a_listener_is_a_network_failure():
    fetch = HttpFetch(Settings(f"http://127.0.0.1:{free_port()}"))
    with pytest.raises(TaskFailed, match=r"nepse\.base_url") as caught:
        fetch(HttpRequest("GET", "/"))
    assert caught.value.code == "NETWORK"
    assert caught.value.retryable


def test_silence_is_a_timeout():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        fetch = HttpFetch(Settings(url, read_timeout_s=0.05))
        with pytest.raises(TaskFailed) as caught:
            fetch(HttpRequest("GET", STATUS, "secret-token"))
    assert caught.value.code == "TIMEOUT"
    assert caught.value.__cause__ is None
    assert "secret-token" not in str(caught.value)


def test_a_password_file_of_the_user_does_not_replace_the_token(exchange, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login user password secret\n", encoding="ascii")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    TokenManager(HttpFetch(Settings(exchange.url)), time.monotonic).market_status()
    assert set(exchange.by_status) == {200}


def test_a_redirect_is_not_followed(exchange):
    exchange.plan("/api/authenticate/prove", Reply(302, b"", headers={"Location": exchange.url + STATUS}))
    with pytest.raises(TaskFailed, match="302") as caught:
        TokenManager(HttpFetch(Settings(exchange.url)), time.monotonic).session()
    assert caught.value.code == "REFUSED"
    assert exchange.by_path[STATUS] == 0


def test_stopping_frees_the_port_and_ends_open_connections():
    exchange = serve(seed=5)
    exchange.start()
    connection = http.client.HTTPConnection("127.0.0.1", exchange.port, timeout=10)
    connection.request("GET", "/api/authenticate/prove")
    connection.getresponse().read()
    exchange.stop()
    exchange.stop()
    assert exchange.wait(timeout_s=5)
    assert connection.sock.recv(1) == b""  # closed by the other side
    connection.close()
    with serve(port=exchange.port, seed=5) as again:
        assert again.port == exchange.port


def test_a_signal_handler_may_stop_a_blocking_run():
    exchange = serve(seed=5)
    before = signal.signal(signal.SIGUSR1, lambda *_: exchange.stop())
    try:
        run(exchange, ready=lambda: signal.raise_signal(signal.SIGUSR1))
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert exchange.wait(timeout_s=0)


def test_answers_can_be_held_back():
    held = []
    with serve(seed=5, delay_s=0.25, sleep=held.append) as exchange:
        HttpFetch(Settings(exchange.url))(HttpRequest("GET", "/api/authenticate/prove"))
    assert held == [0.25]


def test_one_answer_can_be_held_back_and_one_connection_reset():
    held = []
    with serve(seed=5, sleep=held.append) as exchange:
        fetch = HttpFetch(Settings(exchange.url))
        prove = HttpRequest("GET", "/api/authenticate/prove")
        exchange.plan("/api/authenticate/prove", Reply(200, b"{}", delay_s=3.0))
        exchange.plan("/api/authenticate/prove", Reply(200, b"", cut=True))
        assert fetch(prove).body == b"{}"
        assert held == [3.0]
        with pytest.raises(TaskFailed) as caught:
            fetch(prove)
        assert caught.value.code == "NETWORK"
        assert fetch(prove).status == 200


def test_many_clients_at_once_are_answered(exchange):
    matches = []

    def ask():
        matches.append(build_actions(Settings(exchange.url))["symbol-id-map"]({})["NABIL"])

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert matches == [131] * 16


def test_it_can_be_bound_to_the_loopback_of_ipv6():
    try:
        exchange = serve("::1", seed=5)
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with exchange:
        assert HttpFetch(Settings(exchange.url))(HttpRequest("GET", "/api/authenticate/prove")).status == 200

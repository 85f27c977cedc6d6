"""`NepseClient`, `AsyncNepseClient` and `hulak nepse` over a real broker, real workers and a simulated exchange."""

import asyncio
import hashlib
import inspect
import json
import subprocess
import threading
import time

import pytest
from local_bus import LocalBus
from waiting import eventually

from hulak.bus.errors import TaskFailed
from hulak.clients.calls.async_client import AsyncBusClient
from hulak.clients.calls.client import BusClient
from hulak.clients.displays.async_client import AsyncDisplayClient
from hulak.clients.displays.client import DisplayClient
from hulak.clients.nepse.async_client import AsyncNepseClient
from hulak.clients.nepse.client import NepseClient
from hulak.sim.nepse.exchange import nepal_date, previous_session
from hulak.sim.nepse.files import encrypted_id
from hulak.sim.nepse.request_gate import Reply
from hulak.sim.nepse.server import serve

pytestmark = pytest.mark.system
DAY = previous_session(nepal_date(time.time())).isoformat()
GIVEN = {"security": "NABIL", "index": "nepse", "date": DAY, "category": "annual", "location": "/images/NABIL/logo.png"}
STATS = {
    "totalWorkers",
    "busyWorkers",
    "idleWorkers",
    "queueLength",
    "pendingTasks",
    "totalTasksCompleted",
    "totalErrors",
}


@pytest.fixture(scope="module")
def post():
    with LocalBus() as local_bus, serve(hours="closed") as exchange:
        local_bus.start_broker()
        for _ in range(2):
            local_bus.start("-m", "hulak.workers", "nepse", HULAK_NEPSE__BASE_URL=exchange.url, HULAK_NEPSE__RATE_PER_S="100")
        eventually(lambda: len(local_bus.stats()["workers"]) == 2, within_s=60)
        yield local_bus, exchange


@pytest.fixture
def client(post):
    local_bus, _ = post
    with NepseClient(local_bus.settings, local_bus.home, timeout_s=30) as client:
        yield client


def methods():
    return sorted(name for name in dir(NepseClient) if name.startswith("get_"))


def arguments_of(method, folder):
    needed = [
        parameter for parameter in inspect.signature(method).parameters.values() if parameter.default is inspect.Parameter.empty
    ]
    number = nepal_date(time.time()).toordinal() - 1
    given = {"name": f"notice-{number}.pdf", "id": encrypted_id(number), "path": folder / "saved"}
    return [(GIVEN | given)[parameter.name] for parameter in needed]


@pytest.mark.parametrize("name", methods())
def test_each_method_of_the_client_returns_the_documented_value(client, name, tmp_path):
    method = getattr(client, name)
    if name == "get_company_floor_sheet":
        with pytest.raises(TaskFailed, match="403"):
            method("NABIL")
        return
    value = method(*arguments_of(method, tmp_path))
    kind = str(inspect.signature(method).return_annotation)
    assert (value is None) == name.startswith("get_market_depth"), "the market is closed"
    if "path" in inspect.signature(method).parameters:
        content = (tmp_path / "saved").read_bytes()
        assert list(tmp_path.iterdir()) == [tmp_path / "saved"]
        assert value["size"] == len(content) > 0
        assert value["sha256"] == hashlib.sha256(content).hexdigest()
    if "Rows" in kind or "list[" in kind or kind.startswith("list"):
        assert isinstance(value, list)
        assert bool(value) == (name != "get_live_market"), "the market is closed"


def test_a_whole_floor_sheet_comes_in_several_calls_and_is_complete(client):
    sheet = client.get_floor_sheet()
    small = client.whole("floor-sheet", size=100)
    assert len(sheet["rows"]) == sheet["totalTrades"] == 8640 == len(small["rows"])
    assert small["rows"] == sheet["rows"]
    assert sheet["complete"]
    assert small["complete"]
    some = client.whole("floor-sheet", page=2, pages=5, size=100)
    assert (some["page"], some["pages"], some["next"]) == (2, 5, 7)
    assert some["rows"] == sheet["rows"][200:700]
    of_one = client.get_floor_sheet("NABIL")
    assert {row["stockSymbol"] for row in of_one["rows"]} == {"NABIL"}


def test_parts_reach_the_caller_page_by_page_before_the_answer(post):
    local_bus, _ = post
    parts = []
    with local_bus.client() as client:
        args = {"size": 500, "pages": 4}
        result = client.call("nepse", "floor-sheet", args, timeout_s=30, on_part=parts.append)
    assert [part["page"] for part in parts] == list(range(result["pages"])), "4 pages, or as many as the time allows"
    assert [row for part in parts for row in part["rows"]] == result["rows"]
    assert result["next"] == result["pages"] <= 4


def test_errors_reach_the_caller_with_their_code(post, client):
    _, exchange = post
    for bad, reason in [({"symbol": "UNLISTED"}, "not listed"), ({"colour": 1}, "allowed: symbol"), ({}, "needs symbol")]:
        with pytest.raises(TaskFailed, match=reason) as caught:
            client.call("market-depth", **bad)
        assert caught.value.code == "BAD_ARGUMENT"
    with pytest.raises(TaskFailed) as caught:
        client.call("no-such-action")
    assert caught.value.code == "UNKNOWN_ACTION"
    with pytest.raises(TaskFailed, match="the exchange knows no security of this id") as caught:
        client.get_security_profile(7)
    assert caught.value.code == "NOT_FOUND"
    exchange.plan("/api/nots/security/profile/131", Reply(200, b"", cut=True))
    assert client.get_security_profile(131)["companyName"] == "Nabil Bank Limited", "another attempt was made"


def test_the_statistics_have_the_originals_seven_fields_and_are_correct(post):
    local_bus, exchange = post
    with NepseClient(local_bus.settings, local_bus.home) as client:
        before = client.get_stats()
        assert before.keys() == STATS
        assert (before["totalWorkers"], before["busyWorkers"], before["idleWorkers"]) == (2, 0, 2)
        assert (before["queueLength"], before["pendingTasks"]) == (0, 0)
        exchange.plan("/api/nots/top-ten/trade-qty", Reply(200, b"[]", delay_s=1.5), times=5)

        def ask(size):
            with NepseClient(local_bus.settings, local_bus.home, timeout_s=30) as other:
                other.call("top-quantity", all=bool(size))

        threads = [threading.Thread(target=ask, args=(at % 2,)) for at in range(5)]
        for thread in threads:
            thread.start()
        busy = eventually(lambda: (now := client.get_stats())["busyWorkers"] == 2 and now, within_s=30)
        assert busy["totalWorkers"] == 2
        assert busy["idleWorkers"] == 0
        assert busy["pendingTasks"] >= 2 + busy["queueLength"]
        for thread in threads:
            thread.join(30)
        after = eventually(lambda: (now := client.get_stats())["pendingTasks"] == 0 and now, within_s=30)
        assert after["totalErrors"] == before["totalErrors"]
        assert after["totalTasksCompleted"] > before["totalTasksCompleted"]


def test_a_client_that_was_shut_down_is_closed_and_the_workers_are_not(post):
    local_bus, _ = post
    client = NepseClient(local_bus.settings, local_bus.home)
    assert client.get_market_id() == 80
    client.shutdown()
    client.shutdown()
    assert len(local_bus.stats()["workers"]) == 2


def test_many_awaited_calls_at_once_each_get_their_answer(post):
    local_bus, _ = post

    async def ask():
        async with AsyncNepseClient(local_bus.settings, local_bus.home, timeout_s=30) as nepse:
            ids = await nepse.get_symbol_id_map()
            symbols = [symbol for symbol, number in ids.items() if number < 100_000][:24]
            details = await asyncio.gather(*(nepse.get_company_details(symbol) for symbol in symbols))
            assert [detail["security"]["symbol"] for detail in details] == symbols
            with pytest.raises(TaskFailed, match="not listed"):
                await nepse.get_company_details("UNLISTED")
            assert (await nepse.get_stats()).keys() == STATS

    asyncio.run(ask())


def test_a_cancelled_call_ends_and_its_answer_is_never_taken_for_anothers(post):
    local_bus, exchange = post

    def a_worker_is_at_it():
        return local_bus.stats()["tasks"]["services"].get("nepse", {}).get("running")

    async def ask():
        async with AsyncNepseClient(local_bus.settings, local_bus.home, timeout_s=30) as nepse:
            assert await nepse.get_market_id() == 80
            exchange.plan("/api/nots/market-summary-history", Reply(200, b"[1]", delay_s=1.0))
            slow = asyncio.create_task(nepse.get_summary_history())
            await asyncio.to_thread(eventually, a_worker_is_at_it, within_s=30)
            slow.cancel()
            with pytest.raises(asyncio.CancelledError):
                await slow
            assert await nepse.get_market_id() == 80
            assert (await nepse.get_market_status())["isOpen"] == "CLOSE"

    asyncio.run(ask())


@pytest.mark.parametrize(
    ("words", "check"),
    [
        (["market-depth", "NABIL"], lambda value: value is None),
        (["index-history", "nepse", "--size", "5", "--pages", "1"], lambda value: len(value["rows"]) == 5),
        (["price-history", "131"], lambda value: value["complete"] and len(value["rows"]) == 240),
        (["top-losers", "--all"], lambda value: len(value) > 10),
        (["floor-sheet", "--symbol", "NABIL"], lambda value: value["complete"] and value["rows"]),
    ],
)
def test_a_command_takes_the_arguments_of_its_action(post, words, check):
    local_bus, _ = post
    asked = local_bus.hulak("nepse", *words, "--json", out=subprocess.PIPE)
    answer, _ = asked.communicate(timeout=30)
    assert asked.returncode == 0, asked.log.read_text()
    assert check(json.loads(answer))


def test_a_command_with_a_wrong_argument_reports_it(post):
    local_bus, _ = post
    asked = local_bus.hulak("nepse", "market-depth", "UNLISTED")
    assert asked.wait(30) == 1
    assert "symbol is 'UNLISTED', which is not listed" in asked.log.read_text()


@pytest.fixture
def alone():
    """Start a broker without workers, so that calls wait."""
    with LocalBus() as local_bus:
        local_bus.start_broker()
        yield local_bus


def test_a_hundred_callers_wait_together_and_the_statistics_come_meanwhile(alone):
    async def ask():
        threads = threading.active_count()
        async with AsyncNepseClient(alone.settings, alone.home, timeout_s=30) as nepse:
            calls = [asyncio.ensure_future(nepse.get_market_depth(number)) for number in range(1, 101)]
            while (stats := await nepse.get_stats())["pendingTasks"] < len(calls):
                assert not any(call.done() for call in calls)
            assert (stats["queueLength"], stats["totalWorkers"]) == (100, 0)
            assert threading.active_count() == threads
            await nepse.shutdown()
            ended = await asyncio.gather(*calls, return_exceptions=True)
            assert {error.code for error in ended} == {"CLOSED"}

    asyncio.run(asyncio.wait_for(ask(), 30))


def test_clients_without_arguments_find_their_broker_like_the_commands(alone, monkeypatch):
    for name, value in alone.variables.items():
        monkeypatch.setenv(name, value)

    async def ask():
        async with AsyncBusClient() as client, AsyncNepseClient() as nepse, AsyncDisplayClient() as displays:
            assert (await client.call("hulak.ping"))["epoch"]
            assert (await nepse.get_stats())["totalWorkers"] == 0
            assert await displays.rows() == []

    with BusClient() as client, NepseClient() as nepse, DisplayClient() as displays:
        assert client.call("hulak.ping")["epoch"]
        assert nepse.get_stats()["totalWorkers"] == 0
        assert displays.rows() == []
    asyncio.run(ask())

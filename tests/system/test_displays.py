"""Displays with real processes: spread, taken over, equal to an undisturbed fold; and every method of the client."""

import asyncio
import json
import signal
import subprocess
import time

import pytest
from display_market import MIDNIGHT_MS, SYMBOLS, Market, differs, start_workers
from local_bus import LocalBus
from waiting import eventually

from hulak.bus.errors import BusError
from hulak.clients.displays.async_client import AsyncDisplayClient
from hulak.clients.displays.client import DisplayClient

pytestmark = pytest.mark.system
MOVED_S, MOVED_BUSY_S = 2.0, 10.0  # after a kill: on an idle machine, and on one with much else to do


def test_displays_are_spread_taken_over_and_equal_to_an_undisturbed_fold(long):
    market = Market(1)
    with LocalBus() as local_bus, DisplayClient(local_bus.settings, local_bus.home) as displays:
        broker = local_bus.start_broker()
        workers = start_workers(local_bus, "d0", "d1")
        shown = {f"{symbol.lower()}-{number}": symbol for symbol in SYMBOLS for number in range(2)}
        for display, symbol in shown.items():
            assert displays.create_worker_for_symbol(symbol, display) == {"display": display, "new": True}
        assert sorted(row["worker"] for row in displays.rows()) == ["d0"] * 4 + ["d1"] * 4
        market.dispatch(displays, 2000)
        eventually(lambda: not differs(displays, market, shown), within_s=30)

        workers["d0"].kill()
        killed = time.monotonic()
        eventually(lambda: {row["worker"] for row in displays.rows()} == {"d1"}, within_s=30)
        assert time.monotonic() - killed < (MOVED_S if long else MOVED_BUSY_S)
        market.dispatch(displays, 500)
        eventually(lambda: not differs(displays, market, shown), within_s=30)

        start_workers(local_bus, "d2")
        eventually(lambda: sorted(row["worker"] for row in displays.rows()) == ["d1"] * 4 + ["d2"] * 4, within_s=30)
        before = {row["display"]: (row["worker"], row["token"]) for row in displays.rows()}
        broker.kill()
        broker.wait()
        local_bus.start_broker()
        eventually(lambda: not differs(displays, market, shown), within_s=30)  # published again, from the workers' states
        market.dispatch(displays, 500)
        eventually(lambda: not differs(displays, market, shown), within_s=30)
        assert {row["display"]: (row["worker"], row["token"]) for row in displays.rows()} == before

        assert displays.remove_symbol("btc") == ["btc-0", "btc-1"]
        assert displays.state("btc-0") is None
        remaining = {display: symbol for display, symbol in shown.items() if symbol != "BTC"}
        market.dispatch(displays, 200)
        eventually(lambda: not differs(displays, market, remaining), within_s=30)
        assert {row["display"] for row in displays.rows()} == set(remaining)
        assert local_bus.stats()["rejected"].get("collector", {}) == {}


def test_a_frozen_workers_displays_continue_elsewhere_and_it_overwrites_none_when_it_thaws():
    market = Market(3)
    with LocalBus(**{"task.lease_s": 0.6}) as local_bus, DisplayClient(local_bus.settings, local_bus.home) as displays:
        local_bus.start_broker()
        workers = start_workers(local_bus, "d0", "d1")
        shown = {f"{symbol.lower()}-{number}": symbol for symbol in SYMBOLS for number in range(2)}
        for display, symbol in shown.items():
            displays.create_worker_for_symbol(symbol, display)
        market.dispatch(displays, 500)
        eventually(lambda: not differs(displays, market, shown), within_s=30)
        workers["d0"].send_signal(signal.SIGSTOP)
        eventually(lambda: {row["worker"] for row in displays.rows()} == {"d1"}, within_s=30)
        market.dispatch(displays, 500)
        eventually(lambda: not differs(displays, market, shown), within_s=30)
        workers["d0"].send_signal(signal.SIGCONT)
        eventually(lambda: sorted(row["worker"] for row in displays.rows()) == ["d0"] * 4 + ["d1"] * 4, within_s=30)
        market.dispatch(displays, 500)
        eventually(lambda: not differs(displays, market, shown), within_s=30)


@pytest.fixture(scope="module")
def served():
    """A broker, a display worker `d0`, and a client."""
    with LocalBus() as local_bus, DisplayClient(local_bus.settings, local_bus.home) as displays:
        local_bus.start_broker()
        assert displays.get_memory_usage() == {"available": False}
        start_workers(local_bus, "d0")
        yield local_bus, displays


def test_displays_are_created_initialised_updated_and_cleaned_up(served):
    _, displays = served
    market = Market(2)
    market.dispatch(displays, 200)
    shown = displays.create_new_symbol("eurusd", {"open": 1.09}, {"statesPerSecond": 1000}, history=True)
    assert displays.create_worker_for_symbol("EURUSD", shown) == {"display": shown, "new": False}
    displays.wait_until_live(shown)
    assert displays.state(shown)["ticks"] == market.wanted("EURUSD")["ticks"] > 0
    late = displays.create_new_symbol("EURUSD")
    displays.wait_until_live(late)
    assert (displays.state(late)["ready"], displays.state(late)["price"]) == (False, None)  # no price is made up
    assert displays.initialize_worker("EURUSD", shown, {"initialPrice": 1.05, "todaysOpen": 1.06})
    assert not displays.initialize_worker("USDJPY", shown, {})
    assert not displays.update_existing_symbol("EUR", {})
    assert displays.update_existing_symbol("EURUSD", {"open": 1.07})
    assert displays.dispatch_tick("EURUSD", {"bid": 1.2, "ask": 1.3, "timestamp": market.at_ms}) == 2
    eventually(lambda: (displays.state(late) or {}).get("price") == 1.2, within_s=30)
    assert displays.dispatch_tick("NOBODY", {"bid": 1, "ask": 2, "timestamp": market.at_ms}) == 0
    with pytest.raises(BusError) as caught:
        displays.create_worker_for_symbol("EURUSD", "other", config={"no_such_key": 1})
    assert caught.value.code == "BAD_CONFIG"
    assert displays.cleanup() == [shown, late]
    assert displays.rows() == []


@pytest.mark.parametrize(
    "bad",
    [
        {"bid": float("nan"), "ask": 1, "timestamp": MIDNIGHT_MS},
        {"bid": 1, "ask": 2},
        {"bid": "1", "ask": 2, "timestamp": MIDNIGHT_MS},
    ],
)
def test_a_malformed_tick_is_refused_before_it_is_sent(served, bad):
    with pytest.raises(BusError, match="must be") as caught:
        served[1].dispatch_tick("EURUSD", bad)
    assert caught.value.code == "BAD_TICK"


def test_configuration_of_one_and_of_all_reaches_displays_and_optimisations_have_their_effect(served):
    _, displays = served
    five = {"digits": 5}
    first, other = (displays.create_worker_for_symbol("X", display, init=five)["display"] for display in ("one", "other"))
    displays.wait_until_live(first, other)
    assert displays.update_worker_config("X", first, {"priceBucketMultiplier": 20})
    assert not displays.update_worker_config("X", "never", {"price_bucket_multiplier": 20})
    assert displays.broadcast_config_update({"price_bucket_multiplier": 5.0}) == 2
    late = displays.create_new_symbol("X", five)  # it has the broadcast one too
    displays.wait_until_live(late)
    wanted = {display: pytest.approx(bucket) for display, bucket in ((first, 0.0002), (other, 0.00005), (late, 0.00005))}
    eventually(lambda: {display: displays.state(display)["profile"]["bucket"] for display in wanted} == wanted, within_s=30)

    on = displays.configure_optimizations({"performanceMonitoring": True}, batch_dispatching=False)
    assert on == {"batch_dispatching": False, "memory_optimization": True, "performance_monitoring": True}
    with pytest.raises(BusError, match="must be"):
        displays.configure_optimizations(turbo=True)
    states = displays.watch(first, every=True, timeout_s=10)
    before = next(states)["ticks"]
    displays.dispatch_ticks("X", [{"bid": 1.2, "ask": 1.3, "timestamp": MIDNIGHT_MS}] * 20)
    assert [next(states)["ticks"] for _ in range(20)] == list(range(before + 1, before + 21))  # each tick its state
    states.close()
    stats = eventually(
        lambda: (worker_stats := displays.get_worker_stats())["workers"][0].get("fold_us") and worker_stats, within_s=30
    )
    assert (stats["activeWorkers"], stats["maxWorkers"], stats["displays"]) == (3, 1000, 3)
    assert stats["connectionHealthy"]
    assert stats["averageLatency"] > 0
    assert stats["ticksDispatched"] >= stats["ticksFolded"] / 3 >= 20
    memory = displays.get_memory_usage()
    assert 0 < memory["current"] < memory["total"] < memory["limit"]
    assert displays.configure_optimizations(batch_dispatching=True)["batch_dispatching"]
    assert set(displays.remove_symbol("X")) == {first, other, late}


def test_the_methods_can_be_awaited(served):
    local_bus, _ = served

    async def awaited():
        async with AsyncDisplayClient(local_bus.settings, local_bus.home) as client:
            again = await client.create_new_symbol("BTC")
            await client.wait_until_live(again)
            async for state in client.watch(again):
                assert state["display"] == again
                break
            return await client.cleanup() == [again]

    assert asyncio.run(awaited())


def test_the_commands_create_show_watch_and_remove(served):
    local_bus, displays = served

    def output(*words):
        process = local_bus.hulak("displays", *words, out=subprocess.PIPE)
        out, _ = process.communicate(timeout=30)
        assert process.returncode == 0, process.log.read_text()
        return out.decode()

    assert output("create", "xauusd", "--display", "gold", "--init", "digits=3", "--set", "states_per_s=5").strip() == "gold"
    assert json.loads(output("watch", "gold", "--count", "1", "--json"))["digits"] == 3
    rows = {row["display"]: row for row in json.loads(output("ls", "--json"))}
    assert (rows["gold"]["worker"], rows["gold"]["state"]["ready"]) == ("d0", False)
    assert "no tick yet" in output("ls", "--symbol", "XAUUSD")
    displays.dispatch_tick("XAUUSD", {"bid": 1900.5, "ask": 1900.61, "timestamp": MIDNIGHT_MS})
    eventually(lambda: displays.state("gold")["price"] == 1900.5, within_s=30)
    assert "\t1900.500\t" in output("ls", "--symbol", "XAUUSD")  # all of its digits
    assert "\t1900.500\t" in output("watch", "gold", "--count", "1")
    assert "volatility\t" in output("show", "gold")
    assert "1900.500\t1\t" in output("show", "gold")
    assert "activeWorkers\t1" in output("stats")
    assert json.loads(output("remove", "gold", "--json")) == {"removed": ["gold"]}

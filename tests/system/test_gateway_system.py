"""The gateway with a real broker, feeds and front ends."""

import asyncio
import json
import signal
import urllib.error
import urllib.request

import pytest
from local_bus import LocalBus
from monitoring_files import assert_monitored
from venue_thread import VenueThread
from waiting import eventually
from websockets.asyncio.client import connect

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
LIMIT_S = 20


def get(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except urllib.error.URLError:
        return 0, ""


async def until(client, wanted):
    """Read until a message of which `wanted` is true; return it and the types of those before."""
    before = []
    async with asyncio.timeout(LIMIT_S):
        while True:
            message = json.loads(await client.recv())
            if wanted(message):
                return message, before
            before.append(message["type"])


async def send(client, **message):
    await client.send(json.dumps(message))


async def as_a_page(port):
    async with connect(f"ws://127.0.0.1:{port}/ws", origin=f"http://127.0.0.1:{port}") as page:
        await send(page, type="subscribe", ticks=["*"], stats=True, config=True)
        frame, before = await until(page, lambda message: message.get("ticks"))
        assert before[0] == "hello"
        assert set(next(iter(frame["ticks"].values()))) >= {"bid", "ask", "timestamp"}
        stats, _ = await until(
            page, lambda message: any(row["kind"] == "gateway" for row in message.get("stats", {}).get("processes", []))
        )
        assert stats["stats"]["ticks"]["taken"] > 0
        await send(page, type="config.set", id="no", scope="kind:gateway", values={"frame_ms": 0})
        refusal, _ = await until(page, lambda message: message.get("id") == "no")
        assert (refusal["type"], refusal["code"]) == ("error", "BAD_CONFIG")
        await send(page, type="config.set", id="yes", scope="kind:gateway", values={"frame_ms": 40})
        version = 0  # of the frame with the new config, which comes before or behind the answer

        def answered(message):
            nonlocal version
            version = message.get("config", {}).get("version", version)
            return message.get("id") == "yes" and message["type"] == "answer"

        await until(page, answered)
        if not version:
            version = (await until(page, lambda message: message.get("config", {}).get("scopes")))[0]["config"]["version"]
        await until(
            page,
            lambda message: any(
                (row["kind"], row["config_version"]) == ("gateway", version)
                for row in message.get("stats", {}).get("processes", [])
                if "config_version" in row
            ),
        )


async def while_frozen(port, broker):
    async with connect(f"ws://127.0.0.1:{port}/ws") as page:
        await send(page, type="subscribe", stats=True)
        await until(page, lambda message: "stats" in message)
        broker.send_signal(signal.SIGSTOP)
        _, before = await until(page, lambda message: message.get("silent"))
        assert len(before) <= 2, "statistics come each second"
        broker.send_signal(signal.SIGCONT)
        await until(page, lambda message: message.get("silent") is False)


async def with_displays(port):
    async with connect(f"ws://127.0.0.1:{port}/ws") as page, connect(f"ws://127.0.0.1:{port}/fx") as front:
        await send(page, type="subscribe", displays=["*"])
        await send(page, type="display.create", id=1, symbol="GBPUSD")
        answer, _ = await until(page, lambda message: message.get("id") == 1)
        name = answer["value"]["display"]
        whole, _ = await until(page, lambda message: "profile" in message.get("displays", {}).get(name, {}))
        assert whole["displays"][name]["symbol"] == "GBPUSD"
        delta, _ = await until(page, lambda message: "profile_delta" in message.get("displays", {}).get(name, {}))
        state = delta["displays"][name]
        assert state["low"] <= state["price"] <= state["high"]
        assert state["received_ms"] <= state["published_ms"] <= delta["sent_ms"]
        await send(front, type="get_symbol_data_package", symbol="GBPUSD")
        profiles = [(await until(front, lambda message: message["type"] == "profileUpdate"))[0] for _ in range(2)]
        assert profiles[0]["profile"]["levels"]
        assert profiles[1]["delta"]["added"] or profiles[1]["delta"]["updated"]
        assert profiles[1]["seq"] == profiles[0]["seq"] + 1
        await send(page, type="display.remove", id=2, display=name)
        removed, _ = await until(page, lambda message: "removed" in message)
        assert removed["removed"] == [name]


async def as_a_front_end(port):
    """Act as a front end according to FX.md, without this package."""
    async with connect(f"ws://127.0.0.1:{port}/fx") as front:
        ready, before = await until(front, lambda message: message["type"] == "ready")
        assert [kind for kind in before if kind != "heartbeat"] == ["status"]
        assert "EURUSD" in ready["availableSymbols"]
        for symbol in ("EURUSD", "NOPE"):
            await send(front, type="get_symbol_data_package", symbol=symbol, adrLookbackDays=14)
        package, before = await until(front, lambda message: message["type"] == "symbolDataPackage")
        assert "tick" not in before
        assert package["todaysLow"] <= package["initialPrice"] <= package["todaysHigh"]
        tick, _ = await until(front, lambda message: message["type"] == "tick")
        assert (tick["symbol"], tick["pipPosition"]) == ("EURUSD", 4)
        assert tick["timestamp"] <= tick["receivedAt"] <= tick["sentAt"]
        await send(front, type="get_symbol_data_package", symbol="NOPE")
        refusal, _ = await until(front, lambda message: message["type"] == "error")
        assert (refusal["code"], refusal["symbol"]) == ("SYMBOL_NOT_FOUND", "NOPE")
        await send(front, type="getHistoricalCandles", symbol="EURUSD", resolution="1m", **{"from": 1e12, "to": 1e13})
        history, _ = await until(front, lambda message: message["type"] == "candleHistory")
        assert sum(bar["volume"] for bar in history["bars"]) > 0
        await send(front, type="subscribeCandles", symbol="EURUSD", resolution="1h")
        candle, before = await until(front, lambda message: message["type"] == "candleUpdate")
        assert "candleSubscription" in before
        assert candle["timeframe"] == "H1"
        await send(front, type="unsubscribe", symbols=["EURUSD"])
        await send(front, type="reinit", source="all")
        await until(front, lambda message: message["type"] == "reinit_started")


def test_pages_front_ends_feeds_and_monitoring_are_served():
    with VenueThread() as venue, LocalBus() as local_bus, LocalBus() as second:
        port = local_bus.settings.gateway.port
        gateway = local_bus.hulak("gateway")
        eventually(lambda: get(port, "/readyz")[0] == 503, within_s=LIMIT_S)  # there is no broker yet
        broker = local_bus.start_broker()
        local_bus.hulak("feed", "--venue", "json", "--url", venue.url("/json"))
        eventually(lambda: get(port, "/readyz")[0] == 200, within_s=LIMIT_S)
        another = local_bus.hulak("gateway")
        eventually(lambda: local_bus.stats()["ticks"]["symbols"] == 28, within_s=LIMIT_S)
        local_bus.hulak("worker", "display")
        second.start_broker()
        second.hulak("feed", "--venue", "fx", "--url", f"ws://127.0.0.1:{port}/fx", "--symbols", "EURUSD,GBPUSD,NOPE")
        asyncio.run(as_a_page(port))
        asyncio.run(as_a_front_end(port))
        asyncio.run(with_displays(port))
        asyncio.run(while_frozen(port, broker))

        def fed():
            (feed,) = [row for row in second.stats()["processes"] if row["kind"] == "feed"] or [{}]
            return (
                second.stats()["ticks"]["taken"] > 20 and "NOPE" in feed.get("symbol_errors", {}) and feed["state"] == "connected"
            )

        eventually(fed, within_s=LIMIT_S)
        assert another.wait(LIMIT_S) == 78
        assert f"setting gateway.port: 127.0.0.1:{port} cannot be bound" in another.log.read_text()
        metrics = get(port, "/metrics")[1]
        assert "hulak_broker_up 1.0" in metrics
        assert 'hulak_gateway_clients{path="/fx"} 1.0' in metrics
        assert 'hulak_feed_state{slot="json",state="connected"} 1.0' in metrics
        assert_monitored(metrics)
        broker.kill()
        status, body = eventually(lambda: (answer := get(port, "/readyz"))[0] == 503 and answer, within_s=LIMIT_S)
        assert "broker is silent" in body, status
        assert get(port, "/healthz")[0] == 200, "a restart of the gateway would not help"
        assert gateway.poll() is None
        local_bus.start_broker()
        eventually(lambda: get(port, "/readyz")[0] == 200, within_s=LIMIT_S)
        gateway.terminate()
        assert gateway.wait(30) == 0, gateway.log.read_text()

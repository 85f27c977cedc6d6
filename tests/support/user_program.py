"""A program of a user's, which uses all of the public face; type checkers judge it against the installed package."""

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import hulak
from hulak import (
    AsyncBusClient,
    AsyncDisplayClient,
    AsyncNepseClient,
    BusClient,
    BusError,
    BusTimeout,
    ConfigError,
    DisplayClient,
    Feed,
    FeedError,
    History,
    HulakError,
    NepseClient,
    ProtocolError,
    Subscriber,
    TaskFailed,
    Tick,
    local,
    task,
)


@task("sums", "add")
def add(a: float, b: float) -> float:
    return a + b


def prices(symbol: str) -> Iterator[tuple[float | None, float | None]]:
    with Subscriber(f"tick.{symbol}") as subscriber:
        for tick in subscriber.ticks():
            yield tick.bid, tick.ask
        event = subscriber.poll(1.0)
        if event is not None:
            sequence: int = event.stamp.sequence
            print(event.topic, sequence, event.body["bid"], subscriber.counters()["gaps"])


def calls() -> Any:
    with BusClient() as client:
        for answer in client.map("sums", "add", [{"a": 1, "b": 2}]):
            print(answer)
        ticks: list[Tick] = [hulak.Tick("X", 1.0, 2.0, 0, "me")]
        print([event.body for event in History(client, "tick.X")], ticks)
        try:
            return client.call("sums", "add", {"a": 1, "b": 2}, timeout_s=5)
        except TaskFailed as failure:
            print(failure.code)
        except BusTimeout:
            return None
        return client.post("sums", "add", {"a": 1, "b": 2}, key="once")


def post(symbol: str, bid: float, ask: float) -> None:
    try:
        with Feed("mine", source="me", logger=logging.getLogger("mine")) as feed:
            feed.post(symbol, bid, ask)
            count: int = feed.counters()["posted"]
            print(count)
    except (FeedError, ConfigError, ProtocolError, BusError, HulakError) as error:
        print(str(error))


def script() -> None:
    with local(min_workers=2, max_workers=4, demo=True) as bus, bus.nepse() as nepse:
        status: dict[str, Any] = nepse.get_market_status()
        print(status, bus.call("hulak.stats"))
    with NepseClient() as exchange, DisplayClient() as displays:
        print(exchange.get_symbol_id_map(), displays.create_new_symbol("EURUSD", {"open": 1.08}))


async def asynchronous() -> None:
    async with AsyncBusClient() as client, AsyncNepseClient() as nepse, AsyncDisplayClient() as displays:
        answer = await client.call("sums", "add", {"a": 1, "b": 2})
        status = await nepse.get_market_status()
        print(answer, status, await displays.rows())
        async for state in displays.watch():
            print(state["price"])


if __name__ == "__main__":
    post("EURUSD", 1.0821, 1.0823)
    print(next(prices("EURUSD")), calls(), add(1, 2))
    script()
    asyncio.run(asynchronous())

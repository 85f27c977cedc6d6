"""The bridge's way out beside bare nats-py publishers, in one run: ticks per second that JetStream has acknowledged.

A journal is filled first; the bridge, a process as users run it, then sends all of it. The bare publishers send the same ticks as
single messages: one after the other, each when the one before is acknowledged, and with a window of acknowledgements outstanding.
"""

import asyncio
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import bulk, machine
from benchmarks.scale.broker_process import BrokerProcess
from benchmarks.scale.nats_server import NatsServer
from benchmarks.system import BenchmarkError
from benchmarks.systems.nats import connect
from hulak.clients.bridge.stream import Stream

SITE = "bench"
STREAM = "BARE"
WINDOW = 512
ENDS_S = 120.0
LOOK_S = 0.01


def measure(mib: int, bare_s: float, repeats: int, folder: Path | None, log: Callable[[str], None]) -> dict[str, Any]:
    """Measure.

    Args:
        mib: size of the journal.
        bare_s: seconds of each bare publisher.
        repeats: of all of it.
        folder: for the files of broker and server; on a real disk.
        log: called with each line of progress.
    Returns:
        `rows`: for each repetition the ticks per second of `bridge`, `bare` and `window`, and the bridge's CPU us per tick.
    """
    rows = []
    with BrokerProcess(folder) as broker:
        made = bulk.fill(broker.home, broker.settings, mib << 20, rare_every=1 << 40)
        broker.start()
        for turn in range(repeats):
            log(f"run {turn + 1} of {repeats}: {made.ticks:,} ticks")
            with NatsServer(folder) as server:
                server.start()
                row = asyncio.run(_bare(server, bare_s))
                row |= _bridge(broker, server, made.ticks)
            rows.append(row)
    return {"ticks": made.ticks, "rows": rows}


def table(result: dict[str, Any]) -> str:
    """Return the medians as text."""
    middle = {name: statistics.median(row[name] for row in result["rows"]) for name in result["rows"][0]}
    rate, bare, window = middle["bridge"], middle["bare"], middle["window"]
    lines = [
        f"bridge, one message per turn: {rate:,.0f} ticks/s, {middle['bridge_us']:.1f} us of CPU per tick",
        f"nats-py, each awaited: {bare:,.0f} ticks/s; the bridge is {rate / bare:.1f} times as fast",
        f"nats-py, {WINDOW} outstanding: {window:,.0f} ticks/s; the bridge is {rate / window:.1f} times as fast",
    ]
    return "\n".join(lines)


def _bridge(broker: BrokerProcess, server: NatsServer, ticks: int) -> dict[str, float]:
    variables = {
        "HULAK_HOME": str(broker.home),
        "HULAK_BRIDGE__SITE": SITE,
        "HULAK_BRIDGE__SERVERS": f"nats://{machine.HOST}:{server.port}",
    }
    process = machine.start(machine.python("hulak", "bridge", "nats"), broker.home / "bridge.log", variables)
    try:
        took_s = asyncio.run(_until_sent(server, ticks))
        return {"bridge": ticks / took_s, "bridge_us": machine.cpu_clock_s(process.pid) / ticks * 1e6}
    finally:
        machine.end(process)


async def _until_sent(server: NatsServer, ticks: int) -> float:
    """Return the seconds from the moment at which the stream exists to the one at which it covers all ticks."""
    client = await connect(server.port)
    stream, deadline, began = Stream(client, SITE), time.perf_counter() + ENDS_S, 0.0
    try:
        while time.perf_counter() < deadline:
            state = await stream.state()
            began = began or (time.perf_counter() if state is not None else 0.0)
            last = await stream.get(state.last_seq) if state is not None and state.messages else None
            if last is not None and int((last.headers or {})["Hulak-Number"]) >= ticks:
                return time.perf_counter() - began
            await asyncio.sleep(LOOK_S)
    finally:
        await client.close()
    raise BenchmarkError(f"the bridge has not sent {ticks:,} ticks within {ENDS_S:g} s")


async def _bare(server: NatsServer, seconds: float) -> dict[str, float]:
    client = await connect(server.port)
    try:
        stream = client.jetstream(publish_async_max_pending=WINDOW)
        await stream.add_stream(name=STREAM, subjects=["bare.*"])
        bodies = [frame.partition(b"\0")[2][24:] for (frame, _), _ in zip(bulk.frames(28, 1 << 40, 1), range(1000), strict=False)]
        count, began = 0, time.perf_counter()
        while time.perf_counter() < began + seconds:
            await stream.publish("bare.EURUSD", bodies[count % 1000])
            count += 1
        bare = count / (time.perf_counter() - began)
        count, began = 0, time.perf_counter()
        while time.perf_counter() < began + seconds:
            await stream.publish_async("bare.EURUSD", bodies[count % 1000])
            count += 1
        await asyncio.wait_for(stream.publish_async_completed(), ENDS_S)
        return {"bare": bare, "window": count / (time.perf_counter() - began)}
    finally:
        await client.close()

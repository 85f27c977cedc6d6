"""A program leaks far more connections than the broker has descriptors for: ticks, calls and pings continue."""

import pytest
from connection_leak import leak
from load import Pings, Ticks
from local_bus import LocalBus
from waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]
SYMBOLS = 28
RATE = 500
PING_S = 15.0  # the leak takes turns of the machine too, and of the short form other tests


def goes_on_for(ticks, many):
    """Wait until a number of further ticks are safe."""
    since = ticks.safe
    eventually(lambda: ticks.goes_on() and ticks.safe > since + many, within_s=120)


def test_a_leak_of_connections_does_not_affect_other_clients(long, record_figure):
    """Full: 3,000 connections to a broker with 1,024 descriptors, three times for 20 s; short: 300 with 256, for 2 s."""
    leaked, files, waves, lasts_s = (3000, 1024, 3, 20.0) if long else (300, 256, 1, 2.0)
    with LocalBus() as local_bus:
        broker = local_bus.start_broker(files=files)
        with Ticks(local_bus.addresses, "leaked", RATE, SYMBOLS, b"x") as ticks, Pings(local_bus.addresses) as pings:
            eventually(lambda: ticks.goes_on() and ticks.safe > RATE, within_s=60)
            for _ in range(waves):
                with leak(local_bus, leaked):
                    connections = eventually(lambda: (now := local_bus.stats()["connections"])["refused"] and now, within_s=60)
                    goes_on_for(ticks, RATE * lasts_s)
                goes_on_for(ticks, RATE)
                eventually(lambda: local_bus.stats()["connections"]["sockets"]["publisher"] == 0, within_s=60)
            slowest_s = pings.slowest_s()
        stats = local_bus.stats()
        assert broker.poll() is None
        assert (stats["journal"]["state"], stats["internal"]["total"]) == ("live", 0)
        refused, most = stats["connections"]["refused"], connections["most"]
    record_figure(
        f"leaked connections: {waves} x {leaked}, {most} places: {refused} refused, slowest ping {slowest_s * 1000:.0f} ms"
    )
    assert slowest_s < PING_S

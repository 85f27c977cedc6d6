"""Peers that request much and never read it: the broker's memory stays bounded in bytes, and no other peer is affected."""

import contextlib
import time

import bare
import psutil
import pytest
import zmq
from load import Pings, Ticks
from local_bus import LocalBus
from verdicts import assert_well
from waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]
LARGE = 60_000  # bytes of a tick
RATE = 600  # of them in a second
GROWS_BY_MB = 120  # 64 MiB are the bound of a subscriber; messages in flight and memory kept by malloc come on top
PING_S, SHORT_PING_S = 0.5, 15.0  # the short form shares the machine with other tests
AHEAD = 400  # ticks (23 MiB) that wait for a broker that stalls on a busy machine: they are not what the deaf peer costs
ONE = 1  # message that a peer which never reads takes in
SYMBOLS = 28
MB = 1 << 20


@contextlib.contextmanager
def stalled_subscriber(local_bus):
    """Subscribe to everything, and read nothing."""
    with zmq.Context.instance().socket(zmq.SUB) as socket:
        socket.linger, socket.rcvhwm, socket.sndhwm = 0, ONE, 0
        socket.subscribe(b"tick.")
        socket.connect(local_bus.addresses["publisher"])
        yield


@contextlib.contextmanager
def stalled_client(local_bus, requests):
    """Send requests, and read no answer."""
    socket = bare.dealer(local_bus.addresses["frontend"], ONE)
    socket.sndhwm = 0
    for at, (service, args) in enumerate(requests):
        socket.send(b"Q" + bare.pack([at.to_bytes(16, "big"), service, "", args, {}]))
    yield
    socket.close()


class Settled:
    """Tells when the broker has done what it was asked: its CPU time stands nearly still."""

    WINDOW_S, IDLE = 1.0, 0.3  # cores; pings and beats go on

    def __init__(self, local_bus):
        self.process = psutil.Process(local_bus.broker.pid)
        self.process.cpu_percent()
        self.due = time.monotonic() + self.WINDOW_S

    def __call__(self):
        """Read the memory."""
        if time.monotonic() < self.due:
            return False
        self.due = time.monotonic() + self.WINDOW_S
        return self.process.cpu_percent() < 100 * self.IDLE


def peak_mb(local_bus, over):
    """Watch the broker's memory until `over` says so; returns how much it grew at most."""
    process = psutil.Process(local_bus.broker.pid)
    before = peak = process.memory_info().rss

    def check():
        nonlocal peak
        peak = max(peak, process.memory_info().rss)
        return over()

    eventually(check, within_s=300)
    return (peak - before) / MB


def asks_nothing(local_bus, ticks, size):
    """Subscribe only."""
    since = ticks.safe
    with stalled_subscriber(local_bus):
        return peak_mb(local_bus, lambda: ticks.goes_on() and ticks.safe > since + size // LARGE)


def asks_replays(local_bus, ticks, size):
    """Ask for a MiB of history again and again."""
    requests = [("hulak.replay", {"topic": "ticks", "from": at % 100}) for at in range(size // MB)]
    with stalled_client(local_bus, requests):
        return peak_mb(local_bus, Settled(local_bus))


def asks_values(local_bus, ticks, size):
    """Ask for large last values again and again."""
    requests = [("hulak.last", {"topic": f"tick.LARGE{at % SYMBOLS:02d}"}) for at in range(size // LARGE)]
    with stalled_client(local_bus, requests):
        return peak_mb(local_bus, Settled(local_bus))


@pytest.mark.parametrize("ask", [asks_nothing, asks_replays, asks_values])
def test_a_peer_that_never_reads_costs_the_broker_a_bounded_number_of_bytes(ask, long, record_figure):
    """Full: 2 GB of what is never read; short: 180 MB."""
    size = 2_000_000_000 if long else 180_000_000
    with LocalBus(**{"journal.max_bytes": 512 << 20}) as local_bus:
        local_bus.broker = local_bus.start_broker()
        with Pings(local_bus.addresses) as pings:
            with Ticks(local_bus.addresses, "large", RATE, SYMBOLS, b"x" * LARGE, AHEAD) as ticks:
                eventually(lambda: ticks.goes_on() and ticks.safe > RATE // 2, within_s=60)
                if ask is not asks_nothing:
                    ticks.end()
                pings.slowest_s()
                grown_mb = ask(local_bus, ticks, size)
            slowest_s = pings.slowest_s()
        assert_well(local_bus, unread=True)
    record_figure(
        f"never read, {ask.__name__}: {size / 1e6:.0f} MB, broker +{grown_mb:.0f} MB; slowest ping {slowest_s * 1000:.0f} ms"
    )
    assert grown_mb < GROWS_BY_MB
    assert slowest_s < (PING_S if long else SHORT_PING_S)

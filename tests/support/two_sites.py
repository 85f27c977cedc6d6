"""Sites that a bridge connects: each a broker and a bridge as real processes, over a real NATS server."""

import contextlib

from contents import what
from local_bus import LocalBus

from hulak.bus.errors import BusError
from hulak.bus.wire import codec
from hulak.clients.history import History


class Site(LocalBus):
    """One site.

    Args:
        name: of the site.
        url: of the NATS server.
        receive: the other sites.
        settings: further settings.
    """

    def __init__(self, name, url, receive=(), **settings):
        here = {"bridge.site": name, "bridge.servers": url, "bridge.receive": ",".join(receive)}
        super().__init__(**here, **settings)
        self.name = name
        self.bridge = self.broker = None

    def start_bridge(self):
        """Start the bridge, without waiting."""
        self.bridge = self.hulak("bridge", "nats")
        return self.bridge

    def arrived(self, site):
        """Return the ticks of another site in the journal, each as (source, its number), in order."""
        with self.client() as client:
            return [what(event.body) for event in History(client, f"tick.{site}.")]

    def has(self, site, count):
        """Return whether at least `count` ticks of another site are here, by the last number of each topic.

        False while the broker is away.
        """
        with contextlib.suppress(BusError), self.client() as client:
            frames = client.call("hulak.last", args={"topic": f"tick.{site}."}, timeout_s=2)
            return sum(codec.decode_publication(frame).stamp.sequence for frame in frames) >= count
        return False

    def report(self):
        """Return what the bridge reports, or nothing."""
        rows = [row for row in self.stats()["processes"] if row["kind"] == "bridge"]
        return rows[0] if rows else {}

    def sent(self):
        """Return what the bridge reports about its way out; nothing before it does."""
        return self.report().get("send", {})

    def received(self, site):
        """Return what the bridge reports about the way in from a site; nothing before it does."""
        return self.report().get("receive", {}).get(site, {})


def faults(arrived, source, posted):
    """Hold the ticks that arrived against those that were posted; returns faults in words."""
    numbers = [number for name, number in arrived if name == source]
    lost = set(range(1, posted + 1)) - set(numbers)
    texts = [f"{len(lost)} of {posted} ticks are lost, {sorted(lost)[:3]} ..."] if lost else []
    if len(numbers) > len(set(numbers)):
        texts.append(f"{len(numbers) - len(set(numbers))} ticks came twice")
    if numbers != sorted(numbers):
        texts.append("the order was not kept")
    return texts


def kill_one(kind, server, sites):
    """Kill a process and start it again at once.

    Args:
        kind: "server", or "broker" or "bridge" with the name of its site.
        server: of NATS.
        sites: those of the trial.
    """
    if kind == "server":
        server.kill()
        server.start()
        return
    part, _, name = kind.partition(" ")
    site = next(site for site in sites if site.name == name)
    process = getattr(site, part)
    assert process.poll() is None, f"the {kind} ended by itself: {process.log.read_text()[-2000:]}"
    process.kill()
    process.wait()
    if part == "broker":
        site.broker = site.start("-m", "hulak.bus")
    else:
        site.start_bridge()

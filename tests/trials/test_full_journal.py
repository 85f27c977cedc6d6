"""A full journal, in which one symbol hardly ever ticks: replays, displays and restarts take as long as with an empty one."""

import time

import bare
import pytest
from load import Pings, Thread, Ticks
from local_bus import LocalBus
from verdicts import assert_well
from waiting import eventually

from benchmarks import bulk
from hulak.clients.displays.client import DisplayClient

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]
RARE = "RARE"
LIVE_S, SHORT_LIVE_S = 10.0, 30.0  # until a display is live again; processes start in this time, which others slow down
RARE_S = 5.0  # for a replay of the rare symbol, and until its display is live
SILENT_S = 3.0  # of a replay that others run beside
PING_S, SHORT_PING_S = 0.5, 15.0  # the short form shares the machine with other tests


class Reading(Thread):
    """A client that replays everything from the middle on, all the time; it records the longest pause."""

    def __init__(self, addresses, first):
        self.addresses, self.first, self.rows, self.silent_s = addresses, first, 0, 0.0
        self.began = time.monotonic()
        super().__init__()

    def work(self):
        """Ask for one piece after the other."""
        asker, first = bare.Asker(self.addresses["frontend"]), self.first
        while not self.stopping:
            asker.send("hulak.replay", {"topic": "ticks", "from": first})
            kind, came = b"P", time.monotonic()
            while kind == b"P":
                frame = asker.receive(60)
                assert frame is not None, "a replay has been silent for a minute"
                kind, values = frame
                self.silent_s, came = max(self.silent_s, time.monotonic() - came), time.monotonic()
                self.rows += len(values[2]) if kind == b"P" else 0
            assert kind == b"R", values
            first = values[1]["next"] or self.first
        asker.close()


def live(displays, since_ns, wanted):
    """Return whether each of these displays has published a complete state since then."""
    states = [displays.state(state) for state in wanted]
    return all(state is not None and state["published_ns"] > since_ns and not state["catching_up"] for state in states)


def until_live(displays, since_ns, wanted):
    """Wait for it; returns seconds since then."""
    eventually(lambda: live(displays, since_ns, wanted), within_s=60)
    return (time.time_ns() - since_ns) / 1e9


def test_a_rare_symbol_in_a_full_journal_does_not_slow_other_clients(long, record_figure):
    """Full: 2 GiB, 14 million ticks; short: 30 MB in 60 segments."""
    size, segment = (2 << 30, 32 << 20) if long else (30 << 20, 1 << 19)
    with LocalBus(**{"journal.segment_bytes": segment, "journal.max_bytes": 4 << 30}) as local_bus:
        made = bulk.fill(local_bus.home, local_bus.settings, size, rare_every=3_000_000 if long else 40_000)
        local_bus.broker = local_bus.start_broker()
        workers = {name: local_bus.hulak("worker", "display", "--name", name) for name in ("d0", "d1")}
        eventually(lambda: len(local_bus.stats()["workers"]) == len(workers), within_s=60)
        shown, figures = ["rare", *(f"s{at}" for at in range(5))], {}
        asker = bare.Asker(local_bus.addresses["frontend"])
        with (
            DisplayClient(local_bus.settings, local_bus.home) as displays,
            Ticks(local_bus.addresses, "live", rate=200, symbols=5),
            Pings(local_bus.addresses) as pings,
        ):
            for at, display in enumerate(shown[1:]):
                displays.create_worker_for_symbol(f"LIVE{at:02d}", display)
            until_live(displays, 0, shown[1:])
            with Reading(local_bus.addresses, made.ticks // 2) as reading:
                pings.slowest_s()
                began_ns = time.time_ns()
                rows, missing = asker.replay("tick.RARE*")
                figures["replay of the rare one"] = (time.time_ns() - began_ns) / 1e9
                began_ns = time.time_ns()
                displays.create_worker_for_symbol(RARE, "rare", history=True)
                figures["its display"] = until_live(displays, began_ns, ["rare"])
                slowest_s = pings.slowest_s()
                rate = reading.rows / (time.monotonic() - reading.began)
            began_ns = time.time_ns()
            name = next(row["worker"] for row in displays.rows() if row["display"] == "rare")
            workers.pop(name).kill()
            figures["after a worker's kill"] = until_live(displays, began_ns, shown)
            first = displays.state("rare")
            assert_well(local_bus)
            began_ns = time.time_ns()
            pings.end()
            for process in (local_bus.broker, *workers.values()):
                process.kill()
                process.wait()
            local_bus.broker = local_bus.start_broker()
            workers = [local_bus.hulak("worker", "display", "--name", name) for name in ("d2", "d3")]
            figures["after everything's kill"] = until_live(displays, began_ns, shown)
            last = displays.state("rare")
        assert_well(local_bus)
        asker.close()
    record_figure(
        f"full journal of {made.size >> 20} MiB, {made.ticks:,} ticks: "
        + ", ".join(f"{what} {seconds:.2f} s" for what, seconds in figures.items())
        + f"; another's replay meanwhile {rate:,.0f} ticks/s"
        + f", silent {reading.silent_s:.2f} s at most, slowest ping {slowest_s * 1000:.0f} ms"
    )
    assert [row[0] for row in rows] == made.rare
    assert missing == []
    assert (first["ticks"], first["number"]) == (last["ticks"], last["number"]) == (len(made.rare), made.rare[-1])
    assert not first["incomplete"]
    assert not last["incomplete"]
    assert reading.rows > 0
    assert reading.silent_s < (SILENT_S if long else SHORT_PING_S)
    assert slowest_s < (PING_S if long else SHORT_PING_S)
    assert max(figures["replay of the rare one"], figures["its display"]) < (RARE_S if long else SHORT_LIVE_S)
    assert max(figures["after a worker's kill"], figures["after everything's kill"]) < (LIVE_S if long else SHORT_LIVE_S)

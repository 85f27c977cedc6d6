"""A day of gold at full speed through display workers that are killed on the way: the states are those of an undisturbed fold."""

import contextlib
import subprocess
import time

import pytest
from local_bus import LocalBus
from tick_days import GOLD, write_day
from waiting import eventually

from hulak.bus.errors import BusTimeout
from hulak.bus.wire import codec
from hulak.clients.displays.client import DisplayClient
from hulak.clients.feeds.files.registry import read_ticks
from hulak.workers.display.quantities.state import DisplayConfig, DisplayState, Init

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]
SYMBOL = "XAUUSD"
SHORT = 16_000
KILLS = 2
INITS = {"plain": {}, "given": {"open": 1289.5, "adr_high": 1299.0, "adr_low": 1280.0}, "third": {}, "fourth": {"digits": 2}}


def fold(ticks, init):
    state = DisplayState(SYMBOL, Init.from_values(SYMBOL, init), DisplayConfig())
    for tick in ticks:
        state.fold(tick.bid, tick.ask, tick.timestamp, tick.timestamp, source=tick.source)
    return codec.unpack(codec.pack(state.snapshot()))


def test_a_day_with_workers_killed_on_the_way_ends_as_an_undisturbed_one(tmp_path, long, record_figure):
    """Full: all 199,123 ticks; short: the first 16,000."""
    file = write_day(tmp_path, GOLD, None if long else SHORT)
    ticks = list(read_ticks(file, symbol=SYMBOL))
    assert len(ticks) == (GOLD.count if long else SHORT)
    began = time.process_time()
    wanted = {display: fold(ticks, init) for display, init in INITS.items()}
    fold_us = (time.process_time() - began) / len(ticks) / len(INITS) * 1e6
    with LocalBus() as local_bus, DisplayClient(local_bus.settings, local_bus.home) as displays:
        local_bus.start_broker()
        workers = {name: local_bus.hulak("worker", "display", "--name", name) for name in ("d0", "d1")}
        eventually(lambda: len(local_bus.stats()["workers"]) == len(workers), within_s=60)
        for display, init in INITS.items():
            displays.create_worker_for_symbol(SYMBOL, display, init=init)
        began = time.monotonic()
        feed = local_bus.hulak("feed", "--file", file, "--symbol", SYMBOL, "--speed", "max", "--live", out=subprocess.DEVNULL)
        moved_s = []
        for kill in range(1, KILLS + 1):
            share = kill / (KILLS + 1) * len(ticks)
            eventually(lambda share=share: (displays.state("plain") or {"number": 0})["number"] >= share, within_s=120)
            name = next(row["worker"] for row in displays.rows() if row["display"] == "plain")
            another = f"d{kill + 1}"
            workers[another] = local_bus.hulak("worker", "display", "--name", another)
            workers.pop(name).kill()
            killed = time.monotonic()
            eventually(lambda: all(row["worker"] in workers for row in displays.rows()), within_s=60)
            moved_s.append(time.monotonic() - killed)
        assert feed.wait(120) == 0, feed.log.read_text()

        def states():
            with contextlib.suppress(BusTimeout):
                result = {display: displays.state(display) for display in INITS}
                done = all(entry and not entry["catching_up"] and entry["number"] == len(ticks) for entry in result.values())
                return result if done else None
            return None

        result = eventually(states, within_s=180)
        took_s = time.monotonic() - began
        stats = displays.get_worker_stats()
    record_figure(
        f"display day: {len(ticks):,} ticks to {len(INITS)} displays in {took_s:.1f} s with {KILLS} workers killed; "
        f"displays elsewhere after {max(moved_s):.2f} s at most; undisturbed fold {fold_us:.1f} us a tick"
    )
    assert stats["ticksDispatched"] == len(ticks)
    for display, state in result.items():
        assert {name: state[name] for name in wanted[display]} == wanted[display]
        assert not state["incomplete"]

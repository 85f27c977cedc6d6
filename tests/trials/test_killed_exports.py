"""Exports of a live journal that are killed at any moment: the last one completes the tables, and no tick is missing or twice."""

import json
import random
import subprocess
import time

import psutil
import pytest
from load import Ticks
from local_bus import LocalBus
from waiting import eventually

from benchmarks import bulk

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]
ENDS_S = 30.0  # until the processes of a killed export have ended
COUNT = "select count(*) as n, count(distinct number) as numbers, max(number) as last from ticks"


def result(local_bus, *words):
    """Run a command with --json, and return its result."""
    process = local_bus.hulak(*words, "--json", out=subprocess.PIPE)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, (output, process.log.read_text())
    return json.loads(output)


def kill_after(process, seconds):
    """Kill a process without a warning, if it still runs; return whether it did. Its children end by themselves."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        children = psutil.Process(process.pid).children()
        process.kill()
        process.wait()
        eventually(lambda: not any(child.is_running() for child in children), within_s=ENDS_S)
        return True
    assert process.returncode == 0, process.log.read_text()
    return False


def test_exports_that_are_killed_leave_nothing_out_and_nothing_twice(long, record_figure):
    """Full: 1 GiB and 60 kills; short: 80 MiB, above what one process exports alone, and 3 kills."""
    size, kills, rounds = (1 << 30, 60, 200) if long else (80 << 20, 3, 8)
    dice = random.Random(7)
    with LocalBus(**{"journal.segment_bytes": 8 << 20, "journal.max_bytes": 4 << 30}) as local_bus:
        bulk.fill(local_bus.home, local_bus.settings, size)
        local_bus.start_broker()
        export = ["journal", "export", "--parquet", local_bus.home / "tables"]
        killed = exports = 0
        with Ticks(local_bus.addresses, "live", rate=500) as feed:
            while killed < kills and exports < rounds:
                exports += 1
                killed += kill_after(local_bus.hulak(*export), dice.uniform(0.3, 2.0))
            done = result(local_bus, *export)
        checked = result(local_bus, *export, "--check")
        began = time.monotonic()
        counted = result(local_bus, "query", "--export", export[-1], COUNT)[0]
        took_s = time.monotonic() - began
        verified = sum(segment["ticks"] for segment in result(local_bus, "journal", "verify")["segments"])
    record_figure(
        f"{killed} of {exports} exports killed while {feed.posted:,} ticks came; {done['rows']:,} rows exported, "
        f"{done['exported']} segments by the last run; {counted['n']:,} ticks counted in {took_s:.2f} s"
    )
    assert killed
    assert checked["ok"], checked["wrong"]
    assert counted == {"n": verified, "numbers": verified, "last": verified}

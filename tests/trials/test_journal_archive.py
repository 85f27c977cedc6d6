"""The broker is killed while it compresses and archives, and the archive's disk is full: each tick is there once, on one side."""

import json
import os
import random
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import bare
import pytest
from contents import judge_replay
from faults import Faults
from load import Ticks
from local_bus import LocalBus
from verdicts import assert_reported, assert_well
from waiting import eventually

from hulak.bus.broker.storage.segment_file import read_whole
from hulak.bus.core.journal.record_format import TICK, Record, scan

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]
SETTINGS = {"journal.segment_bytes": 1 << 18, "journal.plain_segments": 0, "journal.max_bytes": 1 << 18}
LOAD = {"rate": 3000, "symbols": 28, "pad": b"x" * 400}  # several segments a second
WITHIN_S = 30


@pytest.fixture
def other_disk():
    """A folder on another file system than the home folders; None if there is none."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == Path("/tmp").stat().st_dev:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="hulak-", dir=memory))
    (folder / "archive").mkdir()
    yield folder / "archive"
    shutil.rmtree(folder)


def ticks_in(*folders):
    """Return the rows of all ticks in segments, as `bare.Asker.replay` does; of a segment in both folders one."""
    paths = {path.name[:10]: path for folder in folders for path in sorted(folder.rglob("*.hj*"), reverse=True)}
    rows = []
    for _, path in sorted(paths.items()):
        for record in scan(read_whole(path)):
            assert isinstance(record, Record), f"{path.name} is damaged"
            if record.kind == TICK:
                number, _, _, frame = record.tick()
                rows.append((number, *bare.cut(frame)))
    return rows


def settled(local_bus):
    """Return whether no segment waits for the archive, and either none or all that can be are compressed."""
    stats = local_bus.stats()["journal"]
    return not stats["archive"]["waiting"] and stats["compressed"] in (0, stats["segments"] - 1)


def unfinished(folder):
    """Return what a kill has left: unfinished files, and segments in both forms."""
    names = [path.name for path in folder.rglob("*.hj*")]
    return sum(
        name.endswith(".new") or (name.removesuffix(".zst") != name and name.removesuffix(".zst") in names) for name in names
    )


@pytest.mark.parametrize("disk", ["same", "other"])
def test_no_kill_loses_a_tick_or_has_it_twice(disk, other_disk, long, record_figure):
    """Full: 60 kills; short: 3. Most of them come while there is an unfinished file."""
    if disk == "other" and other_disk is None:
        pytest.skip("there is no other file system to copy to")
    draw, caught = random.Random(7), 0
    with LocalBus(**SETTINGS) as local_bus:
        archive = local_bus.home / "archive" if disk == "same" else other_disk
        archive.mkdir(exist_ok=True)
        local_bus.variables["HULAK_JOURNAL__ARCHIVE"] = str(archive)
        local_bus.broker = local_bus.start_broker()
        with Ticks(local_bus.addresses, "a", **LOAD) as feed:
            for _ in range(60 if long else 3):
                at_work = draw.random() < 0.8
                until = time.monotonic() + draw.uniform(0.2, 1.2)
                eventually(
                    lambda until=until, at_work=at_work: (
                        feed.goes_on() and time.monotonic() > until and (not at_work or unfinished(local_bus.home / "journal"))
                    ),
                    within_s=WITHIN_S,
                    every_s=0.001,
                )
                local_bus.broker.kill()
                local_bus.broker.wait()
                caught += bool(unfinished(local_bus.home / "journal") + unfinished(archive))
                local_bus.broker = local_bus.start_broker()
            feed.end()
        eventually(lambda: settled(local_bus), within_s=WITHIN_S)
        assert_well(local_bus)
        archived = local_bus.stats()["journal"]["oldest"] - 1
        local_bus.broker.terminate()
        assert local_bus.broker.wait(WITHIN_S) == 0
        out, _ = local_bus.hulak("journal", "verify", "--archive", "--json", out=subprocess.PIPE).communicate(timeout=60)
        rows = ticks_in(archive, local_bus.home / "journal")
        after = unfinished(local_bus.home / "journal")
    record_figure(
        f"kills while the journal is compressed and archived ({disk} disk): {caught} kills left something unfinished; "
        f"{feed.posted:,} ticks, {archived:,} of them archived"
    )
    verified = json.loads(out)
    assert verified["ok"]
    assert [row["missing"] for row in verified["segments"] if row["missing"]] == []
    assert sum(row["ticks"] for row in verified["segments"]) == len(rows)
    assert [row[0] for row in rows] == [*range(1, len(rows) + 1)]
    assert judge_replay(rows, {"a": feed.safe}) == []
    assert (after, feed.safe) == (0, feed.posted)
    assert archived > 0


def test_a_full_archive_is_reported_and_catches_up(other_disk, tmp_path, long, record_figure):
    """Full: 20 s; short: until something waits."""
    if other_disk is None or os.geteuid() != Path("/dev/shm").stat().st_uid:
        pytest.skip("there is no other file system to copy to")
    faults = Faults(tmp_path, "/archive/")
    with LocalBus(**SETTINGS, **{"journal.archive": other_disk}) as local_bus:
        with local_bus.having(local_bus.variables | faults.variables | {"HULAK_JOURNAL__COMPRESS": "false"}):
            local_bus.broker = local_bus.start_broker()
        faults.disk("full")
        with Ticks(local_bus.addresses, "a", **LOAD) as feed:
            eventually(lambda: local_bus.stats()["journal"]["archive"]["waiting"] > 2, within_s=WITHIN_S)
            wanted = feed.posted + (20 if long else 0) * LOAD["rate"]
            eventually(lambda: feed.goes_on() and feed.posted >= wanted, within_s=WITHIN_S + 20)
            assert_reported(local_bus, "journal's archive cannot be written")
            waiting = local_bus.stats()["journal"]["archive"]["waiting"]
            assert not list(other_disk.rglob("*.new"))
            faults.disk("well")
            feed.end()
        eventually(lambda: settled(local_bus), within_s=WITHIN_S)
        assert_well(local_bus)
        stats = local_bus.stats()["journal"]["archive"]
        rows = ticks_in(other_disk, local_bus.home / "journal")
    record_figure(f"full archive: {waiting} segments waited, {stats['archived']} were archived then, {feed.posted:,} ticks")
    assert (stats["why"], stats["dropped"]) == ("", 0)
    assert stats["archived"] >= waiting
    assert judge_replay(rows, {"a": feed.safe}) == []

"""The disk under the journal fills up: ticks flow on, the broker says so, and goes on by itself when there is space."""

import contextlib
import os
import shutil
import subprocess
import sys

import pytest
from stage import Stage
from waiting import eventually

from hulak.bus.errors import BusTimeout

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
SMALL, LARGE = "256k", "16m"
WITHIN_S = 30


@pytest.fixture
def tiny_disk():
    """Mount a disk of a quarter of a megabyte wherever it is asked for; only root of Linux can."""
    mounted = []

    def mount(path):
        path.mkdir(mode=0o700, parents=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={SMALL},mode=700", "tmpfs", str(path)]
        if not sys.platform.startswith("linux") or os.geteuid() != 0 or subprocess.run(command, check=False).returncode:
            pytest.skip("only root can mount a small disk, and only where the system lets it")
        mounted.append(path)

    yield mount
    for path in mounted:
        subprocess.run(["umount", "-l", str(path)], check=False)
        shutil.rmtree(path.parent, ignore_errors=True)  # the bus could not remove it while it was mounted


def test_ticks_flow_on_without_the_journal_which_goes_on_when_there_is_space(tmp_path, tiny_disk, record_figure):
    with Stage(tmp_path, **{"journal.segment_bytes": 65536}) as stage:
        tiny_disk(stage.home / "journal")
        stage.broker = stage.start_broker()
        stage.start_subscribers(["ticks"], ["tick."])
        stage.start_feed(rate=1000, symbols=4)

        eventually(lambda: state_of(stage) == "degraded", within_s=WITHIN_S)
        why = stage.stats()["journal"]["why"]
        assert "disk is full" in why or "No space left" in why
        taken = stage.stats()["ticks"]["taken"]
        eventually(lambda: stage.stats()["ticks"]["taken"] > taken + 1000, within_s=WITHIN_S)
        held = stage.stats()["journal"]["held"]
        subprocess.run(["mount", "-o", f"remount,size={LARGE}", str(stage.home / "journal")], check=True)
        eventually(lambda: state_of(stage) == "live", within_s=WITHIN_S)
        taken = stage.stats()["ticks"]["taken"]
        eventually(lambda: stage.stats()["ticks"]["taken"] > taken + 500, within_s=WITHIN_S)
        lost = stage.stats()["journal"]["lost"]
        stage.end()
        count, missing = replay_all(stage)
        report, readers = stage.check()
    record_figure(f"disk full: {report}\n  at most {held} ticks waited in memory, {lost} are lost, the replay misses {missing}")
    assert report.clean(), report
    assert report.confirmed == report.attempted
    assert all(reader.counters["lost"] == 0 for reader in readers.values())
    assert held > 1000
    assert (lost, missing) == (0, [])
    assert count == report.attempted


def test_a_broker_killed_while_its_journal_cannot_be_written_begins_an_epoch_of_which_nothing_is_missed(
    tmp_path, tiny_disk, record_figure
):
    """Ticks that were published and not journalled come again, under other numbers and maybe in another order: all arrive."""
    with Stage(tmp_path, **{"journal.segment_bytes": 65536}) as stage:
        tiny_disk(stage.home / "journal")
        stage.broker = stage.start_broker()
        stage.start_subscribers(["ticks"], ["tick."], ["tick.SYM00", "tick.SYM01"])
        stage.start_feed(rate=1000, symbols=4)
        eventually(lambda: state_of(stage) == "degraded", within_s=WITHIN_S)
        eventually(lambda: stage.stats()["journal"]["held"] > 500, within_s=WITHIN_S)
        before = stage.client_call("hulak.ping")["epoch"]
        stage.broker.kill()
        stage.broker.wait()
        subprocess.run(["mount", "-o", f"remount,size={LARGE}", str(stage.home / "journal")], check=True)
        stage.broker = stage.start_broker()
        assert stage.client_call("hulak.ping")["epoch"] > before
        taken = stage.stats()["ticks"]["taken"]
        eventually(lambda: stage.stats()["ticks"]["taken"] > taken + 1000, within_s=WITHIN_S)
        stage.end()
        report, _ = stage.check()
    record_figure(f"killed with a full disk: {report}")
    assert report.confirmed == report.attempted
    assert (report.lost, report.gaps) == (0, 0), report
    assert report.duplicates <= report.reported, f"a tick came twice, and its number was not said to be used again: {report}"


def test_a_broker_that_is_killed_and_started_while_its_disk_is_full_loses_nothing(tmp_path, tiny_disk, record_figure):
    with Stage(tmp_path, **{"journal.segment_bytes": 65536}) as stage:
        tiny_disk(stage.home / "journal")
        stage.broker = stage.start_broker()
        stage.start_subscribers(["ticks"], ["tick."])
        stage.start_feed(rate=1000, symbols=4)
        eventually(lambda: state_of(stage) == "degraded", within_s=WITHIN_S)
        before = stage.client_call("hulak.ping")["epoch"]
        stage.broker.kill()
        stage.broker.wait()
        stage.broker = stage.start_broker()
        assert state_of(stage) == "degraded"
        assert stage.client_call("hulak.ping")["epoch"] > before
        eventually(lambda: stage.stats()["journal"]["held"] > 500, within_s=WITHIN_S)
        subprocess.run(["mount", "-o", f"remount,size={LARGE}", str(stage.home / "journal")], check=True)
        eventually(lambda: state_of(stage) == "live", within_s=WITHIN_S)
        taken = stage.stats()["ticks"]["taken"]
        eventually(lambda: stage.stats()["ticks"]["taken"] > taken + 500, within_s=WITHIN_S)
        stage.end()
        _, missing = replay_all(stage)
        report, _ = stage.check()
    record_figure(f"started with a full disk: {report}")
    assert report.confirmed == report.attempted
    assert (report.lost, report.gaps, missing) == (0, 0, []), report
    assert report.duplicates <= report.reported, f"a tick came twice, and its number was not said to be used again: {report}"


def state_of(stage):
    with contextlib.suppress(BusTimeout):
        return stage.stats()["journal"]["state"]


def replay_all(stage):
    """Ask for everything there is; returns how many ticks came, and what is missing."""
    count, missing, first = 0, [], 1
    while first is not None:
        answer = stage.client_call("hulak.replay", **{"topic": "ticks", "from": first})
        count, missing, first = count + answer["count"], missing + answer["missing"], answer["next"]
    return count, missing

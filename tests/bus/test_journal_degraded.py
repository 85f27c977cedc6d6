"""A full, read-only or broken disk: ticks are still published, and all are in the journal when the disk works again."""

import errno
import os

import pytest
from journal_fixture import Disk, killed, newest
from request_arguments import read_wanted
from waiting import eventually

from hulak.bus.broker.storage.journal_reader import JournalReader
from hulak.bus.errors import ProtocolError


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_ticks_published_while_the_disk_fails_are_written_later_under_another_epoch(offices, monkeypatch, error):
    fixture = offices()
    fixture.write(8)
    before = fixture.topics.epoch
    disk = Disk(monkeypatch, fixture.journal)
    disk.error = error
    assert not fixture.write(4)
    assert os.strerror(error) in fixture.journal.degraded
    assert fixture.topics.epoch == before + 1
    for _ in range(5):
        assert not fixture.beat(1.5)
        assert not fixture.write(4)
    assert (fixture.journal.lost, fixture.journal.held.ticks) == (0, 24)
    disk.error = 0
    fixture.comes_back()
    assert fixture.write(4)
    rows, summary = fixture.replay(from_=1)
    assert [number for number, _ in rows] == list(range(1, 37))
    assert summary["missing"] == []
    assert [message.stamp.epoch - before for _, message in rows] == [0] * 8 + [1] * 28
    killed(fixture)
    again = offices()
    assert again.topics.epoch == fixture.topics.epoch, "it was well again when it ended"
    assert again.recovered.state.ticks == 36


def test_a_partial_write_is_truncated_and_written_whole(offices, monkeypatch):
    fixture = offices()
    fixture.write(8)
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[: len(data) // 2]))
    assert not fixture.write(4)
    assert "the disk is full" in fixture.journal.degraded
    fixture.beat(1.5)
    monkeypatch.undo()
    fixture.comes_back()
    assert fixture.write(4)
    rows, summary = fixture.replay(from_=1)
    assert [number for number, _ in rows] == list(range(1, 17))
    assert summary["missing"] == []


def test_ticks_that_do_not_fit_in_memory_are_lost_counted_and_named(offices, monkeypatch):
    fixture = offices()
    fixture.write(8)
    fixture.journal.held.limit = 1000
    disk = Disk(monkeypatch, fixture.journal)
    disk.error = errno.ENOSPC
    fixture.write(40)
    held, lost = fixture.journal.held.ticks, fixture.journal.lost
    assert held + lost == 40
    assert 0 < held < 20
    disk.error = 0
    fixture.comes_back()
    assert fixture.write(4)
    rows, summary = fixture.replay(from_=1)
    assert [number for number, _ in rows] == [*range(1, 9 + held), *range(49, 53)]
    assert summary["missing"] == [[9 + held, 48]]
    assert [notice.event for notice in fixture.journal.notices].count("ticks lost to the journal") == 1


def test_a_segment_that_can_never_be_written_again_is_abandoned_where_a_new_one_can(offices, monkeypatch):
    fixture = offices()
    fixture.write(8)
    disk = Disk(monkeypatch, fixture.journal)
    disk.only, disk.error = os.fstat(fixture.journal._fd).st_ino, errno.EIO
    fixture.write(4)
    for _ in range(28):
        fixture.beat(1.0)
        assert fixture.journal.held.ticks == 4
    fixture.comes_back()
    assert fixture.journal.lost == 4
    assert fixture.write(4)
    rows, summary = fixture.replay(from_=1)
    assert [number for number, _ in rows] == [*range(1, 9), *range(13, 17)]
    assert summary["missing"] == [[9, 12]]


def test_a_disk_that_keeps_failing_gets_no_new_segments(offices, folder, monkeypatch):
    fixture = offices()
    fixture.write(8)

    def broken(fd):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    monkeypatch.setattr(os, "fdatasync", broken)
    eventually(lambda: fixture.beat() or fixture.journal.degraded, within_s=10)
    for _ in range(50):
        fixture.beat()
        fixture.write(4)
    monkeypatch.undo()
    fixture.comes_back()
    fixture.journal._sync_thread.end()
    assert len(list(folder.glob("*.hj"))) <= 3
    rows, summary = fixture.replay(from_=1)
    assert (len(rows), summary["missing"]) == (208, [])


@pytest.mark.parametrize("flag", [True, False])
def test_a_broker_that_is_killed_while_degraded_begins_another_epoch(offices, monkeypatch, flag):
    """On a disk that cannot be written at all, the flag on another disk records it; on a full one the note does too."""
    fixture = offices()
    fixture.write(8)
    disk = Disk(monkeypatch, fixture.journal)
    if flag:
        disk.error = errno.EROFS
    else:
        fixture.journal._notes.flag.paths = []
        monkeypatch.setattr(os, "write", lambda fd, data: 0)
    assert not fixture.write(4)
    published = fixture.topics.epoch
    monkeypatch.undo()
    killed(fixture)
    again = offices()
    assert "degraded" in again.recovered.why_new_epoch
    assert again.topics.epoch > published
    assert not again.journal._notes.flag.is_set()
    killed(again)
    assert offices().topics.epoch == again.topics.epoch


def test_a_degraded_journal_that_cannot_be_recorded_logs_it(offices, monkeypatch):
    fixture = offices()
    fixture.journal._notes.flag.paths = [fixture.journal.folder / "no" / "such" / "place"]
    disk = Disk(monkeypatch, fixture.journal)
    disk.error = errno.EROFS
    fixture.write(4)
    assert any("degraded journal not recorded" in notice.event for notice in fixture.journal.notices)


def test_a_start_on_a_disk_that_cannot_be_written_keeps_ticks_until_it_can(offices, monkeypatch):
    first = offices()
    first.write(8)
    killed(first)
    disk = Disk(monkeypatch, first.journal)
    disk.error = errno.ENOSPC
    fixture = offices()
    assert "No space left" in fixture.journal.degraded
    assert fixture.topics.epoch > first.topics.epoch + (1 << 20)
    assert not fixture.write(6)
    fixture.beat(5)
    assert [number for number, _ in fixture.replay(from_=1, to=8)[0]] == list(range(1, 9))
    disk.error = 0
    fixture.comes_back()
    assert fixture.write(2)
    rows, summary = fixture.replay(from_=1)
    assert [number for number, _ in rows] == list(range(1, 17))
    assert summary["missing"] == []
    killed(fixture)
    assert offices().topics.epoch == fixture.topics.epoch


def test_a_folder_that_cannot_be_made_or_read_does_not_prevent_a_start(offices, folder):
    folder.write_bytes(b"not a folder")
    fixture = offices()
    assert fixture.journal.degraded
    assert fixture.journal.segments == []
    assert not fixture.write(6)
    fixture.beat(5)
    folder.unlink()
    fixture.comes_back()
    assert fixture.write(2)
    assert [number for number, _ in fixture.replay(from_=1)[0]] == list(range(1, 9))


def test_a_note_that_cannot_be_written_costs_an_epoch_only(offices, folder):
    folder.mkdir()
    (folder / "note").mkdir()
    fixture = offices()
    assert fixture.write(4)
    assert any("journal note not written" in notice.event for notice in fixture.journal.notices)
    killed(fixture)
    again = offices()
    assert again.topics.epoch > fixture.topics.epoch
    assert again.recovered.state.ticks == 4


def test_the_note_records_how_many_ticks_there_must_be(offices, folder):
    """A file that was cut between two records looks whole: the note shows that it was longer."""
    fixture = offices()
    fixture.write(10)
    size = fixture.journal.segments[-1].size
    fixture.write(10)
    fixture.journal.close()
    os.truncate(newest(folder), size)
    again = offices()
    assert "it had 20 ticks, 10 are there" in again.recovered.why_new_epoch
    assert again.topics.epoch > fixture.topics.epoch


def test_a_job_that_fails_for_any_reason_degrades_and_ends_no_thread(offices, monkeypatch):
    fixture = offices()

    def broken(fd):
        raise ValueError("no such thing")

    monkeypatch.setattr(os, "fdatasync", broken)
    eventually(lambda: fixture.beat() or fixture.journal.degraded, within_s=10)
    assert "ValueError: no such thing" in fixture.journal.degraded
    monkeypatch.undo()
    fixture.comes_back()
    fixture.journal._sync_thread._jobs.put(None)
    fixture.journal._sync_thread._thread.join(10)
    fixture.beat(0.1)
    assert "has ended" in fixture.journal.degraded


def test_ticks_that_wait_for_the_disk_are_not_missing_but_to_be_requested_again(offices, monkeypatch):
    fixture = offices()
    fixture.write(8)
    disk = Disk(monkeypatch, fixture.journal)
    disk.error = errno.ENOSPC
    assert not fixture.write(4)
    for topic, last in (("ticks", 8), ("tick.", 8), ("tick.EURUSD", 4)):
        library = JournalReader(fixture.journal)
        replay = library.begin(read_wanted({"topic": topic}), fixture.topics)
        while not replay.ended:
            replay.step(library)
        assert replay.summary() == {"count": last, "next": last + 1, "missing": []}
        epoch = {} if topic == "tick.EURUSD" else {"epoch": fixture.topics.epoch}
        with pytest.raises(ProtocolError, match=f"the ticks after {last} wait for the journal's disk") as refused:
            library.begin(read_wanted({"topic": topic, "from": last + 1, **epoch}), fixture.topics)
        assert refused.value.code == "BUSY"
        library.close()
    disk.error = 0
    fixture.comes_back()
    for topic, count in (("ticks", 12), ("tick.EURUSD", 6)):
        rows, summary = fixture.replay(topic=topic, from_=1)
        assert (len(rows), summary) == (count, {"count": count, "next": None, "missing": []})

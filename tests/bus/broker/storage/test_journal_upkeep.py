"""Closed segments are compressed and archived while the journal goes on; at any moment each tick is there once."""

import errno
import os
import shutil
import threading
from pathlib import Path

import pytest
from journal_fixture import JournalFixture, killed
from waiting import eventually

from hulak.bus.broker.storage import segment_jobs
from hulak.bus.broker.storage.journal_recovery import survey
from hulak.bus.broker.storage.segment_file import SegmentFile, read_whole
from hulak.bus.core.journal.segment_names import compressed_name

SEGMENTS = 6


@pytest.fixture
def grown(folder):
    """Make a journal of some closed segments, and open it with these settings; `contents` are their bytes by serial."""
    made = []

    def make(segment_bytes=1 << 16, **settings):
        fixture = JournalFixture(folder, segment_bytes=segment_bytes, compress=False)
        while len(fixture.journal.segments) <= SEGMENTS:
            fixture.write(300)
            fixture.beat(0.1)
        fixture.journal.close()
        fixture = JournalFixture(folder, segment_bytes=segment_bytes, **{"plain_segments": 0, **settings})
        fixture.contents = {segment.serial: read_whole(segment.path) for segment in fixture.journal.segments[:-1]}
        made.append(fixture)
        return fixture

    yield make
    for fixture in made:
        fixture.journal.close()


def rests(fixture):
    """Beat until no work is under way and none is left to do."""

    def resting():
        fixture.beat(0.01)
        return not fixture.journal.upkeep._thread.busy

    eventually(resting, within_s=20)
    fixture.journal._sync_thread.do(lambda: None)


def compressed(fixture):
    return [segment.compressed for segment in fixture.journal.segments]


def settled(fixture, folder):
    """Wait until the files are those of the list of segments."""
    names = {segment.path.name for segment in fixture.journal.segments}
    eventually(lambda: {path.name for path in folder.glob("*.hj*")} == names, within_s=5)


def whole(fixture):
    """Replay everything; returns the numbers and what is missing."""
    rows, summary = fixture.replay(from_=fixture.journal.segments[0].ticks + 1)
    return [number for number, _ in rows], summary["missing"]


def test_closed_segments_are_compressed_and_replay_the_same_ticks(grown, folder):
    fixture = grown()
    before = fixture.replay(from_=1), fixture.replay(topic="tick.USDJPY", from_=700, to=900)
    rests(fixture)
    assert compressed(fixture) == [True] * SEGMENTS + [False]
    settled(fixture, folder)
    assert (fixture.replay(from_=1), fixture.replay(topic="tick.USDJPY", from_=700, to=900)) == before
    stored = sum(segment.stored for segment in fixture.journal.segments)
    assert (
        stored
        == sum(path.stat().st_size for path in folder.glob("*.hj*"))
        < sum(segment.size for segment in fixture.journal.segments)
    )
    assert fixture.journal.upkeep.stats() == {"compressed": SEGMENTS}


def test_the_newest_closed_segments_stay_as_they_are(grown):
    fixture = grown(plain_segments=2)
    rests(fixture)
    assert compressed(fixture) == [True] * (SEGMENTS - 2) + [False] * 3


def test_a_journal_that_does_not_compress_leaves_its_files(grown, folder):
    fixture = grown(compress=False)
    rests(fixture)
    assert not any(compressed(fixture))
    assert not list(folder.glob("*.zst"))


def test_a_start_reads_compressed_segments_without_decompressing_them(grown, folder, monkeypatch):
    fixture = grown()
    rests(fixture)
    fixture.journal.close()
    monkeypatch.setattr(SegmentFile, "_block", lambda *_: pytest.fail("a block was decompressed"))
    again = JournalFixture(folder, segment_bytes=1 << 16)
    assert again.recovered.state.ticks == fixture.topics.ticks
    assert again.recovered.why_new_epoch == ""
    assert compressed(again) == [*[True] * SEGMENTS, False, False][: len(again.journal.segments)]
    monkeypatch.undo()
    assert whole(again) == ([*range(1, fixture.topics.ticks + 1)], [])
    again.journal.close()


def test_the_head_of_a_compressed_segment_counts_where_no_other_is_left(grown, folder):
    fixture = grown()
    rests(fixture)
    fixture.journal.close()
    settled(fixture, folder)
    last = fixture.journal.segments[-1]
    last.path.unlink()
    again = JournalFixture(folder, segment_bytes=1 << 16)
    assert again.recovered.state.ticks == last.ticks
    assert again.topics.logs[b"tick.EURUSD\0"].sequence == last.ticks // 2
    assert whole(again) == ([*range(1, last.ticks + 1)], [])
    again.journal.close()


@pytest.mark.parametrize("index", ["kept", "lost"])
def test_a_damaged_block_costs_its_ticks_and_no_others(grown, folder, index):
    fixture = grown(segment_bytes=1 << 20)
    rests(fixture)
    fixture.journal.close()
    place = fixture.journal.segments[1]
    with SegmentFile(place.path) as file:
        offset, length = file.head.place(2)
    data = bytearray(place.path.read_bytes())
    data[offset + length // 2] ^= 0xFF
    place.path.write_bytes(data)
    if index == "lost":
        for path in folder.glob("*.hx"):
            path.unlink()
    again = JournalFixture(folder, segment_bytes=1 << 20)
    numbers, missing = whole(again)
    [(first, last)] = missing
    assert place.ticks < first < last <= fixture.journal.segments[2].ticks
    assert 900 < last - first < 2000, "as many as are in 128 KiB"
    assert numbers == [*range(1, first), *range(last + 1, fixture.topics.ticks + 1)]
    again.journal.close()


@pytest.mark.parametrize("part", ["head", "table"])
def test_of_head_and_table_one_is_enough(grown, folder, part):
    fixture = grown()
    rests(fixture)
    fixture.journal.close()
    settled(fixture, folder)
    for path in folder.glob("*.zst"):
        data = bytearray(path.read_bytes())
        data[20 if part == "head" else -4] ^= 0xFF
        path.write_bytes(data)
    again = JournalFixture(folder, segment_bytes=1 << 16)
    assert again.recovered.why_new_epoch == ""
    assert whole(again) == ([*range(1, fixture.topics.ticks + 1)], [])
    again.journal.close()


def test_of_a_segment_in_both_forms_the_uncompressed_one_counts(grown, folder):
    """So a kill leaves it, between the name of the compressed file and the end of the other."""
    fixture = grown(compress=False)
    place = fixture.journal.segments[0]
    segment_jobs.compress(place.path, place.size, lambda: None)
    (folder / f"{compressed_name(place.path.name)}.new").write_bytes(b"half")
    killed(fixture)
    assert survey(folder).segments[0].name == place.path.name
    again = JournalFixture(folder, segment_bytes=1 << 16, compress=False)
    assert not list(folder.glob("*.zst*"))
    assert again.recovered.why_new_epoch == ""
    assert whole(again) == ([*range(1, fixture.topics.ticks + 1)], [])
    again.journal.close()


def test_a_compressed_file_that_reads_back_otherwise_is_not_used(grown, folder, monkeypatch):
    fixture = grown()
    monkeypatch.setattr(segment_jobs, "expand", lambda frame, size: bytes(size))
    rests(fixture)
    assert not any(compressed(fixture))
    assert not list(folder.glob("*.zst*"))
    assert {notice.event for notice in fixture.journal.notices} >= {"journal segment not compressed"}
    assert whole(fixture) == ([*range(1, fixture.topics.ticks + 1)], [])


def test_a_reader_reads_on_in_a_segment_that_is_compressed_meanwhile(folder):
    fixture = JournalFixture(folder, segment_bytes=1 << 16, plain_segments=0)
    for _ in range(20):
        fixture.write(200)
        fixture.beat(0.05)
        numbers, missing = whole(fixture)
        assert (numbers, missing) == ([*range(1, fixture.topics.ticks + 1)], [])
    rests(fixture)
    assert any(compressed(fixture))
    fixture.journal.close()


# The archive


@pytest.mark.parametrize("compress", [True, False])
def test_what_the_journal_drops_is_in_the_archive(grown, folder, compress):
    archive = folder.parent / "archive"
    archive.mkdir()
    fixture = grown(archive=archive, max_bytes=1 << 17, compress=compress)

    def shrunk():
        rests(fixture)
        return not fixture.journal.upkeep.waiting

    eventually(shrunk, within_s=20)
    gone = fixture.journal.segment_files.gone
    stats = fixture.journal.upkeep.stats()["archive"]
    assert (stats["archived"], stats["dropped"], stats["why"], stats["waiting_bytes"]) == (gone, 0, "", 0)
    assert gone > 0 or compress
    for path in (archive / fixture.journal.id).iterdir():
        assert path.name.endswith(".zst") == compress
        assert read_whole(path) == fixture.contents[int(path.name[:10])]


def test_an_archive_on_another_disk_gets_a_verified_copy(grown, folder, monkeypatch):
    def no_link(*_):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(segment_jobs.os, "link", no_link)
    archive = folder.parent / "archive"
    archive.mkdir()
    fixture = grown(archive=archive, max_bytes=1 << 17, compress=False)
    eventually(lambda: (rests(fixture), not fixture.journal.upkeep.waiting)[1], within_s=20)
    there = sorted((archive / fixture.journal.id).iterdir())
    assert len(there) == fixture.journal.segment_files.gone > 2
    assert all(read_whole(path) == fixture.contents[int(path.name[:10])] for path in there)


def test_a_segment_that_the_archive_has_already_is_not_put_there_twice(grown, folder):
    """So a kill leaves it, between the copy and the end of the segment."""
    archive = folder.parent / "archive"
    archive.mkdir()
    fixture = grown(compress=False)
    place = fixture.journal.segments[0]
    target = segment_jobs.archive(place.path, archive, "id", lambda: None)
    inode = target.stat().st_ino
    assert segment_jobs.archive(place.path, archive, "id", lambda: None) == target
    copy = archive / "id" / "copy"
    shutil.copy(target, copy)
    target.unlink()
    copy.rename(target)
    assert segment_jobs.archive(place.path, archive, "id", lambda: None) == target
    assert target.stat().st_ino != inode, "an equal file stays"


def test_another_segment_of_the_same_name_in_the_archive_is_kept(grown, folder):
    """Two brokers with copies of one home have the same id, and segments of the same names."""
    archive = folder.parent / "archive"
    archive.mkdir()
    place = grown(compress=False).journal.segments[0]
    target = segment_jobs.archive(place.path, archive, "id", lambda: None)
    target.unlink()  # it is the same file
    target.write_bytes(b"of the other one")
    with pytest.raises(OSError, match="has another 0000000001-"):
        segment_jobs.archive(place.path, archive, "id", lambda: None)
    assert target.read_bytes() == b"of the other one"
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_while_the_archive_is_missing_segments_stay_up_to_the_bytes_to_spare(grown, folder):
    archive = folder.parent / "archive"
    fixture = grown(archive=archive, max_bytes=1 << 17, archive_spare_bytes=1 << 17, compress=False)
    for _ in range(20):
        fixture.write(300)
        fixture.beat(0.1)
    rests(fixture)
    stats = fixture.journal.upkeep.stats()["archive"]
    assert "does not exist: make it, or mount its disk" in stats["why"]
    assert stats["dropped"] > 0
    assert stats["waiting"] > 0
    assert not stats["kept"]
    total = sum(segment.stored for segment in fixture.journal.segments)
    assert (1 << 17) < total < (1 << 18) + (1 << 17)
    assert not archive.exists(), "a folder of an unmounted disk must not be made"
    archive.mkdir()
    fixture.beat(11)
    eventually(lambda: (rests(fixture), not fixture.journal.upkeep.waiting)[1], within_s=20)
    assert fixture.journal.upkeep.stats()["archive"]["why"] == ""
    events = [notice.event for notice in fixture.journal.notices]
    assert [events.count(f"journal {what}") for what in ("archive cannot be written", "archive works again")] == [1, 1]
    assert events.count("journal segments not archived") == 1


def test_an_archive_that_hangs_counts_as_one_that_cannot_be_written(grown, folder, monkeypatch):
    released = threading.Event()
    monkeypatch.setattr(segment_jobs.os, "link", lambda *_: released.wait(30))
    (folder.parent / "archive").mkdir()
    fixture = grown(archive=folder.parent / "archive", max_bytes=1 << 17, archive_spare_bytes=0, compress=False)
    fixture.beat(1)
    fixture.beat(100)
    assert fixture.journal.upkeep.stats()["archive"]["why"] == ""
    fixture.beat(30)
    stats = fixture.journal.upkeep.stats()["archive"]
    released.set()
    assert "no answer for 120 s" in stats["why"]
    assert stats["dropped"] == fixture.journal.segment_files.gone > 0


def test_an_archive_that_must_not_be_missed_keeps_everything(grown, folder):
    fixture = grown(
        archive=folder.parent / "archive", max_bytes=1 << 17, archive_spare_bytes=0, archive_failed="keep", compress=False
    )
    for _ in range(20):
        fixture.write(300)
        fixture.beat(0.1)
    rests(fixture)
    assert fixture.journal.segment_files.gone == 0
    assert whole(fixture) == ([*range(1, fixture.topics.ticks + 1)], [])


def test_a_full_archive_leaves_no_half_file_and_the_segment_in_the_journal(grown, folder, monkeypatch):
    def full(*_):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    archive = folder.parent / "archive"
    archive.mkdir()
    fixture = grown(archive=archive, max_bytes=1 << 17, compress=False)
    monkeypatch.setattr(segment_jobs.os, "link", full)
    real, room = os.write, [100_000]

    def write(fd, data):
        if "archive" not in str(Path(f"/proc/self/fd/{fd}").readlink()):
            return real(fd, data)
        room[0] -= len(data)
        if room[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(fd, data)

    monkeypatch.setattr(os, "write", write)
    for _ in range(20):
        fixture.beat(11)
        rests(fixture)
    stats = fixture.journal.upkeep.stats()["archive"]
    assert "No space left" in stats["why"]
    assert stats["archived"] == fixture.journal.segment_files.gone > 0
    assert not list(archive.rglob("*.new"))
    oldest = fixture.journal.segments[0].ticks + 1
    assert whole(fixture) == ([*range(oldest, fixture.topics.ticks + 1)], [])

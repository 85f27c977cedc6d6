"""The journal in a folder: what was written is there again, what was damaged is not, and a full disk stops nobody."""

import contextlib
import errno
import os
import random

import pytest

from bus.core.records import Batch, Snapshot, encode_tick, needs
from bus.core.replay import Replay, read_wanted
from bus.core.topics import Topics
from bus.errors import ProtocolError
from bus.frames import decode_publication, encode_publication, pack, unpack
from bus.journal import Journal
from bus.library import Library
from bus.messages import Stamp
from bus.settings import JournalSettings

HOUR_NS = 3600 * 10**9


class Office:
    """A journal in a folder, a clock that is set, and the topics that a broker would have."""

    def __init__(self, folder, boot="boot-1", **settings):
        self.now_ns = 10**18
        self.journal = Journal(folder, JournalSettings(**settings), boot, lambda: self.now_ns)
        self.recovered = self.journal.open()
        self.topics = Topics(self.recovered.state.epoch, 1000, self.journal.ordinals)
        self.topics.restore(self.recovered.state.topics.values(), self.recovered.state.ticks)
        self.seconds = 0.0
        self.instance, self.running = 5, self.recovered.state.sources.get(5, 0)

    def write(self, count, symbols=("EURUSD", "USDJPY"), turn=4):
        """Write ticks in turns of a few; false if one was not journalled."""
        well = True
        for first in range(0, count, turn):
            records, ordinals = [], []
            for at in range(first, min(count, first + turn)):
                key = f"tick.{symbols[at % len(symbols)]}".encode()
                log = self.topics.log(key + b"\0")
                log.sequence += 1
                self.topics.ticks += 1
                self.running += 1
                self.now_ns += 1000
                stamp = Stamp(self.topics.epoch, log.sequence, self.now_ns)
                log.frame = encode_publication(key, stamp, pack({"bid": self.topics.ticks}))
                records.append(encode_tick(self.topics.ticks, self.instance, self.running, log.frame))
                ordinals.append(log.ordinal)
            batch = Batch(records, ordinals, self.topics.ticks, self.topics.epoch, self.now_ns)
            well &= self.journal.append(batch, self.seconds)
        return well

    def state(self):
        frames = {key: log.frame for key, log in self.topics.logs.items() if log.sequence}
        return Snapshot(self.topics.epoch, self.journal.boot, self.now_ns, self.topics.ticks, frames, {5: self.running})

    def beat(self, seconds=1.0):
        self.seconds += seconds
        return self.journal.beat(self.seconds, self.state)

    def replay(self, **args):
        """Read everything that is wanted, over as many requests as it takes; the numbers and bids, and the last summary."""
        library, rows = Library(self.journal), []
        args = {"topic": "ticks", **{name.removesuffix("_"): value for name, value in args.items()}}
        while True:
            replay = library.begin(read_wanted(args), self.topics)
            while not replay.ended:
                rows += replay.step(library) or []
            summary = replay.summary()
            if summary["next"] is None:
                library.close()
                return [[number, decode_publication(frame)] for number, frame in rows], summary
            args["from"] = summary["next"]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "journal"


@pytest.fixture
def offices(folder):
    made = []

    def make(**settings):
        made.append(Office(folder, **settings))
        return made[-1]

    yield make
    for one in made:
        with contextlib.suppress(OSError):
            one.journal.close()


def newest(folder):
    return max(folder.glob("*.hj"))


def killed(office):
    """End a journal as `kill -9` does: nothing is said, nothing is synced."""
    office.journal._storage.end()
    os.close(office.journal._fd)
    office.journal._fd = -1


def test_numbers_epoch_and_sources_go_on_after_a_kill(offices):
    first = offices()
    assert first.recovered.why_new_epoch == "there was no journal"
    first.write(10)
    killed(first)
    second = offices()
    assert second.recovered.state.epoch == first.topics.epoch
    assert second.recovered.why_new_epoch == ""
    assert second.recovered.state.ticks == 10
    assert second.recovered.state.sources == {5: 10}
    assert second.topics.logs[b"tick.EURUSD\0"].sequence == 5
    assert second.topics.logs[b"tick.EURUSD\0"].frame == first.topics.logs[b"tick.EURUSD\0"].frame


def test_a_torn_tail_is_cut_and_begins_another_epoch(offices, folder):
    first = offices()
    first.write(10)
    killed(first)
    path = newest(folder)
    size = path.stat().st_size
    os.truncate(path, size - 20)
    second = offices()
    assert second.recovered.torn_bytes > 0
    assert second.recovered.state.ticks == 9
    assert second.topics.epoch > first.topics.epoch
    second.write(3)
    rows, summary = second.replay(from_=1)
    assert [number for number, _ in rows] == list(range(1, 13))
    assert summary["missing"] == []


def test_the_epoch_goes_on_over_another_boot_only_if_the_journal_was_closed(offices):
    first = offices(boot="boot-1")
    first.write(4)
    first.journal.close()
    second = offices(boot="boot-2")
    assert second.topics.epoch == first.topics.epoch
    second.write(4)
    killed(second)
    third = offices(boot="boot-3")
    assert third.recovered.why_new_epoch == "the machine was started anew meanwhile"
    assert third.topics.epoch > second.topics.epoch
    assert third.recovered.state.ticks == 8


def test_a_flipped_bit_or_a_cut_at_any_of_200_places_is_found_and_never_served(offices, folder):
    office = offices()
    office.write(300)
    killed(office)
    path = newest(folder)
    good, draw = path.read_bytes(), random.Random(3)
    first = needs(good, 0)
    bids = set(range(1, 301))
    for case in range(200):
        place = draw.randrange(first, len(good))
        if case % 2:
            path.write_bytes(good[:place])
        else:
            path.write_bytes(good[:place] + bytes([good[place] ^ (1 << draw.randrange(8))]) + good[place + 1 :])
        again = offices()
        found = again.recovered
        on_a_border = case % 2 and found.torn_bytes == 0
        assert found.corrupt_bytes or found.torn_bytes or on_a_border
        if on_a_border:
            assert found.state.ticks < 300, "a cut between two records only makes the journal shorter"
        rows, summary = again.replay(from_=1)
        assert {message.topic for _, message in rows} <= {"tick.EURUSD", "tick.USDJPY"}
        assert all(frames_bid(message) == number for number, message in rows)
        assert {number for number, _ in rows} <= bids
        lost = set(range(1, found.state.ticks + 1)) - {number for number, _ in rows}
        assert lost == {one for first, last in summary["missing"] for one in range(first, last + 1)}
        again.journal.close()
        for path_made in folder.glob("*.hj"):
            if path_made != path:
                path_made.unlink()
        (folder / "note").write_text("live")


def frames_bid(message):
    return unpack(message.body)["bid"]


def test_a_head_that_is_damaged_loses_nothing_since_the_segment_before_it_has_one_too(offices, folder):
    office = offices(segment_bytes=4096)
    office.write(60)
    office.beat()
    office.write(4)
    killed(office)
    path = newest(folder)
    path.write_bytes(b"?" + path.read_bytes()[1:])
    again = offices()
    assert len(office.journal.segments) == 2
    assert again.recovered.state.ticks == 64
    assert again.recovered.why_new_epoch == ""
    assert again.recovered.corrupt_bytes > 0
    assert again.recovered.state.topics == {key: log.frame for key, log in office.topics.logs.items()}
    assert [number for number, _ in again.replay(from_=1)[0]] == list(range(1, 65))


def test_a_journal_without_any_whole_head_goes_on_from_its_records_under_another_epoch(offices, folder):
    office = offices()
    office.write(9)
    killed(office)
    path = newest(folder)
    path.write_bytes(b"?" + path.read_bytes()[1:])
    again = offices()
    assert again.recovered.state.ticks == 9
    assert again.recovered.state.sources == {5: 9}
    assert again.recovered.why_new_epoch == "no segment's head was whole"
    assert again.topics.epoch > office.topics.epoch


def test_segments_are_begun_by_size_and_let_go_by_bytes_and_by_hours(offices, folder):
    office = offices(segment_bytes=4096, max_bytes=1 << 16)
    for _ in range(60):
        office.write(40)
        office.beat(0.1)
    office.journal._storage.end()
    assert sum(path.stat().st_size for path in folder.glob("*.hj")) < (1 << 16) + 8192
    oldest = office.journal.segments[0].ticks + 1
    assert oldest > 1
    with pytest.raises(ProtocolError, match="not kept any more") as refused:
        office.replay(from_=oldest - 1)
    assert refused.value.code == "TOO_OLD"
    assert refused.value.details == {"oldest": oldest}
    rows, _ = office.replay(from_=oldest)
    assert [number for number, _ in rows] == list(range(oldest, office.topics.ticks + 1))


def test_what_is_older_than_the_hours_set_is_let_go(offices):
    office = offices(segment_bytes=4096, max_hours=1.0)
    office.write(60)
    office.beat()
    office.now_ns += 2 * HOUR_NS
    office.write(60)
    office.beat()
    office.beat()
    assert office.journal.segments[0].ticks >= 60


def test_a_topic_is_replayed_by_its_own_sequence_also_from_segments_of_an_earlier_life(offices):
    office = offices(segment_bytes=4096)
    for _ in range(10):
        office.write(50)
        office.beat(0.1)
    killed(office)
    again = offices(segment_bytes=4096)
    again.write(100)
    for first, last in [(1, 3), (100, 140), (249, 251), (290, 300)]:
        rows, summary = again.replay(topic="tick.USDJPY", from_=first, to=last)
        assert [message.stamp.sequence for _, message in rows] == list(range(first, last + 1))
        assert {message.topic for _, message in rows} == {"tick.USDJPY"}
        assert summary == {"count": last - first + 1, "next": None, "missing": []}


def test_a_replay_can_begin_and_end_at_a_time(offices):
    office = offices(segment_bytes=4096)
    for _ in range(5):
        office.write(50)
        office.beat(0.1)
    rows, _ = office.replay(topic="tick.", from_=1)
    since, until = rows[120][1].stamp.time_ns, rows[180][1].stamp.time_ns
    part, _ = office.replay(topic="tick.", since_ns=since, until_ns=until)
    assert [number for number, _ in part] == [number for number, _ in rows[120:181]]


def test_times_are_found_though_the_clock_was_set_back_and_forth_in_between(offices):
    office = offices(segment_bytes=4096)
    stamps = []
    for jump_s in (0, 3600, -3600, 0, 7200, -7200, 0):
        office.now_ns += jump_s * 10**9
        office.write(60)
        stamps += [message.stamp.time_ns for _, message in office.replay(from_=len(stamps) + 1)[0]]
        office.beat(0.1)
    assert stamps != sorted(stamps)
    for since, until in ((0, stamps[30]), (stamps[100], 1 << 62), (stamps[300], stamps[310]), (stamps[200], stamps[70])):
        wanted = [number for number, at in enumerate(stamps, 1) if since <= at <= until]
        for topic in ("ticks", "tick.EUR*"):
            rows, summary = office.replay(topic=topic, since_ns=since, until_ns=until)
            assert [number for number, _ in rows] == [number for number in wanted if topic == "ticks" or number % 2]
            assert summary["missing"] == []


def test_an_index_that_is_gone_or_damaged_is_made_again_from_its_segment(offices, folder):
    office = offices(segment_bytes=4096)
    for _ in range(8):
        office.write(50)
        office.beat(0.1)
    office.journal.close()
    indexes = sorted(folder.glob("*.hx"))
    assert len(indexes) == len(list(folder.glob("*.hj"))) - 1
    indexes[0].unlink()
    indexes[1].write_bytes(b"HX01" + bytes(200))
    indexes[2].write_bytes(indexes[3].read_bytes())
    again = offices(segment_bytes=4096)
    rows, summary = again.replay(topic="tick.USDJPY", from_=1)
    assert [message.stamp.sequence for _, message in rows] == list(range(1, 201))
    assert summary["missing"] == []
    again.journal.close()
    assert all(path.stat().st_size > 400 for path in indexes[:3])


def test_segments_and_their_indexes_are_let_go_together(offices, folder):
    office = offices(segment_bytes=4096, max_bytes=1 << 16)
    for _ in range(60):
        office.write(40)
        office.beat(0.1)
    office.journal.close()
    names = {path.stem for path in folder.glob("*.hj")}
    assert {path.stem for path in folder.glob("*.hx")} < names


def test_numbers_are_judged_by_the_epoch_that_gave_them(offices):
    office = offices(segment_bytes=4096)
    for epoch in range(2):
        office.topics.epoch += epoch
        for _ in range(3):
            office.write(50)
            office.beat(0.1)
    before, after = office.topics.epoch - 1, office.topics.epoch
    for number, epoch in ((1, before), (150, before), (151, after), (300, after)):
        first = number + 1
        rows, _ = office.replay(topic="tick.", from_=first, epoch=epoch)
        assert [one for one, _ in rows] == list(range(first, 301))
        with pytest.raises(ProtocolError, match=f"number {number} was given under epoch {epoch}") as refused:
            office.replay(topic="tick.", from_=first, epoch=epoch + 7)
        assert (refused.value.code, refused.value.details) == ("OTHER_EPOCH", {"epoch": epoch})
    with pytest.raises(ProtocolError, match="number 301 was given under epoch 0"):
        office.replay(from_=302, epoch=after)


def test_the_last_number_is_judged_though_no_tick_is_kept_any_more(offices):
    office = offices()
    office.write(50)
    office.beat(0.1)
    office.journal._begin(office.state())
    del office.journal.segments[:-1]
    assert office.replay(from_=51, epoch=office.topics.epoch)[0] == []
    with pytest.raises(ProtocolError, match="number 50 was given under epoch"):
        office.replay(from_=51, epoch=office.topics.epoch + 1)


def test_a_topic_that_had_no_message_is_named(offices):
    with pytest.raises(ProtocolError, match=r"tick\.XXX") as refused:
        offices().replay(topic="tick.XXX")
    assert refused.value.code == "UNKNOWN_TOPIC"


def test_a_long_replay_comes_in_several_requests_none_of_which_is_large(offices):
    office = offices()
    office.write(40_000, turn=256)
    library = Library(office.journal)
    replay = library.begin(read_wanted({"topic": "ticks", "from": 1}), office.topics)
    while not replay.ended:
        replay.step(library)
    assert replay.next is not None
    assert replay.sent_bytes < (1 << 20) + 256
    rows, summary = office.replay(from_=1)
    assert [number for number, _ in rows] == list(range(1, 40_001))
    assert summary["missing"] == []


def test_a_write_that_fails_degrades_the_journal_which_comes_back_by_itself(offices, monkeypatch):
    office = offices()
    office.write(8)
    real, full = os.write, True

    def write(fd, data):
        if full and fd == office.journal._fd:
            real(fd, data[:10])
            raise OSError(errno.ENOSPC, "No space left on device")
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(fd, data)

    monkeypatch.setattr(os, "write", write)
    assert not office.write(4)
    assert "No space left" in office.journal.degraded
    assert office.journal.lost == 4
    assert not office.beat(1.5)
    assert office.journal.degraded
    full = False
    assert office.beat(1.5)
    assert office.journal.degraded == ""
    assert office.write(4)
    rows, summary = office.replay(from_=1)
    assert [number for number, _ in rows] == [*range(1, 9), *range(13, 17)]
    assert summary["missing"] == [[9, 12]]
    killed(office)
    again = offices()
    assert again.topics.epoch == office.topics.epoch, "it was well again when it ended"


def test_a_broker_that_is_killed_while_degraded_begins_another_epoch(offices, monkeypatch):
    office = offices()
    office.write(8)
    monkeypatch.setattr(os, "write", lambda fd, data: 0)
    assert not office.write(4)
    monkeypatch.undo()
    killed(office)
    again = offices()
    assert "degraded" in again.recovered.why_new_epoch
    assert again.topics.epoch > office.topics.epoch


def test_a_sync_that_fails_makes_it_go_on_in_a_new_file(offices, monkeypatch):
    office = offices()
    office.write(8)

    def broken(fd):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", broken)
    office.beat()
    while not office.journal.degraded:  # bounded by the test's own time limit; the sync runs in its thread
        office.beat(0.0)
    assert "Input/output error" in office.journal.degraded
    monkeypatch.undo()
    before = office.journal.segments[-1].path
    assert office.beat(1.5)
    assert office.journal.segments[-1].path != before
    assert office.write(4)
    assert len(office.replay(from_=1)[0]) == 12


def test_a_replay_ends_where_it_was_asked_for_though_ticks_go_on(offices):
    office = offices()
    office.write(50)
    library = Library(office.journal)
    replay = library.begin(read_wanted({"topic": "ticks", "from": 41}), office.topics)
    office.write(50)
    rows = []
    while not replay.ended:
        rows += replay.step(library) or []
    assert [number for number, _ in rows] == list(range(41, 51))
    assert isinstance(replay, Replay)

"""The journal in a folder: written ticks are read again, damaged ones are not, and a full disk does not stop the broker."""

import os
import random

import pytest
from journal_fixture import HOUR_NS, killed, newest
from request_arguments import read_wanted

from hulak.bus.broker.storage.journal_reader import JournalReader
from hulak.bus.core.journal.record_format import needs
from hulak.bus.core.ticks.replay import Replay
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import unpack


def test_numbers_epoch_and_sources_continue_after_a_kill(offices):
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


def test_a_torn_tail_is_truncated_and_begins_another_epoch(offices, folder):
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


def test_the_epoch_continues_over_another_boot_only_if_the_journal_was_closed(offices):
    first = offices(boot="boot-1")
    first.write(4)
    first.journal.close()
    second = offices(boot="boot-2")
    assert second.topics.epoch == first.topics.epoch
    second.write(4)
    killed(second)
    third = offices(boot="boot-3")
    assert third.recovered.why_new_epoch == "the machine was restarted meanwhile"
    assert third.topics.epoch > second.topics.epoch
    assert third.recovered.state.ticks == 8


def test_a_flipped_bit_or_a_cut_at_any_of_200_places_is_found_and_never_served(offices, folder):
    fixture = offices()
    fixture.write(300)
    killed(fixture)
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
        recovered = again.recovered
        on_a_border = case % 2 and recovered.torn_bytes == 0
        assert recovered.corrupt_bytes or recovered.torn_bytes or on_a_border
        if on_a_border:
            assert recovered.state.ticks < 300, "a cut between two records only makes the journal shorter"
        rows, summary = again.replay(from_=1)
        assert {message.topic for _, message in rows} <= {"tick.EURUSD", "tick.USDJPY"}
        assert all(frames_bid(message) == number for number, message in rows)
        assert {number for number, _ in rows} <= bids
        lost = set(range(1, recovered.state.ticks + 1)) - {number for number, _ in rows}
        assert lost == {missing for first, last in summary["missing"] for missing in range(first, last + 1)}
        again.journal.close()
        for path_made in folder.glob("*.hj"):
            if path_made != path:
                path_made.unlink()
        (folder / "note").write_text("live")


def frames_bid(message):
    return unpack(message.body)["bid"]


def test_a_damaged_head_loses_no_tick_since_the_segment_before_it_has_one_too(offices, folder):
    fixture = offices(segment_bytes=4096)
    fixture.write(60)
    fixture.beat()
    fixture.write(4)
    killed(fixture)
    path = newest(folder)
    path.write_bytes(b"?" + path.read_bytes()[1:])
    again = offices()
    assert len(fixture.journal.segments) == 2
    assert again.recovered.state.ticks == 64
    assert again.recovered.corrupt_bytes > 0
    assert "no whole record" in again.recovered.why_new_epoch
    assert again.topics.epoch >= fixture.topics.epoch + (1 << 20)
    assert again.recovered.state.topics == {key: log.frame for key, log in fixture.topics.logs.items()}
    assert [number for number, _ in again.replay(from_=1)[0]] == list(range(1, 65))


def test_a_journal_without_a_whole_head_continues_from_its_records_under_another_epoch(offices, folder):
    fixture = offices()
    fixture.write(9)
    killed(fixture)
    path = newest(folder)
    path.write_bytes(b"?" + path.read_bytes()[1:])
    again = offices()
    assert again.recovered.state.ticks == 9
    assert again.recovered.state.sources == {5: 9}
    assert again.recovered.why_new_epoch == "no segment's head was whole"
    assert again.topics.epoch > fixture.topics.epoch


def test_segments_are_begun_by_size_and_deleted_by_bytes_and_by_hours(offices, folder):
    fixture = offices(segment_bytes=4096, max_bytes=1 << 16)
    for _ in range(60):
        fixture.write(40)
        fixture.beat(0.1)
    fixture.journal._sync_thread.end()
    assert sum(path.stat().st_size for path in folder.glob("*.hj")) < (1 << 16) + 8192
    oldest = fixture.journal.segments[0].ticks + 1
    assert oldest > 1
    with pytest.raises(ProtocolError, match="no longer kept") as refused:
        fixture.replay(from_=oldest - 1)
    assert refused.value.code == "TOO_OLD"
    assert refused.value.details == {"oldest": oldest, "oldest_ns": fixture.journal.segments[0].since_ns}
    rows, _ = fixture.replay(from_=oldest)
    assert [number for number, _ in rows] == list(range(oldest, fixture.topics.ticks + 1))


def test_a_segment_older_than_the_hours_set_is_deleted_and_logged(offices):
    fixture = offices(segment_bytes=4096, max_hours=1.0)
    fixture.write(60)
    fixture.beat()
    fixture.write(60)
    fixture.beat()
    first = fixture.journal.segments[1].ticks
    fixture.journal.notices.clear()
    fixture.beat(3599)
    assert len(fixture.journal.segments) == 3
    fixture.beat(2)
    assert fixture.journal.segments[0].ticks == first
    [notice] = fixture.journal.notices
    assert (notice.event, notice.fields) == ("journal segments deleted", {"why": "age", "segments": 1, "first": 1, "last": first})


@pytest.mark.parametrize("jump_ns", [40 * HOUR_NS, -40 * HOUR_NS, 10**6 * HOUR_NS])
def test_no_jump_of_the_wall_clock_makes_anything_older(offices, jump_ns):
    fixture = offices(segment_bytes=4096, max_hours=1.0)
    for _ in range(4):
        fixture.write(60)
        fixture.beat()
    fixture.now_ns += jump_ns
    for _ in range(20):
        fixture.beat()
        fixture.write(4)
    killed(fixture)
    again = offices(segment_bytes=4096, max_hours=1.0, now_ns=max(0, fixture.now_ns), boottime_s=fixture.boottime_s + 1)
    again.beat()
    rows, _ = again.replay(from_=1)
    assert len(rows) == fixture.topics.ticks
    assert again.journal.ages.now(again.seconds) < 3600


def test_ages_continue_over_restarts_and_reboots_but_over_reboots_for_an_hour_at_most(offices):
    fixture = offices(segment_bytes=4096, max_hours=1.5)
    fixture.write(60)
    fixture.beat()
    fixture.write(60)
    fixture.beat()
    fixture.journal.close()
    again = offices(segment_bytes=4096, max_hours=1.5, boottime_s=fixture.boottime_s + 1800, now_ns=1)
    assert again.journal.ages.now(0.0) == pytest.approx(1800 + 2, abs=1)
    assert again.journal.segments[0].ticks == 0
    again.journal.close()
    later = offices(boot="boot-2", segment_bytes=4096, max_hours=1.5, now_ns=10**18 + 900 * HOUR_NS)
    assert later.journal.ages.now(0.0) == pytest.approx(1800 + 2 + 3600, abs=2)


def test_old_segments_are_deleted_one_at_a_time(offices):
    fixture = offices(segment_bytes=4096, max_hours=1.0)
    for _ in range(10):
        fixture.write(60)
        fixture.beat()
    assert len(fixture.journal.segments) == 11
    fixture.beat(7200)
    for _ in range(59):
        fixture.beat(1)
    assert 3 <= 11 - len(fixture.journal.segments) <= 5, "a few a minute"


def test_a_segment_is_not_full_before_its_records_are_four_times_its_head(offices):
    """Else a head as large as a segment would make the journal begin one each second, until no other segment is kept."""
    fixture = offices(segment_bytes=4096, max_bytes=1 << 18)
    symbols = [f"SYM{at:03d}" for at in range(400)]
    fixture.write(400, symbols)
    killed(fixture)
    fixture = offices(segment_bytes=4096, max_bytes=1 << 18)
    assert fixture.journal.segments[-1].head > 3 * 4096
    for _ in range(50):
        fixture.beat()
    fixture.write(400, symbols)
    for _ in range(50):
        fixture.beat()
    assert len(fixture.journal.segments) == 2
    rows, summary = fixture.replay(from_=1)
    assert (len(rows), summary["missing"]) == (800, [])
    for _ in range(10):
        fixture.write(400, symbols)
        fixture.beat()
    heads = sum(segment.head for segment in fixture.journal.segments[1:])
    assert heads < sum(segment.size for segment in fixture.journal.segments) / 4


def test_heads_of_a_broker_that_restarts_repeatedly_do_not_accumulate(offices, folder):
    fixture = offices()
    fixture.write(100)
    killed(fixture)
    for _ in range(20):
        killed(offices())
    assert len(list(folder.glob("*.hj"))) == 2
    assert [number for number, _ in offices().replay(from_=1)[0]] == list(range(1, 101))


def test_a_topic_is_replayed_by_its_sequence_also_from_segments_of_an_earlier_broker(offices):
    fixture = offices(segment_bytes=4096)
    for _ in range(10):
        fixture.write(50)
        fixture.beat(0.1)
    killed(fixture)
    again = offices(segment_bytes=4096)
    again.write(100)
    for first, last in [(1, 3), (100, 140), (249, 251), (290, 300)]:
        rows, summary = again.replay(topic="tick.USDJPY", from_=first, to=last)
        assert [message.stamp.sequence for _, message in rows] == list(range(first, last + 1))
        assert {message.topic for _, message in rows} == {"tick.USDJPY"}
        assert summary == {"count": last - first + 1, "next": None, "missing": []}


def test_a_replay_can_begin_and_end_at_a_time(offices):
    fixture = offices(segment_bytes=4096)
    for _ in range(5):
        fixture.write(50)
        fixture.beat(0.1)
    rows, _ = fixture.replay(topic="tick.", from_=1)
    since, until = rows[120][1].stamp.time_ns, rows[180][1].stamp.time_ns
    part, _ = fixture.replay(topic="tick.", since_ns=since, until_ns=until)
    assert part == [row for row in rows if since <= row[1].stamp.time_ns <= until]
    assert 50 < len(part) < 100


def test_times_are_found_though_the_clock_was_set_back_and_forward_in_between(offices):
    fixture = offices(segment_bytes=4096)
    stamps = []
    for jump_s in (0, 3600, -3600, 0, 7200, -7200, 0):
        fixture.now_ns += jump_s * 10**9
        fixture.write(60)
        stamps += [message.stamp.time_ns for _, message in fixture.replay(from_=len(stamps) + 1)[0]]
        fixture.beat(0.1)
    assert stamps != sorted(stamps)
    for since, until in ((0, stamps[30]), (stamps[100], 1 << 62), (stamps[300], stamps[310]), (stamps[200], stamps[70])):
        wanted = [number for number, at in enumerate(stamps, 1) if since <= at <= until]
        for topic in ("ticks", "tick.EUR*"):
            rows, summary = fixture.replay(topic=topic, since_ns=since, until_ns=until)
            assert [number for number, _ in rows] == [number for number in wanted if topic == "ticks" or number % 2]
            assert summary["missing"] == []


def test_a_missing_or_damaged_index_is_rebuilt_from_its_segment(offices, folder):
    fixture = offices(segment_bytes=4096, compress=False)
    for _ in range(8):
        fixture.write(50)
        fixture.beat(0.1)
    fixture.journal.close()
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


def test_segments_and_their_indexes_are_deleted_together(offices, folder):
    fixture = offices(segment_bytes=4096, max_bytes=1 << 16)
    for _ in range(60):
        fixture.write(40)
        fixture.beat(0.1)
    fixture.journal.close()
    names = {path.name.partition(".")[0] for path in folder.glob("*.hj*")}  # a closed segment may be compressed by now
    assert {path.stem for path in folder.glob("*.hx")} < names


def test_a_number_is_checked_against_the_epoch_that_gave_it(offices):
    fixture = offices(segment_bytes=4096)
    for epoch in range(2):
        fixture.topics.epoch = fixture.journal.epoch = fixture.journal.epoch + epoch
        for _ in range(3):
            fixture.write(50)
            fixture.beat(0.1)
    before, after = fixture.topics.epoch - 1, fixture.topics.epoch
    for number, epoch in ((1, before), (150, before), (151, after), (300, after)):
        first = number + 1
        rows, _ = fixture.replay(topic="tick.", from_=first, epoch=epoch)
        assert [sequence for sequence, _ in rows] == list(range(first, 301))
        with pytest.raises(ProtocolError, match=f"number {number} was given under epoch {epoch}") as refused:
            fixture.replay(topic="tick.", from_=first, epoch=epoch + 7)
        assert (refused.value.code, refused.value.details) == ("OTHER_EPOCH", {"epoch": epoch})
    with pytest.raises(ProtocolError, match="number 301 was given under epoch 0"):
        fixture.replay(from_=302, epoch=after)


def test_the_last_number_is_checked_though_no_tick_is_kept_any_more(offices):
    fixture = offices()
    fixture.write(50)
    fixture.beat(0.1)
    fixture.journal.begin(fixture.state(), fixture.seconds)
    del fixture.journal.segments[:-1]
    assert fixture.replay(from_=51, epoch=fixture.topics.epoch)[0] == []
    with pytest.raises(ProtocolError, match="number 50 was given under epoch"):
        fixture.replay(from_=51, epoch=fixture.topics.epoch + 1)


def test_a_topic_that_had_no_message_is_named(offices):
    with pytest.raises(ProtocolError, match=r"tick\.XXX") as refused:
        offices().replay(topic="tick.XXX")
    assert refused.value.code == "UNKNOWN_TOPIC"


def test_a_long_replay_is_split_into_several_requests_none_of_which_is_large(offices):
    fixture = offices()
    fixture.write(40_000, turn=256)
    library = JournalReader(fixture.journal)
    replay = library.begin(read_wanted({"topic": "ticks", "from": 1}), fixture.topics)
    while not replay.ended:
        replay.step(library)
    assert replay.next is not None
    assert replay.sent_bytes < (1 << 20) + 256
    rows, summary = fixture.replay(from_=1)
    assert [number for number, _ in rows] == list(range(1, 40_001))
    assert summary["missing"] == []


def test_a_replay_ends_at_its_last_number_though_ticks_continue(offices):
    fixture = offices()
    fixture.write(50)
    library = JournalReader(fixture.journal)
    replay = library.begin(read_wanted({"topic": "ticks", "from": 41}), fixture.topics)
    fixture.write(50)
    rows = []
    while not replay.ended:
        rows += replay.step(library) or []
    assert [number for number, _ in rows] == list(range(41, 51))
    assert isinstance(replay, Replay)

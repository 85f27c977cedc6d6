"""A subscriber's copy of one topic: in order, each number once, every hole filled or reported."""

import pytest
from walk_replica import EVENTS, ReplicaWorld

from hulak.bus.subscriber.sequence_tracker import LOOK_BACK, Ask, Chunk, Gap, SequenceTracker, TrackerState

SCHEDULES = 3000
CHUNK = 250
AGAIN = "the broker began epoch {} without them, and uses them again"
NOT_THERE = "the journal does not have them"


def chunk(first, last=None, epoch=1):
    """Return a chunk whose items are their numbers."""
    return Chunk(epoch, first, list(range(first, (first if last is None else last) + 1)))


def rows(first, last, epoch=1):
    """Return a replay: one chunk for each number."""
    return [chunk(number, epoch=epoch) for number in range(first, last + 1)]


def numbers(out):
    """Flatten the chunks delivered, and keep the other outputs."""
    items = []
    for part in out:
        items += part.items if isinstance(part, Chunk) else [part]
    return items


def live(last, epoch=1, **how):
    """Return a tracker that has received everything up to `last`."""
    made = SequenceTracker(**how)
    made.live(chunk(1, last, epoch))
    return made


def test_it_begins_with_the_first_message_that_comes_and_continues():
    tracker = SequenceTracker()
    assert tracker.state is TrackerState.JOINING
    assert numbers(tracker.live(chunk(7))) == [7]
    assert numbers(tracker.live(chunk(8, 10))) == [8, 9, 10]
    assert (tracker.state, tracker.gaps) == (TrackerState.LIVE, 0)


def test_a_tracker_that_must_begin_with_one_requests_the_messages_before_the_first():
    tracker = SequenceTracker(expected=1)
    assert tracker.live(chunk(3)) == [Ask(1, 2)]


def test_a_gap_is_requested_and_later_messages_are_held_back_and_delivered_in_order():
    tracker = live(4)
    assert tracker.live(chunk(7)) == [Ask(5, 6)]
    assert tracker.live(chunk(8)) == []
    assert numbers(tracker.replayed(rows(5, 5))) == [5]
    assert numbers(tracker.replayed(rows(6, 6))) == [6]
    assert numbers(tracker.replay_ended(None)) == [7, 8]
    assert (tracker.state, tracker.gaps, tracker.repaired, tracker.lost) == (TrackerState.LIVE, 1, 2, 0)


def test_a_duplicate_is_delivered_once():
    tracker = live(4)
    assert tracker.live(chunk(3)) == []
    assert numbers(tracker.live(chunk(4, 6))) == [5, 6]
    assert tracker.duplicates == 2


def test_a_lost_last_message_is_detected_by_the_heartbeat():
    tracker = live(4)
    assert tracker.heartbeat(1, 4) == []
    assert tracker.heartbeat(1, 6) == [Ask(5, 6)]
    assert tracker.heartbeat(1, 6) == []
    assert numbers(tracker.replayed(rows(5, 6))) == [5, 6]
    assert (tracker.replay_ended(None), tracker.state) == ([], TrackerState.LIVE)


def test_a_heartbeat_before_the_first_message_has_no_effect():
    assert SequenceTracker().heartbeat(1, 6) == []


def test_messages_in_a_heartbeat_during_a_repair_are_requested_after_it():
    tracker = live(4)
    tracker.heartbeat(1, 6)
    tracker.heartbeat(1, 9)
    tracker.replayed(rows(5, 6))
    assert tracker.replay_ended(None) == [Ask(7, 9)]


def test_a_replay_in_several_answers_continues_at_the_position_that_the_broker_returns():
    tracker = live(4)
    tracker.live(chunk(100))
    tracker.replayed(rows(5, 40))
    assert tracker.replay_ended(41) == [Ask(41, 99)]


def test_a_hole_in_the_journal_is_reported_as_a_gap_and_skipped():
    tracker = live(4)
    tracker.live(chunk(10))
    assert numbers(tracker.replayed([*rows(5, 5), *rows(8, 8)])) == [5, Gap(6, 7, NOT_THERE), 8]
    assert numbers(tracker.replay_ended(None)) == [Gap(9, 9, NOT_THERE), 10]
    assert tracker.lost == 3


def test_messages_that_are_too_old_are_reported_and_the_rest_requested():
    tracker = live(4)
    tracker.live(chunk(10))
    assert tracker.too_old(8) == [Gap(5, 7, "the journal begins at 8"), Ask(8, 9)]


def test_a_topic_that_was_created_again_begins_with_another_number_for_an_early_subscriber():
    tracker = SequenceTracker(expected=1)
    assert tracker.live(Chunk(1, 8, ["h"])) == [Ask(1, 7)]
    assert tracker.too_old(8, begins=True) == [Chunk(1, 8, ["h"])]
    assert (tracker.state, tracker.lost) == (TrackerState.LIVE, 0)
    tracker = SequenceTracker(expected=1)
    assert tracker.live(Chunk(1, 10, ["j"])) == [Ask(1, 9)]
    assert tracker.too_old(8, begins=True) == [Ask(8, 9)]


def test_missed_last_messages_of_a_removed_topic_are_reported():
    tracker = SequenceTracker()
    tracker.live(Chunk(1, 5, ["e"]))
    assert tracker.live(Chunk(1, 8, ["h"])) == [Ask(6, 7)]
    assert tracker.too_old(8, begins=True) == [Gap(6, 7, "the journal begins at 8"), Chunk(1, 8, ["h"])]
    assert tracker.lost == 2


def test_when_all_requested_messages_are_too_old_it_continues_with_held_ones():
    tracker = live(4)
    tracker.live(chunk(10))
    assert numbers(tracker.too_old(50)) == [Gap(5, 9, "the journal begins at 50"), 10]
    assert tracker.state is TrackerState.LIVE


def test_too_old_after_parts_that_reached_beyond_it_requests_the_rest_and_does_not_wait_forever():
    tracker = live(4)
    tracker.live(chunk(10))
    tracker.replayed(rows(5, 8))
    assert tracker.too_old(6) == [Ask(9, 9)]


def test_held_messages_are_bounded_and_dropped_ones_are_requested():
    tracker = live(4, hold=3)
    for number in range(6, 12):
        tracker.live(chunk(number))
        assert tracker.held_items <= 3
    tracker.replayed(rows(5, 5))
    (ask,) = tracker.replay_ended(None)
    assert ask == Ask(6, 8)
    tracker.replayed(rows(6, 8))
    assert numbers(tracker.replay_ended(None)) == [9, 10, 11]
    assert tracker.gaps == 1


def test_a_message_with_more_items_than_may_be_held_is_requested_too():
    tracker = live(4, hold=3)
    assert tracker.live(chunk(6, 10)) == [Ask(5, 5)]
    tracker.replayed(rows(5, 5))
    assert tracker.replay_ended(None) == [Ask(6, 10)]


def test_an_answer_without_a_request_changes_nothing():
    tracker = live(4)
    assert (tracker.replayed(rows(5, 6)), tracker.replay_ended(None), tracker.too_old(9)) == ([], [], [])
    assert numbers(tracker.live(chunk(5))) == [5]


# Epochs


def test_numbers_continue_under_a_new_epoch_once_it_is_known_that_none_was_used_again():
    tracker = live(4)
    assert tracker.live(chunk(5, epoch=2)) == [Ask(1, 4)]
    assert numbers(tracker.replayed(rows(1, 4))) == []
    assert numbers(tracker.replay_ended(None)) == [5]
    assert (tracker.gaps, tracker.lost, tracker.duplicates) == (0, 0, 0)


def test_numbers_used_again_are_reported_and_delivered():
    tracker = live(9)
    assert tracker.live(chunk(6, epoch=2)) == [Gap(6, 9, AGAIN.format(2)), Ask(1, 5)]
    tracker.replayed(rows(1, 5))
    assert numbers(tracker.replay_ended(None)) == [6]
    assert numbers(tracker.live(chunk(7, epoch=2))) == [7]


def test_numbers_used_again_before_the_first_that_is_seen_are_found_in_the_journal():
    """Seen up to 9 of epoch 1; epoch 2 began at 6, and its messages up to 11 were missed."""
    tracker = live(9)
    assert tracker.live(chunk(12, epoch=2)) == [Ask(1, 11)]
    delivered = numbers(tracker.replayed([*rows(1, 5), *rows(6, 11, epoch=2)]))
    assert delivered == [Gap(6, 9, AGAIN.format(2)), 6, 7, 8, 9, 10, 11]
    assert numbers(tracker.replay_ended(None)) == [12]


def test_the_beginning_of_the_new_epoch_is_searched_further_and_further_back():
    tracker = live(5000)
    assert tracker.live(chunk(5001, epoch=2)) == [Ask(5001 - LOOK_BACK, 5000)]
    assert tracker.replayed(rows(5001 - LOOK_BACK, 5000, epoch=2)) == [Ask(5001 - 16 * LOOK_BACK, 5000)]
    delivered = numbers(tracker.replayed([*rows(5001 - 16 * LOOK_BACK, 4100), *rows(4101, 4900, epoch=2)]))
    assert delivered == [Gap(4101, 5000, AGAIN.format(2)), *range(4101, 4901)]
    assert tracker.replay_ended(4901) == [Ask(4901, 5000)]


def test_the_search_backwards_ends_where_the_journal_begins():
    tracker = live(5000)
    tracker.live(chunk(5001, epoch=2))
    assert tracker.too_old(4990) == [Ask(4990, 5000)]
    delivered = numbers(tracker.replayed(rows(4990, 5000, epoch=2)))
    assert delivered == [Gap(5001 - LOOK_BACK, 5000, AGAIN.format(2)), *range(4990, 5001)]
    assert numbers(tracker.replay_ended(None)) == [5001]


def test_a_broker_that_lost_its_whole_journal_begins_again():
    tracker = live(9)
    assert numbers(tracker.live(chunk(1, epoch=2))) == [Gap(1, 9, AGAIN.format(2)), 1]
    assert tracker.state is TrackerState.LIVE


def test_a_new_epoch_that_only_the_heartbeat_shows_is_replayed():
    """Seen up to 9 of epoch 1; epoch 2 began at 6, its 6 and 7 were missed, and nothing more comes."""
    tracker = live(9)
    assert tracker.heartbeat(2, 7) == [Gap(8, 9, AGAIN.format(2)), Ask(1, 7)]
    assert numbers(tracker.replayed([*rows(1, 5), *rows(6, 7, epoch=2)])) == [Gap(6, 7, AGAIN.format(2)), 6, 7]
    assert (tracker.replay_ended(None), tracker.state) == ([], TrackerState.LIVE)
    assert numbers(tracker.live(chunk(8, epoch=2))) == [8]


def test_messages_held_back_under_a_former_epoch_are_not_delivered():
    """1 to 4 delivered, 5 to 7 requested, 8 to 20 held back; then the broker restarts with nothing after 6."""
    tracker = live(4)
    tracker.live(chunk(8, 20))
    assert tracker.live(chunk(7, epoch=2)) == [Ask(1, 6)]
    assert numbers(tracker.replayed(rows(1, 6))) == [5, 6]
    assert numbers(tracker.replay_ended(None)) == [7]
    assert numbers(tracker.live(chunk(8, epoch=2))) == [8]


def test_rows_of_a_newer_epoch_in_an_answer_begin_that_epoch():
    tracker = live(9)
    tracker.live(chunk(15))
    assert tracker.replayed(rows(10, 14, epoch=2)) == [Ask(1, 10)]
    assert tracker.held_items == 0


def test_messages_of_a_former_epoch_are_ignored():
    tracker = live(4, epoch=3)
    assert (tracker.live(chunk(5, epoch=2)), tracker.heartbeat(2, 90)) == ([], [])
    assert tracker.duplicates == 1


# Seeded random walks


def walk(seeds, **how):
    for seed in seeds:
        try:
            ReplicaWorld(seed, **how).run()
        except Exception as error:
            raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error


def chunks(count):
    return [pytest.param(range(at, at + CHUNK), id=f"from_{at}") for at in range(0, count, CHUNK)]


@pytest.mark.parametrize("seeds", chunks(SCHEDULES))
def test_on_any_walk_every_message_is_delivered_once_or_reported(seeds):
    walk(seeds)


@pytest.mark.parametrize("seeds", chunks(1000))
def test_while_the_journal_is_whole_no_message_is_reported_lost(seeds):
    walk(seeds, events={**EVENTS, "hole": 0, "too old": 0, "degrade": 0})


def test_the_walk_includes_repairs_holes_epochs_and_overflow():
    worlds = [ReplicaWorld(seed) for seed in range(60)]
    for world in worlds:
        world.run()
    whys = {gap.why.split()[1] for world in worlds for gap in world.gaps}
    assert whys == {"journal", "broker"}
    assert sum(world.tracker.repaired for world in worlds) > 1000
    assert sum(world.tracker.duplicates for world in worlds) > 100
    assert max(world.epoch for world in worlds) > 5

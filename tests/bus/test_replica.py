"""A subscriber's copy of one topic: in order, each number once, every hole filled or told."""

import pytest
from walk_replica import EVENTS, ReplicaWorld

from hulak.bus.subscriber.sequence_tracker import LOOK_BACK, Ask, Chunk, Gap, SequenceTracker, TrackerState

SCHEDULES = 3000
CHUNK = 250
AGAIN = "the broker began epoch {} without them, and uses them again"
NOT_THERE = "the journal does not have them"


def chunk(first, last=None, epoch=1):
    """Make a chunk whose items are their numbers."""
    return Chunk(epoch, first, list(range(first, (first if last is None else last) + 1)))


def rows(first, last, epoch=1):
    """Make what a replay gives: one chunk for each number."""
    return [chunk(number, epoch=epoch) for number in range(first, last + 1)]


def numbers(out):
    """Flatten the chunks that go out, and keep the rest."""
    found = []
    for one in out:
        found += one.items if isinstance(one, Chunk) else [one]
    return found


def live(last, epoch=1, **how):
    """Make a replica that has got everything up to `last`."""
    made = SequenceTracker(**how)
    made.live(chunk(1, last, epoch))
    return made


def test_it_begins_with_whatever_comes_first_and_goes_on():
    tracker = SequenceTracker()
    assert tracker.state is TrackerState.JOINING
    assert numbers(tracker.live(chunk(7))) == [7]
    assert numbers(tracker.live(chunk(8, 10))) == [8, 9, 10]
    assert (tracker.state, tracker.gaps) == (TrackerState.LIVE, 0)


def test_one_that_must_begin_with_one_asks_for_what_came_before_the_first():
    tracker = SequenceTracker(expected=1)
    assert tracker.live(chunk(3)) == [Ask(1, 2)]


def test_a_gap_is_asked_for_held_back_behind_and_given_out_in_order():
    tracker = live(4)
    assert tracker.live(chunk(7)) == [Ask(5, 6)]
    assert tracker.live(chunk(8)) == []
    assert numbers(tracker.replayed(rows(5, 5))) == [5]
    assert numbers(tracker.replayed(rows(6, 6))) == [6]
    assert numbers(tracker.replay_ended(None)) == [7, 8]
    assert (tracker.state, tracker.gaps, tracker.repaired, tracker.lost) == (TrackerState.LIVE, 1, 2, 0)


def test_what_comes_twice_goes_out_once():
    tracker = live(4)
    assert tracker.live(chunk(3)) == []
    assert numbers(tracker.live(chunk(4, 6))) == [5, 6]
    assert tracker.duplicates == 2


def test_a_lost_last_message_is_noticed_by_the_heartbeat():
    tracker = live(4)
    assert tracker.heard(1, 4) == []
    assert tracker.heard(1, 6) == [Ask(5, 6)]
    assert tracker.heard(1, 6) == []
    assert numbers(tracker.replayed(rows(5, 6))) == [5, 6]
    assert (tracker.replay_ended(None), tracker.state) == ([], TrackerState.LIVE)


def test_a_heartbeat_before_the_first_message_says_nothing():
    assert SequenceTracker().heard(1, 6) == []


def test_what_the_heartbeat_tells_during_a_repair_is_asked_for_behind_it():
    tracker = live(4)
    tracker.heard(1, 6)
    tracker.heard(1, 9)
    tracker.replayed(rows(5, 6))
    assert tracker.replay_ended(None) == [Ask(7, 9)]


def test_a_replay_in_several_answers_is_asked_for_again_from_where_the_broker_says():
    tracker = live(4)
    tracker.live(chunk(100))
    tracker.replayed(rows(5, 40))
    assert tracker.replay_ended(41) == [Ask(41, 99)]


def test_a_hole_in_the_journal_is_told_as_a_gap_and_passed():
    tracker = live(4)
    tracker.live(chunk(10))
    assert numbers(tracker.replayed([*rows(5, 5), *rows(8, 8)])) == [5, Gap(6, 7, NOT_THERE), 8]
    assert numbers(tracker.replay_ended(None)) == [Gap(9, 9, NOT_THERE), 10]
    assert tracker.lost == 3


def test_what_is_too_old_is_told_and_the_rest_asked_for():
    tracker = live(4)
    tracker.live(chunk(10))
    assert tracker.too_old(8) == [Gap(5, 7, "the journal begins at 8"), Ask(8, 9)]


def test_a_topic_that_came_again_begins_with_a_number_of_its_own_for_who_was_there_before_it():
    tracker = SequenceTracker(expected=1)
    assert tracker.live(Chunk(1, 8, ["h"])) == [Ask(1, 7)]
    assert tracker.too_old(8, begins=True) == [Chunk(1, 8, ["h"])]
    assert (tracker.state, tracker.lost) == (TrackerState.LIVE, 0)
    tracker = SequenceTracker(expected=1)
    assert tracker.live(Chunk(1, 10, ["j"])) == [Ask(1, 9)]
    assert tracker.too_old(8, begins=True) == [Ask(8, 9)]


def test_who_missed_the_last_messages_of_a_topic_that_was_removed_is_told_so():
    tracker = SequenceTracker()
    tracker.live(Chunk(1, 5, ["e"]))
    assert tracker.live(Chunk(1, 8, ["h"])) == [Ask(6, 7)]
    assert tracker.too_old(8, begins=True) == [Gap(6, 7, "the journal begins at 8"), Chunk(1, 8, ["h"])]
    assert tracker.lost == 2


def test_when_all_that_was_asked_for_is_too_old_it_goes_on_with_what_it_holds():
    tracker = live(4)
    tracker.live(chunk(10))
    assert numbers(tracker.too_old(50)) == [Gap(5, 9, "the journal begins at 50"), 10]
    assert tracker.state is TrackerState.LIVE


def test_too_old_after_parts_that_reached_beyond_it_asks_for_the_rest_and_does_not_wait_for_ever():
    tracker = live(4)
    tracker.live(chunk(10))
    tracker.replayed(rows(5, 8))
    assert tracker.too_old(6) == [Ask(9, 9)]


def test_what_is_held_back_is_bounded_and_dropped_messages_are_asked_for():
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


def test_a_message_with_more_than_may_be_held_is_asked_for_too():
    tracker = live(4, hold=3)
    assert tracker.live(chunk(6, 10)) == [Ask(5, 5)]
    tracker.replayed(rows(5, 5))
    assert tracker.replay_ended(None) == [Ask(6, 10)]


def test_an_answer_that_comes_when_nothing_is_asked_changes_nothing():
    tracker = live(4)
    assert (tracker.replayed(rows(5, 6)), tracker.replay_ended(None), tracker.too_old(9)) == ([], [], [])
    assert numbers(tracker.live(chunk(5))) == [5]


# Epochs


def test_numbers_that_go_on_under_a_new_epoch_go_on_once_it_is_known_that_none_was_used_again():
    tracker = live(4)
    assert tracker.live(chunk(5, epoch=2)) == [Ask(1, 4)]
    assert numbers(tracker.replayed(rows(1, 4))) == []
    assert numbers(tracker.replay_ended(None)) == [5]
    assert (tracker.gaps, tracker.lost, tracker.duplicates) == (0, 0, 0)


def test_numbers_used_again_are_told_and_given_out():
    tracker = live(9)
    assert tracker.live(chunk(6, epoch=2)) == [Gap(6, 9, AGAIN.format(2)), Ask(1, 5)]
    tracker.replayed(rows(1, 5))
    assert numbers(tracker.replay_ended(None)) == [6]
    assert numbers(tracker.live(chunk(7, epoch=2))) == [7]


def test_numbers_used_again_before_the_first_that_is_seen_are_found_in_the_journal():
    """Seen up to 9 of epoch 1; epoch 2 began at 6, and its messages up to 11 were missed."""
    tracker = live(9)
    assert tracker.live(chunk(12, epoch=2)) == [Ask(1, 11)]
    found = numbers(tracker.replayed([*rows(1, 5), *rows(6, 11, epoch=2)]))
    assert found == [Gap(6, 9, AGAIN.format(2)), 6, 7, 8, 9, 10, 11]
    assert numbers(tracker.replay_ended(None)) == [12]


def test_where_the_new_epoch_began_is_looked_for_further_and_further_back():
    tracker = live(5000)
    assert tracker.live(chunk(5001, epoch=2)) == [Ask(5001 - LOOK_BACK, 5000)]
    assert tracker.replayed(rows(5001 - LOOK_BACK, 5000, epoch=2)) == [Ask(5001 - 16 * LOOK_BACK, 5000)]
    found = numbers(tracker.replayed([*rows(5001 - 16 * LOOK_BACK, 4100), *rows(4101, 4900, epoch=2)]))
    assert found == [Gap(4101, 5000, AGAIN.format(2)), *range(4101, 4901)]
    assert tracker.replay_ended(4901) == [Ask(4901, 5000)]


def test_looking_back_ends_where_the_journal_begins():
    tracker = live(5000)
    tracker.live(chunk(5001, epoch=2))
    assert tracker.too_old(4990) == [Ask(4990, 5000)]
    found = numbers(tracker.replayed(rows(4990, 5000, epoch=2)))
    assert found == [Gap(5001 - LOOK_BACK, 5000, AGAIN.format(2)), *range(4990, 5001)]
    assert numbers(tracker.replay_ended(None)) == [5001]


def test_a_broker_that_lost_its_whole_journal_begins_anew():
    tracker = live(9)
    assert numbers(tracker.live(chunk(1, epoch=2))) == [Gap(1, 9, AGAIN.format(2)), 1]
    assert tracker.state is TrackerState.LIVE


def test_a_new_epoch_that_only_the_heartbeat_tells_of_is_looked_at():
    """Seen up to 9 of epoch 1; epoch 2 began at 6, its 6 and 7 were missed, and nothing more comes."""
    tracker = live(9)
    assert tracker.heard(2, 7) == [Gap(8, 9, AGAIN.format(2)), Ask(1, 7)]
    assert numbers(tracker.replayed([*rows(1, 5), *rows(6, 7, epoch=2)])) == [Gap(6, 7, AGAIN.format(2)), 6, 7]
    assert (tracker.replay_ended(None), tracker.state) == ([], TrackerState.LIVE)
    assert numbers(tracker.live(chunk(8, epoch=2))) == [8]


def test_messages_held_back_under_an_epoch_that_is_over_are_not_given_out():
    """1 to 4 given out, 5 to 7 asked for, 8 to 20 held back; then the broker comes back with nothing behind 6."""
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


def test_messages_of_an_epoch_that_is_over_are_passed_over():
    tracker = live(4, epoch=3)
    assert (tracker.live(chunk(5, epoch=2)), tracker.heard(2, 90)) == ([], [])
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
def test_whatever_happens_on_the_way_everything_is_given_out_once_or_told(seeds):
    walk(seeds)


@pytest.mark.parametrize("seeds", chunks(1000))
def test_while_the_journal_is_whole_nothing_is_ever_said_to_be_lost(seeds):
    walk(seeds, events={**EVENTS, "hole": 0, "too old": 0, "degrade": 0})


def test_the_walk_sees_repairs_holes_epochs_and_overflow():
    worlds = [ReplicaWorld(seed) for seed in range(60)]
    for world in worlds:
        world.run()
    whys = {gap.why.split()[1] for world in worlds for gap in world.gaps}
    assert whys == {"journal", "broker"}
    assert sum(world.tracker.repaired for world in worlds) > 1000
    assert sum(world.tracker.duplicates for world in worlds) > 100
    assert max(world.epoch for world in worlds) > 5

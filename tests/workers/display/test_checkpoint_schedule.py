"""Displays that are taken up from what was written down of them: the same states, and only what is missing is read."""

import zlib

import msgpack
import pytest
from display_worker_fixture import DisplayWorkerFixture, Kept, made
from msgspec.structs import replace

from hulak.bus.errors import ProtocolError
from hulak.workers.display import checkpoint
from hulak.workers.display.checkpoint import HEAD, MAGIC, VERSION, Checkpoint, fingerprint
from hulak.workers.display.checkpoint_schedule import REFRESH_S
from hulak.workers.display.managed_display import Phase
from hulak.workers.display.quantities.state import DisplayConfig, DisplayState, Init

DAY = 86_400_000


def taken_over(**how):
    """A world whose display `d` was written down after three of its ticks, and then had two more."""
    world = DisplayWorkerFixture(**how)
    world.assign("d")
    world.settle()
    world.tick(*"XYXYX")
    world.give()
    world.write_down()
    world.tick(*"YXX")
    world.give()
    world.take_over()
    return world


def refused(world):
    return world.display_set.report(world.now)["checkpoints_refused"]


def asks(world):
    return [(replay[2].first, replay[2].last, replay[0].epoch) for replay in world.replays]


# Taking up


def test_a_display_goes_on_from_what_was_written_down_and_only_what_is_missing_is_asked_for():
    world = taken_over()
    world.begin()
    assert asks(world) == [(6, 8, 1)]
    world.answer()
    assert (world.display_set.held["d"].phase, refused(world)) == (Phase.LIVE, 0)
    assert world.display_set.report(world.now)["checkpoints_used"] == 1
    world.check()


def test_without_missing_ticks_the_broker_still_has_to_confirm_the_numbers():
    world = taken_over()
    world.settle()
    world.write_down()
    world.take_over()
    world.begin()
    assert asks(world) == [(9, 9, 1)]
    assert world.display_set.held["d"].phase is Phase.CATCHING_UP
    world.answer()
    assert world.display_set.held["d"].phase is Phase.LIVE
    world.check()


def test_a_checkpoint_that_is_ahead_of_what_comes_live_lets_live_ticks_pass():
    world = taken_over()
    world.given = world.display_set.position = 3  # this worker is slow: it has not received the ticks that are in the checkpoint
    world.begin()
    world.answer()
    world.give(1)
    refresh(world)
    assert checkpoint.decode(world.disk.files["d"]).upto == 5  # as before: a tick in the state is not folded again
    world.settle()
    world.check()


def refresh(world):
    """Let enough time pass that unchanged displays are written too."""
    world.now += REFRESH_S
    world.display_set.checkpoints.advance(world.display_set.held, world.now, world.display_set.place)


def test_ticks_of_other_symbols_behind_a_checkpoint_are_not_read():
    world = taken_over()
    world.settle()
    world.tick(*"YYYY")
    world.give()
    refresh(world)
    world.tick("X")
    world.take_over()
    world.begin()
    assert asks(world) == [(13, 13, 1)]
    world.settle()
    world.check()


def test_numbers_that_were_used_again_are_noticed_and_the_display_is_built_up_from_its_first_tick():
    world = taken_over()
    world.lose("XXXX", epoch=2)
    world.tick("Y", "X")
    world.take_over()
    world.settle()
    assert refused(world) == 1
    assert "epoch 1" in world.notes[-1]["why"]
    world.check()


def test_numbers_that_the_broker_does_not_have_any_more_are_noticed_too():
    world = taken_over()
    world.lose("XX", epoch=2)
    world.take_over()
    world.settle()
    assert refused(world) == 1
    world.check()


def test_numbers_that_were_used_again_behind_a_checkpoint_do_not_matter():
    world = taken_over()
    world.lose("XYXYX", epoch=2)
    world.tick("X", "X")
    world.take_over()
    world.begin()
    assert asks(world) == [(6, 7, 1)]
    world.settle()
    assert refused(world) == 0
    world.check()


def test_what_the_journal_does_not_have_any_more_makes_the_display_incomplete_only_if_it_is_missing():
    world = taken_over()
    world.oldest = 6
    world.settle()
    assert not world.display_set.held["d"].incomplete
    world.check()
    world = taken_over()
    world.oldest = 7
    world.settle()
    assert world.display_set.held["d"].incomplete
    world.write_down()
    world.take_over()
    world.settle()
    assert world.display_set.held["d"].incomplete


@pytest.mark.parametrize(
    "changed", [{"init": {"price": 1.25}}, {"first": 2}, {"symbol": "Y"}], ids=["init", "from", "another display of its name"]
)
def test_a_display_with_another_beginning_is_rebuilt(changed):
    world = taken_over()
    row = world.rows.pop("d")
    world.start()
    world.display_set.checkpoints._known = frozenset({"d"})  # nothing has been removed meanwhile
    world.assign("d", **{"symbol": row["symbol"], **changed})
    world.settle()
    assert refused(world) == 1
    world.check()


def damaged(data):
    yield b""
    yield data[:5]
    yield data[:-1]
    yield data + b"\0"
    yield data[:40] + bytes([data[40] ^ 1]) + data[41:]
    yield HEAD.pack(MAGIC, VERSION + 1, *HEAD.unpack_from(data)[2:]) + data[HEAD.size :]
    yield HEAD.pack(b"JUNK", *HEAD.unpack_from(data)[1:]) + data[HEAD.size :]
    for body in (b"\x80", b"\xc1", msgpack.packb([1]), msgpack.packb({**msgpack.unpackb(data[HEAD.size :]), "upto": "six"})):
        yield HEAD.pack(MAGIC, VERSION, zlib.crc32(body)) + body


def test_what_is_not_whole_or_of_another_version_or_none_is_refused_and_the_display_comes_all_the_same():
    whole = taken_over().disk.files["d"]
    for data in damaged(whole):
        with pytest.raises(ProtocolError) as caught:
            checkpoint.decode(data)
        assert caught.value.code == "BAD_CHECKPOINT"
        world = taken_over()
        world.disk.files["d"] = data
        world.settle()
        assert (refused(world), world.display_set.report(world.now)["checkpoints_used"]) == (1, 0)
        world.check()


def test_a_state_that_cannot_be_restored_is_rebuilt():
    world = taken_over()
    stored = checkpoint.decode(world.disk.files["d"])
    world.disk.files["d"] = checkpoint.encode(replace(stored, state={"bids": [1.0]}))
    world.settle()
    assert refused(world) == 1
    world.check()


def test_a_checkpoint_of_another_display_is_refused():
    world = taken_over()
    stored = checkpoint.decode(world.disk.files["d"])
    world.disk.files["d"] = checkpoint.encode(replace(stored, display="D"))
    world.settle()
    assert refused(world) == 1
    world.check()


def test_a_config_that_changed_meanwhile_is_applied_to_what_was_taken_up():
    world = taken_over()
    world.config = DisplayConfig(states_per_s=7.0)
    world.take_over()
    world.settle()
    assert world.display_set.held["d"].state.config.states_per_s == 7.0
    world.check()


def test_after_a_failure_at_run_time_nothing_that_was_written_down_is_taken_up():
    class Brittle(Kept):
        fails_at = {6.0: 1}  # noqa: RUF012 - of this class alone

    world = DisplayWorkerFixture(make=Brittle, delay=0.5)
    world.assign("d")
    world.settle()
    world.tick(*"XXXXX")
    world.give()
    world.write_down()
    world.tick("X")
    world.give()
    assert world.disk.files == {}
    world.settle()
    assert world.display_set.report(world.now)["checkpoints_used"] == 0
    world.check()
    world.write_down()
    world.take_over()
    world.settle()
    assert world.display_set.report(world.now)["checkpoints_used"] == 1


def test_ticks_that_were_left_out_stay_left_out():
    class Brittle(Kept):
        fails_at = {2.0: 99}  # noqa: RUF012 - of this class alone

    world = DisplayWorkerFixture(make=Brittle, delay=0.5)
    world.assign("d")
    world.tick(*"XXX")
    world.settle()
    world.write_down()
    world.take_over()
    world.settle()
    assert world.display_set.held["d"].skipped == {2}
    assert world.display_set.held["d"].state.bids == [1.0, 3.0]


# Days


def day_world(row_is_written):
    """A display whose day ended before it was written down; whether or not the broker has written what the new one began with."""
    world = DisplayWorkerFixture(make=DisplayState)
    world.assign("d", "EURUSD")
    world.settle()
    give(world, 1, DAY + 10, 1.1)
    give(world, 2, 2 * DAY - 1, 1.3)
    give(world, 3, 2 * DAY + 5, 1.2)
    world.write_down()
    held = world.display_set.held["d"]
    world.days = [(held.day_from, held.day())]
    if row_is_written:
        world.rows["d"] |= {"init": held.day(), "from": held.day_from}
    return world


def give(world, number, at_ms, bid):
    world.take(1, number, [replace(made("EURUSD", number), bid=bid, timestamp=at_ms, received_ns=at_ms * 10**6)], 1, world.now)


def test_a_day_that_the_broker_has_not_stored_is_sent_by_the_next_worker_of_the_display():
    world = day_world(row_is_written=False)
    world.journal, before = ["EURUSD"] * 3, world.display_set.held["d"].state.snapshot()
    world.take_over()
    world.settle()
    held = world.display_set.held["d"]
    assert (held.day_from, held.day()) == world.days[0]
    assert [day.id for day in world.display_set.days()] == ["d"]
    assert (held.state.snapshot(), refused(world)) == (before, 0)


def test_a_day_that_the_broker_has_written_is_what_the_display_begins_with():
    world = day_world(row_is_written=True)
    world.journal, before = ["EURUSD"] * 3, world.display_set.held["d"].state.snapshot()
    world.take_over()
    world.settle()
    held = world.display_set.held["d"]
    assert (held.day_from, world.display_set.days(), held.first) == (0, [], 3)
    assert (held.state.snapshot(), refused(world)) == (before, 0)


@pytest.mark.parametrize("row_is_written", [False, True])
def test_a_day_that_is_written_has_all_its_ticks_whatever_was_missing_before(row_is_written):
    world = day_world(row_is_written)
    held = world.display_set.held["d"]
    held.incomplete, held.saved = True, (0, 0)
    world.write_down()
    world.journal = ["EURUSD"] * 3
    world.take_over()
    world.settle()
    assert world.display_set.held["d"].incomplete != row_is_written
    world.display_set.day_stored("d", *world.days[0])
    assert not world.display_set.held["d"].incomplete


# Several of one symbol


def test_displays_of_one_symbol_that_were_written_down_at_different_places_each_go_on_from_their_own():
    world = DisplayWorkerFixture()
    for display in ("a", "b", "c"):
        world.assign(display)
    world.settle()
    for display in ("a", "b"):
        world.tick(*"XX")
        world.give()
        held = world.display_set.held[display]
        assert held.reach(world.display_set.place)
        world.display_set.checkpoints.write(held, world.now)
    world.tick("X")
    world.give()
    world.take_over()
    world.begin()
    assert asks(world) == [(5, 5, 1)]  # one at a time: the one that is nearest, and last the one that has nothing
    world.answer()
    world.begin()
    assert asks(world) == [(3, 5, 1)]
    world.answer()
    world.begin()
    assert asks(world) == [(1, 5, 0)]
    world.answer()
    world.check()


def test_a_state_that_was_only_replayed_is_saved_at_its_last_tick():
    world = taken_over()
    world.tick("XAU", "X", "XAU")
    world.take_over()
    world.begin()
    world.answer()
    world.check()
    world.write_down()
    assert checkpoint.decode(world.disk.files["d"]).upto == 10  # its epoch is known; no live tick was received


def test_the_form_of_a_file():
    stored = Checkpoint("d", "X", b"r" * 16, b"", 0, 7, 3, 5, 9, False, [4], {"a": 1.5})
    data = checkpoint.encode(stored)
    assert data[:4] == b"HDCP"
    assert int.from_bytes(data[8:12], "little") == zlib.crc32(data[12:])
    assert msgpack.unpackb(data[12:])["upto"] == 7
    assert checkpoint.decode(data) == stored
    assert len(fingerprint("X", {}, 1)) == 16
    beginnings = {fingerprint(*item) for item in (("X", {}, 1), ("Y", {}, 1), ("X", {"a": 1}, 1), ("X", {}, 2))}
    assert len(beginnings) == 4


def test_a_state_has_the_form_that_the_version_stands_for():
    """Change VERSION with these: files of another form, or another meaning, must not be taken up."""
    state = DisplayWorkerFixture(make=DisplayState)
    state.assign("d", "EURUSD")
    state.settle()
    give(state, 1, DAY + 10, 1.1)
    dump = state.display_set.held["d"].state.dump()
    assert VERSION == 4
    assert {name: sorted(value) if isinstance(value, dict) else type(value) for name, value in dump.items()} == {
        "config": sorted(DisplayConfig().dump()),
        "day_init": sorted(Init("EURUSD").dump()),
        **dict.fromkeys(("price", "bid", "ask"), float),
        **dict.fromkeys(("ticks", "digits", "timestamp", "day", "seen_from", "direction", "now_ms"), int),
        **dict.fromkeys(("given", "tick_size"), type(None)),
        "source": str,
        **dict.fromkeys(("ranges", "extremes", "volatility", "twap", "flash", "deflection", "left_out"), list),
        "profile": ["base", "base_shift", "count", "inexact", "ring", "shown", "start", "weights"],
    }

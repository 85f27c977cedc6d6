"""Which ticks count into a display, and which begin its day: live, built up again, and taken over all the same."""

import random

import pytest
from display_worker_fixture import DisplayWorkerFixture, made
from msgspec.structs import replace

from hulak.bus.wire.codec import encode_publication, pack, pack_tick, tick_topic
from hulak.bus.wire.messages import Stamp
from hulak.workers.display.quantities.state import DisplayConfig, DisplayState, Init
from hulak.workers.display.quantities.tick_filter import AHEAD_MS, FOREVER, UNTOLD_AHEAD_MS, believed_until

HOUR, DAY = 3_600_000, 86_400_000
TODAY = 20_000 * DAY
NOON = TODAY + 12 * HOUR
NONE = {"source": 0, "price": 0, "ahead": 0, "late": 0}


def display(symbol="EURUSD", **init):
    return DisplayState(symbol, Init.from_values(symbol, init), DisplayConfig())


def take(state, price, timestamp, received_ms=None, numbered_ms=None, source="kraken"):
    received_ns = 0 if received_ms is None else received_ms * 10**6
    numbered_ns = 0 if numbered_ms is None else numbered_ms * 10**6
    state.fold(price, price + 0.0001, timestamp, timestamp, believed_until(received_ns, numbered_ns), source)


def shown(state):
    snapshot = state.snapshot()
    return snapshot["open"], snapshot["high"], snapshot["low"], snapshot["ticks"], snapshot["left_out"]


@pytest.mark.parametrize(
    ("received_ns", "numbered_ns", "until_ms"),
    [
        (NOON * 10**6, (NOON + DAY) * 10**6, NOON + AHEAD_MS),
        (0, NOON * 10**6, NOON + UNTOLD_AHEAD_MS),
        (0, 0, FOREVER),
    ],
)
def test_what_the_feed_received_goes_before_what_the_broker_numbered(received_ns, numbered_ns, until_ms):
    assert believed_until(received_ns, numbered_ns) == until_ms


def test_a_tick_dated_ahead_turns_no_day_and_tomorrows_first_one_does():
    state = display()
    take(state, 1.08, NOON, NOON)
    take(state, 9.0, NOON + 365 * DAY, NOON + 1)
    take(state, 9.0, NOON + AHEAD_MS + 2, NOON + 1)
    take(state, 1.09, NOON + AHEAD_MS + 1, NOON + 1)
    assert shown(state) == (1.08, 1.09, 1.08, 2, {**NONE, "ahead": 2})
    take(state, 1.10, TODAY + DAY, TODAY + DAY)
    assert shown(state) == (1.1, 1.1, 1.1, 1, NONE)


def test_a_tick_dated_ahead_is_not_the_first_of_a_display_either():
    state = display()
    take(state, 9.0, NOON + DAY, NOON)
    assert (state.snapshot()["ready"], state.snapshot()["left_out"]["ahead"]) == (False, 1)
    take(state, 1.08, NOON + 1, NOON + 1)
    assert shown(state) == (1.08, 1.08, 1.08, 1, {**NONE, "ahead": 1})


def test_without_a_receipt_the_brokers_time_bounds_the_date():
    state = display()
    take(state, 1.08, NOON, numbered_ms=NOON)
    take(state, 9.0, NOON + 3 * DAY, numbered_ms=NOON)  # Friday's night session, dated Monday
    take(state, 1.10, NOON + DAY, numbered_ms=NOON + 8)
    assert shown(state) == (1.1, 1.1, 1.1, 1, NONE)


def test_an_old_file_does_not_count_into_a_live_display_and_one_alone_is_shown_day_by_day():
    live, alone = display(), display()
    take(live, 1.08, NOON, NOON)
    for day in range(3):
        for hour in (1, 20):
            old = 16_000 * DAY + day * DAY + hour * HOUR
            take(live, 1.5 + day, old, NOON)
            take(alone, 1.5 + day, old, NOON)
    assert shown(live) == (1.08, 1.08, 1.08, 1, {**NONE, "late": 6})
    assert shown(alone) == (3.5, 3.5, 3.5, 2, NONE)
    take(alone, 1.08, NOON, NOON)  # days only go forward
    take(alone, 1.39, 16_002 * DAY + 21 * HOUR, NOON)
    assert shown(alone) == (1.08, 1.08, 1.08, 1, {**NONE, "late": 1})


def test_late_ticks_count_into_the_present_day_where_that_was_asked_for():
    state = display(late_ticks=True)
    take(state, 1.08, NOON, NOON)
    take(state, 1.2, NOON - DAY, NOON)
    assert shown(state) == (1.08, 1.2, 1.08, 2, NONE)
    assert state.snapshot()["timestamp"] == NOON


def test_a_display_of_one_source_shows_that_one_only_day_after_day():
    state = display(only_source="kraken")
    for day in range(2):
        at = NOON + day * DAY
        take(state, 100.0, at, at, source="binance")
        take(state, 105.0, at, at)
        take(state, 100.0, at + DAY, at + DAY, source="binance")
        assert shown(state) == (105.0, 105.0, 105.0, 1, {**NONE, "source": 1 if day else 2})
    assert state.day_init.only_source == "kraken"


def test_a_display_keeps_to_the_source_of_its_first_tick_that_counts_day_after_day():
    state = display()
    assert state.snapshot()["source"] is None
    take(state, 0.0, NOON, NOON, source="zero")
    take(state, 104.0, NOON + 11 * 60_000, NOON, source="ahead")
    for day in range(9):
        at = NOON + day * DAY
        take(state, 105.0, at, at, source="kraken")
        take(state, 100.0, at + 1, at + 1, source="binance")
        take(state, 100.0, at + DAY, at + DAY, source="binance")
        others = {**NONE, "source": 2} if day else {**NONE, "price": 1, "ahead": 1, "source": 2}
        assert shown(state) == (105.0, 105.0, 105.0, 1, others)
        assert state.snapshot()["source"] == "kraken"
    assert (state.day_init.only_source, state.day_init.kept_source) == (None, "kraken")


def test_a_source_that_was_not_requested_is_replaced_after_seven_days_of_silence():
    state, asked = display(), display(only_source="kraken")
    for each in (state, asked):
        take(each, 105.0, NOON, NOON, source="kraken")
        take(each, 100.0, NOON + 7 * DAY - 1, NOON + 7 * DAY, source="binance")
        take(each, 101.0, NOON + 7 * DAY, NOON + 7 * DAY, source="binance")
        take(each, 105.0, NOON + 7 * DAY + 1, NOON + 7 * DAY, source="kraken")
    assert shown(state) == (101.0, 101.0, 101.0, 1, {**NONE, "source": 1})
    assert state.snapshot()["source"] == state.day_init.kept_source == "binance"
    assert shown(asked) == (105.0, 105.0, 105.0, 1, NONE), "its next tick begins a new day"


def test_a_display_that_began_with_a_file_of_an_old_year_goes_on_with_the_live_venue():
    state = display()
    take(state, 1.39, NOON - 4000 * DAY, NOON, source="file")
    take(state, 1.08, NOON, NOON, source="kraken")
    take(state, 1.39, NOON - 4000 * DAY + 1, NOON, source="file")
    assert shown(state) == (1.08, 1.08, 1.08, 1, {**NONE, "source": 1})


def test_a_display_of_any_source_counts_the_ticks_of_all():
    state = display(only_source="any")
    for number, source in enumerate(("kraken", "binance", "")):
        take(state, 100.0 + number, NOON, NOON, source=source)
    assert shown(state) == (100.0, 102.0, 100.0, 3, NONE)
    assert state.snapshot()["source"] is None
    take(state, 100.0, NOON + DAY, NOON + DAY, source="x")
    assert (state.day_init.only_source, state.day_init.kept_source) == ("any", None)


def test_a_source_without_a_name_and_one_with_a_long_name_are_sources_like_others():
    for name in ("", "any", "x" * 300):
        state = display()
        take(state, 100.0, NOON, NOON, source=name)
        take(state, 101.0, NOON, NOON, source="kraken")
        take(state, 102.0, NOON, NOON, source=name)
        assert shown(state) == (100.0, 102.0, 100.0, 2, {**NONE, "source": 1})
        assert state.snapshot()["source"] == name[:200]


@pytest.mark.parametrize(("price", "digits"), [(1.2e-5, 8), (1.2e-9, 12), (1.519039e9, 0), (757_000.0, 0)])
def test_the_first_quote_sets_the_digits_and_they_stay(price, digits):
    state = DisplayState("X", Init.from_values("X", {}), DisplayConfig())
    for factor in (1, 1.01, 1.02):
        state.fold(price * factor, price * factor, NOON, NOON)
    snapshot = state.snapshot()
    assert (snapshot["digits"], snapshot["price"], snapshot["profile"]["ticks"]) == (digits, price * 1.02, 3)
    assert len(snapshot["profile"]["levels"]) == 3
    state.fold(123.456, 123.456, NOON + DAY, NOON + DAY)
    assert (state.snapshot()["digits"], state.day_init.digits) == (digits, digits)


def test_a_symbol_of_nepse_has_two_digits_and_levels_of_its_tick_size_also_after_a_restart():
    state = DisplayState("ABC", Init.from_values("ABC", {}), DisplayConfig())
    for at, price in enumerate((9.8, 9.9, 10.1)):
        state.fold(price, price, NOON + at, NOON + at, source="nepse")
    restored = DisplayState("ABC", Init.from_values("ABC", {}), DisplayConfig())
    restored.restore(state.dump())
    for each in (state, restored):
        snapshot = each.snapshot()
        assert (snapshot["digits"], snapshot["tick_size"], snapshot["profile"]["bucket"]) == (2, 0.1, 0.1)
        assert [index for index, *_ in snapshot["profile"]["levels"]] == [98, 99, 101]
    assert display("EURUSD").snapshot()["tick_size"] is None


def test_an_ask_far_from_the_bid_does_not_set_the_digits():
    state = DisplayState("X", Init.from_values("X", {}), DisplayConfig())
    state.fold(40_000.5, 1.234e-9, NOON, NOON)
    assert state.snapshot()["digits"] == 2


def test_digits_that_were_set_are_kept():
    assert display("SHIBUSDT", digits=3).digits == 3
    assert display("EURUSD").digits == 5


# Its holder


class Hostile(DisplayWorkerFixture):
    """Ticks of one symbol, some of them ahead, behind, of another source, or without a price or a receipt."""

    def __init__(self, seed):
        draw = random.Random(seed)
        self.ticks, at = [], TODAY - 3 * HOUR
        for number in range(1, 401):
            at += draw.choice([40, 60_000, 400_000])
            odd = draw.choice([0, 0, 0, 0, AHEAD_MS + 1, 365 * DAY, -DAY, -4000 * DAY, -500])
            tick = replace(made("SHIBUSDT", number), bid=draw.choice([0.0, 1.2e-5, 1.21e-5, 1.3e-5]), timestamp=at + odd)
            received_ns = 0 if draw.random() < 0.2 else at * 10**6
            self.ticks.append((replace(tick, source=draw.choice(["a", "a", "b"]), received_ns=received_ns), at * 10**6))
        super().__init__(make=DisplayState)

    def frame(self, number):
        tick, numbered_ns = self.ticks[number - 1]
        return encode_publication(tick_topic(tick.symbol), Stamp(1, number, numbered_ns), pack_tick(tick))

    def give(self, count=None):
        for number in range(self.given, len(self.journal) + 1):
            tick, numbered_ns = self.ticks[number - 1]
            list(self.display_set.take(1, number, [tick], numbered_ns, self.now))
            for held in self.display_set.days():
                first, init = held.day_from, held.day()
                held.day_stored(first, init)
                self.rows[held.id] |= {"init": init, "from": first}
        self.given = len(self.journal) + 1


@pytest.mark.parametrize("init", [{}, {"only_source": "any"}, {"only_source": "b"}, {"late_ticks": True}])
@pytest.mark.parametrize("seed", range(4))
def test_hostile_ticks_make_the_same_state_live_built_up_again_and_taken_over(seed, init):
    world = Hostile(seed)
    world.assign("d", "SHIBUSDT", init=init)
    world.settle()
    for upto in (150, 300, 400):
        world.journal = ["SHIBUSDT"] * upto
        world.settle()
        live = world.display_set.held["d"].state
        everything = pack([live.dump(), live.snapshot()])
        assert any(live.left_out)
        world.write_down()
        for files in (dict(world.disk.files), {}):  # from what was written down, and from the journal alone
            world.disk.files = dict(files)
            world.take_over()
            world.settle()
            again = world.display_set.held["d"].state
            assert again is not live
            assert pack([again.dump(), again.snapshot()]) == everything
            assert (world.display_set.checkpoints.counters["used"] > 0) == bool(files)

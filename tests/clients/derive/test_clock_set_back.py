"""The broker's clock is wrong for a moment, and set right: bars, conflated ticks, states and alerts go on at once."""

import msgspec
import pytest

from hulak.clients.derive.rules.alert_rule import AlertRule
from hulak.clients.derive.rules.alert_track import DAY_MS, PriceWindow
from hulak.clients.derive.rules.derivation import SET_BACK_MS, Derivation, DerivationState, Wanted

T = 1_700_000_040_000
WANTED = Wanted(bars=("1s", "1m"), every=("1s",), states=True, stale_ms=5000, alerts=True)
RULES = [
    AlertRule(id="01", name="silent", symbol="X", on="stale", after_ms=5000, repeat=True),
    AlertRule(id="02", name="high", symbol="X", on="price", above=2.0, repeat=True, cooldown_ms=10_000),
    AlertRule(id="03", name="moved", symbol="X", on="change", above=50.0, repeat=True, window_ms=10_000),
]


class Stream:
    """A derivation, and what it has made."""

    def __init__(self):
        self.derivation = Derivation(WANTED)
        self.derivation.alerts.define(RULES, {}, {}, T)
        self.number = 0

    def take(self, at, price=None, wrong_by=0):
        """Take a tick at its venue's time, or a message without a tick, stamped by a clock that may be wrong; return topics."""
        self.number += 1
        body = {} if price is None else {"symbol": "X", "bid": price, "ask": price, "timestamp": T + at, "source": "v"}
        made = self.derivation.take((T + at + wrong_by) * 1_000_000, body, self.number, 7)
        return [made_one.topic for made_one in made if made_one.body.get("final", True)]

    def run(self, first, last, price=1.0, **how):
        return [topic for at in range(first, last, 500) for topic in self.take(at, price, **how)]


@pytest.mark.parametrize("wrong_by", [DAY_MS, 3600_000, SET_BACK_MS + 10_000])
@pytest.mark.parametrize("is_reloaded", [False, True])
def test_what_becomes_due_is_made_after_a_clock_that_was_ahead(wrong_by, is_reloaded):
    stream = Stream()
    stream.run(0, 10_000)
    stream.run(10_000, 13_000, wrong_by=wrong_by)
    if is_reloaded:
        packed = msgspec.msgpack.encode(stream.derivation.dump())
        stream.derivation = Derivation.loaded(msgspec.msgpack.decode(packed, type=DerivationState))
    made = stream.run(13_000, 30_000)
    assert [topic for topic in made if topic.startswith("every.")] == ["every.1s.X"] * 17
    assert made.count("bar.1s.X") >= 14
    silent = [topic for at in range(30_000, 40_000, 500) for topic in stream.take(at)]
    assert silent.count("alert.silent.X") == 1
    assert silent.count("state.X") == 1, "stale"
    assert stream.derivation.due_ns() is None or stream.derivation.due_ns() < (T + 120_000) * 1_000_000


def test_a_cool_down_and_a_window_end_after_a_clock_that_was_ahead():
    stream = Stream()
    stream.run(0, 10_000)
    stream.take(10_000, 1.0, DAY_MS)
    assert "alert.high.X" in stream.take(10_500, 2.5, DAY_MS)
    stream.run(11_000, 30_000)
    assert {"alert.high.X", "alert.moved.X"} <= set(stream.take(30_000, 2.5))


def test_a_stamp_that_is_only_a_little_behind_moves_no_time_back():
    stream = Stream()
    stream.take(SET_BACK_MS + 1, 1.0)
    stream.take(1, 1.0)
    assert stream.derivation.now == T + SET_BACK_MS + 1
    stream.take(0, 1.0)
    assert stream.derivation.now == T


def test_a_window_keeps_its_prices_and_its_bound_when_the_time_goes_back():
    window = PriceWindow()
    for at in range(0, 20_000, 50):
        window.take(float(at), at + DAY_MS, 10_000)
    window.set_back(20_000, 10_000)
    for at in range(20_000, 40_000, 50):
        window.take(float(at), at, 10_000)
        assert len(window.slots) <= 202
    assert window.take(0.0, 40_000, 10_000) == pytest.approx(30_000.0, abs=100)

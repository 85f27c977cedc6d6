"""A subscriber of many symbols is frozen for long, and resumes: its repair takes seconds, and no other process is affected."""

import signal
import time

import pytest
from load import Pings
from stage import Stage
from verdicts import assert_well
from waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]
SYMBOLS = 200
REPAIRED_S = 15.0
PING_S, SHORT_PING_S = 1.0, 15.0  # the short form shares the machine with other tests


def test_two_hundred_symbols_are_repaired_within_seconds(tmp_path, long, record_figure):
    """Full: 300,000 ticks are missed, as in five minutes at 1,000/s; short: 20,000."""
    missed, rate = (300_000, 8_000) if long else (20_000, 5_000)
    with Stage(tmp_path, **{"broker.subscriber_hwm": 1000, "broker.ring_bytes": 0}) as stage:  # a ring would hold them all
        stage.broker = stage.start_broker()
        frozen = stage.start_subscribers(["tick."])
        stage.start_subscribers(["tick.SYM00", "tick.SYM150"])
        stage.start_feed(rate, SYMBOLS)
        eventually(lambda: stage.stats()["ticks"]["taken"] > rate, within_s=30)
        frozen.send_signal(signal.SIGSTOP)
        since = stage.stats()["ticks"]["taken"]
        eventually(lambda: stage.stats()["ticks"]["taken"] > since + missed, within_s=300, every_s=0.2)
        with Pings(stage.addresses) as pings:
            pings.slowest_s()
            until = time.monotonic()
            frozen.send_signal(signal.SIGCONT)
            eventually(lambda: stage.stats()["ticks"]["taken"] > since + missed + 2 * rate, within_s=60, every_s=0.2)
            stage.end()
            slowest_s = pings.slowest_s()
        assert_well(stage, unread=True)
        report, readers = stage.check()
    reader = readers["00-tick."]
    repaired_s = max(received for attempted, received in reader.fresh if attempted <= until) - until
    record_figure(
        f"frozen repair: {missed:,} ticks of {SYMBOLS} symbols missed, all there {repaired_s:.1f} s after it went on; slowest "
        f"ping {slowest_s * 1000:.0f} ms\n  {reader.counters}; {report}"
    )
    assert report.clean(), report
    assert report.confirmed == report.attempted
    assert reader.counters["lost"] == 0
    assert reader.counters["repaired"] >= missed // 2
    assert repaired_s < REPAIRED_S or not long
    assert slowest_s < (PING_S if long else SHORT_PING_S)

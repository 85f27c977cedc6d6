"""A subscriber is stopped under load: it misses nothing in the end, and no other process is affected."""

import signal
import time

import pytest
from checker import latencies, quantile
from stage import Stage
from waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]
OTHERS_P99_MS = 20.0
BY_SOCKET = {"broker.subscriber_hwm": 1000, "broker.ring_bytes": 0}
BY_RING = {"broker.ring_bytes": 1 << 18}  # two seconds of load


def load_for(stage, seconds, rate):
    """Wait until the broker has taken the ticks of some seconds, which takes longer on a machine with much else to do."""
    until = stage.stats()["ticks"]["taken"] + seconds * rate
    eventually(lambda: stage.stats()["ticks"]["taken"] >= until, within_s=60 + 2 * seconds, every_s=0.2)


@pytest.mark.parametrize("settings", [BY_SOCKET, BY_RING], ids=["socket", "ring"])
def test_a_frozen_subscriber_misses_nothing_after_its_repair_and_the_others_do_not_notice(
    tmp_path, long, record_figure, settings
):
    """Full: 30 s, and the others' p99 is judged; short: 3 s, with so small a queue or ring that it really loses messages."""
    frozen_s, rate = (30.0, 1000) if long else (3.0, 1500)
    with Stage(tmp_path, **settings) as stage:
        stage.broker = stage.start_broker()
        others = [["ticks"], ["tick."], ["tick.SYM01", "tick.SYM02"], ["ticks"]]
        stage.start_subscribers(*others)
        frozen = stage.start_subscribers(["tick."], ["ticks"], ["tick.SYM03", "tick.SYM04"])
        stage.start_feed(rate)
        load_for(stage, 1.0, rate)
        frozen.send_signal(signal.SIGSTOP)
        since = time.monotonic()
        load_for(stage, frozen_s, rate)
        until = time.monotonic()
        frozen.send_signal(signal.SIGCONT)
        load_for(stage, 2.0, rate)  # while it repairs
        stage.end()
        report, readers = stage.check()
    one_by_one = readers["04-tick."]
    took = latencies(list(readers.values())[: len(others)], since, until)
    p50, p99 = quantile(took, 0.5), quantile(took, 0.99)
    record_figure(f"freeze of {frozen_s:g} s: {report}\n  the frozen one's {one_by_one.counters}")
    record_figure(f"  others meanwhile: p50 {p50:.2f} ms, p99 {p99:.2f} ms, max {took[-1]:.2f} ms of {len(took):,}")
    assert report.clean(), report
    assert report.confirmed == report.attempted
    assert one_by_one.counters["repaired"] > 0
    assert one_by_one.counters["lost"] == 0
    if long:
        assert p99 < OTHERS_P99_MS

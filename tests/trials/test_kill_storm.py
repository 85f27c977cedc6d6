"""The broker is killed again and again under load: no confirmed tick is lost, and none comes twice."""

import pytest
from stage import Stage, mixed, recovery_report, storm

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]
SEED = 20261122
PROCESSES = 4
SERVED_WITHIN_S = 3.0
CALM_S = 10


def test_a_storm_of_kills_costs_no_confirmed_tick_no_order_and_nothing_comes_twice(tmp_path, long, record_figure):
    """Full: 30 kills 0.5 to 3 s apart, 24 subscribers; short: 4 and 8. 1,000 ticks/s over 28 symbols."""
    kills, subscribers = (30, 24) if long else (4, 8)
    with Stage(tmp_path) as stage:
        stage.broker = stage.start_broker()
        plans = mixed(subscribers)
        share = len(plans) // PROCESSES
        for first in range(0, len(plans), share):
            stage.start_subscribers(*plans[first : first + share])
        stage.start_feed()
        moments = storm(stage, kills, SEED)
        stage.calm(CALM_S)
        stage.end()
        report, readers = stage.check()
    again_s, text = recovery_report(moments, readers)
    counters = {name: sum(reader.counters.get(name, 0) for reader in readers.values()) for name in ("gaps", "repaired", "lost")}
    record_figure(f"kill storm: {report}\n  {text}; {counters}")
    assert report.clean(), report
    assert report.confirmed == report.attempted
    assert counters["lost"] == 0
    if long:
        assert max(again_s) < SERVED_WITHIN_S, text

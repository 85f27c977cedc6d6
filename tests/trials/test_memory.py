"""Ten minutes of load, with subscribers that come and go: no process grows."""

import gc
import time

import psutil
import pytest
from checker import slope
from stage import Stage

pytestmark = [pytest.mark.system, pytest.mark.timeout(1200)]
GROWS_BY_MB = 1.0
WARM_UP_S = 120.0
SAMPLE_S = 1.0
LEAVE_EVERY_S = 2.0
MB = 1 << 20


def test_no_process_grows_under_load_while_subscribers_join_and_leave(tmp_path, long, record_figure):
    """Full: ten minutes, of which the first two warm up; short: 5 s, and the figures are only printed."""
    seconds = 600.0 if long else 5.0
    with Stage(tmp_path) as stage:
        stage.broker = stage.start_broker()
        stage.start_subscribers(["ticks"], ["tick."], ["tick.SYM01", "tick.SYM02"])
        stage.start_feed()
        watched = {"broker": stage.broker, "feed": stage.feed, "subscribers": stage.groups[0]}
        processes = {name: psutil.Process(process.pid) for name, process in watched.items()}
        samples = {name: [] for name in processes}
        opened = {name: process.num_fds() for name, process in processes.items()}
        passers_by, joins = [], 0
        began = departed = time.monotonic()
        while (now := time.monotonic()) < began + seconds:
            for name, process in processes.items():
                samples[name].append((now - began, process.memory_info().rss / MB))
            if now - departed >= LEAVE_EVERY_S or not passers_by:
                departed = now
                for visitor in passers_by:
                    visitor.close()
                passers_by = [stage.subscriber(topic) for topic in ("tick.", "ticks", "tick.SYM05")]
                joins += len(passers_by)
                gc.collect()
            for visitor in passers_by:
                while visitor.poll(0) is not None:
                    pass
            time.sleep(SAMPLE_S - (time.monotonic() - now) % SAMPLE_S)  # paces the load of the passers-by
        for visitor in passers_by:
            visitor.close()
        left_open = {name: process.num_fds() - opened[name] for name, process in processes.items()}
        stage.end()
        report, _ = stage.check()
    record_figure(f"memory over {seconds:g} s with {joins} joins: {report}")
    growth = {}
    for name, points in samples.items():
        warm = [point for point in points if point[0] >= WARM_UP_S] or points
        growth[name] = slope(warm) * (warm[-1][0] - warm[0][0])
        sizes = [size for _, size in warm]
        more = f"{growth[name]:+.2f} MB by its slope, {sizes[-1] - sizes[0]:+.2f} from first to last"
        record_figure(
            f"  {name}: {sizes[0]:.1f} MB, {more} of {warm[-1][0] - warm[0][0]:.0f} s; {left_open[name]:+d} descriptors"
        )
    assert report.clean(), report
    if long:
        assert max(growth.values()) < GROWS_BY_MB, growth

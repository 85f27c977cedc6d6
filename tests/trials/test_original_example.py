"""The example of the pool that this one replaces, with all settings as they come: a hundred calls at once, time after time.

Its short form is tests/system/test_scaling.py.
"""

import time

import pytest
from pool_watch import PoolExample, WorkerPool
from waiting import eventually

from hulak.sim.nepse.request_log import most_in_a_second
from hulak.sim.nepse.server import serve

pytestmark = [pytest.mark.system, pytest.mark.full_size, pytest.mark.timeout(900)]
ROUNDS, CALLS = 3, 100
IDLE_S = 30.0  # the setting's default


def test_a_hundred_calls_at_once_grow_the_pool_and_the_idle_time_shrinks_it_again_and_again(record_figure):
    """Each round: 1 worker, 5 while calls wait, 1 after the idle time; never more than 2 requests of a worker in any second."""
    answered_s, grown_s, shrunk_s = [], [], []
    with serve(limit=2, token_lifetime_s=60.0) as exchange, WorkerPool(**{"nepse.base_url": exchange.url}) as local_bus:
        local_bus.start_up(demo=False)
        for _ in range(ROUNDS):
            eventually(lambda: local_bus.agrees_on(1), within_s=60)
            began = time.monotonic()
            example = PoolExample(local_bus, CALLS)
            eventually(lambda: len(local_bus.workers()) == 5, within_s=30)
            grown_s.append(time.monotonic() - began)
            example.join(within_s=90)
            answered_s.append(time.monotonic() - began)
            assert (example.failures, len(example.answers)) == ([], CALLS)
            done = time.monotonic()
            eventually(lambda: local_bus.agrees_on(1), within_s=3 * IDLE_S)
            shrunk_s.append(time.monotonic() - done)
        tasks = local_bus.stats()["tasks"]
    visitors = exchange.visits.by_visitor()
    most = [most_in_a_second(times) for times in visitors]
    record_figure(
        f"original's example: {ROUNDS} times {CALLS} calls; 5 workers after {max(grown_s):.1f} s, all answered after "
        f"{max(answered_s):.1f} s, 1 worker {max(shrunk_s):.1f} s later, at most"
    )
    count, statuses = len(exchange.visits.log), dict(exchange.by_status)
    record_figure(f"  {count} requests of {len(visitors)} sessions, at most {max(most)} in any second of one; {statuses}")
    assert max(most) == 2
    assert exchange.by_status[429] == 0
    assert (tasks["failed"], tasks["expired"], tasks["lost_workers"]) == (0, 0, 0)
    assert min(shrunk_s) > IDLE_S - 5

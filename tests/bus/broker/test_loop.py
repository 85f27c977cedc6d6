"""The loop's order: a worker's messages are read before it counts as lost, and the last answers are sent. Turns by hand."""

import time

import pytest
import structlog
import zmq
from local_bus import LocalBus, NeverStops
from waiting import eventually

from hulak.bus.broker.loop import Broker
from hulak.bus.core.effects import ToWorker
from hulak.bus.process.lifecycle import make_home
from hulak.bus.wire import codec
from hulak.bus.wire.messages import BrokerHeartbeat, Goodbye, Ready, Reply, Request, Result, Task

WITHIN_S = 10


@pytest.fixture
def broker():
    with LocalBus() as local_bus:
        make_home(local_bus.home)
        made = Broker(local_bus.settings, local_bus.home, NeverStops(), structlog.get_logger())
        yield made
        made.ticks.close()
        made.database.close()
        made.context.destroy(linger=0)


def connected(context, address):
    dealer = context.socket(zmq.DEALER)
    dealer.connect(address)
    return dealer


@pytest.mark.parametrize("goodbye", [True, False], ids=["GOODBYE", "no GOODBYE"])
def test_the_result_of_a_worker_that_has_left_is_read_before_the_worker_counts_as_lost(broker, context, goodbye):
    def turn_until(condition):
        eventually(lambda: broker._turn(time.monotonic() + 0.02) or condition(), within_s=WITHIN_S, every_s=0)

    client = connected(context, broker.settings.broker.frontend)
    worker = connected(context, broker.settings.broker.backend)
    worker.send(codec.encode(Ready("echo", "w", 1, (), {})))
    client.send(codec.encode(Request(bytes(16), "echo", "x", options={"retries": 0})))
    given = []

    def has_its_task():
        while worker.poll(0):
            given.append(codec.decode_to_worker(worker.recv()))
        return any(isinstance(message, Task) for message in given)

    turn_until(has_its_task)
    (task,) = [message for message in given if isinstance(message, Task)]
    (identity,) = [worker_entry.identity for worker_entry in broker.bus.dispatcher.roster]
    monitor = broker.backend.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    worker.send(codec.encode(Result(task.id, task.attempt, done=True, value="done")))
    if goodbye:
        worker.send(codec.encode(Goodbye("stopped by a signal")))
    worker.close(linger=5000)
    assert monitor.poll(WITHIN_S * 1000), "it has left, and the broker has read nothing of it yet"

    def is_lost():  # with the first message that cannot be sent; libzmq takes some until it has noticed
        broker.carry_out([ToWorker(identity, BrokerHeartbeat(broker.bus.epoch, known=True))])
        broker._flush(time.monotonic())
        return broker.bus.dispatcher.roster.at(identity) is None

    eventually(is_lost, within_s=WITHIN_S)
    assert client.poll(WITHIN_S * 1000)
    assert codec.decode_to_client(client.recv()) == Reply(bytes(16), "done")
    assert broker.bus.dispatcher.counters["lost_workers"] == int(not goodbye)


def test_a_post_that_is_under_way_when_the_broker_stops_is_answered(context):
    with LocalBus() as local_bus:
        make_home(local_bus.home)
        broker = Broker(local_bus.settings, local_bus.home, NeverStops(), structlog.get_logger())
        client = connected(context, broker.settings.broker.frontend)
        client.send(codec.encode(Request(bytes(16), "hulak.post", "", {"service": "echo"})))
        eventually(lambda: broker._turn(time.monotonic() + 0.02) or broker.tasks.posts.coming, within_s=WITHIN_S, every_s=0)
        broker._shut_down()
        assert client.poll(WITHIN_S * 1000)
        assert codec.decode_to_client(client.recv()).value["state"] == "queued"

"""Majordomo's clients and workers, written with raw sockets from the RFCs, at a real broker."""

import signal
import time

import pytest
import zmq
from local_bus import LocalBus
from waiting import eventually

from hulak.clients.calls.client import BusClient

pytestmark = pytest.mark.system
C, W = b"MDPC02", b"MDPW02"
REQUEST, PARTIAL, FINAL = b"\x01", b"\x02", b"\x03"  # of a client
HEARTBEAT, DISCONNECT = b"\x05", b"\x06"


@pytest.fixture
def local_bus():
    with LocalBus() as local_bus:
        local_bus.start_broker()
        yield local_bus


@pytest.fixture
def connect(local_bus, context):
    def connect(name, kind=zmq.DEALER):
        socket = context.socket(kind)
        socket.connect(local_bus.addresses[name])
        return socket

    return connect


def ask(client, service, *body):
    client.send_multipart([C, REQUEST, service, *body])


def answer(client, within_s=30):
    assert client.poll(within_s * 1000), "no answer"
    return client.recv_multipart()


def silence(socket, for_s):
    return not socket.poll(for_s * 1000)


def without_heartbeats(worker, within_s=30):
    """Return the broker's next command that is no heartbeat."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if worker.poll(100):
            message = worker.recv_multipart()
            if message != [W, HEARTBEAT]:
                return message
    raise AssertionError("no command")


def start_worker(local_bus, service="echo"):
    before = len(serving(local_bus, service))
    worker = local_bus.start("-m", "majordomo_worker", local_bus.addresses["backend"], service, PYTHONPATH="tests/support")
    eventually(lambda: len(serving(local_bus, service)) > before, within_s=60)
    return worker


def serving(local_bus, service):
    return [row for row in local_bus.stats()["workers"] if row["service"] == service]


def refused(local_bus, socket):
    return local_bus.stats()["rejected"].get(socket, {})


# Calls between the dialects


def test_a_client_and_a_worker_of_the_dialect_work_together(local_bus, connect):
    worker = start_worker(local_bus)
    client = connect("frontend")
    ask(client, b"echo", b"hello", b"", b"world")
    pid = str(worker.pid).encode()
    assert answer(client) == [C, FINAL, b"echo", b"hello", b"", b"world", pid]
    ask(client, b"echo", b"parts")
    assert [answer(client) for _ in range(3)] == [
        [C, PARTIAL, b"echo", b"one", b""],
        [C, PARTIAL, b"echo", b"two"],
        [C, FINAL, b"echo", b"parts", pid],
    ]
    for number in range(50):
        ask(client, b"echo", b"%d" % number)
    assert {answer(client)[3] for _ in range(50)} == {b"%d" % number for number in range(50)}
    [row] = serving(local_bus, "echo")
    assert (row["done"], row["credit"], row["dialect"]) == (52, 1, "MDP/0.2")


def test_a_client_with_an_empty_frame_in_front_gets_one_back(local_bus, connect):
    start_worker(local_bus)
    client = connect("frontend", zmq.REQ)
    ask(client, b"echo", b"hello")
    assert answer(client)[:4] == [C, FINAL, b"echo", b"hello"]


def test_a_client_of_the_dialect_calls_a_native_worker(local_bus, connect):
    local_bus.start("-m", "sleepy_worker", PYTHONPATH="tests/support")
    client = connect("frontend")
    ask(client, b"sleepy", b"sleep", b"\x81\xa7seconds\x00")
    assert answer(client, 20) == [C, FINAL, b"sleepy", b"slept 0"]
    ask(client, b"sleepy", b"no such action", b"\x80")
    reply = answer(client)
    assert reply[:5] == [C, FINAL, b"sleepy", b"ERROR", b"UNKNOWN_ACTION"]
    assert len(reply) == 6


def test_a_native_client_calls_a_worker_of_the_dialect(local_bus):
    worker = start_worker(local_bus)
    pid = str(worker.pid).encode()
    with BusClient(local_bus.settings, local_bus.home) as client:
        assert client.call("echo", "", {"body": [b"hello", b"world"]}, timeout_s=10) == [b"hello", b"world", pid]
        assert client.call("echo", "greet", {"whom": 1}, timeout_s=10) == [b"greet", b"\x81\xa4whom\x01", pid]


def test_the_broker_answers_which_services_exist(local_bus, connect):
    start_worker(local_bus)
    client = connect("frontend")
    for name, body, code in [
        (b"mmi.service", b"echo", b"200"),
        (b"mmi.service", b"other", b"404"),
        (b"mmi.other", b"echo", b"501"),
    ]:
        ask(client, name, body)
        assert answer(client) == [C, FINAL, name, code]
    ask(client, b"hulak.ping", b"", b"\x80")
    assert answer(client)[:3] == [C, FINAL, b"hulak.ping"]


def test_requests_wait_for_a_worker_and_an_empty_body_is_refused_and_counted(local_bus, connect):
    client = connect("frontend")
    ask(client, b"echo")
    ask(client, b"echo", b"early")
    eventually(lambda: local_bus.stats()["tasks"]["queued"] == 1, within_s=30)
    assert refused(local_bus, "frontend") == {"BAD_FRAME": 1}
    start_worker(local_bus)
    assert answer(client)[3] == b"early"


def test_nothing_is_sent_for_a_request_that_expires(context):
    with LocalBus(**{"task.timeout_s": 0.3}) as local_bus:
        local_bus.start_broker()
        client = context.socket(zmq.DEALER)
        client.connect(local_bus.addresses["frontend"])
        ask(client, b"echo", b"x")
        eventually(lambda: local_bus.stats()["tasks"]["expired"] == 1, within_s=30)
        assert silence(client, 0.3)


# Workers that misbehave, stop or die


def test_a_worker_that_is_killed_during_a_task_loses_it_to_another_at_once(local_bus, connect, long):
    first = start_worker(local_bus)
    client = connect("frontend")
    first.send_signal(signal.SIGSTOP)  # so that it does not end its task, however long the other one takes to start
    ask(client, b"echo", b"sleep", b"0.5")
    eventually(lambda: serving(local_bus, "echo")[0]["held"] == 1, within_s=30)
    second = start_worker(local_bus)
    first.kill()
    killed = time.monotonic()
    assert answer(client) == [C, FINAL, b"echo", b"sleep", b"0.5", str(second.pid).encode()]
    assert time.monotonic() - killed < (1.5 if long else 5.0)  # its lease is longer, and half a second of it is the task
    assert len(serving(local_bus, "echo")) == 1
    assert silence(client, 0.5)


def test_a_worker_that_freezes_is_lost_after_its_lease_and_registers_again_when_it_thaws(context):
    with LocalBus(**{"task.mdp_lease_s": 3}) as local_bus:
        local_bus.start_broker()
        first = start_worker(local_bus)
        client = context.socket(zmq.DEALER)
        client.connect(local_bus.addresses["frontend"])
        first.send_signal(signal.SIGSTOP)  # before it is given the task, which it would end otherwise if this takes long
        ask(client, b"echo", b"sleep", b"0.5")
        second = start_worker(local_bus)
        assert answer(client)[-1] == str(second.pid).encode()
        first.send_signal(signal.SIGCONT)
        eventually(lambda: len(serving(local_bus, "echo")) == 2, within_s=30)
        assert silence(client, 0.3)
        assert first.poll() is None


def test_workers_register_again_after_the_broker_was_killed(local_bus, connect):
    worker = start_worker(local_bus)
    [broker] = [process for process in local_bus.processes if process is not worker]
    broker.kill()
    broker.wait()
    local_bus.start_broker()
    eventually(lambda: len(serving(local_bus, "echo")) == 1, within_s=30)
    client = connect("frontend")
    ask(client, b"echo", b"again")
    assert answer(client)[3:] == [b"again", str(worker.pid).encode()]


def test_a_broker_that_stops_disconnects_its_workers(local_bus, connect):
    worker = connect("backend")
    worker.send_multipart([W, b"\x01", b"echo"])
    assert answer(worker) == [W, HEARTBEAT]
    local_bus.processes[0].terminate()
    assert without_heartbeats(worker) == [W, DISCONNECT]
    assert local_bus.processes[0].wait(30) == 0


def test_a_worker_that_sends_an_unexpected_message_is_disconnected_and_receives_no_more(local_bus, connect):
    worker, client = connect("backend"), connect("frontend")
    worker.send_multipart([W, b"\x01", b"echo"])
    ask(client, b"echo", b"x")
    request = without_heartbeats(worker)
    assert request[:2] == [W, b"\x02"]
    assert request[3:] == [b"", b"x"]
    worker.send_multipart([W, b"\x01", b"echo"])
    assert without_heartbeats(worker) == [W, DISCONNECT]
    worker.send_multipart([W, HEARTBEAT])
    worker.send_multipart([W, b"\x04", request[2], b"", b"late"])
    assert silence(worker, 1)
    assert refused(local_bus, "backend") == {"UNEXPECTED": 1}
    other = start_worker(local_bus)
    assert answer(client) == [C, FINAL, b"echo", b"x", str(other.pid).encode()]


@pytest.mark.parametrize("service", [b"mmi.service", b"hulak.ping"])
def test_a_worker_cannot_register_a_service_of_the_brokers(local_bus, connect, service):
    worker = connect("backend")
    worker.send_multipart([W, b"\x01", service])
    assert answer(worker) == [W, DISCONNECT]
    assert local_bus.stats()["workers"] == []


def test_an_unknown_workers_heartbeat_is_answered_with_disconnect_and_its_disconnect_is_accepted(local_bus, connect):
    worker = connect("backend")
    worker.send_multipart([W, HEARTBEAT])
    assert answer(worker) == [W, DISCONNECT]
    worker.send_multipart([W, b"\x01", b"echo"])
    assert answer(worker) == [W, HEARTBEAT]
    worker.send_multipart([W, DISCONNECT])
    eventually(lambda: serving(local_bus, "echo") == [], within_s=30)
    assert local_bus.stats()["tasks"]["lost_workers"] == 0


def test_a_worker_that_receives_heartbeats_and_sends_its_own_slowly_stays(local_bus, connect):
    worker = connect("backend")
    worker.send_multipart([W, b"\x01", b"echo"])
    for beats in (1, 2):
        assert answer(worker) == [W, HEARTBEAT]
        quiet_s = 2.5 * beats  # each time longer than one of our own workers may be silent
        eventually(lambda quiet_s=quiet_s: serving(local_bus, "echo")[0]["age_s"] > quiet_s, within_s=30)
        worker.send_multipart([W, HEARTBEAT])
    assert len(serving(local_bus, "echo")) == 1


def test_a_burst_of_an_unregistered_worker_is_answered_once_with_disconnect(connect):
    worker = connect("backend")
    for _ in range(50):  # many of them are read in one turn of the broker's loop
        worker.send_multipart([W, HEARTBEAT])
    assert answer(worker) == [W, DISCONNECT]
    assert silence(worker, 0.3)

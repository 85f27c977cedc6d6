"""Odd requests, reports and answers against a real broker: each is answered, and all others are served as before."""

import os
import time

import msgpack
import pytest
import zmq
from local_bus import LocalBus
from odd_messages import odd_requests, of_worker

LIMIT_S = 60
BATCH = 50  # requests under way at a time


@pytest.fixture
def local_bus():
    with LocalBus() as bus:
        bus.start_broker()
        yield bus


def connect(context, address):
    socket = context.socket(zmq.DEALER)
    socket.linger, socket.sndhwm, socket.rcvhwm = 0, 0, 0
    socket.connect(address)
    return socket


def answered(socket, wanted):
    """Receive answers until each of the requests has had one; returns the codes, "" for a reply."""
    codes, deadline = {}, time.monotonic() + LIMIT_S
    while len(codes) < len(wanted):
        assert socket.poll(max(0, int((deadline - time.monotonic()) * 1000))), f"{wanted - codes.keys()} have no answer"
        frame = socket.recv()
        fields = msgpack.unpackb(frame[1:], strict_map_key=False)
        if frame[:1] != b"P":
            assert fields[0] in wanted, fields
            assert fields[0] not in codes
            codes[fields[0]] = fields[1] if frame[:1] == b"E" else ""
    return codes


def all_is_well(local_bus):
    """Check that the broker accepts posts, and that its monitors report no fault."""
    with local_bus.client() as client:
        posted = client.call("hulak.post", args={"service": "well"}, timeout_s=10)
        assert client.call("hulak.result", args={"task": posted["task"]}, timeout_s=10)["state"] == "queued"
        assert client.call("hulak.cancel", args={"task": posted["task"]}, timeout_s=10)["state"] == "cancelled"
    stats = local_bus.stats()
    assert stats["internal"] == {"total": 0, "recent": 0, "last": ""}
    assert stats["store"]["state"] == "live"
    waiting = [word for limit in ("queue=100", "silence=1000", "failures=101", "disk=101") for word in ("--critical", limit)]
    check = local_bus.hulak("check", "--feeds", 0, "--workers", 0, *waiting)
    assert check.wait(30) in (0, 1), check.log.read_text()


def leave(local_bus):
    """Report that the odd processes have ended: without beats they would be silent after three seconds."""
    with local_bus.client() as client:
        for row in client.call("hulak.stats")["processes"]:
            if row["kind"] == "feed":
                client.call(
                    "hulak.report", args={**{key: row[key] for key in ("kind", "name", "pid")}, "values": {}, "leaving": True}
                )


def test_every_odd_control_request_is_answered_once_and_affects_no_other(local_bus):
    context = zmq.Context()
    socket = connect(context, local_bus.addresses["frontend"])
    waits, codes = set(), {}
    for _, request_id, frame in odd_requests():
        socket.send(frame)
        waits.add(request_id)
        if len(waits) == BATCH:
            codes |= answered(socket, waits)
            waits = set()
    codes |= answered(socket, waits)
    leave(local_bus)
    assert {"", "BAD_ARGUMENT", "BAD_BODY"} <= set(codes.values())
    assert "INTERNAL" not in codes.values()
    all_is_well(local_bus)
    context.destroy(linger=0)


def next_task(worker):
    """Receive messages until a task comes; return its id."""
    deadline = time.monotonic() + LIMIT_S
    while True:
        assert worker.poll(max(0, int((deadline - time.monotonic()) * 1000))), "no task came"
        message = worker.recv()
        if message[:1] == b"T":
            return msgpack.unpackb(message[1:])[0]


def test_no_odd_message_of_a_worker_affects_others(local_bus):
    context = zmq.Context()
    client, worker = (connect(context, local_bus.addresses[name]) for name in ("frontend", "backend"))
    held = bytes(16)
    for number, frame in enumerate(of_worker(bytes(16), 1)):
        if number % 10 == 0:  # a task to answer; of another service each time, since failures delay the next task of a service
            service = f"odd-{number}"
            worker.send(b"Y" + msgpack.packb([service, f"{service}/1", 1000, [], {"pid": os.getpid()}]))
            client.send(b"Q" + msgpack.packb([os.urandom(16), service, "a", {}, {"timeout_ms": 10_000, "retries": 1}]))
            held = next_task(worker)
        worker.send(frame.replace(bytes(16), held))
    all_is_well(local_bus)
    attempts = local_bus.stats()["tasks"]["attempts"]
    ends = [row for service, row in attempts.items() if service.startswith("odd-")]
    assert min(sum(row[end] for row in ends) for end in ("done", "failed")) > 0, attempts
    context.destroy(linger=0)

#!/bin/bash
# libzmq 4.3.5 (pyzmq 27.1.0): a peer that connects with the identity of another one is never heard, even after that one has left.
#
# A program with a fixed ZMQ_ROUTING_ID that is started again before the ROUTER has noticed the end of its former connection
# has the identity of a peer that is still known. Without ZMQ_ROUTER_HANDOVER the ROUTER ignores the newcomer, as documented.
# What one would not guess: its connection stays up, no monitor event says so, its sends succeed, and when the former peer has
# left the identity is free for every later peer, but this one stays ignored as long as it is connected.
#
# Seen: "the second peer is heard: while the first is there False, after it has left False; a third one then: True".
# Fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q --disable-pip-version-check install pyzmq==27.1.0
"$folder/venv/bin/python" - <<'P'
import zmq
from zmq.utils.monitor import recv_monitor_message

context = zmq.Context()
router = context.socket(zmq.ROUTER)
router.linger = 0
port = router.bind_to_random_port("tcp://127.0.0.1")


def peer(events=0):
    socket = context.socket(zmq.DEALER)
    socket.routing_id, socket.linger = b"desk", 0
    monitor = socket.get_monitor_socket(events) if events else None
    socket.connect(f"tcp://127.0.0.1:{port}")
    return socket, monitor


def is_heard(socket, within_ms):
    socket.send(b"hello")
    if not router.poll(within_ms):
        return False
    assert router.recv_multipart() == [b"desk", b"hello"]
    return True


first, _ = peer()
assert is_heard(first, 5000)
second, monitor = peer(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
assert monitor.poll(5000)
assert recv_monitor_message(monitor)["event"] == zmq.EVENT_HANDSHAKE_SUCCEEDED
during = is_heard(second, 1000)
left = router.get_monitor_socket(zmq.EVENT_DISCONNECTED)
first.close()
assert left.poll(5000), "the ROUTER has not noticed that the first peer has left"
after = is_heard(second, 2000)
assert not monitor.poll(0), "the second peer was disconnected"
third, _ = peer()
later = is_heard(third, 5000)
shown = f"while the first is there {during}, after it has left {after}; a third one then: {later}"
print(f"libzmq {zmq.zmq_version()}: the second peer is heard: {shown}")
assert (during, after, later) == (False, False, True), "identities behave otherwise now"
context.destroy(linger=0)
P

#!/bin/bash
# libzmq 4.3.5 (pyzmq 27.3.0): zmq_unbind also ends the connections that were accepted at the address, and the monitor does not
# say so.
#
# The manual (zmq_unbind(3)) names it "stop accepting connections on a socket" and says of existing connections only that the
# queue of incoming messages of the endpoint is discarded, which reads like a way to accept no further peers and keep the
# existing ones. But sessions of accepted connections are children of the listener, and end with it: messages published next do
# not arrive. The monitor reports CLOSED for the listener and no DISCONNECTED for the connection. The first half was reported as
# libzmq #3317 (4.2.5). It takes effect in the I/O thread: messages published at once may still arrive. To accept no further
# peers, accept them and shut them down.
#
# Seen: "before: b'one'; after unbind: nothing; DISCONNECTED events: 0". Fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q --disable-pip-version-check install pyzmq==27.3.0
"$folder/venv/bin/python" - <<'P'
import time

import zmq
from zmq.utils.monitor import recv_monitor_message

context = zmq.Context()
publisher = context.socket(zmq.XPUB)
monitor = publisher.get_monitor_socket(zmq.EVENT_ALL)
port = publisher.bind_to_random_port("tcp://127.0.0.1")
subscriber = context.socket(zmq.SUB)
subscriber.connect(f"tcp://127.0.0.1:{port}")
subscriber.subscribe(b"")
assert publisher.poll(5000) and publisher.recv() == b"\x01"
publisher.send(b"one")
assert subscriber.poll(5000)
before = subscriber.recv()

publisher.unbind(f"tcp://127.0.0.1:{port}")
events, until = [], time.monotonic() + 1.0  # it takes effect in libzmq's I/O thread: messages sent at once may still arrive
while time.monotonic() < until:
    while monitor.poll(20):
        events.append(recv_monitor_message(monitor)["event"])
assert zmq.EVENT_CLOSED in events, "the listener was not closed"
publisher.send(b"two")
subscriber.poll(1000)
after = subscriber.recv() if subscriber.poll(0) else None
ended = events.count(zmq.EVENT_DISCONNECTED)
print(f"libzmq {zmq.zmq_version()}: before: {before}; after unbind: {after or 'nothing'}; DISCONNECTED events: {ended}")
assert (before, after, ended) == (b"one", None, 0), "unbind does something else now"
context.destroy(linger=0)
P

#!/bin/bash
# libzmq 4.3.5 (pyzmq 27.1.0): lowering SNDHWM while a publisher runs can starve a subscriber that has read everything.
#
# Since libzmq 4.2 a changed high-water mark applies to existing connections, which looks like a way to bound memory by the size
# of the published messages. But the reading end of a pipe reports to the writing end how much it has read only once per half of
# the bound that was set when it connected. A publisher that sent less than that since the last report counts all of it as
# unread; with a lower bound the pipe is full, so nothing more is sent, nothing more is read, and the count is never updated. The
# subscriber gets nothing from then on, though its queue is empty; raising the bound again did not help.
#
# Seen: "all 30000 read; then with SNDHWM 1000: 0 of 250; with SNDHWM 100000 again: 0 of 250". Fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q --disable-pip-version-check install pyzmq==27.1.0
"$folder/venv/bin/python" - <<'P'
import zmq

context = zmq.Context()
publisher = context.socket(zmq.XPUB)
publisher.sndhwm = 100_000
port = publisher.bind_to_random_port("tcp://127.0.0.1")
subscriber = context.socket(zmq.SUB)
subscriber.rcvhwm = 100_000
subscriber.connect(f"tcp://127.0.0.1:{port}")
subscriber.subscribe(b"")
assert publisher.poll(5000) and publisher.recv() == b"\x01"


def publish(count):
    got = 0
    for _ in range(count):
        publisher.send(b"x" * 100)
    while got < count and subscriber.poll(1000):
        subscriber.recv()
        got += 1
    return got


before = publish(30_000)
publisher.sndhwm = 1000
lowered = publish(250)
publisher.sndhwm = 100_000
raised = publish(250)
print(
    f"libzmq {zmq.zmq_version()}: {'all ' if before == 30_000 else ''}{before} read; "
    f"then with SNDHWM 1000: {lowered} of 250; with SNDHWM 100000 again: {raised} of 250"
)
assert (before, lowered) == (30_000, 0), "a lowered bound no longer starves a reader"
P

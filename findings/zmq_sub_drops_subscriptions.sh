#!/bin/bash
# libzmq 4.3.5 (pyzmq 27.1.0): a SUB socket drops its own subscriptions, silently, beyond its SEND high-water mark.
#
# A subscription is a message to the publisher, and counts against SNDHWM, whose default is 1,000, although a SUB socket sends
# nothing else. A program that subscribes to 3,000 topics at once gets the messages of 1,000 of them: no call fails, and the
# others never arrive, not even after connecting again to the same publisher while the connection is open.
# RCVHWM, which the guides tell subscribers to raise, makes no difference. SNDHWM = 0 on the SUB socket does.
#
# Seen: "1000 of 3000 subscriptions arrived with the default, 3000 with sndhwm=0". Fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q --disable-pip-version-check install pyzmq==27.1.0
"$folder/venv/bin/python" - <<'P'
import zmq


def arrived(**options):
    context = zmq.Context()
    publisher = context.socket(zmq.XPUB)
    publisher.rcvhwm = 0
    port = publisher.bind_to_random_port("tcp://127.0.0.1")
    subscriber = context.socket(zmq.SUB)
    subscriber.rcvhwm = 0
    for name, value in options.items():
        setattr(subscriber, name, value)
    subscriber.connect(f"tcp://127.0.0.1:{port}")
    for number in range(3000):
        subscriber.subscribe(b"topic-%04d" % number)
    count = 0
    while publisher.poll(1000):
        count += publisher.recv()[:1] == b"\x01"
    context.destroy(linger=0)
    return count


default, unlimited = arrived(), arrived(sndhwm=0)
print(f"libzmq {zmq.zmq_version()}: {default} of 3000 subscriptions arrived with the default, {unlimited} with sndhwm=0")
assert default < 3000, "the default no longer drops subscriptions"
assert unlimited == 3000
P

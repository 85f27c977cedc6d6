#!/bin/bash
# libzmq 4.3.5 (pyzmq 27.1.0): a second connect of a SUB to the same address is ignored, also with another server key.
#
# To let clients follow a server that is about to change its CURVE key, one would set the next `curve_serverkey` and connect the
# same socket once more: whichever key the server has, one of the two connections works. SUB (like DEALER, but unlike PUSH) drops
# a `connect` whose text it has already connected to, without an error, whatever options have changed since. Another text for
# the same address, with a source address in front, makes the second connection.
#
# Seen: "same text: 0 of 3 messages; with a source address: 3 of 3". Fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q --disable-pip-version-check install pyzmq==27.1.0
"$folder/venv/bin/python" - <<'P'
import time

import zmq


def received(second):
    context = zmq.Context()
    public, secret = zmq.curve_keypair()
    former, _ = zmq.curve_keypair()
    server = context.socket(zmq.XPUB)
    server.curve_server, server.curve_secretkey, server.linger = True, secret, 0
    port = server.bind_to_random_port("tcp://127.0.0.1")
    client = context.socket(zmq.SUB)
    client.curve_publickey, client.curve_secretkey = zmq.curve_keypair()
    client.linger, client.handshake_ivl = 0, 500
    client.subscribe(b"")
    client.curve_serverkey = former
    client.connect(f"tcp://127.0.0.1:{port}")
    client.curve_serverkey = public
    client.connect(second.format(port=port))
    server.poll(4000)
    count = 0
    for _ in range(3):
        server.send(b"tick")
    deadline = time.monotonic() + 1
    while count < 3 and client.poll(max(0, int((deadline - time.monotonic()) * 1000))):
        client.recv()
        count += 1
    context.destroy(linger=0)
    return count


same, other = received("tcp://127.0.0.1:{port}"), received("tcp://0.0.0.0:0;127.0.0.1:{port}")
print(f"libzmq {zmq.zmq_version()}: same text: {same} of 3 messages; with a source address: {other} of 3")
assert (same, other) == (0, 3), "a second connect behaves otherwise now"
P

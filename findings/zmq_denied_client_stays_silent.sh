#!/bin/bash
# libzmq 4.3.5 (pyzmq 27.1.0): whether a CURVE client tries again depends on the status code with which ZAP (ZeroMQ RFC 27) denied it.
#
# A server that answers 400 (authentication failure) ends the client's session for good: when the client's key is authorised a
# moment later, the same socket never connects again, and nothing but a monitor shows it; it needs a new socket, or another
# `connect`. A server that answers 300 (temporary error) lets the client come back by itself as soon as its key is accepted. So a
# server whose keys can change while it runs should answer 300 for a key that may be accepted soon.
#
# Seen: "denied with 400, then authorised: 0 messages; denied with 300, then authorised: 1 message". Fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q --disable-pip-version-check install pyzmq==27.1.0
"$folder/venv/bin/python" - <<'P'
import threading
import time

import zmq


def received_after(code):
    context = zmq.Context()
    handler = context.socket(zmq.REP)
    handler.bind("inproc://zeromq.zap.01")
    answer = {"code": code, "asked": 0}

    def serve():
        while True:
            request = handler.recv_multipart()
            if request == [b"end"]:
                return
            answer["asked"] += 1
            handler.send_multipart([b"1.0", request[1], answer["code"], b"", b"", b""])

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    public, secret = zmq.curve_keypair()
    server = context.socket(zmq.PULL)
    server.curve_server, server.curve_secretkey, server.zap_domain = True, secret, b"x"
    server.handshake_ivl = 500
    port = server.bind_to_random_port("tcp://127.0.0.1")
    client = zmq.Context().socket(zmq.PUSH)
    client.curve_publickey, client.curve_secretkey = zmq.curve_keypair()
    client.curve_serverkey, client.linger, client.handshake_ivl = public, 0, 500
    client.connect(f"tcp://127.0.0.1:{port}")
    client.send(b"hello")
    deadline = time.monotonic() + 10
    while not answer["asked"] and time.monotonic() < deadline:
        time.sleep(0.01)
    assert answer["asked"] == 1
    answer["code"] = b"200"
    count = int(bool(server.poll(6000)))
    end = context.socket(zmq.REQ)
    end.linger = 0
    end.connect("inproc://zeromq.zap.01")
    end.send(b"end")
    thread.join(5)
    return count


after = {code: received_after(code) for code in (b"400", b"300")}
print(
    f"libzmq {zmq.zmq_version()}: denied with 400, then authorised: {after[b'400']} messages; "
    f"denied with 300, then authorised: {after[b'300']} message"
)
assert after == {b"400": 0, b"300": 1}, "a denied client behaves otherwise now"
P

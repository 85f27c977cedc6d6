"""The bare peers as processes: `python -m trial_bare ROLE LOG ADDRESSES NAME`; SIGTERM ends one in good order.

ADDRESSES is JSON: the broker's four, by name. Every line of a log is written with one `write`, so that it is there even if its
writer is killed at once.
"""

import json
import os
import signal
import sys
import time

import bare
import contents

SYMBOLS = 28
RATE = 500  # ticks/s
POSTS = 40  # tasks/s
TASK_S = 0.005
QUIET_S = 1.0  # without a tick: a listener has all
SETTLE_S = 60.0
stopping = []


class Log:
    """A file of JSON lines."""

    def __init__(self, path):
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def note(self, *rows):
        """Write some lines in one piece."""
        if rows:
            os.write(self.fd, "".join(json.dumps(row) + "\n" for row in rows).encode())


def feed(log, where, name):
    """Post ticks; log what was attempted, before it is posted, and what was confirmed."""
    peer = bare.Feed(where["collector"], where["frontend"])
    began, safe = time.monotonic(), 0
    while not stopping:
        due = int((time.monotonic() - began) * RATE)
        log.note(*([{"attempted": due, "source": name}] if due > peer.last else []))
        while peer.last < due:
            peer.post(*contents.tick(name, peer.last + 1, SYMBOLS))
        peer.step()
        if peer.safe > safe:
            safe = peer.safe
            log.note({"confirmed": safe, "source": name})
        time.sleep(0.004)
    whole = peer.settle(SETTLE_S)
    log.note({"confirmed": peer.safe, "source": name, "whole": whole})


def poster(log, where, name):
    """Post tasks with keys, some of them twice; log each that was accepted. The key of a lost answer is asked about again."""
    client = bare.Asker(where["frontend"])
    number, began = 0, time.monotonic()
    while not stopping:
        kind, key = contents.kind_of(number), f"{name}-{number}"
        waits = kind in ("expired", "cancelled")
        args = {"service": "nobody" if waits else "bare", "action": kind, "args": {"n": number}, "key": key, "retries": 20}
        args |= {"expires_s": 0.5} if kind == "expired" else {}
        ids = [bytes(client.ask_through("hulak.post", args)["task"]) for _ in range(2 if number % 7 == 0 else 1)]
        if kind == "cancelled":
            client.ask_through("hulak.cancel", {"task": ids[0]})
        log.note(*({"n": number, "key": key, "kind": kind, "task": task.hex()} for task in ids))
        number += 1
        time.sleep(max(0.0, began + number / POSTS - time.monotonic()))


def worker(log, where, name):
    """Carry tasks out; log each attempt."""

    def do(action, args, attempt):
        log.note({"n": args["n"], "attempt": attempt, "worker": name})
        time.sleep(TASK_S)
        return contents.do(action, args, attempt)

    peer = bare.Worker(where["backend"], "bare", do)
    while not stopping:
        peer.step()


def listener(log, where, name):
    """Follow all ticks; log each one, in order."""
    rows = []

    def take(epoch, number, body):
        rows.append([epoch, number, *contents.what(body)])

    peer = bare.Listener(where["publisher"], where["frontend"], take)
    received = time.monotonic()
    while not stopping or time.monotonic() - received < QUIET_S:
        if peer.step():
            received = time.monotonic()
        log.note(*rows)
        rows.clear()
    log.note({"repaired": peer.repaired, "missing": peer.missing, "name": name})


def main(role, log, where, name):
    """Play a role until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
    {"feed": feed, "poster": poster, "worker": worker, "listener": listener}[role](Log(log), json.loads(where), name)


if __name__ == "__main__":
    main(*sys.argv[1:])

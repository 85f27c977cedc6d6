"""Several lossless subscribers, each with its own sockets: `python -m trial_subscribers PLAN`; SIGTERM ends it when it has all.

PLAN is JSON: `[{"log": "a.jsonl", "topics": ["ticks"]}, ...]`. Received messages are written to the logs, see `checker`.
"""

import json
import signal
import sys
import time
from pathlib import Path

import zmq

from hulak.clients.subscriber import Subscriber

QUIET_S = 1.0  # without a message or a repair: then it has all
DRAIN_S = 60.0
LONGEST_S = 1200.0
GREETED_S = 20.0


class Listener:
    """One subscriber and its log."""

    def __init__(self, plan):
        self.file = Path(plan["log"]).open("w", encoding="ascii")  # noqa: SIM115 - closed in `close`
        self.topics = plan["topics"]
        self.reported = set()
        self.subscriber = Subscriber(*self.topics, timeout_s=GREETED_S)
        if not self.subscriber.wait_until_subscribed(GREETED_S):
            raise SystemExit(f"no broker greeted within {GREETED_S} s")
        self.note(event="joined", topics=self.topics, time=time.monotonic())
        self.file.flush()

    def note(self, **event):
        self.file.write(json.dumps(event) + "\n")

    def take(self):
        """Log all that is there; record_figure whether there was anything, or a repair is under way."""
        subscriber, lines = self.subscriber, []
        while (event := subscriber.poll(0)) is not None:
            body, stamp = event.body, event.stamp
            lines.append(
                f'{{"event":"received","topic":"{event.topic}","epoch":{stamp.epoch},"sequence":{stamp.sequence},'
                f'"symbol":"{body["symbol"]}","bid":{body["bid"]:.0f},"time":{time.monotonic():.6f}}}\n'
            )
        self.file.writelines(lines)
        for topic, gap in subscriber.gaps:
            if (topic, gap) not in self.reported:
                self.reported.add((topic, gap))
                self.note(event="gap", topic=topic, first=gap.first, last=gap.last, why=gap.why)
        return bool(lines) or subscriber.repairing

    def close(self):
        self.note(event="counters", counters=self.subscriber.counters())
        self.file.close()
        self.subscriber.close()


def main(plans):
    stopping = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(time.monotonic()))
    listeners = [Listener(plan) for plan in plans]
    ends = busy = time.monotonic() + LONGEST_S
    while time.monotonic() < ends:
        poller = zmq.Poller()
        for listener in listeners:
            for socket in listener.subscriber.sockets():
                poller.register(socket, zmq.POLLIN)
        poller.poll(50)
        moved = [listener.take() for listener in listeners]
        now = time.monotonic()
        busy = now if any(moved) or not stopping else busy
        if stopping and (now - busy > QUIET_S or now - stopping[0] > DRAIN_S):
            break
    for listener in listeners:
        listener.close()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))

"""Takes all ticks and counts: `python -m trial_reader LOG COUNT`; ends after COUNT ticks, or when none comes for long.

LOG gets a line for each tick: symbol, bid, ask, timestamp, sequence, separated by blanks; prices as Python writes them.
"""

import sys
from pathlib import Path

from hulak.clients.subscriber import Subscriber

SILENCE_S = 30.0
GREETED_S = 20.0


def main(path, count):
    with path.open("w", encoding="ascii") as file, Subscriber("ticks", timeout_s=GREETED_S) as subscriber:
        if not subscriber.wait_until_subscribed(GREETED_S):
            raise SystemExit("no broker")
        file.write("joined\n")
        file.flush()
        for _ in range(count):
            event = subscriber.poll(SILENCE_S)
            if event is None:
                break
            body = event.body
            row = (body["symbol"], repr(body["bid"]), repr(body["ask"]), body["timestamp"], event.stamp.sequence)
            file.write(" ".join(map(str, row)) + "\n")
        file.write(f"counters {subscriber.counters()}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

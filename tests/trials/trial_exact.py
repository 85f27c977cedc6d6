"""A subscriber to very many single symbols: `python -m trial_exact COUNT LOG`; SIGTERM ends it.

Of each symbol it writes a line when its first value comes, and one whenever a newer one does: `{"symbol", "bid", "time"}`.
"""

import json
import signal
import sys
import time
from pathlib import Path

from hulak.clients.subscriber import Subscriber

GREETED_S = 120.0


def main(count, log):
    """Subscribe to all, and write what comes."""
    stopping = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
    newest = {}
    topics = (f"tick.X{at:05d}" for at in range(count))
    with Path(log).open("w", encoding="ascii") as file, Subscriber(*topics, timeout_s=GREETED_S) as subscriber:
        while not stopping:
            for tick in subscriber.poll_ticks(0.1):
                if tick.bid > newest.get(tick.symbol, 0.0):
                    newest[tick.symbol] = tick.bid
                    file.write(json.dumps({"symbol": tick.symbol, "bid": tick.bid, "time": time.monotonic()}) + "\n")
            file.flush()
        file.write(json.dumps({"counters": subscriber.counters()}) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])

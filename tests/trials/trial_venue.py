"""A venue that plays a file of ticks as fast as it is read: `python -m trial_venue FILE SYMBOL`; prints its port.

The prices are written as they stand in the file.
"""

import sys
from pathlib import Path

from hulak.clients.feeds.files.registry import read_ticks
from hulak.sim.recording import Recorded, Recording
from hulak.sim.venue import run_venue


def quotes(path, symbol):
    """Yield what a client of the venue gets, in its plain JSON form."""
    for tick in read_ticks(path, symbol=symbol):
        yield f'{{"symbol":"{tick.symbol}","bid":{tick.bid!r},"ask":{tick.ask!r},"timestamp":{tick.timestamp}}}'


def print_port(port):
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    messages = tuple(Recorded(0.0, text) for text in quotes(Path(sys.argv[1]), sys.argv[2]))
    recording = Recording(messages, speed=None)
    run_venue("127.0.0.1", 0, recording, on_ready=print_port)

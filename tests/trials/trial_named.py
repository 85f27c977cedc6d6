"""A subscriber with a kept position: `python -m trial_named LOG KIND`; it is killed, and goes on where it was.

KIND `name`: the broker keeps the position; ticks that come again are logged again. `number`: the program keeps it itself.
Each line of LOG is the sequence of a tick of the topic `ticks`.
"""

import sys
import time
from pathlib import Path

from hulak.clients.subscriber import Subscriber

LONGEST_S = 600
WAIT_S = 0.2


def last_number(path):
    """Return the last line of the log as a number, 0 if there is none; a line that a kill has cut is removed."""
    text = path.read_bytes() if path.exists() else b""
    whole = text[: text.rfind(b"\n") + 1]
    if whole != text:
        path.write_bytes(whole)
    return int(whole.split()[-1]) if whole else 0


def main(path, kind):
    seen = last_number(path)
    start = {"name": "trial", "since": "oldest", "save_s": 0.1} if kind == "name" else {"from_sequence": seen + 1}
    ends = time.monotonic() + LONGEST_S
    with path.open("ab", buffering=0) as file, Subscriber("ticks", timeout_s=30, **start) as subscriber:
        while time.monotonic() < ends:
            event = subscriber.poll(WAIT_S)
            lines = []
            while event is not None:
                lines += [b"%d\n" % event.stamp.sequence] if event.topic == "ticks" else []
                event = subscriber.poll(0) if len(lines) < 100 else None
            file.write(b"".join(lines))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])

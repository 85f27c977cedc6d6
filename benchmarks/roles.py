"""`python -m benchmarks.roles publisher|consumers JSON`: the processes of one cell.

The publisher follows the board's phases. PACED posts at a rate; BLAST posts as fast as possible, but never more than WINDOW
ticks ahead of the slowest consumer, which results in the highest rate without loss.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks import board, machine
from benchmarks.board import Board
from benchmarks.recorder import Recorder
from benchmarks.system import Place, Publisher
from benchmarks.systems import SYSTEMS

BURST = 32  # ticks between two checks of the window
POLL_S = 0.00005
IDLE_S = 0.0005


class Sender:
    """The publisher process.

    Args:
        publisher: connected.
        shared: the board.
    """

    def __init__(self, publisher: Publisher, shared: Board) -> None:
        self.publisher = publisher
        self.shared = shared
        self.slots = shared.slots
        self.number = 0  # of the last tick posted
        self.phases: list[dict[str, Any]] = []

    def run(self) -> None:
        """Run the phases until the last."""
        slots = self.slots
        slots[board.SENDER_READY] = 1
        while slots[board.KIND] != board.QUIT:
            phase, first, began_ns = slots[board.PHASE], self.number + 1, time.monotonic_ns()
            late_ns = 0
            if slots[board.KIND] == board.PACED:
                late_ns = self._paced(phase)
            elif slots[board.KIND] == board.BLAST:
                self._blast(phase)
            self._report()
            over_s = (time.monotonic_ns() - began_ns) / 1e9
            self.phases.append({"phase": phase, "first": first, "last": self.number, "over_s": over_s, "late_ms": late_ns / 1e6})
            while slots[board.PHASE] == phase:
                time.sleep(IDLE_S)
                self.publisher.flush()

    def _paced(self, phase: int) -> int:
        """Post at a rate; returns the largest delay of a tick, in ns."""
        slots, rate = self.slots, self.slots[board.RATE]
        began_ns, count, largest_ns = time.monotonic_ns(), 0, 0
        while slots[board.PHASE] == phase:
            due = began_ns + count * 1_000_000_000 // rate
            now = time.monotonic_ns()
            if now < due:
                time.sleep((due - now) / 1e9)
                now = time.monotonic_ns()
            largest_ns = max(largest_ns, now - due)
            for _ in range(BURST):  # all due ticks; normally one
                if due > now:
                    break
                self._post(1)
                count += 1
                due = began_ns + count * 1_000_000_000 // rate
            self._report()
            if count % 256 == 0 and self.number - self.shared.slowest() > max(4000, rate):
                slots[board.BEHIND] = 1  # a second behind: the system cannot sustain this rate
                break
        return largest_ns

    def _blast(self, phase: int) -> None:
        slots, window, slowest = self.slots, self.slots[board.WINDOW], self.shared.slowest
        while slots[board.PHASE] == phase:
            self._post(BURST)
            self._report()
            while self.number - slowest() > window and slots[board.PHASE] == phase:
                time.sleep(POLL_S)
                self.publisher.flush()  # a feed requests confirmations, and sends lost ticks again

    def _post(self, count: int) -> None:
        send, number = self.publisher.send, self.number
        for number in range(number + 1, number + count + 1):  # noqa: B020 - the last one is the new number
            send(number)
        self.number = number

    def _report(self) -> None:
        self.publisher.flush()
        self.slots[board.SENT] = self.number


def publish(system: str, place: Place, shared: Board, out: Path) -> None:
    """Run the publisher; its phases are written to `publisher.json`."""
    machine.fine_timers()
    publisher = SYSTEMS[system](place).publisher()
    sender = Sender(publisher, shared)
    sender.run()
    publisher.close()
    (out / "publisher.json").write_text(json.dumps(sender.phases))


def consume(system: str, place: Place, shared: Board, out: Path, first: int, count: int) -> None:
    """Run consumers `first` to `first + count - 1`; their records are written to `consumers<first>.json` and `latency<at>`."""
    recorders = [Recorder(at, shared) for at in range(first, first + count)]
    SYSTEMS[system](place).consume(recorders, shared)
    reports = [recorder.save(out / f"latency{recorder.at}") for recorder in recorders]
    (out / f"consumers{first}.json").write_text(json.dumps(reports))


def main(role: str, words: str) -> None:
    """Run one role.

    Args:
        role: publisher or consumers.
        words: JSON: system, place, board, and for consumers first and count.
    """
    machine.end_with_parent()
    parameters = json.loads(words)
    place = Place(parameters["place"]["folder"], tuple(parameters["place"]["ports"]))
    shared, out = Board(Path(parameters["board"])), Path(place.folder)
    if role == "publisher":
        publish(parameters["system"], place, shared, out)
    else:
        consume(parameters["system"], place, shared, out, parameters["first"], parameters["count"])


if __name__ == "__main__":
    main(*sys.argv[1:])

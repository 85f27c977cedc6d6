"""A worker in plain Python, without this package: bus/PROTOCOL.md section 5. It serves the action `add` until it is retired.

    pip install pyzmq msgpack
    python worker.py ipc://$run/backend.ipc sums
    hulak task call sums add '{"a": 1, "b": 2}'

With an argument `ms` the sum takes that long: a long task that is held, while the worker sends heartbeats.
"""

import os
import sys
import time
from typing import Any

import msgpack
import zmq
from hulak_key import connect

BEAT_S = 0.25


class Worker:
    """Held tasks are by id: (attempt, due, done, value); their results are sent once they are due and the broker knows us."""

    def __init__(self, backend: str, service: str) -> None:
        self.service, self.name = service, f"python/{os.getpid()}/{os.urandom(3).hex()}"  # another name after each start
        self.held: dict[bytes, tuple[int, float, bool, object]] = {}
        self.epoch, self.known, self.retired = 0, False, False
        self.socket = zmq.Context().socket(zmq.DEALER)
        self.socket.linger = 1000  # ms
        connect(self.socket, backend)

    def run(self) -> None:
        """Serve until the worker is retired and its tasks have ended."""
        self.ready()
        beat_at = time.monotonic()
        while not self.retired or self.held:
            if self.socket.poll(10):
                frame = self.socket.recv()
                self.take(frame[:1], msgpack.unpackb(frame[1:]))
            self.finish(time.monotonic())
            if time.monotonic() >= beat_at:
                self.send(b"H", self.names(), None)
                beat_at = time.monotonic() + BEAT_S
        self.send(b"G", "retired")

    def send(self, kind: bytes, *values: object) -> None:
        """Send a message."""
        self.socket.send(kind + msgpack.packb(values))

    def names(self) -> list[list[object]]:
        """Name all held tasks."""
        return [[task, attempt] for task, (attempt, *_) in self.held.items()]

    def ready(self) -> None:
        """Offer to take a task."""
        self.send(b"Y", self.service, self.name, 0 if self.retired else 1, self.names(), {"pid": os.getpid()})

    def take(self, kind: bytes, values: list[Any]) -> None:
        """Take a message of the broker."""
        if kind == b"H":
            epoch, self.known = values
            if not self.known or self.epoch not in (0, epoch):
                self.known = False  # until the broker has answered READY
                self.ready()
            self.epoch = epoch
        elif kind == b"T" and not self.retired:  # else the broker gives it to another worker
            task, attempt, action, args, *_ = values
            now = time.monotonic()
            if action == "add":
                self.held[task] = (attempt, now + args.get("ms", 0) / 1000, True, args["a"] + args["b"])
            else:
                fault = {"code": "UNKNOWN_ACTION", "text": f"action {action} is unknown, must be add"}
                self.held[task] = (attempt, now, False, fault)
        elif kind == b"X":
            self.retired = True

    def finish(self, now: float) -> None:
        """Send the results that are due."""
        if self.known:
            due = {task: held for task, held in self.held.items() if held[1] <= now}
            for task, (attempt, _, done, value) in due.items():
                self.send(b"R", task, attempt, done, value)
                del self.held[task]


if __name__ == "__main__":
    Worker(*sys.argv[1:]).run()

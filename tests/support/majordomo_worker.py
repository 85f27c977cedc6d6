"""A Majordomo 0.2 worker written from the text of ZeroMQ RFC 18; it shares no code with Hulak.

`python -m majordomo_worker ENDPOINT SERVICE` serves until it is killed. A body that begins with `sleep` takes as many seconds
as its second frame says; `parts` gets two PARTIALs; any other comes back as it is, with the worker's pid behind it.
"""

import os
import sys
import time

import zmq

HEARTBEAT_S = 2.5
LIVENESS = 3


class MajordomoWorker:
    """One worker of one service."""

    def __init__(self, endpoint, service):
        self.endpoint, self.service = endpoint, service
        self.context = zmq.Context()
        self.socket = None
        self.work = None  # client, body, when it is done
        self.connect()

    def connect(self):
        """Connect again with another socket; the current task is dropped."""
        if self.socket is not None:
            self.socket.close(linger=0)
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.connect(self.endpoint)
        self.send(b"\x01", self.service)
        self.work = None
        self.received = time.monotonic()

    def send(self, command, *frames):
        """Send a command; each counts as a heartbeat."""
        self.socket.send_multipart([b"MDPW02", command, *frames])
        self.beat = time.monotonic() + HEARTBEAT_S

    def turn(self):
        """Do whatever is due, and wait a little for the broker."""
        now = time.monotonic()
        if self.work is not None and now >= self.work[2]:
            client, body, _ = self.work
            self.work = None
            self.send(b"\x04", client, b"", *body, str(os.getpid()).encode())
        if now >= self.beat:
            self.send(b"\x05")
        if now - self.received > LIVENESS * HEARTBEAT_S:
            self.connect()
        if self.socket.poll(20):
            self.received = time.monotonic()
            self.take(self.socket.recv_multipart())

    def take(self, message):
        """Do what the broker says."""
        assert message[0] == b"MDPW02", message
        if message[1] == b"\x06":
            self.connect()
        elif message[1] == b"\x02":
            assert self.work is None, "two requests at a time"
            client, empty, *body = message[2:]
            assert empty == b""
            assert body
            if body[0] == b"parts":
                self.send(b"\x03", client, b"", b"one", b"")
                self.send(b"\x03", client, b"", b"two")
            self.work = client, body, time.monotonic() + (float(body[1]) if body[0] == b"sleep" else 0)
        else:
            assert message[1:] == [b"\x05"], message


if __name__ == "__main__":
    worker = MajordomoWorker(sys.argv[1], sys.argv[2].encode())
    while True:
        worker.turn()

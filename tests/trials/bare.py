"""Peers written from PROTOCOL.md alone, with pyzmq and msgpack: an independent check, since they share no code with Hulak.

Sections in brackets are those of PROTOCOL.md. Nothing of the package is imported here, and nothing may be. Each peer is one
socket or two, used by one thread.
"""

import itertools
import secrets
import struct
import time
from collections import deque

import msgpack
import zmq

STAMP = struct.Struct(">QQQ")
BEAT_S = 0.25
ASK_S = 0.1  # between two questions of a feed how far it was taken
LOST_S = 1.0  # an answer that took longer does not come any more
BURST = 1000  # frames of a feed between two looks at its answers
MOST = 100_000  # messages a socket keeps


def pack(value):
    """Write msgpack."""
    return msgpack.packb(value)


def unpack(data):
    """Read msgpack, whatever its maps have for keys."""
    return msgpack.unpackb(data, strict_map_key=False)


def cut(frame):
    """Take a publication apart: topic, (epoch, sequence, time), body [3.1]."""
    at = frame.index(b"\0")
    return frame[:at].decode("ascii"), STAMP.unpack_from(frame, at + 1), frame[at + 1 + STAMP.size :]


class Refused(Exception):
    """An ERROR [4.1]."""

    def __init__(self, code, text, details):
        super().__init__(f"{code}: {text}")
        self.code, self.text, self.details = code, text, details


class NoAnswer(Exception):
    """Nothing came in time."""


def dealer(where, most=MOST):
    """Connect a DEALER."""
    socket = zmq.Context.instance().socket(zmq.DEALER)
    socket.linger, socket.sndhwm, socket.rcvhwm = 0, most, most
    socket.connect(where)
    return socket


class Asker:
    """A client [4].

    Args:
        where: the frontend.
    """

    def __init__(self, where):
        self.socket = dealer(where)
        self.parts = []  # of the last answer

    def send(self, service, args=None, *, request_id=None, action="", options=None):
        """Send a REQUEST; returns its id."""
        request_id = request_id or secrets.token_bytes(16)
        self.socket.send(b"Q" + pack([request_id, service, action, args or {}, options or {}]))
        return request_id

    def receive(self, within_s):
        """Receive one message: its kind and its array; None if none comes."""
        if not self.socket.poll(max(0, int(within_s * 1000))):
            return None
        frame = self.socket.recv()
        return frame[:1], unpack(frame[1:])

    def ask(self, service, args=None, *, within_s=5.0, tries=3, **how):
        """Ask until it is answered, always under the same id [4.1]; returns the REPLY's value.

        Raises:
            Refused: an ERROR came.
            NoAnswer: nothing came, `tries` times.
        """
        request_id = how.pop("request_id", None) or secrets.token_bytes(16)
        for _ in range(tries):
            self.parts = []
            self.send(service, args, request_id=request_id, **how)
            deadline = time.monotonic() + within_s
            while (left_s := deadline - time.monotonic()) > 0 and (frame := self.receive(left_s)) is not None:
                kind, values = frame
                if values[0] != request_id:
                    continue
                if kind == b"P":
                    self.parts.append(values[2])
                    deadline = time.monotonic() + within_s
                elif kind == b"R":
                    return values[1]
                elif kind == b"E":
                    raise Refused(*values[1:])
        raise NoAnswer(f"{service} was not answered {tries} times within {within_s} s")

    def ask_through(self, service, args=None, *, within_s=60.0):
        """Ask over a restart of the broker too; raises as `ask`."""
        return self.ask(service, args, within_s=1.0, tries=int(within_s))

    def replay(self, topic="ticks", first=1, **more):
        """Replay everything [7.3].

        Returns:
            rows of (number, topic, (epoch, sequence, time), body), and what is missing.
        """
        rows, missing = [], []
        while first is not None:
            reply = self.ask("hulak.replay", {"topic": topic, "from": first, **more}, within_s=20)
            rows += [(number, *cut(frame)) for part in self.parts for number, frame in part]
            missing += reply["missing"]
            first = reply["next"]
        return rows, missing

    def close(self):
        """End."""
        self.socket.close()


class Feed:
    """A numbered feed: it keeps what is not safe, and sends again what was not taken [3.4].

    Args:
        collector: where it posts.
        frontend: where it asks.
    """

    def __init__(self, collector, frontend):
        self.instance = secrets.randbits(63) | 1
        self.socket = zmq.Context.instance().socket(zmq.XPUB)
        self.socket.linger, self.socket.sndhwm = 0, MOST
        self.socket.setsockopt(zmq.XPUB_NODROP, 1)
        self.socket.connect(collector)
        self.asker = Asker(frontend)
        self.kept = deque()  # (running number, frame)
        self.last = self.sent = self.safe = 0
        self.epoch = None  # none: it was never answered
        self._taken = self._sent_before = self._sent_at_question = 0
        self._question, self._asked_at = None, 0.0

    def post(self, topic, body):
        """Take a message in; `step` sends it. Returns its running number."""
        self.last += 1
        frame = topic.encode() + b"\0" + STAMP.pack(self.instance, self.last, time.time_ns()) + body
        self.kept.append((self.last, frame))
        return self.last

    def step(self):
        """Read what was answered, ask, and send what is due."""
        while (received := self.asker.receive(0)) is not None:
            if received[0] == b"R" and received[1][0] == self._question:
                self._question = None
                self._answered(received[1][1])
        now = time.monotonic()
        if now - self._asked_at >= (ASK_S if self._question is None else LOST_S):
            oldest = self.kept[0][0] if self.kept else self.last + 1
            self._question = self.asker.send("hulak.feed", {"instance": self.instance, "oldest": oldest})
            self._asked_at, self._sent_at_question = now, self.sent
        if self.epoch is not None and self.kept:
            first = max(0, self.sent + 1 - self.kept[0][0])
            for number, frame in itertools.islice(self.kept, first, first + BURST):
                try:
                    self.socket.send(frame, zmq.NOBLOCK)
                except zmq.Again:
                    return
                self.sent = number

    def _answered(self, reply):
        epoch, taken, safe = reply["epoch"], reply["taken"], reply["safe"]
        assert safe <= taken <= max(self.last, taken if not self.kept else 0), f"{reply} of {self.last} that there are"
        while self.kept and self.kept[0][0] <= safe:
            self.kept.popleft()
        self.safe = max(self.safe, safe)
        restarted = epoch != self.epoch or taken < self._taken
        stands_still = taken == self._taken and taken < self._sent_before
        if restarted or stands_still or self.sent < taken:
            self.sent = taken
        self.epoch, self._taken, self._sent_before = epoch, taken, self._sent_at_question

    def settle(self, within_s):
        """Wait until all is safe, as long as more becomes safe within this time; tells whether it is."""
        safe, deadline = self.safe, time.monotonic() + within_s
        while self.safe < self.last and time.monotonic() < deadline:
            self.step()
            self.asker.socket.poll(int(ASK_S * 1000))
            if self.safe > safe:
                safe, deadline = self.safe, time.monotonic() + within_s
        return self.safe == self.last

    def close(self):
        """End."""
        self.socket.close()
        self.asker.close()


class Worker:
    """A worker with a credit of one [5].

    Args:
        backend: where it registers.
        service: of which.
        do: (action, args, attempt) -> (done, value); it beats no more while this takes its time.
    """

    def __init__(self, backend, service, do):
        self.service, self.do = service, do
        self.name = f"{service}/{secrets.token_hex(6)}"
        self.socket = dealer(backend)
        self.held, self.epoch, self.known = {}, None, False
        self._beats_at = 0.0

    def step(self, wait_s=0.02):
        """Beat, take what came, do it."""
        now = time.monotonic()
        if now >= self._beats_at:
            self._beats_at = now + BEAT_S
            self._send_state()
        if self.socket.poll(int(wait_s * 1000)):
            frame = self.socket.recv()
            kind, values = frame[:1], unpack(frame[1:])
            if kind == b"H":
                self._heartbeat(*values)
            elif kind == b"T":
                self._carry_out(*values[:4])

    def _send_state(self):
        holds = [[task, attempt] for task, attempt in self.held.items()]
        if self.known:
            self.socket.send(b"H" + pack([holds, None]))
        else:
            self.socket.send(b"Y" + pack([self.service, self.name, 1, holds, {}]))

    def _heartbeat(self, epoch, known):
        is_same, self.epoch = epoch == self.epoch or self.epoch is None, epoch
        self.known = known and is_same
        if not self.known:  # a restarted broker, or one that dropped us: READY [5.2]
            self._send_state()

    def _carry_out(self, task, attempt, action, args):
        self.held[task] = attempt
        values = self.do(action, args, attempt)
        self.socket.send(b"R" + pack([task, attempt, *values]))
        del self.held[task]

    def close(self):
        """End without a word, as one that is killed."""
        self.socket.close()


class Listener:
    """A lossless subscriber to `ticks` [3.5, 3.8]: follows numbers, and replays what it missed [7.3].

    Args:
        publisher: where it subscribes.
        frontend: where it replays.
        take: called with (epoch, number, body) of each tick, in order.
    """

    def __init__(self, publisher, frontend, take):
        self.take = take
        self.socket = zmq.Context.instance().socket(zmq.SUB)
        self.socket.linger, self.socket.rcvhwm, self.socket.sndhwm = 0, MOST, 0
        self.socket.connect(publisher)
        for topic in (b"ticks\0", b"heartbeat\0"):
            self.socket.subscribe(topic)
        self.asker = Asker(frontend)
        self.epoch = self.expected = None
        self.repaired = self.missing = 0

    def step(self, wait_s=0.02):
        """Take what came; true if there was a tick."""
        before = self.expected
        if self.socket.poll(int(wait_s * 1000)):
            while self.socket.poll(0):
                topic, (epoch, sequence, _), body = cut(self.socket.recv())
                values = unpack(body)
                if topic == "ticks":
                    self._came(epoch, sequence, values)
                elif topic == "heartbeat" and self.expected is not None and epoch == self.epoch:
                    self._repair(values["ticks"])
        return self.expected != before

    def _came(self, epoch, first, bodies):
        if self.expected is None:
            self.epoch, self.expected = epoch, first
        assert epoch == self.epoch, f"a new epoch, {epoch} instead of {self.epoch}, where nothing was lost"
        self._repair(first - 1)
        for number, body in enumerate(bodies, first):
            if number == self.expected:
                self.take(epoch, number, body)
                self.expected += 1

    def _repair(self, upto):
        while self.expected <= upto:
            try:
                args = {"topic": "ticks", "from": self.expected, "to": upto}
                reply = self.asker.ask("hulak.replay", args, within_s=2, tries=20)
            except Refused as error:
                if error.code != "BUSY":
                    raise
                continue
            for number, frame in (row for part in self.asker.parts for row in part):
                _, (epoch, _, _), body = cut(frame)
                self.take(epoch, number, unpack(body))
                self.repaired += 1
            self.missing += sum(last - first + 1 for first, last in reply["missing"])
            self.expected = upto + 1 if reply["next"] is None else reply["next"]

    def close(self):
        """End."""
        self.socket.close()
        self.asker.close()

"""The fake broker of a subscriber: publisher and frontend, with a journal of one topic. Pure. PROTOCOL.md sections 3 and 7.3."""

import os
from collections.abc import Sequence
from typing import Any

from hulak.bus.errors import ProtocolError
from hulak.bus.wire import codec
from hulak.bus.wire.messages import Error, Part, Reply, Request, Stamp
from hulak.clients.conform.control import answer_control
from hulak.clients.conform.rule import Action, Finding, Restart, Send
from hulak.clients.conform.subscriber_rules import TOPIC, BrokerRestarts, Publish, Raw, SubscriberRule

QUIET_S = 0.15  # after the last subscription, until ticks are published
HEARTBEAT_S = 0.25
TIME_NS = 1_700_000_000_000_000_000


class FakePublisher:
    """The fake broker of one rule.

    Args:
        rule: its scenario is played as soon as the program has subscribed.
    """

    def __init__(self, rule: SubscriberRule) -> None:
        self.findings: list[Finding] = []
        self._rule = rule
        self._journal: dict[int, Publish] = {}
        self._steps = list(rule.steps)
        self._last: Publish | None = None
        self._subscribed_at: float | None = None  # the last subscription to the topic; None: there is none
        self._heartbeat_at = 0.0
        self._compared = 0  # lines of the program that are right
        self._silent, self._busy = rule.silent, rule.busy
        for tick in rule.before:
            self._keep(tick)

    def took(self, socket: str, peer: bytes, frame: bytes, now: float) -> list[Action]:
        """Take a subscription or a request."""
        if socket == "publisher":
            return self._subscribed(frame, now)
        try:
            request = codec.decode_from_client(frame)
        except ProtocolError as error:
            self._find("4.1", f"a request cannot be read: {error}")
            return []
        answers = self._replayed(request) if request.service == "hulak.replay" else [answer_control(request)]
        return [Send("frontend", peer, codec.encode(answer)) for answer in answers]

    def passed(self, now: float, lines: Sequence[str]) -> list[Action]:
        """Publish what is due."""
        self._compare(lines)
        if self._subscribed_at is None or now < self._subscribed_at + QUIET_S:
            return []
        actions: list[Action] = []
        while self._steps:
            step = self._steps[0]
            if isinstance(step, BrokerRestarts):
                if len(lines) >= step.printed:
                    self._subscribed_at = None
                    self._steps.pop(0)
                    while self._steps and isinstance(missed := self._steps[0], Publish) and missed.lost:
                        self._keep(missed)
                        self._steps.pop(0)
                    actions.append(Restart())
                break
            self._steps.pop(0)
            if isinstance(step, Raw):
                actions.append(Send("publisher", b"", step.frame))
                continue
            if step.topic == TOPIC:
                self._keep(step)
            if not step.lost:
                actions.append(Send("publisher", b"", frame_of(step)))
        if now >= self._heartbeat_at and self._last is not None and self._subscribed_at is not None:
            self._heartbeat_at = now + HEARTBEAT_S
            body = codec.pack({"ticks": 70_000, "topics": {TOPIC: self._last.sequence, "stats": 70_000}})
            heartbeat = codec.encode_publication(b"heartbeat", Stamp(self._last.epoch, 7, TIME_NS), body)
            actions.append(Send("publisher", b"", heartbeat))
        return actions

    def ended(self, lines: Sequence[str]) -> None:
        """Judge the end: every wanted line must be there."""
        self._compare(lines)
        if not self.findings and self._compared < len(self._rule.wanted):
            sequence, bid, ask = self._rule.wanted[self._compared].line()
            seen = f"{self._compared} of {len(self._rule.wanted)} lines were printed"
            self._find(self._rule.section, f"{seen}, the next one must be '{sequence} {bid} {ask}'")

    def _compare(self, lines: Sequence[str]) -> None:
        """Compare new lines with what is wanted, up to the first one that is wrong."""
        for line in lines[self._compared :]:
            at, wanted = self._compared, self._rule.wanted
            if at >= len(wanted):
                self._find(self._rule.section, f"{line!r} was printed after the last one wanted")
                return
            expected = wanted[at].line()
            if read_line(line) != expected:
                sequence, bid, ask = expected
                self._find(self._rule.section, f"line {at + 1} is {line!r}, must be '{sequence} {bid} {ask}'")
                return
            self._compared += 1

    def _find(self, section: str, text: str) -> None:
        self.findings.append(Finding(section, text))

    def _keep(self, tick: Publish) -> None:
        if self._last is not None and tick.epoch > self._last.epoch:  # messages that are not in the journal are forgotten
            self._journal = {number: kept for number, kept in self._journal.items() if number < tick.sequence}
        if tick.sequence not in self._journal:
            self._journal[tick.sequence] = tick
            self._last = tick

    def _subscribed(self, frame: bytes, now: float) -> list[Action]:
        if frame[:1] != b"\1":
            return []
        wanted = frame[1:]
        if (TOPIC.encode() + b"\0").startswith(wanted):
            self._subscribed_at = now
            return [Send("publisher", b"", frame_of(self._last))] if self._last is not None else []
        if self._subscribed_at is not None:
            self._subscribed_at = now
        if wanted.startswith(b"hulak.hello"):
            hello = codec.encode_publication(b"hulak.hello", Stamp(0, 1, TIME_NS), codec.pack({"protocol": 1}))
            return [Send("publisher", b"", hello)]
        return []

    def _replayed(self, request: Request) -> list[Any]:
        args = request.args
        topic, first, last = args.get("topic"), args.get("from", 1), args.get("to", 2**63 - 1)
        if topic not in (TOPIC, TOPIC + "\0") or type(first) is not int or type(last) is not int:
            seen = f"hulak.replay was requested with {args!r:.200}"
            self._find("7.3", f"{seen}, must have the topic {TOPIC!r}, and whole numbers `from` and `to`")
            return [Error(request.id, "BAD_ARGUMENT", seen, {})]
        if self._silent:
            self._silent -= 1
            return []
        if self._busy:
            self._busy -= 1
            return [Error(request.id, "BUSY", "too many replays are in progress", {})]
        if first < self._rule.oldest <= last and self._rule.oldest > 1:
            text = f"number {first} is no longer kept, the oldest is {self._rule.oldest}"
            return [Error(request.id, "TOO_OLD", text, {"oldest": self._rule.oldest, "oldest_ns": TIME_NS})]
        numbers = [number for number in sorted(self._journal) if first <= number <= last]
        chosen = numbers[: self._rule.rows]
        rows = [[number + 800, frame_of(self._journal[number])] for number in chosen]
        further = numbers[len(chosen)] if len(numbers) > len(chosen) else None
        value: dict[str, Any] = {"count": len(rows), "next": further, "missing": []}
        if args.get("parts") is False:
            return [*self._foreign(), Reply(request.id, {**value, "ticks": rows})]
        return [*self._foreign(), Part(request.id, 1, rows), Reply(request.id, value)]

    def _foreign(self) -> list[Any]:
        if not self._rule.foreign:
            return []
        other = os.urandom(16)
        odd = [[803, frame_of(Publish(3))]]
        nothing: dict[str, Any] = {"count": 0, "next": None, "missing": []}
        return [Part(other, 1, odd), Reply(other, nothing), Error(other, "BUSY", "another request", {})]


def frame_of(tick: Publish) -> bytes:
    """Return the frame of a tick (section 3.1)."""
    return codec.encode_publication(tick.topic.encode(), Stamp(tick.epoch, tick.sequence, TIME_NS), codec.pack(tick.body()))


def read_line(line: str) -> tuple[int, float, float] | None:
    """Read `sequence bid ask`; None if it is something else."""
    words = line.split()
    try:
        return (int(words[0]), float(words[1]), float(words[2])) if len(words) == 3 else None
    except ValueError:
        return None

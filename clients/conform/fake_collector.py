"""The fake broker of a feed: collector and frontend. Pure. PROTOCOL.md section 3.4."""

from collections.abc import Sequence

from hulak.bus.errors import ProtocolError
from hulak.bus.wire import codec
from hulak.bus.wire.messages import Error, Publication, Reply, Request, Tick
from hulak.clients.conform.control import EPOCH, answer_control
from hulak.clients.conform.feed_rules import SYMBOL, TOPIC, FeedRule
from hulak.clients.conform.rule import Action, Finding, Send

MOST = 2**64 - 1


class FakeCollector:
    """The fake broker of one rule."""

    def __init__(self, rule: FeedRule) -> None:
        self.findings: list[Finding] = []
        self._rule = rule
        self._instances: set[int] = set()  # of former runs
        self._begin()

    def _begin(self) -> None:
        self._epoch, self._instance, self._taken, self._safe = EPOCH, 0, 0, 0
        self._is_open = False  # hulak.feed was answered
        self._lost, self._forgets, self._busy = self._rule.lost, self._rule.forgets, self._rule.busy
        self._all_at: float | None = None  # when the last message was taken
        self._will_lose = self._rule.unsafe_s > 0
        self._now = 0.0

    def took(self, socket: str, peer: bytes, frame: bytes, now: float) -> list[Action]:
        """Take a message of the feed or a request."""
        self._now = now
        if socket == "collector":
            self._collected(frame)
            return []
        try:
            request = codec.decode_from_client(frame)
        except ProtocolError as error:
            self._find("4.1", f"a request cannot be read: {error}")
            return []
        answer = self._asked(request) if request.service == "hulak.feed" else answer_control(request)
        return [Send("frontend", peer, codec.encode(answer))]

    def passed(self, now: float, lines: Sequence[str]) -> list[Action]:
        """Restart the broker if the rule wants it: messages that were taken and not safe are gone."""
        del lines
        if self._will_lose and self._all_at is not None and now > self._all_at + self._rule.unsafe_s:
            self._will_lose, self._all_at = False, None
            self._restart(0)
        return []

    def ended(self, lines: Sequence[str]) -> None:
        """Judge what was taken when the feed ended."""
        del lines
        if not self._is_open:
            self._find("3.4", "the feed ended, and never sent hulak.feed")
        elif self._taken < self._rule.count or self._will_lose:
            safe = f"and {self._safe} are safe" if self._safe else "and none is safe"
            self._find(self._rule.section, f"the feed ended when {self._taken} of {self._rule.count} were taken, {safe}")
        self._instances.add(self._instance)
        self._begin()

    def _find(self, section: str, text: str) -> None:
        finding = Finding(section, text)
        if finding not in self.findings:
            self.findings.append(finding)

    def _restart(self, taken: int) -> None:
        self._epoch, self._taken, self._safe = self._epoch + 1, taken, min(self._safe, taken)

    def _asked(self, request: Request) -> Reply | Error:
        instance, oldest = request.args.get("instance"), request.args.get("oldest")
        if type(instance) is not int or type(oldest) is not int or not (0 < instance <= MOST and 0 < oldest <= MOST):
            seen = f"hulak.feed has {request.args!r:.120}"
            self._find("7", f"{seen}, must have `instance` and `oldest`, whole numbers from 1")
            return Error(request.id, "BAD_ARGUMENT", seen, {})
        if self._busy:
            self._busy -= 1
            return Error(request.id, "BUSY", "as many instances as the broker remembers", {})
        if instance in self._instances:
            self._find("3.4", f"instance {instance} is that of the start before, must be another one")
        if self._is_open and instance != self._instance:
            self._find("3.4", f"the instance changed from {self._instance} to {instance} while the feed ran")
        if oldest > self._safe + 1:
            self._find("3.4", f"oldest is {oldest}, and only {self._safe} are safe: later messages must be kept")
        self._instance, self._is_open = instance, True
        value = {"taken": self._taken, "safe": self._safe, "epoch": self._epoch, "refused": 0, "refusals": {}}
        return Reply(request.id, value)

    def _collected(self, frame: bytes) -> None:
        try:
            publication = codec.decode_publication(frame)
            tick = codec.decode_tick(publication.body)
        except ProtocolError as error:
            self._find("3.3" if error.code == "BAD_BODY" else "3.1", f"a frame cannot be read: {error}")
            return
        self._check(publication, tick)
        self._take(publication.stamp.sequence)

    def _check(self, publication: Publication, tick: Tick) -> None:
        number, instance = publication.stamp.sequence, publication.stamp.epoch
        if publication.topic != TOPIC or tick.symbol != SYMBOL:
            self._find("3.3", f"topic {publication.topic!r} and symbol {tick.symbol!r}, must be {TOPIC!r} and {SYMBOL!r}")
        if instance == 0:
            self._find("3.4", "instance 0 in the stamp: the feed is unnumbered, and what is lost stays lost")
        elif not self._is_open:
            self._find("3.4", f"message {number} was sent before hulak.feed was answered")
        elif instance != self._instance:
            self._find("3.4", f"instance {instance} in the stamp, {self._instance} in hulak.feed")
        if (tick.bid, tick.ask) != (number, number + 0.5):
            seen = f"message {number} has bid {tick.bid} and ask {tick.ask}"
            self._find("3.4", f"{seen}, must be {number} and {number + 0.5}: a number belongs to one message")

    def _take(self, number: int) -> None:
        if number == self._lost:
            self._lost = 0
            return
        if number != self._taken + 1:
            return
        self._taken = number
        if not self._will_lose:
            self._safe = number if not self._forgets else min(self._taken, self._forgets // 2)
        if self._taken == self._forgets:
            self._restart(self._forgets // 2)
            self._forgets = 0
        if self._taken >= self._rule.count:
            self._all_at = self._now

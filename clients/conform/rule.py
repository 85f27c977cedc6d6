"""Rules with their sections of PROTOCOL.md, verdicts, and the actions of a fake broker. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Rule:
    """One rule; the program is started again for each."""

    name: str
    section: str  # of PROTOCOL.md
    text: str  # the duty of the program, one sentence
    runs: int = field(default=1, kw_only=True)  # how many times the program is started against the same fake broker


@dataclass(frozen=True)
class Finding:
    """How a program broke a rule."""

    section: str
    text: str


@dataclass(frozen=True)
class Verdict:
    """The judgement of one rule."""

    rule: Rule
    findings: tuple[Finding, ...]
    took_s: float

    @property
    def passed(self) -> bool:
        """Return whether nothing was found."""
        return not self.findings


@dataclass(frozen=True)
class Send:
    """A frame for the program; `peer` is empty for a publication."""

    socket: str
    peer: bytes
    frame: bytes


@dataclass(frozen=True)
class Restart:
    """All sockets are closed, and bound again at the same addresses."""


Action = Send | Restart


class Fake(Protocol):
    """A fake broker for one rule: messages of the program go in, actions come out. Times are in s."""

    findings: list[Finding]

    def took(self, socket: str, peer: bytes, frame: bytes, now: float) -> list[Action]:
        """Take a frame of the program."""

    def passed(self, now: float, lines: Sequence[str]) -> list[Action]:
        """Take the time, some hundred times a second, and the lines that the program has printed."""

    def ended(self, lines: Sequence[str]) -> None:
        """Judge the whole: the program has ended well, with these lines."""

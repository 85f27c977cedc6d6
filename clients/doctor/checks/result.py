"""The result of a check: its level, the facts seen, and advice. Pure."""

from dataclasses import asdict, dataclass
from typing import Any

from hulak.clients.judge.situations import Level


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One line of `hulak doctor`.

    Args:
        area: group of checks, such as "disk".
        what: name of the check within its area, such as "speed".
        level: OK, WARNING or CRITICAL.
        seen: the facts, in words and with units.
        advice: the remedy; empty if nothing needs to be done. A result that is OK may have advice for lower latency.
    """

    area: str
    what: str
    level: Level
    seen: str
    advice: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the result in plain values."""
        return {**asdict(self), "level": self.level.name}


def fine(area: str, what: str, seen: str, advice: str = "") -> CheckResult:
    """Return a result that is OK."""
    return CheckResult(area, what, Level.OK, seen, advice)


def warn(area: str, what: str, seen: str, advice: str) -> CheckResult:
    """Return a result that Hulak works with, and worse than it could."""
    return CheckResult(area, what, Level.WARNING, seen, advice)


def bad(area: str, what: str, seen: str, advice: str) -> CheckResult:
    """Return a result with which Hulak does not start, or loses data."""
    return CheckResult(area, what, Level.CRITICAL, seen, advice)


def size(count: float) -> str:
    """Format bytes: "64.0 MB"."""
    for unit, bytes_ in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= bytes_:
            return f"{count / bytes_:.1f} {unit}"
    return f"{count / 1e3:.1f} kB"

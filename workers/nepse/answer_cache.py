"""A cache of answers, so that a repeated request costs the exchange nothing. Pure."""

from dataclasses import dataclass, field
from typing import Any

from hulak.workers.nepse.tokens import NEPAL

MAX_ANSWERS = 64  # the oldest are dropped first
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """One cached answer."""

    value: Any
    until: float  # monotonic seconds


@dataclass(slots=True)
class AnswerCache:
    """The cached answers of one worker, by request."""

    answers: dict[str, CachedAnswer] = field(default_factory=dict)

    def find(self, request: str, now: float) -> CachedAnswer | None:
        """Return a cached answer; None if there is none, or it has expired.

        Args:
            request: as passed to `keep`.
            now: monotonic seconds.
        """
        answer = self.answers.get(request)
        return answer if answer is not None and now < answer.until else None

    def keep(self, request: str, value: Any, now: float, until: float) -> None:
        """Cache an answer until a time in monotonic seconds; it must not be changed any more. Expired answers are dropped."""
        self.answers.pop(request, None)
        for old in [key for key, answer in self.answers.items() if answer.until <= now]:
            del self.answers[old]
        while len(self.answers) >= MAX_ANSWERS:
            del self.answers[next(iter(self.answers))]
        self.answers[request] = CachedAnswer(value, until)


def seconds_to_midnight(time_ms: float) -> float:
    """Return the seconds until midnight in Nepal; the argument is the server's clock, ms since 1970 UTC."""
    return DAY_S - (time_ms / 1000 + NEPAL.total_seconds()) % DAY_S

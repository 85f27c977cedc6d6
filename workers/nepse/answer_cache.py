"""Answers kept for a while, so that a question asked again at once costs the exchange nothing. Pure."""

from dataclasses import dataclass, field
from typing import Any

from workers.nepse.tokens import NEPAL

MOST = 64  # answers kept; the oldest go first
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """One kept answer."""

    value: Any
    until: float  # monotonic seconds


@dataclass(slots=True)
class AnswerCache:
    """The answers of one worker, by what was asked."""

    answers: dict[str, CachedAnswer] = field(default_factory=dict)

    def find(self, question: str, now: float) -> CachedAnswer | None:
        """Give a kept answer; None if there is none, or it is too old.

        Args:
            question: the same text as was kept.
            now: monotonic seconds.
        """
        found = self.answers.get(question)
        return found if found is not None and now < found.until else None

    def keep(self, question: str, value: Any, now: float, until: float) -> None:
        """Keep an answer until then, in monotonic seconds; it must not be changed any more. What is too old is dropped."""
        self.answers.pop(question, None)
        for old in [asked for asked, answer in self.answers.items() if answer.until <= now]:
            del self.answers[old]
        while len(self.answers) >= MOST:
            del self.answers[next(iter(self.answers))]
        self.answers[question] = CachedAnswer(value, until)


def day_left_s(time_ms: float) -> float:
    """Give the seconds until midnight in Nepal; the argument is the server's clock, ms since 1970 UTC."""
    return DAY_S - (time_ms / 1000 + NEPAL.total_seconds()) % DAY_S

"""What the broker has refused of a feed's messages, as its answers to `hulak.feed` tell: PROTOCOL.md section 3.4. Pure."""

from collections.abc import Mapping
from itertools import islice
from typing import Any

MOST_NAMED = 20  # symbols


class Refusals:
    """The refusals of one instance, over restarts of the broker, which counts anew each time."""

    def __init__(self) -> None:
        self.named: dict[str, str] = {}  # symbol -> the code of the first refusal
        self._before = 0  # by brokers of before
        self._now = 0

    @property
    def count(self) -> int:
        """How many messages were refused."""
        return self._before + self._now

    def told(self, answer: Mapping[str, Any]) -> dict[str, str]:
        """Take in an answer's `refused` and `refusals`, which older brokers do not have; returns the symbols that are new."""
        count, named = answer.get("refused", 0), answer.get("refusals", {})
        self._before += self._now if count < self._now else 0
        self._now = count
        told = ((topic.removeprefix("tick."), code) for topic, code in named.items())
        room = MOST_NAMED - len(self.named)
        new = dict(islice(((symbol, code) for symbol, code in told if symbol not in self.named), room))
        self.named |= new
        return new

    def report(self, counters: Mapping[str, Any]) -> dict[str, Any]:
        """Add the refusals to what a feed reports of its venue: `refused`, `errors` and `symbol_errors`."""
        if not self.count:
            return dict(counters)
        told = {symbol: f"{code}: the broker refuses its ticks" for symbol, code in self.named.items()}
        errors = {**counters.get("symbol_errors", {}), **told}
        return {
            **counters,
            "refused": counters.get("refused", 0) + self.count,
            "errors": max(len(errors), counters.get("errors", 0)),
            "symbol_errors": errors,
        }

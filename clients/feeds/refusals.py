"""A feed's messages that the broker refused, from its replies to `hulak.feed`: PROTOCOL.md section 3.4. Pure."""

from collections.abc import Mapping
from itertools import islice
from typing import Any

MAX_NAMED = 20  # symbols


class Refusals:
    """The refusals of one instance, over restarts of the broker, which restarts its count each time."""

    def __init__(self) -> None:
        self.named: dict[str, str] = {}  # symbol -> the code of the first refusal
        self._before = 0  # by earlier runs of the broker
        self._now = 0

    @property
    def count(self) -> int:
        """How many messages were refused."""
        return self._before + self._now

    def add(self, reply: Mapping[str, Any]) -> dict[str, str]:
        """Add a reply's `refused` and `refusals`, which older brokers do not send; returns the new symbols."""
        count, named = reply.get("refused", 0), reply.get("refusals", {})
        self._before += self._now if count < self._now else 0
        self._now = count
        codes = ((topic.removeprefix("tick."), code) for topic, code in named.items())
        room = MAX_NAMED - len(self.named)
        new = dict(islice(((symbol, code) for symbol, code in codes if symbol not in self.named), room))
        self.named |= new
        return new

    def report(self, counters: Mapping[str, Any]) -> dict[str, Any]:
        """Return a feed's report of its venue with the refusals added: `refused`, `errors` and `symbol_errors`."""
        if not self.count:
            return dict(counters)
        refused = {symbol: f"{code}: refused by the broker" for symbol, code in self.named.items()}
        errors = {**counters.get("symbol_errors", {}), **refused}
        return {
            **counters,
            "refused": counters.get("refused", 0) + self.count,
            "errors": max(len(errors), counters.get("errors", 0)),
            "symbol_errors": errors,
        }

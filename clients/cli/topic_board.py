"""The newest message of each topic, with its change, age and rate, for the tables of `hulak top` and `hulak sub`. Pure."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hulak.bus.wire.names import ALERT_TOPICS
from hulak.clients.cli.live_model import price_digits
from hulak.clients.cli.table import text
from hulak.clients.printable import printable

ALERTS = ALERT_TOPICS.decode()
WINDOW_S = 10.0  # over which a rate is measured
SAMPLE_S = 0.5  # least seconds between two samples of a rate
LONGEST = 120  # most characters of a body that is no price
OTHER_PRICES = ("price", "value", "last")  # fields of a body without bid and ask


@dataclass(slots=True)
class Meter:
    """The rate of a growing count, such as a sequence number, over the last `WINDOW_S` seconds."""

    samples: deque[tuple[float, int]] = field(default_factory=deque)  # monotonic seconds, count; oldest first

    def add(self, count: int, now: float) -> None:
        """Add the count at `now`; a count that falls begins again, as after a restart of the broker."""
        samples = self.samples
        if samples and count < samples[-1][1]:
            samples.clear()
        if len(samples) > 1 and now - samples[-2][0] < SAMPLE_S:
            samples[-1] = (now, count)
        else:
            samples.append((now, count))

    def per_s(self, now: float) -> float | None:
        """Return the count per second until `now`; None before there are two counts."""
        samples = self.samples
        while len(samples) > 1 and samples[1][0] <= now - WINDOW_S:
            samples.popleft()
        if not samples or now - samples[0][0] < SAMPLE_S:
            return None
        return (samples[-1][1] - samples[0][1]) / (now - samples[0][0])


@dataclass(slots=True)
class TopicState:
    """The newest message of a topic."""

    topic: str
    number: int  # its sequence
    time_ns: int  # its stamp, ns since 1970 UTC
    source: str  # of a tick; empty: none
    last: str  # for people: the prices of a quote, another price, or the body
    value: float | None  # middle of a quote, or another price
    first: float | None  # the first value that was seen
    moved: int  # direction of the value since the message before: -1, 0 or 1
    meter: Meter

    @property
    def change_percent(self) -> float | None:
        """Change of the value since the first one, in percent; None without a value."""
        return None if self.value is None or not self.first else (self.value / self.first - 1) * 100


class TopicBoard:
    """The newest message of each topic.

    Args:
        most: most topics; messages of further ones are counted in `left_out`.
    """

    def __init__(self, most: int = 20_000) -> None:
        self.states: dict[str, TopicState] = {}
        self.left_out = 0
        self._most = most

    def add(self, topic: str, number: int, time_ns: int, body: Any, now: float) -> None:
        """Add a message.

        Args:
            topic: its topic.
            number: its sequence.
            time_ns: its stamp.
            body: decoded.
            now: monotonic seconds.
        """
        before = self.states.get(topic)
        if before is None and len(self.states) >= self._most:
            self.left_out += 1
            return
        meter = Meter() if before is None else before.meter
        meter.add(number, now)
        if before is not None and (before.number, before.time_ns) == (number, time_ns):
            return
        value, last = read_body(topic, body)
        first = value if before is None or before.first is None else before.first
        moved = 0 if before is None else before.moved
        if value is not None and before is not None and before.value is not None and value != before.value:
            moved = 1 if value > before.value else -1
        source = body.get("source") if isinstance(body, Mapping) else None
        source = source if isinstance(source, str) else ""
        self.states[topic] = TopicState(topic, number, time_ns, printable(source), last, value, first, moved, meter)

    def keep_only(self, topics: set[str]) -> None:
        """Forget the topics that are not among these."""
        self.states = {topic: state for topic, state in self.states.items() if topic in topics}


def read_body(topic: str, body: Any) -> tuple[float | None, str]:
    """Return the value of a message, None without one, and its text for people."""
    if isinstance(body, Mapping):
        bid, ask = body.get("bid", ""), body.get("ask", "")
        if _is_side(bid) and _is_side(ask) and not topic.startswith(ALERTS):  # an alert says at which quote its value was
            return _middle(bid, ask), _prices(topic, body, bid, ask)
        for name in OTHER_PRICES:
            if _is_number(body.get(name)):
                return float(body[name]), text(body[name])
    shown = text(body) if not isinstance(body, Mapping) else " ".join(f"{key}={text(item)}" for key, item in body.items())
    shown = printable(shown)
    return (float(body) if _is_number(body) else None), shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_side(value: Any) -> bool:
    return value is None or _is_number(value)


def _middle(bid: float | None, ask: float | None) -> float | None:
    sides = [side for side in (bid, ask) if side is not None]
    return sum(sides) / len(sides) if sides else None


def _prices(topic: str, body: Mapping[str, Any], bid: float | None, ask: float | None) -> str:
    symbol = body.get("symbol")
    digits = price_digits(symbol if isinstance(symbol, str) else topic, body.get("source"), bid, ask)
    return " ".join("-" if side is None else f"{side:.{digits}f}" for side in (bid, ask))

"""Past ticks, from the broker's journal. PROTOCOL.md section 7.3."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hulak.bus.subscriber.events import Event, event_of
from hulak.clients.calls.client import BusClient


@dataclass(slots=True)
class History:
    """A range of ticks, requested piece by piece; iteration yields events in order.

    Args:
        client: connected.
        topic: `tick.EURUSD`; `ticks` or empty for all; or a prefix that ends with `.` or `*`.
        first: number of the first tick, inclusive: the sequence for one topic, else the number in the global order.
        last: number of the last tick, inclusive.
        since_ns: not before this time of the broker's stamp, ns since 1970 UTC.
        until_ns: not after this time.
        timeout_s: for each piece, in seconds.
    """

    client: BusClient
    topic: str
    first: int | None = None
    last: int | None = None
    since_ns: int | None = None
    until_ns: int | None = None
    timeout_s: float = 10.0
    missing: list[tuple[int, int]] = field(default_factory=list)  # ranges the journal does not have, known at the end

    def __iter__(self) -> Iterator[Event]:
        """Yield every tick that the journal has.

        Raises:
            BusError: `TOO_OLD`, with `details["oldest"]`; `UNKNOWN_TOPIC`; `BAD_ARGUMENT`.
            BusTimeout: no reply within `timeout_s`.
        """
        limits = {"from": self.first, "to": self.last, "since_ns": self.since_ns, "until_ns": self.until_ns}
        args: dict[str, Any] = {"topic": self.topic, **{name: value for name, value in limits.items() if value is not None}}
        while True:
            rows: list[Any] = []
            answer = self.client.call("hulak.replay", "", args, timeout_s=self.timeout_s, on_part=rows.extend)
            for _, frame in rows:
                yield event_of(frame)
            self.missing += [(first, last) for first, last in answer["missing"]]
            if answer["next"] is None:
                return
            args = {**args, "from": answer["next"]}


def last_events(client: BusClient, topic: str, timeout_s: float = 5.0) -> list[Event]:
    """Return the last message of a topic, or of every topic under a prefix that ends with `.` or `*` or is empty."""
    return [event_of(frame) for frame in client.call("hulak.last", "", {"topic": topic}, timeout_s=timeout_s)]

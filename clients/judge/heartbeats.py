"""The silence of the broker, from its heartbeats. Pure."""

from typing import Protocol, TypeVar

from hulak.bus.wire.fair_silence import Watch

HEARTBEAT = "heartbeat"


class Message(Protocol):
    """A message of a subscription."""

    @property
    def topic(self) -> str:
        """Its topic."""


M = TypeVar("M", bound=Message)


class Heartbeats:
    """Measures the silence of the broker: it publishes the topic `heartbeat` four times a second.

    Args:
        now: monotonic seconds.
    """

    def __init__(self, now: float) -> None:
        self._watch = Watch(now)
        self._received: float | None = None  # the last heartbeat

    def passed(self, message: M | None, now: float) -> M | None:
        """Take a received message, or None if there was none, at least four times a second; return all but heartbeats."""
        self._watch.check(now)
        if message is None or message.topic != HEARTBEAT:
            return message
        self._received = now
        return None

    def silence_s(self, now: float) -> float | None:
        """Return the seconds since the last heartbeat; None before the first one."""
        return None if self._received is None else self._watch.silence_s(self._received, now)

"""When the claim of own topics has failed: PROTOCOL.md section 3.11. Pure.

A program that was restarted after a crash finds its name owned by the former process, until that has been silent for some
seconds. So a refusal counts only if the owner is there: it has claimed the name within the last second, and not only once.
"""

from hulak.bus.errors import BusError
from hulak.bus.wire.messages import Error

OWNER_IS_THERE_MS = 1000  # since its last claim; an owner claims four times a second
RETRYING_S = 1.0  # since the first refusal
AT_ONCE = ("BAD_ARGUMENT", "FORBIDDEN")  # a later claim is refused likewise


class OwnClaim:
    """The claim of one instance."""

    def __init__(self) -> None:
        self.error: BusError | None = None  # why it has failed
        self._since: float | None = None  # when the first refusal in a row came, monotonic seconds

    def accepted(self) -> None:
        """Record that the broker accepted the claim."""
        self._since = None

    def refused(self, message: Error, now: float) -> None:
        """Record that the broker refused it; `now` is in monotonic seconds."""
        if message.code not in (*AT_ONCE, "NOT_YOURS"):
            return
        self._since = now if self._since is None else self._since
        silent_ms = message.details.get("silent_ms", 0)
        is_owned = silent_ms < OWNER_IS_THERE_MS and now - self._since >= RETRYING_S
        if message.code in AT_ONCE or is_owned:
            self.error = BusError(message.code, message.text, dict(message.details))

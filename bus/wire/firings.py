"""The messages of alerts that fire, as far as they must be well-formed: any feed with the role may post there. Pure."""

from typing import Any, TypeGuard

MOST = 1 << 53  # firings of an alert of one symbol; a larger number is of no alert, and their sum could not be sent
END_MS = 253_402_300_800_000  # the year 10000: later times have no form
MOST_BYTES = 8192  # of a body: a firing has a tenth of that


def is_firing(body: Any) -> TypeGuard[dict[str, Any]]:
    """Return whether a message's body names its alert, its symbol, how often and when it fired."""
    if not isinstance(body, dict) or not all(type(body.get(name)) is str for name in ("alert", "id", "symbol")):
        return False
    fired, at = body.get("fired"), body.get("at")
    return type(fired) is int and type(at) is int and 0 <= fired < MOST and 0 <= at < END_MS

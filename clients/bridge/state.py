"""The state of one way of the bridge, and since when."""

import time
from typing import Any

CONNECTING, CONNECTED, SENDING, RECEIVING = "connecting", "connected", "sending", "receiving"
WAITING, FAILING, STANDING_BY = "waiting", "failing", "standing by"


class State:
    """A state with its reason."""

    def __init__(self) -> None:
        self.name = CONNECTING
        self.why = ""
        self._since = time.monotonic()

    def become(self, name: str, why: str = "") -> bool:
        """Change the state; returns whether it is another one than before."""
        changed, self.why = name != self.name, why
        if changed:
            self.name, self._since = name, time.monotonic()
        return changed

    def values(self) -> dict[str, Any]:
        """Return the state, for the process's report."""
        return {"state": self.name, "why": self.why, "since_s": round(time.monotonic() - self._since, 3)}

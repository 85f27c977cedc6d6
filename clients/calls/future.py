"""`Future`: the answer to come of a call of `BusClient`."""

import logging
import math
import time
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from hulak.bus.errors import BusError, BusTimeout
from hulak.clients.calls.pending import OnPart

log = logging.getLogger("hulak")


class Waiter(Protocol):
    """Whose futures they are."""

    def wait_for(self, future: "Future", deadline: float) -> None:
        """Take in what arrives until the future is done, or until `deadline` (monotonic seconds)."""

    def give_up(self, future: "Future") -> None:
        """Wait for it no longer."""


class Future(msgspec.Struct, eq=False):
    """The answer to come of a call of `BusClient.submit`; as `concurrent.futures.Future`, but for what one thread cannot do.

    Its request is sent in any case, as `BusClient.submit` says; its answer is taken in only while a method of its client or of
    one of its futures waits: `result`, `exception`, `call`, `map`, `poll`, and now and then `submit`. Callbacks are called
    there, in that thread.
    """

    id: bytes
    frame: bytes
    named: str
    timeout_s: float
    on_part: OnPart | None
    _client: Waiter
    due: float
    _done: bool = False
    _cancelled: bool = False
    _value: Any = None
    _error: BusError | None = None
    _callbacks: "list[Callable[[Future], Any]] | None" = None

    def __repr__(self) -> str:
        state = "cancelled" if self._cancelled else "done" if self._done else "under way"
        return f"<Future of {self.named}, {state}>"

    def done(self) -> bool:
        """Tell whether the answer is here, or the call was cancelled; takes nothing in."""
        return self._done

    def cancelled(self) -> bool:
        """Tell whether it was cancelled."""
        return self._cancelled

    def cancel(self) -> bool:
        """Give the call up here: its answer is thrown away; false if it has come already. The broker goes on with it."""
        if not self._done:
            self._cancelled = True
            self._client.give_up(self)
            self.settle(None, BusError("CANCELLED", f"{self.named} was cancelled by its caller"))
        return self._cancelled

    def result(self, timeout_s: float | None = None) -> Any:
        """Wait for the answer.

        Args:
            timeout_s: seconds from now; None for as long as the call's own time.
        Raises:
            BusTimeout: it has not come yet (the call goes on), or did not come in the call's own time.
            TaskFailed: the service's worker could not do it.
            BusError: the broker refused the request; `CANCELLED`, `CLOSED`.
        """
        error = self._error if self._done else self.exception(timeout_s)
        if error is not None:
            raise error
        return self._value

    def exception(self, timeout_s: float | None = None) -> BusError | None:
        """Wait as `result` does, and return what it would raise for the answer's sake; None for a value."""
        if not self._done:
            self._client.wait_for(self, math.inf if timeout_s is None else time.monotonic() + timeout_s)
            if not self._done:
                raise BusTimeout(f"no answer to {self.named} within {timeout_s:g} s; the call goes on")
        return self._error

    def add_done_callback(self, callback: "Callable[[Future], Any]") -> None:
        """Have `callback(future)` called when the answer has come: at once if it is here. What it raises is logged."""
        if self._done:
            self._tell(callback)
        else:
            self._callbacks = [*(self._callbacks or ()), callback]

    def settle(self, value: Any, error: BusError | None) -> None:
        """Take the end of the call."""
        self._done, self._value, self._error = True, value, error
        if self._callbacks is not None:
            for callback in self._callbacks:
                self._tell(callback)

    def _tell(self, callback: "Callable[[Future], Any]") -> None:
        try:
            callback(self)
        except Exception:
            log.exception("a callback of %s failed", self.named)

"""`Future`: the pending reply to a call of `BusClient`."""

import logging
import math
import time
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from hulak.bus.errors import BusError, BusTimeout
from hulak.clients.calls.pending import Parts

log = logging.getLogger("hulak")


class Waiter(Protocol):
    """The client to which futures belong."""

    def wait_for(self, future: "Future", deadline: float) -> None:
        """Handle received messages until the future is done, or until `deadline` (monotonic seconds)."""

    def give_up(self, future: "Future") -> None:
        """Drop the future; its reply is ignored."""


class Future(msgspec.Struct, eq=False):
    """The pending reply to a call of `BusClient.submit`; like `concurrent.futures.Future`, within the limits of one thread.

    Its request is always sent, see `BusClient.submit`; its reply is received only inside a method of its client or of one of
    the client's futures: `result`, `exception`, `call`, `map`, `poll`, and sometimes `submit`. Callbacks are called there, in
    that thread.
    """

    id: bytes
    frame: bytes
    named: str
    timeout_s: float
    parts: Parts | None
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
        """Return whether the reply has been received, or the call was cancelled; receives nothing."""
        return self._done

    def cancelled(self) -> bool:
        """Return whether it was cancelled."""
        return self._cancelled

    def cancel(self) -> bool:
        """Cancel the call for this client: its reply is ignored; false if it was already received. The task itself continues."""
        if not self._done:
            self._cancelled = True
            self._client.give_up(self)
            self.settle(None, BusError("CANCELLED", f"{self.named} was cancelled by its caller"))
        return self._cancelled

    def result(self, timeout_s: float | None = None) -> Any:
        """Wait for the reply and return its value.

        Args:
            timeout_s: seconds from now; None: until the call's timeout.
        Raises:
            BusTimeout: no reply within `timeout_s` (the call continues), or within the call's timeout.
            TaskFailed: the task failed in the worker.
            BusError: the broker refused the request; `CANCELLED`, `CLOSED`.
        """
        error = self._error if self._done else self.exception(timeout_s)
        if error is not None:
            raise error
        return self._value

    def exception(self, timeout_s: float | None = None) -> BusError | None:
        """Wait like `result`, and return the error of the reply; None if it has a value."""
        if not self._done:
            self._client.wait_for(self, math.inf if timeout_s is None else time.monotonic() + timeout_s)
            if not self._done:
                raise BusTimeout(f"no answer to {self.named} within {timeout_s:g} s; the call continues")
        return self._error

    def add_done_callback(self, callback: "Callable[[Future], Any]") -> None:
        """Call `callback(future)` when the reply arrives, or now if it has arrived. An exception of the callback is logged."""
        if self._done:
            self._run_callback(callback)
        else:
            self._callbacks = [*(self._callbacks or ()), callback]

    def settle(self, value: Any, error: BusError | None) -> None:
        """Set the result of the call and run the callbacks."""
        self._done, self._value, self._error = True, value, error
        if self._callbacks is not None:
            for callback in self._callbacks:
                self._run_callback(callback)

    def _run_callback(self, callback: "Callable[[Future], Any]") -> None:
        try:
            callback(self)
        except Exception:
            log.exception("a callback of %s failed", self.named)

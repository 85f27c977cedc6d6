"""The calls of one connection that wait for their answers, any number at a time. PROTOCOL.md section 4. Pure.

A shell sends the frames, gives what it received to `take`, sends `frames()` again when the connection came back, and calls
`expire` when `next_due` has come.
"""

import functools
import logging
import math
import os
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from bus import frames, quick
from bus.core.timers import Timers
from bus.errors import BusError, BusTimeout, ProtocolError, TaskFailed
from bus.messages import ID_BYTES, Error, Part, Reply

GRACE_S = 1.0  # waited beyond the caller's time: if a broker is there, its own sentence says more than ours could
IDS = 256  # drawn at a time: the system's call costs more than what it gives
OnPart = Callable[[Any], None]
decode = frames.decode_to_client
log = logging.getLogger("hulak")


class Call(Protocol):
    """A call under way, as the book sees it."""

    id: bytes
    frame: bytes
    named: str  # service and action, for people
    timeout_s: float
    on_part: OnPart | None

    def settle(self, value: Any, error: BusError | None) -> None:
        """Take the end of the call: its value, or its error."""


class Book:
    """All calls under way.

    Args:
        where: the broker's address, for sentences.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self.calls: dict[bytes, Call] = {}
        self._deadlines: Timers[bytes] = Timers()
        self._ids: list[bytes] = []

    def __len__(self) -> int:
        return len(self.calls)

    def new_id(self) -> bytes:
        """Draw an id that was never there before."""
        if not self._ids:
            drawn = os.urandom(IDS * ID_BYTES)
            self._ids = [drawn[at : at + ID_BYTES] for at in range(0, len(drawn), ID_BYTES)]
        return self._ids.pop()

    def add(self, call: Call, now: float) -> None:
        """Begin to wait for a call's answer."""
        self.calls[call.id] = call
        self._deadlines.set_after(call.id, now, call.timeout_s + GRACE_S)

    def forget(self, call: Call) -> None:
        """Wait for it no longer; its answer is thrown away when it comes."""
        if self.calls.pop(call.id, None) is not None:
            self._deadlines.cancel_after(call.id, call.timeout_s + GRACE_S)

    def frames(self) -> list[bytes]:
        """List what has to be sent again when the connection came back: a restarted broker knows nothing of calls."""
        return [call.frame for call in self.calls.values()]

    def take(self, frame: bytes) -> bool:
        """Take what the broker sent; true if it ended a call.

        Raises:
            BusError: it is not understood, or it answers bytes of ours that the broker could not read.
        """
        try:
            message = decode(frame)
        except ProtocolError as error:
            raise BusError(error.code, f"the broker's answer is not understood: {error}") from error
        if message.id is None:
            assert isinstance(message, Error)
            raise as_error(message)
        call = self.calls.get(message.id)
        if call is None:  # given up, or answered twice
            return False
        if isinstance(message, Reply):  # nearly always
            del self.calls[message.id]
            self._deadlines.cancel_after(message.id, call.timeout_s + GRACE_S)
            call.settle(message.value, None)
            return True
        if isinstance(message, Part):
            if call.on_part is not None:
                call.on_part(message.value)
            return False
        self.forget(call)
        call.settle(None, as_error(message))
        return True

    def next_due(self) -> float:
        """When `expire` may have something to do: monotonic seconds, infinite if nothing is under way."""
        due = self._deadlines.next() if self.calls else None
        return math.inf if due is None else due

    def expire(self, now: float) -> None:
        """End the calls whose time is over."""
        for call_id in self._deadlines.due(now):
            call = self.calls.pop(call_id)
            text = f"no answer to {call.named} from the broker at {self._where} within {call.timeout_s:g} s"
            call.settle(None, BusTimeout(text))

    def close(self) -> None:
        """End all calls."""
        for call in list(self.calls.values()):
            self.forget(call)
            call.settle(None, BusError("CLOSED", f"the connection was closed before the answer to {call.named} came"))


class Waiter(Protocol):
    """Whose futures they are."""

    def wait_for(self, future: "Future", deadline: float) -> None:
        """Take in what arrives until the future is done, or until `deadline` (monotonic seconds)."""

    def give_up(self, future: "Future") -> None:
        """Wait for it no longer."""


class Future:
    """The answer to come of a call of `BusClient.submit`; as `concurrent.futures.Future`, but for what one thread cannot do.

    It makes progress only while a method of its client or of one of its futures waits: `result`, `exception`, `call`, `map`,
    `poll`, and now and then `submit`. Callbacks are called there, in that thread.
    """

    __slots__ = (
        "_callbacks",
        "_cancelled",
        "_client",
        "_done",
        "_error",
        "_value",
        "frame",
        "id",
        "named",
        "on_part",
        "timeout_s",
    )

    def __init__(
        self,
        call_id: bytes,
        frame: bytes,
        named: str,
        timeout_s: float,
        on_part: OnPart | None,
        client: "Waiter",
    ) -> None:
        self.id = call_id
        self.frame = frame
        self.named = named
        self.timeout_s = timeout_s
        self.on_part = on_part
        self._client = client
        self._done = False
        self._cancelled = False
        self._value: Any = None
        self._error: BusError | None = None
        self._callbacks: list[Callable[[Future], Any]] | None = None

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


def encode_call(
    call_id: bytes,
    service: str,
    action: str,
    args: Mapping[str, Any] | None,
    timeout_s: float,
    retries: int | None,
    share: bool,
    priority: int,
) -> bytes:
    """Make the frame of a request (PROTOCOL.md section 4.2)."""
    options = _options(service.startswith("hulak."), timeout_s, retries, share, priority)
    return quick.encode_request(call_id, service, action, args if type(args) is dict else dict(args or ()), options)


@functools.lru_cache(1024, typed=True)
def _options(ours: bool, timeout_s: float, retries: int | None, share: bool, priority: int) -> bytes:
    """Pack a request's options: nearly always the same."""
    options: dict[str, Any] = {} if ours else {"timeout_ms": max(1, int(timeout_s * 1000))}
    if retries is not None:
        options["retries"] = retries
    if priority != 1:
        options["priority"] = priority
    if share:
        options["share"] = True
    return frames.pack(options)


def as_error(message: Error) -> BusError:
    """Make the exception of an ERROR."""
    if message.code == "EXPIRED":
        return BusTimeout(message.text)
    if "attempts" in message.details:  # PROTOCOL.md section 6: only a task that was given to workers has them
        return TaskFailed(message.code, message.text, details=message.details)
    return BusError(message.code, message.text, message.details)

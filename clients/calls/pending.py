"""The pending calls of one connection, any number at a time. PROTOCOL.md section 4. Pure.

A shell sends the frames, batched by `clients.calls.send_buffer`, passes received frames to `take`, and calls `end_expired` when
`next_due` has come.
"""

import functools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import msgspec

from hulak.bus.errors import BusError, BusTimeout, Forbidden, HandshakeFailed, HulakError, ProtocolError, TaskFailed
from hulak.bus.process.pending_requests import PendingTable
from hulak.bus.wire import batch_frames, codec
from hulak.bus.wire.codec import ENVELOPE_BYTES, own
from hulak.bus.wire.messages import Error, Part, Reply

GRACE_S = 1.0  # waited after the caller's timeout: a broker's error says more than the client's
OnPart = Callable[[Any], None]
OnRestart = Callable[[], None]
decode = codec.decode_to_client


class Parts:
    """Delivers the parts of one call (PROTOCOL.md section 5.1): a part 1 that comes again begins another attempt.

    Args:
        on_part: called with the value of each part.
        on_restart: called before the parts come again from the start; the earlier ones are to be discarded. None: nothing is.
    """

    __slots__ = ("_begun", "_on_part", "_on_restart")

    def __init__(self, on_part: OnPart, on_restart: OnRestart | None) -> None:
        self._on_part, self._on_restart = on_part, on_restart
        self._begun = False

    def take(self, part: Part) -> None:
        """Deliver a part."""
        if part.number == 1 and self._begun and self._on_restart is not None:
            self._on_restart()
        self._begun = True
        self._on_part(part.value)


def parts_of(on_part: OnPart | None, on_restart: OnRestart | None) -> Parts | None:
    """Return what delivers the parts of a call; None if its caller wants none."""
    return None if on_part is None else Parts(on_part, on_restart)


class Call(Protocol):
    """A pending call, as `PendingCalls` needs it."""

    id: bytes
    frame: bytes
    named: str  # service and action, for people
    timeout_s: float
    parts: Parts | None
    due: float  # when it expires, monotonic seconds: `GRACE_S` after `timeout_s`

    def done(self) -> bool:
        """Return whether it has ended, or was cancelled."""

    def settle(self, value: Any, error: BusError | None) -> None:
        """Set the result of the call: its value, or its error."""


class PendingCalls(PendingTable[Call]):
    """All pending calls: a table of `bus.process.pending_requests` that settles calls with their replies.

    Args:
        where: the broker's address, for error texts.
    """

    def __init__(self, where: str) -> None:
        super().__init__()
        self._where = where

    def take(self, frame: bytes) -> int:
        """Handle a frame of the broker; return how many calls it ended.

        Raises:
            BusError: the frame is malformed, or it reports a frame that the broker could not read. All well-formed replies of a
                batch are handled before.
        """
        try:
            if frame[:1] == batch_frames.ANSWERS:
                return self._take_replies(*batch_frames.read_replies(frame))
            message = decode(frame)
        except ProtocolError as error:
            raise BusError(error.code, f"the broker's reply is malformed: {error}") from error
        if isinstance(message, Reply):
            return self._take_replies([message], [])
        if message.id is None:
            assert isinstance(message, Error)
            raise as_error(message)
        call = self.match(message)
        if call is None:  # cancelled, or a second reply
            return 0
        if isinstance(message, Part):
            if call.parts is not None:
                call.parts.take(message)
            return 0
        call.settle(None, as_error(message))
        return 1

    def _take_replies(self, replies: list[Reply], refused: batch_frames.Refused) -> int:
        end, ended = self.under_way.pop, 0
        for reply in replies:
            call = end(reply.id, None)
            if call is None:  # cancelled, or a second reply
                self.strays += 1
                continue
            call.settle(reply.value, None)
            ended += 1
        if refused:
            raise refused[0][1]
        return ended

    def end_expired(self, now: float) -> None:
        """End the expired calls."""
        for call in self.expire(now):
            text = f"no answer to {call.named} from the broker at {self._where} within {call.timeout_s:g} s"
            call.settle(None, BusTimeout(text))

    def close(self) -> None:
        """End all calls."""
        for call in self._removed():
            call.settle(None, BusError("CLOSED", f"the connection was closed before the reply to {call.named}"))

    def end_all(self, error: HulakError) -> None:
        """End all calls with the reason why there is no connection any more: the key was refused, or its file cannot be read."""
        kind, code = (HandshakeFailed, error.code) if isinstance(error, HandshakeFailed) else (BusError, "CONFIG")
        for call in self._removed():
            call.settle(None, kind(code, str(error)))

    def _removed(self) -> Iterator[Call]:
        for call in list(self.under_way.values()):
            if self.under_way.pop(call.id, None) is not None:  # else a callback of an earlier one cancelled it
                yield call


class CallKind(msgspec.Struct, frozen=True, gc=False):
    """The parts of a call without its arguments."""

    named: str  # service and action, for people
    timeout_s: float
    target: bytes  # service and action, packed
    options: bytes  # packed
    service: str
    action: str

    def encode(self, call_id: bytes, args: Mapping[str, Any] | None, most: float = math.inf) -> bytes:
        """Return the frame of a request (PROTOCOL.md section 4.2); the same as `codec.encode`, in a third of the time.

        Args:
            call_id: of the request.
            args: of the action.
            most: maximum bytes of a frame for the broker; some are reserved, since the frame to the worker is longer.
        Raises:
            BusError: `TOO_LARGE`; the broker would close the connection, and every call on it would have to be sent again.
        """
        packed = own.pack(args if type(args) is dict else dict(args or ()))
        frame = b"Q\x95\xc4\x10%b%b%b%b" % (call_id, self.target, packed, self.options)
        if len(frame) > most - ENVELOPE_BYTES:
            text = f"the arguments of {self.named} have {len(packed)} bytes, a request has at most {most - ENVELOPE_BYTES}"
            raise BusError("TOO_LARGE", f"{text} (setting broker.max_message_bytes = {most}); send them in parts")
        return frame


@functools.lru_cache(1024, typed=True)
def kind_of(
    service: str,
    action: str = "",
    timeout_s: float = 60.0,
    retries: int | None = None,
    share: bool = False,
    priority: int = 1,
) -> CallKind:
    """Return the kind of a call, cached; for the arguments see `BusClient.call`."""
    options: dict[str, Any] = {} if service.startswith("hulak.") else {"timeout_ms": max(1, int(timeout_s * 1000))}
    if retries is not None:
        options["retries"] = retries
    if priority != 1:
        options["priority"] = priority
    if share:
        options["share"] = True
    target = codec.pack(service) + codec.pack(action)
    return CallKind(f"{service} {action}".rstrip(), timeout_s, target, codec.pack(options), service, action)


def as_error(message: Error) -> BusError:
    """Return the exception of an ERROR."""
    if message.code == "EXPIRED":
        return BusTimeout(message.text)
    if "attempts" in message.details:  # PROTOCOL.md section 6: only a task that was sent to workers has them
        return TaskFailed(message.code, message.text, details=message.details)
    if message.code == "FORBIDDEN":
        return Forbidden(message.text, message.details)
    return BusError(message.code, message.text, message.details)

"""The calls of one connection that wait for their answers, any number at a time. PROTOCOL.md section 4. Pure.

A shell sends the frames, as `clients.calls.send_buffer` puts them together, gives what it received to `take`, and calls
`end_expired` when `next_due` has come.
"""

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from hulak.bus.errors import BusError, BusTimeout, ProtocolError, TaskFailed
from hulak.bus.process.pending_requests import PendingTable
from hulak.bus.wire import batch_frames, codec
from hulak.bus.wire.codec import ENVELOPE_BYTES, own
from hulak.bus.wire.messages import Error, Part, Reply

GRACE_S = 1.0  # waited beyond the caller's time: if a broker is there, its own sentence says more than ours could
OnPart = Callable[[Any], None]
decode = codec.decode_to_client


class Call(Protocol):
    """A call under way, as `PendingCalls` sees it."""

    id: bytes
    frame: bytes
    named: str  # service and action, for people
    timeout_s: float
    on_part: OnPart | None
    due: float  # when it is over, monotonic seconds: `GRACE_S` after `timeout_s`

    def done(self) -> bool:
        """Tell whether it has ended, or was given up."""

    def settle(self, value: Any, error: BusError | None) -> None:
        """Take the end of the call: its value, or its error."""


class PendingCalls(PendingTable[Call]):
    """All calls under way: a table of `bus.process.pending_requests`, and how each is told its end.

    Args:
        where: the broker's address, for sentences.
    """

    def __init__(self, where: str) -> None:
        super().__init__()
        self._where = where

    def take(self, frame: bytes) -> int:
        """Take what the broker sent; return how many calls it ended.

        Raises:
            BusError: it is not understood, or it answers bytes of ours that the broker could not read. Of several replies, all
                that are understood have been taken then.
        """
        try:
            if frame[:1] == batch_frames.ANSWERS:
                return self._take_replies(*batch_frames.read_replies(frame))
            message = decode(frame)
        except ProtocolError as error:
            raise BusError(error.code, f"the broker's answer is not understood: {error}") from error
        if isinstance(message, Reply):
            return self._take_replies([message], [])
        if message.id is None:
            assert isinstance(message, Error)
            raise as_error(message)
        call = self.match(message)
        if call is None:  # given up, or answered twice
            return 0
        if isinstance(message, Part):
            if call.on_part is not None:
                call.on_part(message.value)
            return 0
        call.settle(None, as_error(message))
        return 1

    def _take_replies(self, replies: list[Reply], refused: batch_frames.Refused) -> int:
        end, ended = self.under_way.pop, 0
        for reply in replies:
            call = end(reply.id, None)
            if call is None:  # given up, or answered twice
                self.strays += 1
                continue
            call.settle(reply.value, None)
            ended += 1
        if refused:
            raise refused[0][1]
        return ended

    def end_expired(self, now: float) -> None:
        """End the calls whose time is over."""
        for call in self.expire(now):
            text = f"no answer to {call.named} from the broker at {self._where} within {call.timeout_s:g} s"
            call.settle(None, BusTimeout(text))

    def close(self) -> None:
        """End all calls."""
        for call in list(self.under_way.values()):
            if self.under_way.pop(call.id, None) is not None:  # else whoever was told of one before gave this one up
                call.settle(None, BusError("CLOSED", f"the connection was closed before the answer to {call.named} came"))


class CallKind(msgspec.Struct, frozen=True, gc=False):
    """What calls that differ only in their arguments have in common."""

    named: str  # service and action, for people
    timeout_s: float
    target: bytes  # service and action, packed
    options: bytes  # packed

    def encode(self, call_id: bytes, args: Mapping[str, Any] | None, most: float = math.inf) -> bytes:
        """Make the frame of a request (PROTOCOL.md section 4.2): as `frames.encode`, which would take three times as long.

        Args:
            call_id: of the request.
            args: of the action.
            most: bytes of a frame that the broker takes; some are left for what it becomes on its way to a worker.
        Raises:
            BusError: `TOO_LARGE`; the broker would cut the connection, and every call on it would have to be sent again.
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
    """Find the kind of a call: nearly always the same few. Args as of `BusClient.call`."""
    options: dict[str, Any] = {} if service.startswith("hulak.") else {"timeout_ms": max(1, int(timeout_s * 1000))}
    if retries is not None:
        options["retries"] = retries
    if priority != 1:
        options["priority"] = priority
    if share:
        options["share"] = True
    target = codec.pack(service) + codec.pack(action)
    return CallKind(f"{service} {action}".rstrip(), timeout_s, target, codec.pack(options))


def as_error(message: Error) -> BusError:
    """Make the exception of an ERROR."""
    if message.code == "EXPIRED":
        return BusTimeout(message.text)
    if "attempts" in message.details:  # PROTOCOL.md section 6: only a task that was given to workers has them
        return TaskFailed(message.code, message.text, details=message.details)
    return BusError(message.code, message.text, message.details)

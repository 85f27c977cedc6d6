"""Frames of several messages: many small ones for little more than the cost of one. PROTOCOL.md section 5.5. Pure.

Their kind is the small letter of that of the messages, and what follows is one msgpack array of what follows each one's kind.
Most of what a message costs is its way from process to process, not its bytes.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

import msgspec

from hulak.bus.errors import ProtocolError
from hulak.bus.wire import codec, frame_limits
from hulak.bus.wire.messages import Reply, Request, Result, Task
from hulak.bus.wire.plain_values import short

MOST = 1024  # messages that a frame may hold
BUNDLE = 64  # messages that we put into one
BUNDLE_BYTES = 1 << 16  # no frame is made longer than this by putting several into it: the least that a peer has to take
NO_CONTAINER = bytes(byte for byte in range(256) if not (0x80 <= byte <= 0x9F or 0xDC <= byte <= 0xDF))
TAKES = "several"  # key of a worker's info: true if it takes frames of several
REQUESTS, TASKS, ANSWERS = b"q", b"t", b"r"  # ANSWERS: of results from a worker, of replies to a client

Message = TypeVar("Message")
Refused = list[tuple[bytes, ProtocolError]]  # the frame that each would have been by itself, and what is wrong with it
split = msgspec.msgpack.Decoder(Annotated[list[msgspec.Raw], msgspec.Meta(max_length=MOST)]).decode
_write = msgspec.msgpack.Encoder().encode


def bundle(alone: Sequence[bytes]) -> list[bytes]:
    """Put frames of one message each, all of one kind, together to as few as may be.

    Args:
        alone: at most `MOST` of them, for one peer that takes frames of several.
    """
    if len(alone) < 2 or sum(map(len, alone)) > BUNDLE_BYTES:
        return list(alone)
    return [alone[0][:1].lower() + codec.array_header(len(alone)) + b"".join([frame[1:] for frame in alone])]


def encode(messages: Sequence[Any]) -> list[bytes]:
    """Make the frames of messages of one class, for a peer that takes frames of several.

    As `bus.wire.fast_encode.encode_own`, but for all.

    Returns:
        a frame for each `BUNDLE` messages; one for each message where they are long.
    """
    if len(messages) > BUNDLE:
        return [frame for at in range(0, len(messages), BUNDLE) for frame in encode(messages[at : at + BUNDLE])]
    if len(messages) > 1 and not codec.extensions:
        try:
            frame: bytes = messages[0].KIND.lower() + _write(messages)
            if len(frame) <= BUNDLE_BYTES:
                return [frame]
        except (TypeError, OverflowError, RecursionError):  # times, which msgpack alone keeps as they are
            pass
    return bundle([codec.encode(message) for message in messages])


class Reader(Generic[Message]):
    """Reads frames of several messages of one class.

    Args:
        cls: theirs.
        read_one: reads a frame of one of them.
    """

    def __init__(self, cls: Any, read_one: Callable[[bytes], Any]) -> None:
        self._kind: bytes = cls.KIND
        self._read_one = read_one
        bounded = Annotated[list[cls], msgspec.Meta(max_length=MOST)]
        self._read_all = msgspec.msgpack.Decoder(bounded, ext_hook=codec.extension).decode

    def read(self, frame: bytes) -> tuple[list[Message], Refused]:
        """Read a frame of several: one that is wrong costs no other anything.

        Returns:
            the messages, in order; those that are refused.
        Raises:
            ProtocolError: `BAD_BODY`, it is no array of at most `MOST`; `TOO_LARGE`, see `bus.wire.frame_limits`.
        """
        if len(frame) > frame_limits.LARGE:
            frame_limits.check(frame)
            return self._one_by_one(frame)
        if not codec.has_times(frame) and len(frame.translate(None, NO_CONTAINER)) <= codec.SAFE_BYTES:
            try:
                return self._read_all(frame[1:]), []
            except (ValueError, RecursionError):  # msgspec's own errors are ValueErrors
                pass
        return self._one_by_one(frame)

    def _one_by_one(self, frame: bytes) -> tuple[list[Message], Refused]:
        try:
            parts = split(frame[1:])
        except (ValueError, RecursionError) as error:
            text = f"{short(frame[1:])} is no array of at most {MOST} messages of kind {self._kind!r}: {error}"
            raise ProtocolError("BAD_BODY", text) from error
        messages: list[Message] = []
        refused: Refused = []
        for part in parts:
            alone = self._kind + bytes(part)
            try:
                messages.append(self._read_one(alone))
            except ProtocolError as error:
                refused.append((alone, error))
        return messages, refused


read_requests: Callable[[bytes], tuple[list[Request], Refused]] = Reader[Request](Request, codec.decode_from_client).read
read_replies: Callable[[bytes], tuple[list[Reply], Refused]] = Reader[Reply](Reply, codec.decode_to_client).read
read_tasks: Callable[[bytes], tuple[list[Task], Refused]] = Reader[Task](Task, codec.decode_to_worker).read
read_results: Callable[[bytes], tuple[list[Result], Refused]] = Reader[Result](Result, codec.decode_from_worker).read

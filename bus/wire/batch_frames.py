"""Batch frames: many small messages in one frame, at little more than the cost of one message. PROTOCOL.md section 5.5. Pure.

The kind of a batch is the lower-case letter of its messages' kind; behind it is one msgpack array of the messages' bodies.
Most of a message's cost is its transfer between processes, not its bytes.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

import msgspec

from hulak.bus.errors import ProtocolError
from hulak.bus.wire import codec, frame_limits
from hulak.bus.wire.messages import Reply, Request, Result, Task
from hulak.bus.wire.plain_values import short

MOST = 1024  # messages in a batch
BUNDLE = 64  # messages that we put into a batch
BUNDLE_BYTES = 1 << 16  # no batch is made longer than this: the frame size that every peer has to accept
NO_CONTAINER = bytes(byte for byte in range(256) if not (0x80 <= byte <= 0x9F or 0xDC <= byte <= 0xDF))
TAKES = "several"  # key of a worker's info: true if it accepts batches
REQUESTS, TASKS, ANSWERS = b"q", b"t", b"r"  # ANSWERS: results from a worker, replies to a client

Message = TypeVar("Message")
Refused = list[tuple[bytes, ProtocolError]]  # the frame that the message alone would be, and its error
split = msgspec.msgpack.Decoder(Annotated[list[msgspec.Raw], msgspec.Meta(max_length=MOST)]).decode


def bundle(alone: Sequence[bytes]) -> list[bytes]:
    """Join frames of one message each, all of one kind, into as few frames as possible.

    Args:
        alone: at most `MOST` frames, for one peer that accepts batches.
    """
    if len(alone) < 2 or sum(map(len, alone)) > BUNDLE_BYTES:
        return list(alone)
    return [alone[0][:1].lower() + codec.array_header(len(alone)) + b"".join([frame[1:] for frame in alone])]


def encode(messages: Sequence[Any]) -> list[bytes]:
    """Encode messages of one class for a peer that accepts batches.

    The same as `bus.wire.fast_encode.encode_own`, but for many messages.

    Returns:
        a frame for each `BUNDLE` messages; a frame for each message if they are long.
    """
    if len(messages) > BUNDLE:
        return [frame for at in range(0, len(messages), BUNDLE) for frame in encode(messages[at : at + BUNDLE])]
    if len(messages) > 1 and not codec.extensions:
        try:
            frame: bytes = messages[0].KIND.lower() + codec.pack_plain(messages)
            if len(frame) <= BUNDLE_BYTES:
                return [frame]
        except (TypeError, OverflowError, RecursionError):  # timestamps: only msgpack keeps them unchanged
            pass
    return bundle([codec.encode(message) for message in messages])


class Reader(Generic[Message]):
    """Reads batches of one class of messages.

    Args:
        cls: of the messages.
        read_one: reads a frame of one message.
    """

    def __init__(self, cls: Any, read_one: Callable[[bytes], Any]) -> None:
        self._kind: bytes = cls.KIND
        self._read_one = read_one
        bounded = Annotated[list[cls], msgspec.Meta(max_length=MOST)]
        self._read_all = msgspec.msgpack.Decoder(bounded, ext_hook=codec.extension).decode

    def read(self, frame: bytes) -> tuple[list[Message], Refused]:
        """Read a batch; a malformed message does not affect the others.

        Returns:
            the messages, in order; the refused messages.
        Raises:
            ProtocolError: `BAD_BODY`, the body is no array of at most `MOST` messages; `TOO_LARGE`, see `bus.wire.frame_limits`.
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
            text = f"{short(frame[1:])} is not an array of at most {MOST} messages of kind {self._kind!r}: {error}"
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

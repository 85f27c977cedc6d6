"""Majordomo 0.2 (ZeroMQ RFC 18): its frames to the bus's messages and back. PROTOCOL.md section 10. Pure.

There is one dispatcher and a second codec: frames of Majordomo's peers become the messages of sections 4 and 5, and the
dispatcher's answers become Majordomo's frames. The address by which the dispatcher knows a peer names its dialect: the first
byte holds the dialect, and whether an empty frame comes first. A client's address also holds the service, which Majordomo
repeats in each answer, so that the broker keeps no state per client.
"""

from collections.abc import Sequence
from typing import Any, cast

import msgspec

from hulak.bus.errors import ProtocolError
from hulak.bus.wire import frame_limits
from hulak.bus.wire.codec import pack, unpack
from hulak.bus.wire.messages import ID_BYTES, BrokerHeartbeat, Error, HeldTask, Part, Reply, Request, Task

CLIENT, WORKER = b"MDPC02", b"MDPW02"  # a peer's first frame: its dialect
CLIENT_REQUEST, CLIENT_PARTIAL, CLIENT_FINAL = b"\1", b"\2", b"\3"
READY, REQUEST, PARTIAL, FINAL, HEARTBEAT, DISCONNECT = b"\1", b"\2", b"\3", b"\4", b"\5", b"\6"

ENVELOPE, OF_CLIENT, OF_WORKER = 1, 2, 4  # bits of an address's first byte; neither of the last two: the bus's own dialect
SEVERAL = 8  # another bit: of a client that accepts batches
MAX_BODY = 56  # frames of one body: with all frames before them, fewer than the shell keeps of a message
ATTEMPT_BYTES = 4  # behind the task's id, in the frame that holds the client's address
ERROR = b"ERROR"  # the first frame of an error's body
Frames = list[bytes]


def is_dialect(parts: Sequence[bytes], dialect: bytes) -> bool:
    """Return whether a ROUTER's message (identity first) names this dialect at Majordomo's place."""
    return len(parts) > 1 and (parts[1] == dialect or (parts[1] == b"" and len(parts) > 2 and parts[2] == dialect))


def of_majordomo(address: bytes) -> bool:
    """Return whether a peer speaks Majordomo, by its address."""
    return bool(address[0] & (OF_CLIENT | OF_WORKER))


def _open(parts: Frames, least: int) -> tuple[int, Frames]:
    envelope = int(parts[1] == b"")
    rest = parts[2 + envelope :]
    if len(rest) < least:
        raise ProtocolError("BAD_FRAME", f"{len(rest)} frames behind the dialect's name, wanted at least {least}")
    return envelope, rest


def _service(frame: bytes) -> str:
    try:
        service = frame.decode()
    except UnicodeDecodeError as error:
        raise ProtocolError("BAD_BODY", f"a service is {frame[:32]!r}, must be UTF-8: {error}") from error
    if not service:
        raise ProtocolError("BAD_BODY", "a service is empty, must have a name")
    return service


def _body(body: Frames, max_bytes: int) -> Frames:
    if not 0 < len(body) <= MAX_BODY:
        raise ProtocolError("BAD_FRAME", f"a body of {len(body)} frames, must be 1 to {MAX_BODY}")
    size = sum(map(len, body))
    if size > max_bytes:
        raise ProtocolError("TOO_LARGE", f"a body of {size} bytes, must be at most {max_bytes}")
    return body


# Bodies (section 10.2): Majordomo's frames, and the bus's actions, arguments and values


def read_task(body: Frames) -> tuple[str, dict[str, Any] | msgspec.Raw]:
    """Parse a request's body as action and arguments.

    Two frames, a text and exactly one msgpack map with text keys, are action and arguments; any other body becomes the argument
    `body` of the action without a name. `write_task` restores every body byte for byte: a map that is not in the shortest
    encoding (some libraries use longer forms) stays packed.
    """
    if len(body) == 2:
        try:
            frame_limits.check_values(body[1])
            action, args = body[0].decode(), unpack(body[1])
        except (UnicodeDecodeError, ProtocolError):
            return "", {"body": body}
        if isinstance(args, dict) and all(isinstance(key, str) for key in args) and not _are_frames_alone(action, args):
            return action, args if pack(args) == body[1] else msgspec.Raw(body[1])
    return "", {"body": body}


def write_task(action: str, args: dict[str, Any] | msgspec.Raw) -> Frames:
    """Encode the body of a request: the argument `body` if it is the only one, else the action and a msgpack map."""
    packed = bytes(args) if isinstance(args, msgspec.Raw) else None
    arguments: dict[str, Any] = args if packed is None else unpack(packed)  # type: ignore[assignment]
    if _are_frames_alone(action, arguments):
        return list(arguments["body"])
    return [action.encode(), pack(arguments) if packed is None else packed]


def _are_frames_alone(action: str, args: dict[str, Any]) -> bool:
    """Return whether a request consists of frames alone, as a body that is not action and arguments becomes."""
    return not action and len(args) == 1 and _are_frames(args.get("body"))


def write_value(value: Any) -> Frames:
    """Encode the body of an answer: bytes and text as one frame, an array of bytes as its frames, all else as msgpack."""
    if isinstance(value, str):
        return [value.encode()]
    if isinstance(value, bytes):
        return [value]
    return list(value) if _are_frames(value) else [pack(value)]


def _are_frames(value: Any) -> bool:
    return isinstance(value, list) and 0 < len(value) <= MAX_BODY and all(isinstance(frame, bytes) for frame in value)


# Clients


def decode_request(parts: Frames, request_id: bytes, max_bytes: int) -> tuple[bytes, Request]:
    """Parse a client's message.

    Args:
        parts: identity, perhaps an empty frame, `MDPC02`, and the frames behind it.
        request_id: 16 bytes, the id of the request: Majordomo has none.
        max_bytes: of all frames of the body together.
    Returns:
        the address to answer to, and the request.
    Raises:
        ProtocolError: `BAD_FRAME`, `BAD_KIND`, `BAD_BODY` or `TOO_LARGE`.
    """
    envelope, rest = _open(parts, 2)
    if rest[0] != CLIENT_REQUEST:
        raise ProtocolError("BAD_KIND", f"command {rest[0][:8]!r}, a client of Majordomo may send {CLIENT_REQUEST!r} only")
    service = _service(rest[1])
    action, args = read_task(_body(rest[2:], max_bytes))
    if service.startswith(frame_limits.CONTROL) and isinstance(args, msgspec.Raw):
        args = unpack(bytes(args))
    address = bytes((OF_CLIENT | envelope, len(parts[0]))) + parts[0] + rest[1]
    return address, Request(request_id, service, action, cast("dict[str, Any]", args))


def encode_to_client(address: bytes, message: Part | Reply | Error) -> Frames:
    """Encode all frames of an answer, the ROUTER's identity first; no frames for a request that expired."""
    cut = 2 + address[1]
    identity, service = address[2:cut], address[cut:]
    match message:
        case Part():
            command, body = CLIENT_PARTIAL, write_value(message.value)
        case Reply():
            command, body = CLIENT_FINAL, write_value(message.value)
        case Error(code="EXPIRED"):  # without an id, a late answer would match the client's next request
            return []
        case Error():
            command, body = CLIENT_FINAL, [ERROR, message.code.encode(errors="replace"), message.text.encode(errors="replace")]
    return [*_head(identity, address), CLIENT, command, service, *body]


def _head(identity: bytes, address: bytes) -> Frames:
    return [identity, b""] if address[0] & ENVELOPE else [identity]


# Workers


def decode_command(parts: Frames) -> tuple[bytes, bytes, Frames]:
    """Parse the command that a worker sent.

    Returns:
        the worker's address, the command, and the frames behind it.
    Raises:
        ProtocolError: `BAD_FRAME`, there is no command, or the number of frames is wrong; `BAD_KIND`, no worker may send it.
    """
    _, rest = _open(parts, 1)
    command = rest[0]
    if command in (PARTIAL, FINAL):
        fits = len(rest) > 3 and rest[2] == b""
    elif command in (READY, HEARTBEAT, DISCONNECT):
        fits = len(rest) == (2 if command == READY else 1)
    else:
        raise ProtocolError("BAD_KIND", f"command {command[:8]!r}, a worker of Majordomo may send 1, 3, 4, 5 or 6")
    if not fits:
        raise ProtocolError("BAD_FRAME", f"command {command!r} with {len(rest) - 1} frames behind it, not as RFC 18 has it")
    return worker_address(parts), command, rest[1:]


def worker_address(parts: Frames) -> bytes:
    """Return the address by which the dispatcher knows a worker, from any message of the worker."""
    return bytes((OF_WORKER | int(parts[1] == b""),)) + parts[0]


def decode_service(frames: Frames) -> str:
    """Return the service of a READY. Raises `ProtocolError`."""
    return _service(frames[0])


def decode_answer(frames: Frames, max_bytes: int) -> tuple[HeldTask, Frames]:
    """Parse the frames behind PARTIAL or FINAL: the attempt that they name, and the body.

    Raises:
        ProtocolError: `UNEXPECTED`, the client's address was not given by this kind of broker; `BAD_FRAME` or `TOO_LARGE`.
    """
    client = frames[0]
    if len(client) != ID_BYTES + ATTEMPT_BYTES:
        raise ProtocolError("UNEXPECTED", f"a client's address of {len(client)} bytes, which was never given")
    attempt = int.from_bytes(client[ID_BYTES:], "big")
    return HeldTask(client[:ID_BYTES], attempt), _body(frames[2:], max_bytes)


def encode_to_worker(address: bytes, message: Task | BrokerHeartbeat | None) -> Frames:
    """Encode all frames for a worker, the ROUTER's identity first; None and an unknown worker become DISCONNECT."""
    head = [*_head(address[1:], address), WORKER]
    match message:
        case Task():
            client = message.id + message.attempt.to_bytes(ATTEMPT_BYTES, "big")
            return [*head, REQUEST, client, b"", *write_task(message.action, message.args)]
        case BrokerHeartbeat(known=True):
            return [*head, HEARTBEAT]
    return [*head, DISCONNECT]

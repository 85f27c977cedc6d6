"""The dialects of peers: decodes and encodes messages by the dialect of each peer. PROTOCOL.md sections 4, 5 and 10. Pure.

The dispatcher knows a peer by its address: one byte with its dialect and whether an empty frame comes first, then the
ROUTER's identity (of a Majordomo client, also its service). Only this module and its helpers read that byte.
"""

from collections.abc import Callable
from typing import Any

from hulak.bus.broker.majordomo import Majordomo
from hulak.bus.core.effects import Effect, ToClient, ToWorker
from hulak.bus.core.tasks.dispatcher import Dispatcher
from hulak.bus.errors import ProtocolError
from hulak.bus.wire import batch_frames, codec, fast_encode, frame_limits, mdp
from hulak.bus.wire.messages import ID_BYTES, Error, Goodbye, MessageFromWorker, Ready, Request, Result, TaskPart, WorkerHeartbeat

decode_from_client, decode_from_worker = codec.decode_from_client, codec.decode_from_worker
UnreadableFrames = list[tuple[list[bytes], ProtocolError]]  # messages as if they were sent alone, and the error of each


class Dialects:
    """Clients and workers of both dialects.

    Args:
        dispatcher: receives the messages of workers.
        majordomo: the second dialect.
        new_id: returns 16 unique bytes, for requests without an id.
        reject: called for a malformed message in a worker's batch with the worker's identity and the error.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        majordomo: Majordomo,
        new_id: Callable[[], bytes],
        reject: Callable[[bytes, ProtocolError], None],
    ) -> None:
        self.dispatcher = dispatcher
        self.majordomo = majordomo
        self.new_id = new_id
        self.reject = reject
        self.permit: Callable[[Ready], object] = lambda _: None  # with keys: raises ProtocolError for a forbidden worker

    def requests(self, parts: list[bytes]) -> tuple[bytes, list[Request], UnreadableFrames]:
        """Decode the requests in a client's message.

        Args:
            parts: the ROUTER's message, identity first.
        Returns:
            the address to answer to; the requests; the malformed ones among them.
        Raises:
            ProtocolError: the message is malformed; `unread` returns the answer.
        """
        if mdp.is_dialect(parts, mdp.CLIENT):
            address, request = self.majordomo.request(parts, self.new_id())
            return address, [request], []
        address, frame = _open(parts)
        if frame[:1] != batch_frames.REQUESTS:
            return address, [decode_from_client(frame)], []
        requests, refused = batch_frames.read_requests(frame)
        unread = [([*parts[:-1], alone], error) for alone, error in refused]
        return bytes((address[0] | mdp.SEVERAL,)) + address[1:], requests, unread

    def unread(self, parts: list[bytes], error: ProtocolError) -> list[Effect]:
        """Return the answer to a malformed message of a client; Majordomo has none."""
        if mdp.is_dialect(parts, mdp.CLIENT):
            return []
        try:
            address, frame = _open(parts)
        except ProtocolError:
            address, frame = b"\0" + parts[0], b""
        return [ToClient(address, Error(request_id(frame), error.code, str(error)))]

    def command(self, now: float, parts: list[bytes]) -> list[Effect]:
        """Process a worker's message.

        Raises:
            ProtocolError: it is malformed or out of place; `refused` returns the effects.
        """
        if mdp.is_dialect(parts, mdp.WORKER):
            return self.majordomo.command(now, parts)
        address, frame = _open(parts)
        if frame[:1] == batch_frames.ANSWERS:
            results, refused = batch_frames.read_results(frame)
            failed = [effect for alone, error in refused for effect in self._unread_result(now, parts[0], address, alone, error)]
            return [*failed, *self.dispatcher.results(now, address, results)]
        try:
            message = decode_from_worker(frame)
        except ProtocolError as error:
            if frame[:1] != Result.KIND:
                raise
            return self._unread_result(now, parts[0], address, frame, error)
        return self.dispatcher.result(now, address, message) if type(message) is Result else self._command(now, address, message)

    def _unread_result(self, now: float, peer: bytes, address: bytes, frame: bytes, error: ProtocolError) -> list[Effect]:
        """End the attempt of a malformed RESULT: every further attempt would send the same."""
        self.reject(peer, error)
        fields = frame_limits.head(frame, 2)
        worker = self.dispatcher.roster.at(address)
        if worker is None or [type(field) for field in fields] != [bytes, int] or worker.held.get(fields[0]) != fields[1]:
            return []
        failure = {"code": error.code, "text": f"the worker's answer was refused: {error}"}
        return self.dispatcher.result(now, address, Result(fields[0], fields[1], False, failure))

    def _command(self, now: float, address: bytes, message: MessageFromWorker) -> list[Effect]:
        match message:
            case WorkerHeartbeat():
                return self.dispatcher.heartbeat(now, address, message)
            case TaskPart():
                return self.dispatcher.part(now, address, message)
            case Ready():
                self.permit(message)
                return self.dispatcher.ready(now, address, message)
            case Goodbye():
                return self.dispatcher.goodbye(now, address, message)
        return []

    def refused(self, now: float, parts: list[bytes], error: ProtocolError) -> list[Effect]:
        """Return the effects of a refused message of a worker: in Hulak's dialect only a READY is answered."""
        if mdp.is_dialect(parts, mdp.WORKER):
            return self.majordomo.refused(now, parts, error)
        if len(parts) not in (2, 3) or (len(parts) == 3 and parts[1]) or parts[-1][:1] != Ready.KIND:
            return []  # without its envelope there is no address to answer to
        return [ToWorker(_open(parts)[0], Error(None, error.code, str(error)))]

    def encode(self, address: bytes, message: Any) -> list[list[bytes]]:
        """Return the ROUTER's messages to a peer, identity first; empty where its dialect has no such message.

        Args:
            address: the peer's.
            message: one message, or a list of messages of one class, sent as a batch where the peer accepts batches.
        """
        if mdp.of_majordomo(address):
            messages = message if type(message) is list else [message]
            return [parts for single in messages if (parts := self.majordomo.encode(address, single))]
        head = [address[1:], b""] if address[0] & mdp.ENVELOPE else [address[1:]]
        if type(message) is not list:
            return [[*head, fast_encode.encode_own(message)]]
        if address[0] & mdp.SEVERAL or self._takes_several(address):
            return [[*head, frame] for frame in batch_frames.encode(message)]
        return [[*head, fast_encode.encode_own(single)] for single in message]

    def _takes_several(self, address: bytes) -> bool:
        worker = self.dispatcher.roster.at(address)
        return worker is not None and worker.info.get(batch_frames.TAKES) is True


def request_id(frame: bytes) -> bytes | None:
    """Return the id in a client's malformed frame, so that the error can name it."""
    fields = frame_limits.head(frame, 1)
    return fields[0] if fields and isinstance(fields[0], bytes) and len(fields[0]) == ID_BYTES else None


def _open(parts: list[bytes]) -> tuple[bytes, bytes]:
    """Split off the envelope: the peer's address, the frame."""
    match parts:
        case [identity, frame]:
            return b"\0" + identity, frame
        case [identity, b"", frame]:
            return b"\1" + identity, frame
    raise ProtocolError("BAD_FRAME", f"{len(parts) - 1} frames, must be one, or an empty one and one")

"""Who is spoken with how: messages in and out by the dialect of each peer. PROTOCOL.md sections 4, 5 and 10. Pure.

The dispatcher knows a peer by its address: one byte that tells its dialect and whether an empty frame comes first, then the
ROUTER's identity (of a Majordomo client, also its service). This is the one place that looks into that byte.
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
UnreadableFrames = list[tuple[list[bytes], ProtocolError]]  # messages as they would have come alone, and what is wrong with each


class Dialects:
    """Clients and workers of both dialects.

    Args:
        dispatcher: that workers' messages are handed to.
        majordomo: the second dialect.
        new_id: makes 16 bytes that were never there before, for requests that come without an id.
        reject: told what is wrong with a message among several of a worker: the worker's identity, the error.
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

    def requests(self, parts: list[bytes]) -> tuple[bytes, list[Request], UnreadableFrames]:
        """Read what a client sent.

        Args:
            parts: the ROUTER's message, identity first.
        Returns:
            the address to answer to; the requests; others among them that cannot be read.
        Raises:
            ProtocolError: it cannot be read; `unread` tells what to answer.
        """
        if mdp.speaks(parts, mdp.CLIENT):
            address, request = self.majordomo.request(parts, self.new_id())
            return address, [request], []
        address, frame = _open(parts)
        if frame[:1] != batch_frames.REQUESTS:
            return address, [decode_from_client(frame)], []
        requests, refused = batch_frames.read_requests(frame)
        unread = [([*parts[:-1], alone], error) for alone, error in refused]
        return bytes((address[0] | mdp.SEVERAL,)) + address[1:], requests, unread

    def unread(self, parts: list[bytes], error: ProtocolError) -> list[Effect]:
        """Answer a client whose message could not be read; Majordomo has no answer to that."""
        if mdp.speaks(parts, mdp.CLIENT):
            return []
        try:
            address, frame = _open(parts)
        except ProtocolError:
            address, frame = b"\0" + parts[0], b""
        return [ToClient(address, Error(request_id(frame), error.code, str(error)))]

    def command(self, now: float, parts: list[bytes]) -> list[Effect]:
        """Do what a worker's message asks for.

        Raises:
            ProtocolError: it cannot be read, or is out of place; `refused` tells what to do about it.
        """
        if mdp.speaks(parts, mdp.WORKER):
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
        """End the attempt whose RESULT cannot be read: it would come as it is at every attempt."""
        self.reject(peer, error)
        named = frame_limits.head(frame, 2)
        worker = self.dispatcher.roster.at(address)
        if worker is None or [type(one) for one in named] != [bytes, int] or worker.held.get(named[0]) != named[1]:
            return []
        failure = {"code": error.code, "text": f"what the worker answered was refused: {error}"}
        return self.dispatcher.result(now, address, Result(named[0], named[1], False, failure))

    def _command(self, now: float, address: bytes, message: MessageFromWorker) -> list[Effect]:
        match message:
            case WorkerHeartbeat():
                return self.dispatcher.heartbeat(now, address, message)
            case TaskPart():
                return self.dispatcher.part(now, address, message)
            case Ready():
                return self.dispatcher.ready(now, address, message)
            case Goodbye():
                return self.dispatcher.goodbye(now, address, message)
        return []

    def refused(self, now: float, parts: list[bytes], error: ProtocolError) -> list[Effect]:
        """Do what a worker's message that was refused leads to: in our own dialect a READY is answered, and nothing else."""
        if mdp.speaks(parts, mdp.WORKER):
            return self.majordomo.refused(now, parts, error)
        if len(parts) not in (2, 3) or (len(parts) == 3 and parts[1]) or parts[-1][:1] != Ready.KIND:
            return []  # without its envelope there is nobody to answer
        return [ToWorker(_open(parts)[0], Error(None, error.code, str(error)))]

    def encode(self, address: bytes, message: Any) -> list[list[bytes]]:
        """Make the ROUTER's messages to a peer, identity first; none where its dialect has nothing for the message.

        Args:
            address: of the peer.
            message: one, or several of one class: those go together where the peer takes that.
        """
        if mdp.of_majordomo(address):
            told = message if type(message) is list else [message]
            return [parts for one in told if (parts := self.majordomo.encode(address, one))]
        head = [address[1:], b""] if address[0] & mdp.ENVELOPE else [address[1:]]
        if type(message) is not list:
            return [[*head, fast_encode.encode_own(message)]]
        if address[0] & mdp.SEVERAL or self._takes_several(address):
            return [[*head, frame] for frame in batch_frames.encode(message)]
        return [[*head, fast_encode.encode_own(one)] for one in message]

    def _takes_several(self, address: bytes) -> bool:
        worker = self.dispatcher.roster.at(address)
        return worker is not None and worker.info.get(batch_frames.TAKES) is True


def request_id(frame: bytes) -> bytes | None:
    """Find the id in a client's frame that does not decode, so that the error can name it."""
    found = frame_limits.head(frame, 1)
    return found[0] if found and isinstance(found[0], bytes) and len(found[0]) == ID_BYTES else None


def _open(parts: list[bytes]) -> tuple[bytes, bytes]:
    """Take the envelope off: the peer's address, the frame."""
    match parts:
        case [identity, frame]:
            return b"\0" + identity, frame
        case [identity, b"", frame]:
            return b"\1" + identity, frame
    raise ProtocolError("BAD_FRAME", f"{len(parts) - 1} frames, wanted one, or an empty one and one")

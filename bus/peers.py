"""Who is spoken with how: messages in and out by the dialect of each peer. PROTOCOL.md sections 4, 5 and 10. Pure.

The dispatcher knows a peer by its address: one byte that tells its dialect and whether an empty frame comes first, then the
ROUTER's identity (of a Majordomo client, also its service). This is the one place that looks into that byte.
"""

from collections.abc import Callable
from typing import Any

from bus import frames, mdp, quick
from bus.core.dispatch import Dispatcher
from bus.core.effects import Effect, ToClient
from bus.errors import ProtocolError
from bus.majordomo import Majordomo
from bus.messages import Error, FromWorker, Goodbye, Ready, Request, Result, TaskPart, WorkerHeartbeat

decode_from_client, decode_from_worker = frames.decode_from_client, frames.decode_from_worker
OF_MAJORDOMO = mdp.CLIENT[:2]  # how a frame of Majordomo begins, of clients and workers


class Peers:
    """Clients and workers of both dialects.

    Args:
        dispatcher: that workers' messages are handed to.
        majordomo: the second dialect.
        new_id: makes 16 bytes that were never there before, for requests that come without an id.
    """

    def __init__(self, dispatcher: Dispatcher, majordomo: Majordomo, new_id: Callable[[], bytes]) -> None:
        self.dispatcher = dispatcher
        self.majordomo = majordomo
        self.new_id = new_id

    def request(self, parts: list[bytes]) -> tuple[bytes, Request]:
        """Read what a client sent.

        Args:
            parts: the ROUTER's message, identity first.
        Returns:
            the address to answer to, and the request.
        Raises:
            ProtocolError: it cannot be read; `unread` tells what to answer.
        """
        if len(parts) == 2 and parts[1][:2] != OF_MAJORDOMO:
            return b"\0" + parts[0], decode_from_client(parts[1])
        if mdp.speaks(parts, mdp.CLIENT):
            return self.majordomo.request(parts, self.new_id())
        address, frame = _open(parts)
        return address, frames.decode_from_client(frame)

    def unread(self, parts: list[bytes], error: ProtocolError) -> list[Effect]:
        """Answer a client whose message could not be read; Majordomo has no answer to that."""
        if mdp.speaks(parts, mdp.CLIENT):
            return []
        try:
            address, frame = _open(parts)
        except ProtocolError:
            address, frame = b"\0" + parts[0], b""
        return [ToClient(address, Error(frames.request_id(frame), error.code, str(error)))]

    def command(self, now: float, parts: list[bytes]) -> list[Effect]:
        """Do what a worker's message asks for.

        Raises:
            ProtocolError: it cannot be read, or is out of place; `refused` tells what to do about it.
        """
        if len(parts) == 2 and parts[1][:2] != OF_MAJORDOMO:
            address, frame = b"\0" + parts[0], parts[1]
        elif mdp.speaks(parts, mdp.WORKER):
            return self.majordomo.command(now, parts)
        else:
            address, frame = _open(parts)
        message = decode_from_worker(frame)
        return self.dispatcher.result(now, address, message) if type(message) is Result else self._command(now, address, message)

    def _command(self, now: float, address: bytes, message: FromWorker) -> list[Effect]:
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
        """Do what a worker's message that was refused leads to: to nothing, in our own dialect."""
        return self.majordomo.refused(now, parts, error) if mdp.speaks(parts, mdp.WORKER) else []

    def encode(self, address: bytes, message: Any) -> list[bytes]:
        """Make the ROUTER's message to a peer, identity first; no parts where its dialect has nothing for the message."""
        kind = address[0]
        if kind == 0:
            return [address[1:], quick.encode_own(message)]
        if kind == mdp.ENVELOPE:
            return [address[1:], b"", quick.encode_own(message)]
        return self.majordomo.encode(address, message)


def _open(parts: list[bytes]) -> tuple[bytes, bytes]:
    """Take the envelope off: the peer's address, the frame."""
    match parts:
        case [identity, frame]:
            return b"\0" + identity, frame
        case [identity, b"", frame]:
            return b"\1" + identity, frame
    raise ProtocolError("BAD_FRAME", f"{len(parts) - 1} frames, wanted one, or an empty one and one")

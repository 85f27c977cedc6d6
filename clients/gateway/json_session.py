"""One client of the gateway, as the shell holds it: its connection, its place, and what it may still do."""

import asyncio
import contextlib
import socket
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from bus.errors import BusError, ProtocolError
from clients.gateway import protocol
from clients.gateway.bus_calls import BusCalls
from clients.gateway.fanout import Fanout, Seat
from clients.gateway.interest import TooManyNames

KERNEL_BYTES = 1 << 17  # that the system keeps for a client: what is there has left us, and grows old
CLOSE_S = 1.0  # for a client that does not read to take its goodbye


class Session(Protocol):
    """What the shell needs of a client, whichever dialect it speaks."""

    connection: ServerConnection
    seat: Seat
    bad: int  # messages that were not understood

    async def run(self) -> None:
        """Greet, and take messages until the connection ends."""

    def news(self, now_ms: float) -> list[bytes]:
        """Return the messages for a client that keeps up, at `now_ms` since 1970 UTC."""

    def wants_ticks(self) -> bool:
        """Tell whether any ticks are wanted."""


def unsent(connection: ServerConnection) -> int:
    """Count the bytes that wait in this process for a client to read."""
    return connection.transport.get_write_buffer_size()


def keep_little(connection: ServerConnection) -> None:
    """Have the system keep little for a client, so that one that does not read is noticed, and one that is slow gets news."""
    plain = connection.transport.get_extra_info("socket")
    if plain is not None:
        with contextlib.suppress(OSError):
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BYTES)


async def goodbye(connection: ServerConnection, code: int, reason: str) -> None:
    """Close a connection; one that does not take its goodbye is cut."""
    try:
        async with asyncio.timeout(CLOSE_S):
            await connection.close(code, reason)
    except TimeoutError:
        connection.transport.abort()


@dataclass(eq=False)
class JsonSession:
    """A client of `/ws`. PROTOCOL.md section 12.

    Args:
        connection: open.
        fanout: makes its frames.
        calls: does its commands.
        greeting: the first message.
        wake: has the gateway look at what is wanted now.
    """

    connection: ServerConnection
    fanout: Fanout
    calls: BusCalls
    greeting: bytes
    wake: asyncio.Event
    seat: Seat = field(default_factory=Seat)
    bad: int = 0  # messages that were not understood
    log: structlog.typing.FilteringBoundLogger = field(default_factory=structlog.get_logger)
    _commands: set[asyncio.Task[None]] = field(default_factory=set)

    def wants_ticks(self) -> bool:
        """See `Session`."""
        return bool(self.seat.interest.ticks)

    def news(self, now_ms: float) -> list[bytes]:
        """See `Session`."""
        del now_ms
        frame = self.fanout.serve(self.seat)
        return [] if frame is None else [frame]

    async def run(self) -> None:
        """See `Session`."""
        connection = self.connection
        try:
            await connection.send(self.greeting, text=True)
            async for message in connection:
                try:
                    answer = self._answer(protocol.decode(message))
                    # Waits while the client does not read: it is not listened to either, then.
                    if answer is not None:
                        await connection.send(answer, text=True)
                except (ProtocolError, TooManyNames) as error:
                    self.bad += 1
                    await connection.send(protocol.error("BAD_MESSAGE", str(error)), text=True)
                    if self.bad > protocol.BAD_MESSAGES:
                        await goodbye(connection, protocol.BAD_MESSAGE, "too many messages that are not understood")
                        return
        finally:
            for task in self._commands:
                task.cancel()

    def _answer(self, message: Any) -> bytes | None:
        try:
            return self._take(message)
        except TooManyNames:
            raise
        except Exception as error:
            self.log.exception("message of a client failed", what=type(message).__name__)
            return protocol.failed(message, error)

    def _take(self, message: Any) -> bytes | None:
        seat = self.seat
        match message:
            case protocol.Subscribe(displays, ticks, stats, config):
                seat.interest = seat.interest.plus(displays, ticks, stats=stats, config=config)
                self.wake.set()
            case protocol.Unsubscribe(displays, ticks, stats, config):
                seat.interest = seat.interest.minus(displays, ticks, stats=stats, config=config)
                seat.before = seat.before.minus(displays, ticks, stats=stats, config=config)
            case protocol.Ping():
                return protocol.pong(message)
            case _:
                if len(self._commands) >= protocol.COMMANDS_AT_ONCE:
                    return protocol.error("BUSY", f"{len(self._commands)} commands are under way already", message.id)
                self._spawn(self._command(message))
        return None

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._commands.add(task)
        task.add_done_callback(self._commands.discard)

    async def _command(self, command: protocol.Command) -> None:
        service, args = protocol.request_of(command)
        try:
            answer = protocol.answer(command, await self.calls.call(service, args))
        except BusError as error:
            answer = protocol.bus_error(command, error)
        except Exception as error:
            self.log.exception("command of a client failed", service=service)
            answer = protocol.failed(command, error)
        with contextlib.suppress(ConnectionClosed):
            await self.connection.send(answer, text=True)

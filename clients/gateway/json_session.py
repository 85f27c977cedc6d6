"""One client of `/ws`: its connection, its state, and its running commands."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from hulak.bus.errors import BusError, ProtocolError
from hulak.bus.process.log_type import Log
from hulak.clients.gateway import operator_messages, protocol
from hulak.clients.gateway.bus_calls import BusCalls
from hulak.clients.gateway.connections import GatewayConnection
from hulak.clients.gateway.fanout import ClientState, Fanout
from hulak.clients.gateway.interest import TooManyNames
from hulak.clients.gateway.journal_reads import older_bars
from hulak.clients.gateway.nepse_reads import NepseReads
from hulak.clients.gateway.tick_streams import TickStreams
from hulak.clients.gateway.tokens import Role

KERNEL_BYTES = 1 << 17  # send buffer of the kernel for a client: its content can no longer be replaced by newer values
CLOSE_S = 1.0  # limit for the closing handshake with a client that does not read


class Session(Protocol):
    """The interface of a client's session, in either protocol."""

    @property
    def connection(self) -> ServerConnection:
        """Return its connection."""

    state: ClientState
    bad: int  # messages that could not be decoded

    async def run(self) -> None:
        """Send the greeting, and handle messages until the connection ends."""

    def updates(self, now_ms: float) -> list[bytes]:
        """Return the new messages for a client that keeps up, at `now_ms` since 1970 UTC."""

    def needs_ticks(self) -> bool:
        """Return whether any ticks are subscribed to."""


def unsent_bytes(connection: ServerConnection) -> int:
    """Return the number of bytes in this process that are not sent to a client yet."""
    return connection.transport.get_write_buffer_size()


def limit_send_buffer(connection: ServerConnection) -> None:
    """Limit the kernel's send buffer, so that a client that does not read is detected, and a slow one gets new values."""
    plain = connection.transport.get_extra_info("socket")
    if plain is not None:
        with contextlib.suppress(OSError):
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BYTES)


async def close_connection(connection: ServerConnection, code: int, reason: str) -> None:
    """Close a connection; abort it if the client does not complete the closing handshake."""
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
        fanout: encodes its frames.
        calls: runs its commands.
        greeting: the first message.
        wake: makes the gateway check the subscriptions now.
        log: of this process.
        streams: its streams of ticks.
        local: answers what the gateway knows by itself.
        nepse: reads lists of the exchange for all clients.
        reads: runs its reads of the journal, which take longer than commands.
    """

    connection: GatewayConnection
    fanout: Fanout
    calls: BusCalls
    greeting: bytes
    wake: asyncio.Event
    log: Log
    streams: TickStreams
    local: Callable[[operator_messages.Local, str], Awaitable[Any]]
    nepse: NepseReads
    reads: BusCalls
    state: ClientState = field(default_factory=ClientState)
    bad: int = 0  # messages that could not be decoded
    _commands: set[asyncio.Task[None]] = field(default_factory=set)

    def needs_ticks(self) -> bool:
        """See `Session`."""
        return bool(self.state.interest.ticks)

    def updates(self, now_ms: float) -> list[bytes]:
        """See `Session`."""
        del now_ms
        frame = self.fanout.serve(self.state)
        return [] if frame is None else [frame]

    async def run(self) -> None:
        """See `Session`."""
        connection = self.connection
        try:
            await connection.send(self.greeting, text=True)
            async for message in connection:
                try:
                    reply = self._answer(protocol.decode(message))
                    # Waits while the client does not read; its messages are not read then either.
                    if reply is not None:
                        await connection.send(reply, text=True)
                except (ProtocolError, TooManyNames) as error:
                    self.bad += 1
                    await connection.send(protocol.error("BAD_MESSAGE", str(error)), text=True)
                    if self.bad > protocol.BAD_MESSAGES:
                        await close_connection(connection, protocol.BAD_MESSAGE, "too many messages that cannot be decoded")
                        return
        finally:
            self.streams.close()
            for task in self._commands:
                task.cancel()

    def _answer(self, message: Any) -> bytes | None:
        try:
            return self._handle(message)
        except TooManyNames:
            raise
        except Exception as error:
            self.log.exception("client message failed", type=type(message).__name__)
            return protocol.failed(message, error)

    def _handle(self, message: Any) -> bytes | None:
        state = self.state
        match message:
            case protocol.Subscribe(displays, ticks, stats, config, markets, quotes):
                more = {"stats": stats, "config": config, "markets": markets, "quotes": quotes}
                state.interest = state.interest.plus(displays, ticks, **more)
                self.wake.set()
            case protocol.Unsubscribe(displays, ticks, stats, config, markets, quotes):
                less = {"stats": stats, "config": config, "markets": markets, "quotes": quotes}
                state.interest = state.interest.minus(displays, ticks, **less)
                state.before = state.before.minus(displays, ticks, **less)
            case protocol.Ping():
                return protocol.pong(message)
            case _:
                if refusal := self._refusal(message):
                    return protocol.error("FORBIDDEN", refusal, message.id)
                if isinstance(message, protocol.TicksRead):
                    return self.streams.begin(message)
                if isinstance(message, protocol.TicksStop):
                    self.streams.stop(message.id)
                    return None
                if len(self._commands) >= protocol.COMMANDS_AT_ONCE:
                    return protocol.error(
                        "BUSY", f"{len(self._commands)} commands are running, the maximum; try again later", message.id
                    )
                self._spawn(self._command(message))
        return None

    def _refusal(self, command: protocol.Command | protocol.Streaming | protocol.Reading) -> str:
        """Return why the client may not send a command; empty if it may."""
        grant, need = self.connection.grant, protocol.need_of(command)
        if grant is not None and grant.role >= need:
            return ""
        return f"this needs a token with the role {need}; this one has the role {Role.NONE if grant is None else grant.role}"

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._commands.add(task)
        task.add_done_callback(self._commands.discard)

    async def _command(self, command: protocol.Command | protocol.Reading) -> None:
        try:
            reply = protocol.answer(command, await self._value_of(command))
        except BusError as error:
            reply = protocol.bus_error(command, error)
        except Exception as error:
            self.log.exception("client command failed", type=type(command).__name__)
            reply = protocol.failed(command, error)
        with contextlib.suppress(ConnectionClosed):
            await self.connection.send(reply, text=True)

    async def _value_of(self, command: protocol.Command | protocol.Reading) -> Any:
        if isinstance(command, protocol.NepseRead):
            return await self.nepse.read(command.what, command.symbol)
        if isinstance(command, protocol.BarsRead):
            return await self.reads.run(lambda client: older_bars(client, command.symbol, command.interval, command.before))
        grant = self.connection.grant
        by = f"gateway {grant.by}" if grant is not None and grant.token is not None else "gateway"
        if isinstance(command, operator_messages.Local):
            return await self.local(command, by)
        return await self.calls.call(*protocol.request_of(command, by))

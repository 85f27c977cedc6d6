"""How a feed connects to its venue: by a WebSocket, or by the lines of an endless HTTP response. Independent of dialects.

The library ccxt is a third way, see `clients.feeds.ccxt_connection`. All are a `Connection`. HTTP lines are read by a daemon
thread, because `requests` blocks; it passes each line to the event loop and waits until it was taken, so that a busy feed slows
the venue down instead of filling the memory.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from hulak.bus.errors import ConfigError
from hulak.bus.wire.retry_after import retry_after_s
from hulak.clients.feeds.ccxt_connection import ccxt_connection

if TYPE_CHECKING:
    import requests

MAX_VENUE_BYTES = 4 << 20  # limit of one message of a venue
CLOSE_S = 0.5  # for the closing handshake: a venue that hangs must not hold up the next attempt
KEEPALIVE_S = 20.0  # between two pings of the protocol
QUEUE = 64  # lines read ahead
LOCAL = ("127.0.0.1", "localhost", "::1")

BROKEN = (OSError, WebSocketException, TimeoutError)  # exceptions of connections; a requests exception is an OSError


class VenueRefused(ConnectionError):
    """The venue answered, but refused the connection.

    Args:
        text: the error text.
        headers: of the response, which may say when to retry; names in any case.
    """

    def __init__(self, text: str, headers: Mapping[str, str]) -> None:
        super().__init__(text)
        self.again_s = retry_after_s({name.lower(): value for name, value in headers.items()}) or 0.0  # seconds, at most a day


class Connection(Protocol):
    """An open connection."""

    async def receive(self) -> str | bytes:
        """Wait for the next message; raises one of `BROKEN` when the connection is lost."""
        ...

    async def send(self, text: str) -> None:
        """Send a message; raises one of `BROKEN`."""
        ...

    async def ping(self) -> None:
        """Return when the venue has answered a ping; raises one of `BROKEN`."""
        ...


class WebSocket:
    """A `Connection` over a WebSocket."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    async def receive(self) -> str | bytes:
        """Wait for the next message; see `Connection`."""
        return await self._socket.recv()

    async def send(self, text: str) -> None:
        """Send a message; see `Connection`."""
        await self._socket.send(text)

    async def ping(self) -> None:
        """Wait for a pong; see `Connection`."""
        await (await self._socket.ping())


class HttpLines:
    """A `Connection` over a streamed HTTP response: its messages are the lines.

    Args:
        get: sends the request; called in the thread.
    """

    def __init__(self, get: "Callable[[], requests.Response]") -> None:
        self._loop = asyncio.get_running_loop()
        self._lines: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUE)
        self._error: Exception = ConnectionError("the venue ended the response")
        self._closed = False
        # Not a thread of asyncio's pool, which would delay the end of the process while it waits for a venue.
        threading.Thread(target=self._work, args=(get,), name="http-lines", daemon=True).start()

    def _work(self, get: "Callable[[], requests.Response]") -> None:
        try:
            with get() as response:
                self._put(b"")  # connected
                self._read(response)
        except VenueRefused as error:
            self._error = error
        except (OSError, AttributeError) as error:  # AttributeError: of urllib3, when the socket is closed during a read
            self._error = ConnectionError(f"{type(error).__name__}: {error}")
        self._put(None)

    def _read(self, response: "requests.Response") -> None:
        pending = b""
        for piece in response.iter_content(None):
            *lines, pending = (pending + piece).split(b"\n")
            for line in lines:
                if line.strip():
                    self._put(line.strip())
            if len(pending) > MAX_VENUE_BYTES:
                raise ConnectionError(f"a line of more than {MAX_VENUE_BYTES} bytes")
            if self._closed:
                return

    def _put(self, line: bytes | None) -> None:
        if self._closed:
            return
        with contextlib.suppress(RuntimeError, CancelledError):  # the event loop has ended
            asyncio.run_coroutine_threadsafe(self._lines.put(line), self._loop).result()

    async def receive(self) -> str | bytes:
        """Wait for the next line; see `Connection`. The first one is empty and means connected."""
        line = await self._lines.get()
        if line is None:
            raise self._error
        return line

    async def send(self, text: str) -> None:
        """Raise: an HTTP stream is selected by its url."""
        raise ConnectionError(f"cannot send {len(text)} characters: an HTTP stream takes no messages")

    async def ping(self) -> None:
        """Wait until cancelled: HTTP has no pings."""
        await asyncio.Event().wait()

    def close(self) -> None:
        """Stop the thread: at once if it waits for the loop, otherwise at the venue's next bytes or its read timeout."""
        self._closed = True
        while not self._lines.empty():
            self._lines.get_nowait()


def check_url(url: str) -> None:
    """Check that a transport supports a url.

    Raises:
        ConfigError: the scheme is not ws, wss, http or https, or there is no host.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss", "http", "https") or not parts.hostname:
        raise ConfigError(f"url {url!r} must be ws://HOST..., wss://HOST..., http://HOST... or https://HOST...")


@contextlib.asynccontextmanager
async def connection(
    url: str, *, token: str, connect_s: float, read_s: float, keepalive: bool = True
) -> AsyncIterator[Connection]:
    """Connect, and disconnect at the end.

    Args:
        url: must be accepted by `check_url`.
        token: sent as `Authorization: Bearer`, if not empty; only over an encrypted connection, or to this machine.
        connect_s: limit for connecting, seconds.
        read_s: silence after which an HTTP response is ended, seconds.
        keepalive: ping a WebSocket by itself; not for venues that leave the protocol's pings unanswered.
    Raises:
        one of `BROKEN`; `VenueRefused`, which is one of them, if the venue refused.
    """
    parts = urlsplit(url)
    if parts.scheme == "ccxt":
        async with ccxt_connection(url, connect_s) as exchange:
            yield exchange
        return
    local = parts.hostname in LOCAL
    if token and not local and parts.scheme in ("ws", "http"):
        raise ConnectionError(f"the token is not sent over {parts.scheme}://, which is not encrypted; use {parts.scheme}s://")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if parts.scheme in ("ws", "wss"):
        socket = await _websocket(url, headers, connect_s, local=local, keepalive=keepalive)
        try:
            yield WebSocket(socket)
        finally:
            await socket.close()  # with code 1000, also on a signal, where `async with` would send 1011
        return
    lines = HttpLines(lambda: _response(url, headers, connect_s, read_s))
    try:
        async with asyncio.timeout(connect_s):
            await lines.receive()
        yield lines
    finally:
        lines.close()


async def _websocket(url: str, headers: dict[str, str], connect_s: float, *, local: bool, keepalive: bool) -> ClientConnection:
    try:
        return await connect(
            url,
            additional_headers=headers,
            open_timeout=connect_s,
            max_size=MAX_VENUE_BYTES,
            close_timeout=CLOSE_S,
            ping_interval=KEEPALIVE_S if keepalive else None,
            proxy=None if local else True,
        )
    except InvalidStatus as error:
        response = error.response
        body = (response.body or b"")[:300].decode("utf-8", "replace")
        text = f"the venue answered {response.status_code} {response.reason_phrase}: {body}"
        raise VenueRefused(text, dict(response.headers.raw_items())) from error


def _response(url: str, headers: dict[str, str], connect_s: float, read_s: float) -> "requests.Response":
    import requests  # noqa: PLC0415 - takes long, and most venues are not HTTP

    session = requests.Session()
    session.trust_env = urlsplit(url).hostname not in LOCAL  # proxies
    # Our own `auth` keeps a .netrc from replacing the token.
    response = session.get(
        url, headers=headers, stream=True, timeout=(connect_s, read_s), allow_redirects=False, auth=lambda request: request
    )
    if response.status_code != requests.codes.ok:
        with response:
            body = response.raw.read(300, decode_content=True).decode("utf-8", "replace")
        raise VenueRefused(f"the venue answered {response.status_code} {response.reason}: {body}", response.headers)
    return response

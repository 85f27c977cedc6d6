"""How a feed reaches its venue: a WebSocket, or the lines of an endless HTTP answer. Nothing of a venue's language is here.

Both give the same `Connection`. HTTP lines come from a daemon thread, because `requests` blocks; it hands each line to the event
loop and waits until it was taken, so that a busy feed slows the venue down instead of filling the memory.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import CancelledError
from typing import Protocol
from urllib.parse import urlsplit

import requests
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from bus.errors import ConfigError
from bus.wire.retry_after import retry_after_s

MAX_VENUE_BYTES = 4 << 20  # of one message of a venue
CLOSE_S = 0.5  # for the closing handshake: a venue that hangs must not hold up the next attempt
QUEUE = 64  # lines read ahead
LOCAL = ("127.0.0.1", "localhost", "::1")

BROKEN = (OSError, WebSocketException, TimeoutError)  # what a connection may raise; a requests exception is an OSError


class TurnedAway(ConnectionError):
    """The venue answered, but not with a connection.

    Args:
        text: the sentence.
        headers: of its answer, which may say when to ask again; names in any case.
    """

    def __init__(self, text: str, headers: Mapping[str, str]) -> None:
        super().__init__(text)
        self.again_s = retry_after_s({name.lower(): value for name, value in headers.items()}) or 0.0  # seconds, at most a day


class Connection(Protocol):
    """A connection that stands."""

    async def receive(self) -> str | bytes:
        """Wait for the next message; raises one of `BROKEN` when there will be none."""
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
    """A `Connection` over a streamed HTTP answer: what is received are its lines.

    Args:
        get: makes the request; called in the thread.
    """

    def __init__(self, get: Callable[[], requests.Response]) -> None:
        self._loop = asyncio.get_running_loop()
        self._lines: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUE)
        self._why: Exception = ConnectionError("the venue ended the answer")
        self._closed = False
        # Not of asyncio's pool, whose threads hold up the end of the process for as long as they wait for a venue.
        threading.Thread(target=self._work, args=(get,), name="http-lines", daemon=True).start()

    def _work(self, get: Callable[[], requests.Response]) -> None:
        try:
            with get() as response:
                self._hand_over(b"")  # the connection stands
                self._read(response)
        except TurnedAway as error:
            self._why = error
        except (OSError, AttributeError) as error:  # AttributeError: urllib3's, when the socket goes while it reads
            self._why = ConnectionError(f"{type(error).__name__}: {error}")
        self._hand_over(None)

    def _read(self, response: requests.Response) -> None:
        pending = b""
        for piece in response.iter_content(None):
            *lines, pending = (pending + piece).split(b"\n")
            for line in lines:
                if line.strip():
                    self._hand_over(line.strip())
            if len(pending) > MAX_VENUE_BYTES:
                raise ConnectionError(f"a line of more than {MAX_VENUE_BYTES} bytes")
            if self._closed:
                return

    def _hand_over(self, line: bytes | None) -> None:
        if self._closed:
            return
        with contextlib.suppress(RuntimeError, CancelledError):  # the loop has ended: nobody waits any more
            asyncio.run_coroutine_threadsafe(self._lines.put(line), self._loop).result()

    async def receive(self) -> str | bytes:
        """Wait for the next line; see `Connection`. The first one is empty: the connection stands."""
        line = await self._lines.get()
        if line is None:
            raise self._why
        return line

    async def send(self, text: str) -> None:
        """Refuse: what is wanted stands in the url."""
        raise ConnectionError(f"an HTTP stream takes no message, and has got one of {len(text)} characters")

    async def ping(self) -> None:
        """Wait for ever: HTTP has no pings."""
        await asyncio.Event().wait()

    def close(self) -> None:
        """Let the thread go: at once if it waits for us, otherwise at the venue's next bytes or the end of its read timeout."""
        self._closed = True
        while not self._lines.empty():
            self._lines.get_nowait()


def check_url(url: str) -> None:
    """Refuse what no transport takes.

    Raises:
        ConfigError: it is not ws, wss, http or https with a host.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss", "http", "https") or not parts.hostname:
        raise ConfigError(f"url {url!r} must be ws://HOST..., wss://HOST..., http://HOST... or https://HOST...")


@contextlib.asynccontextmanager
async def reach(url: str, *, token: str, connect_s: float, read_s: float) -> AsyncIterator[Connection]:
    """Connect, and disconnect in the end.

    Args:
        url: one that `check_url` takes.
        token: sent as `Authorization: Bearer`, if there is one; only where nobody can listen: encrypted, or to this machine.
        connect_s: until the connection stands, seconds.
        read_s: of silence after which the lines of an HTTP answer end, seconds.
    Raises:
        one of `BROKEN`; `TurnedAway`, which is one of them, if the venue answered and refused.
    """
    parts = urlsplit(url)
    local = parts.hostname in LOCAL
    if token and not local and parts.scheme in ("ws", "http"):
        raise ConnectionError(
            f"the token is not sent over {parts.scheme}://, which anybody on the way can read; use {parts.scheme}s://"
        )
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if parts.scheme in ("ws", "wss"):
        socket = await _connected(url, headers, connect_s, local=local)
        try:
            yield WebSocket(socket)
        finally:
            await socket.close()  # with 1000, also when a signal ends us; `async with` would say 1011 then
        return
    lines = HttpLines(lambda: _request(url, headers, connect_s, read_s))
    try:
        async with asyncio.timeout(connect_s):
            await lines.receive()
        yield lines
    finally:
        lines.close()


async def _connected(url: str, headers: dict[str, str], connect_s: float, *, local: bool) -> ClientConnection:
    try:
        return await connect(
            url,
            additional_headers=headers,
            open_timeout=connect_s,
            max_size=MAX_VENUE_BYTES,
            close_timeout=CLOSE_S,
            proxy=None if local else True,
        )
    except InvalidStatus as error:
        answer = error.response
        told = (answer.body or b"")[:300].decode("utf-8", "replace")
        text = f"the venue answered {answer.status_code} {answer.reason_phrase}: {told}"
        raise TurnedAway(text, dict(answer.headers.raw_items())) from error


def _request(url: str, headers: dict[str, str], connect_s: float, read_s: float) -> requests.Response:
    session = requests.Session()
    session.trust_env = urlsplit(url).hostname not in LOCAL  # proxies
    # Our own `auth` keeps a .netrc from replacing the token.
    response = session.get(
        url, headers=headers, stream=True, timeout=(connect_s, read_s), allow_redirects=False, auth=lambda request: request
    )
    if response.status_code != requests.codes.ok:
        with response:
            told = response.raw.read(300, decode_content=True).decode("utf-8", "replace")
        raise TurnedAway(f"the venue answered {response.status_code} {response.reason}: {told}", response.headers)
    return response

"""The feed process: a venue's WebSocket, or a recorded file, into numbered frames. asyncio, as one of the bus's two edges.

Reconnects with exponential back-off and full jitter, for ever; a connection that brought a message starts the delays anew.
"""

import asyncio
import contextlib
import math
import random
import signal
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from bus import daemon, log
from bus.config import Settings
from bus.core.backoff import Backoff
from bus.errors import ConfigError, FeedError
from clients.feeds import PARSERS
from clients.feeds.pacing import Pacing
from clients.feeds.parser import Parser
from clients.feeds.tickfile import read_ticks
from clients.post import ASK_S, BATCH, Post

OPEN_S = 10.0  # for the WebSocket's handshake
MAX_VENUE_BYTES = 4 << 20  # of one message of a venue
MAX_BACKLOG = 4 * BATCH  # of a replay, which can wait; a venue cannot


class LiveFeed:
    """Reads a venue's WebSocket and posts its ticks.

    Args:
        post: connected.
        parser: of the venue.
        url: ws:// or wss://.
        backoff: delays between attempts to connect.
    """

    def __init__(self, post: Post, parser: Parser, url: str, backoff: Backoff) -> None:
        self.post = post
        self.parser = parser
        self.url = url
        self.backoff = backoff
        self.refused = 0
        self.connections = 0

    async def run(self) -> None:
        """Read for ever."""
        attempt = 0
        while True:
            try:
                if await self._read():
                    attempt = 0
                why = "the venue closed the connection"
            except (OSError, WebSocketException, TimeoutError) as error:
                why = f"{type(error).__name__}: {error}"
            attempt += 1
            delay_s = self.backoff.delay_s(attempt)
            self._count(state="waiting")
            self.post.log.warning("venue lost", url=self.url, why=why, attempt=attempt, again_in_s=round(delay_s, 3))
            await asyncio.sleep(delay_s)

    async def _read(self) -> bool:
        """Read one connection to its end; true if it brought anything."""
        brought = False
        self._count(state="connecting")
        async with connect(
            self.url,
            open_timeout=OPEN_S,
            max_size=MAX_VENUE_BYTES,
            close_timeout=0.5,
            proxy=None if _is_local(self.url) else True,
        ) as venue:
            self.connections += 1
            self._count(state="connected")
            self.post.log.info("venue connected", url=self.url, connections=self.connections)
            async for message in venue:
                brought = True
                self._take(message)
        return brought

    def _take(self, message: str | bytes) -> None:
        time_ns = time.time_ns()
        try:
            ticks = self.parser.parse(message, time_ns // 1_000_000)
        except FeedError as error:
            self.refused += 1
            self._count()
            if self.refused & (self.refused - 1) == 0:  # the 1st, 2nd, 4th, ...: a broken venue cannot fill the log
                self.post.log.warning("venue's message refused", why=str(error), refused=self.refused)
            return
        for tick in ticks:
            self.post.post(tick, time_ns)

    def _count(self, **changed: str) -> None:
        self.post.counters.update(
            url=self.url, connections=self.connections, refused=self.refused, last=round(time.time(), 3), **changed
        )


class Replay:
    """Posts a recorded file at its own pace, or faster.

    Args:
        post: connected.
        file: one of the CSV forms of `clients.feeds.tickfile`.
        symbol: of all its ticks, where the file does not name one.
        speed: 1 as recorded, 10 ten times as fast; None as fast as the broker takes them.
    """

    def __init__(self, post: Post, file: Path, symbol: str | None, speed: float | None) -> None:
        self.post = post
        self.file = file
        self.symbol = symbol
        self.pacing = Pacing(speed)
        self.refused = 0

    async def run(self) -> None:
        """Post every tick, and wait until the broker has confirmed the last one."""
        link, clock, since_pause = self.post.link, time.monotonic, 0
        for tick in read_ticks(self.file, symbol=self.symbol, source="file", on_error=self._refuse):
            wait_s = self.pacing.wait_s(tick.timestamp, clock())
            since_pause += 1
            if wait_s > 0 or since_pause >= BATCH:
                since_pause = 0
                await asyncio.sleep(wait_s)
            while link.backlog > MAX_BACKLOG:
                await asyncio.sleep(0.002)
                self.post.push()
            self.post.post(tick, time.time_ns())
        while len(link.outbox):
            await asyncio.sleep(0.02)
            self.post.keep()

    def _refuse(self, error: FeedError) -> None:
        self.refused += 1
        self.post.counters.update(refused=self.refused)
        if self.refused & (self.refused - 1) == 0:
            self.post.log.warning("line refused", why=str(error), refused=self.refused)


def run_feed(settings: Settings, home: Path, *, venue: str, url: str, name: str | None = None) -> None:
    """Run the process that feeds from a venue, until a signal stops it.

    Args:
        settings: checked.
        home: the broker's folder.
        venue: one of `clients.feeds.PARSERS`.
        url: ws:// or wss://.
        name: in the broker's books; the venue's if None.
    Raises:
        ConfigError: the venue is unknown or the url is none.
    """
    if venue not in PARSERS:
        raise ConfigError(f"venue {venue!r} is unknown, must be one of {', '.join(PARSERS)}")
    if urlsplit(url).scheme not in ("ws", "wss") or not urlsplit(url).hostname:
        raise ConfigError(f"url {url!r} must be ws://HOST... or wss://HOST...")
    backoff = Backoff(settings.feed.backoff_base_s, settings.feed.backoff_cap_s, random.random)
    _run(settings, home, name or venue, lambda post: LiveFeed(post, PARSERS[venue](), url, backoff).run())


def run_replay(
    settings: Settings, home: Path, *, file: Path, symbol: str | None, speed: float | None, name: str | None = None
) -> dict[str, Any]:
    """Run the process that feeds from a recorded file, until its end or a signal.

    Args:
        settings: checked.
        home: the broker's folder.
        file: the file.
        symbol: of all its ticks, where the file does not name one.
        speed: 1 as recorded, 10 ten times as fast; None as fast as the broker takes them.
        name: in the broker's books; the file's if None.
    Returns:
        `{"posted", "confirmed", "refused", "resent", "dropped", "seconds"}`.
    Raises:
        FeedError: the file cannot be read, or its form is not known.
    """
    if speed is not None and not 0 < speed < math.inf:
        raise ConfigError(f"speed is {speed}, must be above 0, or max")
    started = time.monotonic()
    post = _run(settings, home, name or file.name, lambda post: Replay(post, file, symbol, speed).run())
    link = post.link
    return {
        "posted": link.outbox.last,
        "confirmed": link.outbox.oldest - 1 - link.outbox.dropped,
        "refused": post.counters.get("refused", 0),
        "resent": link.resent,
        "dropped": link.outbox.dropped,
        "seconds": round(time.monotonic() - started, 3),
    }


def _run(settings: Settings, home: Path, name: str, work: Callable[[Post], Coroutine[Any, Any, None]]) -> Post:
    daemon.end_with_supervisor()
    logger = log.set_up(settings.log, process="feed", feed=name)
    return asyncio.run(_serve(Post(settings, home, name, logger), work))


async def _serve(post: Post, work: Callable[[Post], Coroutine[Any, Any, None]]) -> Post:
    """Do the work beside the keeper, until the work or a signal ends it."""
    main = asyncio.ensure_future(_connect_and(post, work))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, main.cancel)
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await main
    finally:
        post.close()
    post.log.info("feed stopped", posted=post.link.outbox.last, unconfirmed=len(post.link.outbox))
    return post


async def _connect_and(post: Post, work: Callable[[Post], Coroutine[Any, Any, None]]) -> None:
    await post.connect()
    keeper = asyncio.ensure_future(_keep(post))
    try:
        await work(post)
    finally:
        keeper.cancel()


async def _keep(post: Post) -> None:
    while True:
        post.keep()
        await asyncio.sleep(ASK_S)


def _is_local(url: str) -> bool:
    return urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")

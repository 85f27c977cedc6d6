"""The feed process: a venue or a recorded file into numbered frames. asyncio, as one of the bus's two edges.

What is done with a venue is in `clients.live_feed`, with a file in `clients.replay_feed`.
"""

import asyncio
import contextlib
import math
import random
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from bus import daemon, log
from bus.core.backoff import Backoff
from bus.errors import ConfigError, FeedError
from bus.member import Member
from bus.settings import Settings
from clients.feeds import VENUES
from clients.feeds.parser import canonical_symbol
from clients.live_feed import LiveFeed
from clients.post import ASK_S, Post
from clients.replay_feed import Replay
from clients.transports import check_url

Work = Callable[[Post, Member], Coroutine[Any, Any, None]]
FINISH_S = 1.0  # that a feed which is stopped waits for the broker's last confirmations


def run_feed(
    settings: Settings,
    home: Path,
    *,
    venue: str,
    url: str,
    symbols: Sequence[str] | None = None,
    name: str | None = None,
) -> None:
    """Run the process that feeds from a venue, until a signal stops it.

    Args:
        settings: checked.
        home: the broker's folder.
        venue: one of `clients.feeds.VENUES`.
        url: ws://, wss://, http:// or https://.
        symbols: to subscribe to, as the venue writes them; none for what the url sends; None for setting feed.symbols.
        name: in the broker's books; the venue's if None.
    Raises:
        ConfigError: the venue is unknown, the url is none, or a symbol can be none.
    """
    if venue not in VENUES:
        raise ConfigError(f"venue {venue!r} is unknown, must be one of {', '.join(VENUES)}")
    check_url(url)
    wanted = [one for one in settings.feed.symbols.split(",") if one] if symbols is None else symbols
    try:
        for symbol in wanted:
            canonical_symbol(symbol)
    except FeedError as error:
        raise ConfigError(f"setting feed.symbols: {error}") from error
    backoff = Backoff(settings.feed.backoff_base_s, settings.feed.backoff_cap_s, random.random)

    def live(post: Post, member: Member) -> Coroutine[Any, Any, None]:
        return LiveFeed(post, VENUES[venue], url, wanted, settings.feed, backoff, lambda: float(member.live["stale_s"])).run()

    _run(settings, home, name or venue, live)


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
        `{"posted", "confirmed", "refused", "refusals", "resent", "dropped", "seconds"}`; `refused` are lines of the file, and
        ticks that the broker refused, whose symbols and codes are `refusals`.
    Raises:
        FeedError: the file cannot be read, or its form is not known.
    """
    if speed is not None and not 0 < speed < math.inf:
        raise ConfigError(f"speed is {speed}, must be above 0, or max")
    started = time.monotonic()
    post = _run(settings, home, name or file.name, lambda post, _: Replay(post, file, symbol, speed).run())
    link = post.link
    return {
        "posted": link.unconfirmed.last,
        "confirmed": max(0, link.unconfirmed.oldest - 1 - link.unconfirmed.dropped - post.refusals.count),
        "refused": post.counters.get("refused", 0) + post.refusals.count,
        "refusals": post.refusals.named,
        "resent": link.resent,
        "dropped": link.unconfirmed.dropped,
        "seconds": round(time.monotonic() - started, 3),
    }


def _run(settings: Settings, home: Path, name: str, work: Work) -> Post:
    daemon.end_with_supervisor()
    logger = log.set_up(settings.log, process="feed", feed=name)
    post = Post(settings, home, name, logger)
    with Member(settings, home, logger, kind="feed", name=name, collect=post.values) as member:
        return asyncio.run(_serve(post, member, work))


async def _serve(post: Post, member: Member, work: Work) -> Post:
    """Do the work beside the keeper, until the work or a signal ends it."""
    main = asyncio.ensure_future(_connect_and(post, member, work))
    loop = asyncio.get_running_loop()
    for number in daemon.stop_signals():
        loop.add_signal_handler(number, main.cancel)
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await main
        await post.finish(FINISH_S)
    finally:
        post.close()
    post.log.info("feed stopped", posted=post.link.unconfirmed.last, unconfirmed=len(post.link.unconfirmed))
    return post


async def _connect_and(post: Post, member: Member, work: Work) -> None:
    await post.connect()
    keeper = asyncio.ensure_future(_keep(post, member))
    try:
        await work(post, member)
    finally:
        keeper.cancel()


async def _keep(post: Post, member: Member) -> None:
    while True:
        post.keep()
        member.beat()
        await asyncio.sleep(ASK_S)

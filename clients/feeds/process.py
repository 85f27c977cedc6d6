"""The feed process: a venue or a recorded file into numbered frames. asyncio, as one of the bus's two edges.

What is done with a venue is in `clients.feeds.live`, with a file in `clients.feeds.file_replay`.
"""

import asyncio
import contextlib
import math
import random
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from bus.backoff import Backoff
from bus.errors import ConfigError, FeedError
from bus.process import lifecycle, log
from bus.process.member import Member
from bus.process.settings import Settings
from clients.feeds.file_replay import FileReplay, check_fresh
from clients.feeds.live import LiveFeed
from clients.feeds.publisher import ASK_S, TickPublisher
from clients.feeds.subscriptions import Subscriptions
from clients.feeds.symbol_keys import check_prefix
from clients.feeds.tick_files import open_ticks
from clients.feeds.transports import check_url
from clients.feeds.venues.dialect import Dialect
from clients.feeds.venues.registry import VENUES

Work = Callable[[TickPublisher, Member], Coroutine[Any, Any, None]]
FINISH_S = 1.0  # that a feed which is stopped waits for the broker's last confirmations


def run_feed(
    settings: Settings,
    home: Path,
    *,
    venue: str,
    url: str,
    symbols: Sequence[str] | None = None,
    name: str | None = None,
    prefix: str | None = None,
) -> None:
    """Run the process that feeds from a venue, until a signal stops it.

    Args:
        settings: checked.
        home: the broker's folder.
        venue: one of `clients.feeds.VENUES`.
        url: ws://, wss://, http:// or https://.
        symbols: to subscribe to, as the venue writes them; none for what the url sends; None for setting feed.symbols.
        name: in the broker's books; the venue's if None.
        prefix: of its topics; None for setting feed.prefix.
    Raises:
        ConfigError: the venue is unknown; the url is none, or one at which the venue is silent; no symbol is left of those that
            were wanted; two of them would have one topic; or the prefix is none.
    """
    if venue not in VENUES:
        raise ConfigError(f"venue {venue!r} is unknown, must be one of {', '.join(VENUES)}")
    check_url(url)
    wanted = [one.strip() for one in (settings.feed.symbols.split(",") if symbols is None else symbols) if one.strip()]
    before = _check(VENUES[venue](), url, wanted, settings.feed.prefix if prefix is None else prefix)
    backoff = Backoff(settings.feed.backoff_base_s, settings.feed.backoff_cap_s, random.random)

    def live(post: TickPublisher, member: Member) -> Coroutine[Any, Any, None]:
        return LiveFeed(post, VENUES[venue], url, wanted, settings.feed, backoff, lambda: float(member.live["stale_s"])).run()

    _run(settings, home, name or venue, live, before)


def _check(spoken: Dialect, url: str, wanted: Sequence[str], prefix: str) -> str:
    """Refuse what can only fail; returns the prefix as it stands before symbols. Raises `ConfigError`."""
    try:
        spoken.address(url, wanted)
        subscriptions = Subscriptions(wanted, 1.0, spoken.names.key)
        before = check_prefix(prefix)
    except FeedError as error:
        raise ConfigError(str(error)) from error
    if subscriptions.bad and not subscriptions.names:
        raise ConfigError(f"no symbol is left: {next(iter(subscriptions.bad.values())).text}")
    return before


def run_replay(
    settings: Settings,
    home: Path,
    *,
    file: Path,
    symbol: str | None,
    speed: float | None,
    name: str | None = None,
    prefix: str = "",
    live: bool = False,
    form: str | None = None,
) -> dict[str, Any]:
    """Run the process that feeds from a recorded file, until its end or a signal.

    Args:
        settings: checked.
        home: the broker's folder.
        file: the file.
        symbol: of all its ticks, where the file does not name one.
        speed: 1 as recorded, 10 ten times as fast; None as fast as the broker takes them.
        name: in the broker's books; the file's if None.
        prefix: of its topics; empty for none.
        live: ticks that are old go to the topics without prefix all the same, where the live ones are.
        form: of a file without names in its first line, see `clients.feeds.file_columns.FORMATS`.
    Returns:
        `{"posted", "confirmed", "refused", "refusals", "resent", "dropped", "seconds"}`; `refused` are lines of the file, and
        ticks that the broker refused, whose symbols and codes are `refusals`.
    Raises:
        ConfigError: the speed or the prefix is none.
        FeedError: the file is refused, before anything is posted; or a tick in it is old, and neither prefix nor live are given.
    """
    if speed is not None and not 0 < speed < math.inf:
        raise ConfigError(f"speed is {speed}, must be above 0, or max")
    try:
        before = check_prefix(prefix)
    except FeedError as error:
        raise ConfigError(str(error)) from error
    started, now_ms = time.monotonic(), time.time_ns() // 1_000_000
    lines = open_ticks(file, symbol=symbol, form=form)
    guard_ms = None if before or live else now_ms
    if guard_ms is not None:
        check_fresh(lines.first, guard_ms, lines.name)
    post = _run(settings, home, name or file.name, lambda post, _: FileReplay(post, lines, speed, guard_ms).run(), before)
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


def _run(settings: Settings, home: Path, name: str, work: Work, prefix: str) -> TickPublisher:
    lifecycle.end_with_supervisor()
    logger = log.set_up(settings.log, process="feed", feed=name)
    post = TickPublisher(settings, home, name, logger, prefix)
    with Member(settings, home, logger, kind="feed", name=name, collect=post.values) as member:
        return asyncio.run(_serve(post, member, work))


async def _serve(post: TickPublisher, member: Member, work: Work) -> TickPublisher:
    """Do the work beside the keeper, until the work or a signal ends it."""
    main = asyncio.ensure_future(_connect_and(post, member, work))
    loop = asyncio.get_running_loop()
    for number in lifecycle.stop_signals():
        loop.add_signal_handler(number, main.cancel)
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await main
    finally:
        await post.finish(FINISH_S)
        post.close()
    post.log.info("feed stopped", posted=post.link.unconfirmed.last, unconfirmed=len(post.link.unconfirmed))
    return post


async def _connect_and(post: TickPublisher, member: Member, work: Work) -> None:
    await post.connect()
    keeper = asyncio.ensure_future(_keep(post, member))
    try:
        await work(post, member)
    finally:
        keeper.cancel()


async def _keep(post: TickPublisher, member: Member) -> None:
    while True:
        post.keep()
        member.beat()
        await asyncio.sleep(ASK_S)

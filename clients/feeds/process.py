"""The feed process: publishes the ticks of a venue or a recorded file. It runs on asyncio, one of the bus's two edges.

Venues are read in `clients.feeds.live`, files in `clients.feeds.file_replay`.
"""

import asyncio
import contextlib
import math
import random
import time
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hulak.bus.backoff import Backoff
from hulak.bus.errors import ConfigError, FeedError, HandshakeFailed
from hulak.bus.process import lifecycle, log
from hulak.bus.process.member import NOTHING, Member
from hulak.bus.process.requests import SEARCH_AGAIN_S
from hulak.bus.process.settings import Settings
from hulak.bus.subscriber.events import event_of
from hulak.clients.calls.async_client import AsyncBusClient
from hulak.clients.feeds.ccxt_connection import exchange_class
from hulak.clients.feeds.file_lines import STDIN
from hulak.clients.feeds.file_replay import FileReplay, Progress, check_live
from hulak.clients.feeds.files.reader import FileOptions
from hulak.clients.feeds.files.sources import expand
from hulak.clients.feeds.files.tick_set import TickSet
from hulak.clients.feeds.live import LiveFeed
from hulak.clients.feeds.live_symbols import LiveSymbols
from hulak.clients.feeds.nepse.feed import NepseFeed
from hulak.clients.feeds.nepse.rows import SOURCE, symbol_of
from hulak.clients.feeds.nepse.watch_list import MOST_WATCHED
from hulak.clients.feeds.publisher import ANSWER_S, ASK_S, TickPublisher
from hulak.clients.feeds.subscriptions import Subscriptions
from hulak.clients.feeds.symbol_keys import LONGEST_NAME, check_prefix, check_source, check_text
from hulak.clients.feeds.transports import check_url
from hulak.clients.feeds.venues.dialect import Dialect
from hulak.clients.feeds.venues.registry import CCXT, VENUES, dialect_of

Work = Callable[[TickPublisher, Member], Coroutine[Any, Any, None]]
POOL_S = 60.0  # limit for an answer of the NEPSE workers, all attempts included
LEAST_TRADES_S, MOST_TRADES_S = 1.0, 3600.0  # each read is a request at the exchange
REPORT_S = 0.5  # between two updates of the NEPSE feed's counters
CONFIGURATION_S = 2.0  # limit for the first document of the live configuration
FINISH_S = 1.0  # limit for the broker's last confirmations when the feed stops


def run_feed(
    settings: Settings,
    home: Path,
    *,
    venue: str,
    url: str,
    symbols: Sequence[str] | None = None,
    name: str | None = None,
    prefix: str | None = None,
    source: str = "",
) -> None:
    """Run a feed of a venue until a signal stops it.

    Args:
        settings: checked.
        home: the broker's folder.
        venue: one of `clients.feeds.venues.registry.VENUES`, or `ccxt:EXCHANGE`.
        url: ws://, wss://, http:// or https://; empty for ccxt.
        symbols: to subscribe to, as the venue writes them; empty to take what the url sends; None for setting feed.symbols.
        name: of the feed, in the broker's statistics; the source or else the venue if None.
        prefix: of its topics; None for setting feed.prefix.
        source: of its ticks; empty for that of the venue.
    Raises:
        ConfigError: the venue is unknown; the url is invalid, or the venue sends nothing there; all symbols are bad; two of them
            have one topic; or the prefix, the name or the source is invalid.
    """
    if venue.startswith(CCXT):
        exchange = venue.removeprefix(CCXT)
        exchange_class(exchange)
        url, name = f"ccxt://{exchange}", name or source or f"ccxt-{exchange}"
    elif venue not in VENUES:
        raise ConfigError(f"venue {venue!r} is unknown, must be one of {', '.join(VENUES)} or {CCXT}EXCHANGE")
    else:
        check_url(url)
    try:
        check_source(source)
        if name is not None:
            check_text("name", name, least=1)
    except FeedError as error:
        raise ConfigError(str(error)) from error
    given = settings.feed.symbols.split(",") if symbols is None else symbols
    names = [name.strip() for name in given if name.strip()]
    dialect = dialect_of(venue, settings.feed)
    topic_prefix = _check(dialect(), url, names, settings.feed.prefix if prefix is None else prefix)
    backoff = Backoff(settings.feed.backoff_base_s, settings.feed.backoff_cap_s, random.random)

    async def live(publisher: TickPublisher, member: Member) -> None:
        await _configuration(member)
        stale_s, wanted = partial(_live_stale_s, member), LiveSymbols(member, names)
        await LiveFeed(publisher, dialect, url, names, settings.feed, backoff, stale_s, source, wanted).run()

    _run(settings, home, name or source or venue, live, topic_prefix)


def run_nepse(
    settings: Settings,
    home: Path,
    *,
    watched: Sequence[str] | None = None,
    name: str | None = None,
    prefix: str | None = None,
    trades_s: float | None = None,
) -> None:
    """Run the feed of the Nepal Stock Exchange until a signal stops it; it asks the NEPSE workers.

    Args:
        settings: checked.
        home: the broker's folder.
        watched: securities whose order books are read too, as the exchange writes them; None for setting feed.symbols, if
            feed.venue is nepse.
        name: of the feed, in the broker's statistics; `nepse` if None.
        prefix: of its topics; None for setting feed.prefix, if feed.venue is nepse.
        trades_s: seconds between two reads of the newest trades, 0: no single trades; None for setting feed.trades_s.
    Raises:
        ConfigError: a security, their number, the prefix or the time is invalid.
    """
    section, of_settings = settings.feed, settings.feed.venue == SOURCE
    given = watched if watched is not None else section.symbols.split(",") if of_settings else ()
    names = [name.strip() for name in given if name.strip()]
    try:
        topic_prefix = check_prefix(prefix if prefix is not None else section.prefix if of_settings else "")
        for security in names:
            symbol_of(security)
    except FeedError as error:
        raise ConfigError(str(error)) from error

    if len(names) > MOST_WATCHED:
        raise ConfigError(f"{len(names)} symbols, must be at most {MOST_WATCHED}: each minute the order book of each is read")
    every_s = section.trades_s if trades_s is None else trades_s
    if every_s != 0 and not LEAST_TRADES_S <= every_s <= MOST_TRADES_S:
        allowed = f"0, for none, or {LEAST_TRADES_S:g} to {MOST_TRADES_S:g} s"
        raise ConfigError(f"trades are to be read every {every_s} s, must be {allowed}")
    families = ("tick", "market", "trade") if every_s else ("tick", "market")

    async def work(publisher: TickPublisher, member: Member) -> None:
        client = AsyncBusClient(settings, home)
        try:
            bodies = [body for family in families for body in await _last_bodies(client, family, topic_prefix)]
            ask, set_days = partial(_ask_pool, client), partial(_set_days, client)
            feed = NepseFeed(publisher, ask, names, trades_s=every_s, clock=time.time, set_days=set_days)
            reporter = asyncio.ensure_future(_report(feed, LiveSymbols(member, names)))
            try:
                await feed.run(bodies)
            finally:
                reporter.cancel()
        finally:
            client.close()

    _run(settings, home, name or SOURCE, work, topic_prefix)


async def _report(feed: NepseFeed, wanted: LiveSymbols) -> None:
    while True:
        await feed.watch(*wanted())
        feed.report()
        await asyncio.sleep(REPORT_S)


async def _last_bodies(client: AsyncBusClient, family: str, prefix: str) -> list[Any]:
    """Return the last messages of the feed's topics; names with another prefix begin with a lower-case letter."""
    begins = f"{family}.{prefix}"
    events = map(event_of, await client.call("hulak.last", "", {"topic": begins}, timeout_s=ANSWER_S))
    names = ((event, event.topic.removeprefix(begins)) for event in events)
    return [event.body for event, name in names if name == SOURCE or not name[:1].islower()]


async def _ask_pool(client: AsyncBusClient, action: str, **args: Any) -> Any:
    return await client.call(SOURCE, action, args, timeout_s=POOL_S, share=True)


async def _set_days(client: AsyncBusClient, days: dict[str, Any]) -> None:
    await client.call("hulak.calendar.set", "", days, timeout_s=ANSWER_S)


def _live_stale_s(member: Member) -> float:
    return float(member.live["stale_s"])


async def _configuration(member: Member) -> None:
    """Wait for the live configuration: with it the feed begins with the right symbols, and needs no second connection."""
    until = time.monotonic() + CONFIGURATION_S
    while time.monotonic() < until:
        if member.document is not NOTHING:
            return
        await asyncio.sleep(SEARCH_AGAIN_S / 5)


def _check(dialect: Dialect, url: str, names: Sequence[str], prefix: str) -> str:
    """Check what would certainly fail; returns the prefix as it stands before symbols. Raises `ConfigError`."""
    try:
        dialect.address(url, names)
        subscriptions = Subscriptions(names, 1.0, dialect.names.key, dialect.names.is_same)
        topic_prefix = check_prefix(prefix)
    except FeedError as error:
        raise ConfigError(str(error)) from error
    if subscriptions.bad and not subscriptions.names:
        raise ConfigError(f"every symbol is bad: {next(iter(subscriptions.bad.values())).text}")
    return topic_prefix


def run_replay(
    settings: Settings,
    home: Path,
    *,
    files: Sequence[Path],
    options: FileOptions = FileOptions(),  # noqa: B008  # it is frozen
    speed: float | None,
    name: str | None = None,
    prefix: str = "",
    live: bool = False,
    from_ms: int | None = None,
    to_ms: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Run a feed of recorded files until their end or a signal.

    Args:
        settings: checked.
        home: the broker's folder.
        files: files and folders; `-` is standard input.
        options: the user's, about the files.
        speed: 1 as recorded, 10 ten times as fast; None as fast as the broker accepts them.
        name: of the feed, in the broker's statistics; that of the first file if None.
        prefix: of its topics; empty for none.
        live: publish old ticks to the topics without prefix, which carry the live ones.
        from_ms: ms since 1970 UTC; earlier ticks are left out.
        to_ms: likewise; ticks from there on are left out.
        progress: called now and then with the number of ticks posted, and the time of the last one, ms since 1970 UTC.
    Returns:
        `{"posted", "confirmed", "refused", "first_refusal", "refusals", "resent", "dropped", "seconds", "empty", "files"}`;
        `refused` counts rows of the files, and ticks that the broker refused; `first_refusal` is the error of the first such row,
        `refusals` has the symbols and codes of such ticks; `empty` counts files without ticks, and `files` has a
        `files.tick_set.FileReport` for each other one.
    Raises:
        ConfigError: the speed, the prefix or the name is invalid.
        FeedError: a file is refused, before anything is posted; or a tick is old, and neither prefix nor live is given.
    """
    if speed is not None and not 0 < speed < math.inf:
        raise ConfigError(f"speed is {speed}, must be above 0, or max")
    try:
        topic_prefix = check_prefix(prefix)
        if name is not None:
            check_text("name", name, least=1)
    except FeedError as error:
        raise ConfigError(str(error)) from error
    started, now_ms = time.monotonic(), time.time_ns() // 1_000_000
    ticks = TickSet(expand(files), options, from_ms, to_ms)
    guard_ms = None if topic_prefix or live else now_ms
    if guard_ms is not None:
        check_live(ticks, guard_ms)
    publisher = _run(
        settings,
        home,
        name or default_name(files[0]),
        lambda publisher, _: FileReplay(publisher, ticks, speed, guard_ms, progress).run(),
        topic_prefix,
    )
    link = publisher.link
    return {
        "posted": link.unconfirmed.last,
        "confirmed": max(0, link.unconfirmed.oldest - 1 - link.unconfirmed.dropped - publisher.refusals.count),
        "refused": publisher.counters.get("refused", 0) + publisher.refusals.count,
        "first_refusal": ticks.first_error,
        "refusals": publisher.refusals.named,
        "resent": link.resent,
        "dropped": link.unconfirmed.dropped,
        "seconds": round(time.monotonic() - started, 3),
        "empty": len(ticks.empty),
        "files": [report.as_json() for report in ticks.reports],
    }


def default_name(file: Path) -> str:
    """Return the name of a file's feed: without characters that a report may not have, and not too long for one."""
    name = "stdin" if file == STDIN else file.name
    return "".join(char if char.isprintable() else "?" for char in name)[:LONGEST_NAME]


def _run(settings: Settings, home: Path, name: str, work: Work, prefix: str) -> TickPublisher:
    lifecycle.end_with_supervisor()
    logger = log.set_up(settings.log, process="feed", feed=name)
    publisher = TickPublisher(settings, home, name, logger, prefix)
    with Member(settings, home, logger, kind="feed", name=name, collect=publisher.values) as member:
        return asyncio.run(_serve(publisher, member, work))


async def _serve(publisher: TickPublisher, member: Member, work: Work) -> TickPublisher:
    """Run the work beside the keep-alive task, until the work or a signal ends it."""
    main = asyncio.ensure_future(_connect_and(publisher, member, work))
    loop = asyncio.get_running_loop()
    for number in lifecycle.stop_signals():
        loop.add_signal_handler(number, main.cancel)
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await main
    finally:
        with contextlib.suppress(HandshakeFailed, ConfigError):  # that ended the work already
            await publisher.finish(FINISH_S)
        publisher.close()
    publisher.log.info("feed stopped", posted=publisher.link.unconfirmed.last, unconfirmed=len(publisher.link.unconfirmed))
    return publisher


async def _connect_and(publisher: TickPublisher, member: Member, work: Work) -> None:
    await publisher.connect()
    keeper, worker = asyncio.ensure_future(_keep(publisher, member)), asyncio.ensure_future(work(publisher, member))
    try:
        ended, _ = await asyncio.wait({keeper, worker}, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()
    finally:
        keeper.cancel()
        worker.cancel()
        await asyncio.gather(keeper, worker, return_exceptions=True)


async def _keep(publisher: TickPublisher, member: Member) -> None:
    while True:
        publisher.keep()
        member.beat()
        await asyncio.sleep(ASK_S)

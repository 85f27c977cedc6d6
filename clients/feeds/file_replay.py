"""Publishes recorded files of ticks, at their recorded speed or faster."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

from hulak.bus.errors import FeedError
from hulak.bus.wire.messages import Tick
from hulak.clients.feeds.files.tick_set import TickSet
from hulak.clients.feeds.pacing import ReplayPacing
from hulak.clients.feeds.publisher import BATCH, TickPublisher
from hulak.clients.feeds.quote_flags import QuoteFlags

Progress = Callable[[int, int], None]
MAX_BACKLOG = 4 * BATCH  # frames that wait to be sent; a file can wait, a venue cannot
FRESH_MS = 86_400_000  # a tick further from now is not of today's market


def check_live(lines: TickSet, now_ms: int) -> None:
    """Refuse files that do not belong to the topics of the live ticks.

    Args:
        lines: the files, checked.
        now_ms: ms since 1970 UTC.
    Raises:
        FeedError: the file was exported from a bus, whose subscribers had its ticks already; or its first tick is old.
    """
    if lines.recorded:
        raise FeedError(
            f"{lines.name} was exported from a bus, and subscribers would get its ticks twice: set a prefix with --prefix NAME "
            f"(the topics are then tick.NAME.{lines.first.symbol} and so on), or use --live"
        )
    check_fresh(lines.first, now_ms, lines.name)


def check_fresh(tick: Tick, now_ms: int, name: str) -> None:
    """Refuse an old tick, which subscribers would take for the market's current one.

    Args:
        tick: a tick of the file.
        now_ms: ms since 1970 UTC.
        name: the file's name.
    Raises:
        FeedError: its time is not within a day of now.
    """
    if abs(tick.timestamp - now_ms) > FRESH_MS:
        day = datetime.fromtimestamp(tick.timestamp / 1000, UTC).date()
        raise FeedError(
            f"{name} has a tick of {day}, but its topic tick.{tick.symbol} carries live ticks: set a prefix with "
            f"--prefix NAME (the topics are then tick.NAME.{tick.symbol} and so on), or use --live"
        )


class FileReplay:
    """Publishes recorded files at their recorded speed, or faster.

    Args:
        publisher: connected.
        lines: the files, checked.
        speed: 1 as recorded, 10 ten times as fast; None as fast as the broker accepts them.
        guard_ms: ms since 1970 UTC; a tick more than a day away from it is refused. None to publish all ticks.
        progress: called now and then with the number of ticks posted, and the time of the last one, ms since 1970 UTC.
    """

    def __init__(
        self,
        publisher: TickPublisher,
        lines: TickSet,
        speed: float | None,
        guard_ms: int | None,
        progress: Progress | None = None,
    ) -> None:
        self.progress = progress or _ignore
        self.publisher = publisher
        self.lines = lines
        self.guard_ms = guard_ms
        self.pacing = ReplayPacing(speed)
        self.quote_flags = QuoteFlags()
        self.refused = 0

    async def run(self) -> None:
        """Publish every tick, and wait until the broker has confirmed the last one.

        Raises:
            FeedError: a tick is too old, or the file is damaged; all ticks before it have been published.
        """
        publisher, clock, since_pause = self.publisher, time.monotonic, 0
        link = publisher.link
        guard_ms, recorded = self.guard_ms, self.lines.recorded
        for tick in self.lines.steps(self._refuse):
            if tick is None:
                await asyncio.sleep(0)
                continue
            if guard_ms is not None:
                check_fresh(tick, guard_ms, self.lines.name)
            wait_s = self.pacing.wait_s(tick.timestamp, clock())
            since_pause += 1
            if wait_s > 0 or since_pause >= BATCH:
                since_pause = 0
                self.progress(link.unconfirmed.last, tick.timestamp)
                await asyncio.sleep(wait_s)
            while link.backlog > MAX_BACKLOG:
                await asyncio.sleep(0.002)
                publisher.push()
            publisher.post(tick if recorded else self.quote_flags.mark(tick), time.time_ns())
        publisher.counters.update(flagged=dict(self.quote_flags.counts))
        while len(link.unconfirmed):
            await asyncio.sleep(0.02)
            publisher.keep()

    def _refuse(self, error: FeedError) -> None:
        self.refused += 1
        self.publisher.counters.update(refused=self.refused)
        if self.refused & (self.refused - 1) == 0:
            self.publisher.log.warning("line refused", why=str(error), refused=self.refused)


def _ignore(posted: int, time_ms: int) -> None:
    """Show nothing."""
    del posted, time_ms

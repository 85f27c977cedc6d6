"""A recorded file of ticks onto the bus, at its own pace or faster."""

import asyncio
import time
from datetime import UTC, datetime

from bus.errors import FeedError
from bus.wire.messages import Tick
from clients.feeds.pacing import ReplayPacing
from clients.feeds.publisher import BATCH, TickPublisher
from clients.feeds.quote_flags import QuoteFlags
from clients.feeds.tick_files import TickLines

MAX_BACKLOG = 4 * BATCH  # frames that wait to be sent; a file can wait, a venue cannot
FRESH_MS = 86_400_000  # what is further from now is no tick of today's market


def check_fresh(tick: Tick, now_ms: int, name: str) -> None:
    """Refuse an old tick, that would be taken for the market's last one.

    Args:
        tick: of the file.
        now_ms: ms since 1970 UTC.
        name: of the file.
    Raises:
        FeedError: its time is not within a day of now.
    """
    if abs(tick.timestamp - now_ms) > FRESH_MS:
        day = datetime.fromtimestamp(tick.timestamp / 1000, UTC).date()
        raise FeedError(
            f"{name} has a tick of {day}, and its topic tick.{tick.symbol} is where live ticks are: name a prefix with "
            f"--prefix NAME (the topics are then tick.NAME.{tick.symbol} and so on), or say --live"
        )


class FileReplay:
    """Posts a recorded file at its own pace, or faster.

    Args:
        post: connected.
        lines: of the file, judged.
        speed: 1 as recorded, 10 ten times as fast; None as fast as the broker takes them.
        guard_ms: ms since 1970 UTC, from which no tick may be further than a day; None where all may go out.
    """

    def __init__(self, post: TickPublisher, lines: TickLines, speed: float | None, guard_ms: int | None) -> None:
        self.post = post
        self.lines = lines
        self.guard_ms = guard_ms
        self.pacing = ReplayPacing(speed)
        self.marks = QuoteFlags()
        self.refused = 0

    async def run(self) -> None:
        """Post every tick, and wait until the broker has confirmed the last one.

        Raises:
            FeedError: a tick is too old, or the file is damaged; what stands before it has been posted.
        """
        link, clock, since_pause = self.post.link, time.monotonic, 0
        guard_ms, as_it_was = self.guard_ms, self.lines.recorded
        for tick in self.lines.ticks(self._refuse):
            if guard_ms is not None:
                check_fresh(tick, guard_ms, self.lines.name)
            wait_s = self.pacing.wait_s(tick.timestamp, clock())
            since_pause += 1
            if wait_s > 0 or since_pause >= BATCH:
                since_pause = 0
                await asyncio.sleep(wait_s)
            while link.backlog > MAX_BACKLOG:
                await asyncio.sleep(0.002)
                self.post.push()
            self.post.post(tick if as_it_was else self.marks.mark(tick), time.time_ns())
        self.post.counters.update(flagged=dict(self.marks.counts))
        while len(link.unconfirmed):
            await asyncio.sleep(0.02)
            self.post.keep()

    def _refuse(self, error: FeedError) -> None:
        self.refused += 1
        self.post.counters.update(refused=self.refused)
        if self.refused & (self.refused - 1) == 0:
            self.post.log.warning("line refused", why=str(error), refused=self.refused)

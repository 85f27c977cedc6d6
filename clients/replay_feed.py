"""A recorded file of ticks onto the bus, at its own pace or faster."""

import asyncio
import time
from pathlib import Path

from bus.errors import FeedError
from clients.feeds.marks import Marks
from clients.feeds.pacing import Pacing
from clients.feeds.tickfile import read_ticks
from clients.post import BATCH, Post

MAX_BACKLOG = 4 * BATCH  # frames that wait to be sent; a file can wait, a venue cannot


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
        self.marks = Marks()
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
            self.post.post(self.marks.mark(tick), time.time_ns())
        self.post.counters.update(flagged=dict(self.marks.counts))
        while len(link.unconfirmed):
            await asyncio.sleep(0.02)
            self.post.keep()

    def _refuse(self, error: FeedError) -> None:
        self.refused += 1
        self.post.counters.update(refused=self.refused)
        if self.refused & (self.refused - 1) == 0:
            self.post.log.warning("line refused", why=str(error), refused=self.refused)

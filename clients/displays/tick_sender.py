"""Ticks that a program dispatches itself: a numbered feed of its own, so that none is lost on the way."""

import asyncio
import logging
import os
import time
from collections.abc import Iterable
from pathlib import Path

import structlog

from bus.errors import BusTimeout
from bus.process.settings import Settings
from bus.wire.messages import Tick
from clients.feeds.publisher import TickPublisher

SOURCE = "client"
LOOK_S = 0.002


class TickSender:
    """Posts ticks and waits until the broker has them; connects with the first.

    Args:
        settings: say where the broker is.
        home: its folder.
    """

    def __init__(self, settings: Settings, home: Path) -> None:
        self._settings = settings
        self._home = home
        self._post: TickPublisher | None = None

    def post(self, ticks: Iterable[Tick], timeout_s: float) -> int:
        """Post ticks in their order; returns how many, when all of them are in the broker's journal.

        Raises:
            BusTimeout: they are not, in time; they go on being kept for the broker, and the next call sends them first.
        """
        deadline = time.monotonic() + timeout_s
        post = self._post or self._connect(timeout_s)
        count = 0
        for tick in ticks:
            post.post(tick, time.time_ns())
            count += 1
        while len(post.link.unconfirmed):
            post.keep()
            if time.monotonic() > deadline:
                raise BusTimeout(f"{len(post.link.unconfirmed)} ticks were not confirmed within {timeout_s:g} s")
            time.sleep(LOOK_S)
        return count

    def _connect(self, timeout_s: float) -> TickPublisher:
        quiet = structlog.wrap_logger(None, wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
        post = TickPublisher(self._settings, self._home, f"displays/{os.getpid()}", quiet)
        try:
            asyncio.run(asyncio.wait_for(post.connect(), timeout_s))
        except TimeoutError:
            post.close()
            raise BusTimeout(f"no broker took ticks at {self._settings.broker.collector} within {timeout_s:g} s") from None
        self._post = post
        return post

    def close(self) -> None:
        """Close the connection."""
        if self._post is not None:
            self._post.close()
            self._post = None

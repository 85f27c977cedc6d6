"""`Publisher` and `AsyncPublisher`: a program's own topics, `app.NAME` and those below it. PROTOCOL.md section 3.11.

with Publisher("signals") as signals:
    signals.post({"side": "buy", "size": 2}, "EURUSD")  # on app.signals.EURUSD
"""

import asyncio
import time
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from hulak.bus.errors import FeedError, ProtocolError
from hulak.bus.process.client_logger import Logger
from hulak.bus.process.settings import Settings
from hulak.bus.wire.codec import check_topic, pack
from hulak.bus.wire.own_names import ALLOWED, is_name, topic_of
from hulak.clients.confirmed_sender import ConfirmedSender

MOST_KEPT = 10_000  # messages that the broker has not confirmed: they may be much larger than ticks
MOST_BYTES = 1 << 20  # of a body, the largest that a broker's setting max_tick_bytes allows


class Publisher(ConfirmedSender):
    """Publishes on topics that it owns; a context manager. Every method may be called from any thread.

    A message is kept until the broker has accepted it, and where it is journalled, until it is in the journal: messages that were
    lost on the way are sent again, also after a restart of the broker. One program at a time owns a name.

    Args:
        name: of the topics `app.NAME` and `app.NAME.REST`: 1 to 64 letters, digits, `_` and `-`.
        journal: whether the topics are journalled, so that they can be replayed and outlive a restart of the broker; None: as
            they are now, and not if there is none of them yet.
        settings: name the broker's endpoints; loaded as for every command if None.
        home: the broker's folder; the default one if None.
        timeout_s: seconds to wait for the broker: when this is opened, when 10,000 messages are not confirmed, when it is closed.
        key: the file of a key with the role `feed` of the topics; that of the settings (`HULAK_KEY`) if None.
        logger: receives the events of the connection; None for no log.
    Raises:
        FeedError: the name is invalid.
        ConfigError: the settings are invalid.
    """

    KIND: ClassVar[str] = "publisher"
    MESSAGES: ClassVar[str] = "messages"

    def __init__(
        self,
        name: str,
        *,
        journal: bool | None = None,
        settings: Settings | None = None,
        home: Path | None = None,
        timeout_s: float = 10.0,
        key: Path | str | None = None,
        logger: Logger | None = None,
    ) -> None:
        if not isinstance(name, str) or not is_name(name):
            raise FeedError(f"name is {name!r:.80}, must be {ALLOWED}")
        if journal not in (None, True, False):
            raise FeedError(f"journal is {journal!r:.80}, must be True, False or None")
        claims: dict[str, Any] = {"owns": name} if journal is None else {"owns": name, "journal": journal}
        super().__init__(topic_of(name), "", claims, settings, home, timeout_s, key, logger)
        self._name = name

    def post(self, body: Any, rest: str = "") -> None:
        """Post a message; return when it is numbered and kept, usually at once.

        Args:
            body: any value that msgpack can hold: None, bool, int of 64 bits, float, str, bytes, lists and dicts of these; the
                keys of a dict are texts.
            rest: the part of the topic behind `app.NAME.`: letters, digits, `.`, `_` and `-`; empty: the topic `app.NAME`.
        Raises:
            FeedError: the body or the topic is invalid; nothing is posted.
            BusTimeout: 10,000 messages are kept, and the broker confirmed none of them within `timeout_s`.
            BusError: `NOT_YOURS`, another program owns the name; `BAD_ARGUMENT`, its topics are of the other kind; `CLOSED`.
        """
        topic, packed = self._checked(body, rest)
        self.open()
        self._until(lambda: self._post(topic, packed), self._timeout_s)

    def offer(self, body: Any, rest: str = "") -> bool:
        """Post a message if there is room for it, and return whether there was; otherwise like `post`, once this is open."""
        topic, packed = self._checked(body, rest)
        with self._lock:
            self._check_usable()
            return self._post(topic, packed)

    @property
    def journalled(self) -> bool:
        """Return whether the topics are journalled, as the broker said last."""
        return self._publisher.journalled

    def _checked(self, body: Any, rest: str) -> tuple[str, bytes]:
        topic = topic_of(self._name, rest)
        try:
            check_topic(topic.encode("ascii", "replace"))
        except (ProtocolError, AttributeError) as error:
            raise FeedError(f"rest is {rest!r:.80}: {error}") from error
        if isinstance(body, dict) and not all(isinstance(key, str) for key in body):
            raise FeedError(f"body is {body!r:.80}, the keys of a dict must be texts")
        try:
            packed = pack(body)
        except (TypeError, ValueError, OverflowError) as error:
            raise FeedError(f"body is {body!r:.80}, which msgpack cannot hold: {error}") from error
        if len(packed) > MOST_BYTES:
            raise FeedError(f"body has {len(packed)} bytes when packed, must be at most {MOST_BYTES}")
        return topic, packed

    def _post(self, topic: str, packed: bytes) -> bool:
        """Post if there is room; the lock is held."""
        if len(self._publisher.link.unconfirmed) >= min(MOST_KEPT, self._settings.feed.buffer):
            return False
        self._publisher.post_packed(topic, packed, time.time_ns())
        return True


class AsyncPublisher:
    """`Publisher` for asyncio; an async context manager. Arguments and errors are those of `Publisher`."""

    def __init__(self, name: str, **options: Any) -> None:
        self._publisher = Publisher(name, **options)

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._publisher.open)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if error is None:
                await self.flush()
        finally:
            await asyncio.to_thread(self._publisher.close)

    async def post(self, body: Any, rest: str = "") -> None:
        """Post a message, as `Publisher.post`; this waits only while 10,000 messages are kept."""
        if not self._publisher.offer(body, rest):
            await asyncio.to_thread(self._publisher.post, body, rest)

    async def flush(self, timeout_s: float | None = None) -> None:
        """Wait until every message is confirmed, as `Publisher.flush`."""
        await asyncio.to_thread(self._publisher.flush, timeout_s)

    @property
    def journalled(self) -> bool:
        """Return whether the topics are journalled, as the broker said last."""
        return self._publisher.journalled

    def counters(self) -> dict[str, Any]:
        """Return the counts, as `Publisher.counters`."""
        return self._publisher.counters()

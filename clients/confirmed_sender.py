"""The part that the senders of a program have in common: a connection to the broker, and a thread that keeps it.

A message is kept until the broker has it in its journal, or has accepted it where it is not journalled. The thread requests the
broker's position, and sends lost messages again, also after a restart of the broker. PROTOCOL.md section 3.4.
"""

import asyncio
import contextlib
import itertools
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from hulak.bus.errors import BusError, BusTimeout, HandshakeFailed
from hulak.bus.process import endpoints
from hulak.bus.process.client_logger import Logger, logger_of
from hulak.bus.process.load_settings import located
from hulak.bus.process.member import Member
from hulak.bus.process.settings import Settings
from hulak.clients.feeds.publisher import ASK_S, TickPublisher

POLL_S = 0.002  # between two polls for confirmations, while a caller waits for them
LEAVE_S = 1.0  # limit of the request that gives up own topics
_reports: dict[str, "ConfirmedSender"] = {}  # name of a report -> the sender of this process that has it


class ConfirmedSender:
    """A sender of a program, a context manager. Every method may be called from any thread.

    Args:
        name: in `hulak feeds`, with the process id; a further sender of this name in one process also has a number.
        prefix: of the topics of ticks, with its dot; empty for none.
        claims: the own topics that it claims, as for `Delivery`; None for none.
        settings, home, timeout_s, key, logger: as for `Feed`.
    Raises:
        ConfigError: the settings are invalid.
    """

    KIND: ClassVar[str]  # of sender, for sentences
    MESSAGES: ClassVar[str]  # that it posts, likewise

    def __init__(
        self,
        name: str,
        prefix: str,
        claims: Mapping[str, Any] | None,
        settings: Settings | None,
        home: Path | None,
        timeout_s: float,
        key: Path | str | None,
        logger: Logger | None,
    ) -> None:
        self._settings, self._home = located(settings, home, key)
        self._timeout_s = timeout_s
        log = logger_of(logger)
        self._publisher = TickPublisher(self._settings, self._home, name, log, prefix, claims)
        self._report_name = self._take_name(f"{name}/{os.getpid()}")
        self._member = Member(self._settings, self._home, log, kind="feed", name=self._report_name, collect=self._report)
        self._lock = threading.Lock()  # guards the publisher, and that it is not used once the sender is closed
        self._start_lock = threading.Lock()
        self._process = os.getpid()
        self._error: BaseException | None = None  # that ended the thread
        self._connected, self._ends = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"{self.KIND} {name}", daemon=True)
        self._reported = 0  # refusals that were reported to a caller

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if error is None:
                self.flush()
        finally:
            self.close()

    def open(self) -> None:
        """Connect, and wait until the broker accepts messages; further calls do nothing.

        Raises:
            BusTimeout: it does not within `timeout_s`; this is then closed.
            HandshakeFailed: the broker and this process do not accept each other's keys.
            BusError: `CLOSED`, this is closed, or belongs to another process; `NOT_YOURS`, another program owns topics.
        """
        with self._start_lock:
            self._check_usable()
            if self._thread.ident is None:
                self._thread.start()
                self._member.start()
        if not self._connected.wait(self._timeout_s):
            self.close()
            where = endpoints.expected(self._settings, self._home, "collector")
            seen = f"no broker accepted {self.MESSAGES} at {where} within {self._timeout_s:g} s"
            raise BusTimeout(f"{seen}; start one with `hulak up` or `hulak broker`")
        try:
            self._check_usable()
        except BusError:
            self.close()
            raise

    def flush(self, timeout_s: float | None = None) -> None:
        """Wait until every message is in the broker's journal, or accepted where it is not journalled.

        Args:
            timeout_s: limit in seconds; that of the constructor if None.
        Raises:
            BusTimeout: some are not within `timeout_s`; they are still kept and sent.
            BusError: `REFUSED`: the broker refused messages since the last call; the text names their topics and codes.
        """
        if self._thread.ident is None:
            return
        kept, refusals = self._publisher.link.unconfirmed, self._publisher.refusals
        self._until(lambda: not len(kept), self._timeout_s if timeout_s is None else timeout_s)
        with self._lock:
            new, self._reported = refusals.count - self._reported, refusals.count
        if new > 0:
            named = ", ".join(f"{symbol} ({code})" for symbol, code in refusals.named.items())
            raise BusError("REFUSED", f"the broker refused {new} {self.MESSAGES}: {named}")

    def counters(self) -> dict[str, Any]:
        """Return the counts `posted`, `unconfirmed`, `dropped`, `resent`, `refused`, and `symbol_errors` by symbol."""
        with self._lock:
            return {"refused": 0, "symbol_errors": {}, **self._publisher.values()}

    def close(self) -> None:
        """Close the connection; unconfirmed messages may be lost, see `flush`. Further calls do nothing."""
        if os.getpid() != self._process:  # a forked copy has neither the thread nor the right to the sockets
            return
        with self._start_lock, self._lock:
            if self._ends.is_set():
                return
            self._ends.set()
        self._member.stop()
        if self._thread.ident is not None:
            self._thread.join()
        with self._lock:
            publisher = self._publisher
            if publisher.claim is not None and publisher.link.opened and not len(publisher.link.unconfirmed):
                with contextlib.suppress(BusError):  # the broker refuses the key now
                    publisher.leave(LEAVE_S)  # messages on their way would be refused without the claim
            publisher.close()
        _reports.pop(self._report_name, None)

    def _take_name(self, name: str) -> str:
        """Return the first of `name`, `name-2`, `name-3`, ... that no open feed of this process has."""
        numbered = itertools.chain((name,), (f"{name}-{number}" for number in itertools.count(2)))
        return next(candidate for candidate in numbered if _reports.setdefault(candidate, self) is self)

    def _until(self, done: Callable[[], bool], timeout_s: float) -> None:
        """Poll the broker until `done` returns true; the lock is free between two polls."""
        deadline = time.monotonic() + timeout_s
        while True:
            with self._lock:
                self._check_usable()
                if done():
                    return
                self._publisher.keep()
                count = len(self._publisher.link.unconfirmed)
            if time.monotonic() > deadline:
                raise BusTimeout(f"{count} {self.MESSAGES} were not confirmed within {timeout_s:g} s; the {self.KIND} keeps them")
            time.sleep(POLL_S)

    def _check_usable(self) -> None:
        if os.getpid() != self._process:
            raise BusError("CLOSED", f"this {self.KIND} belongs to process {self._process}; make another one in a forked process")
        if isinstance(self._error, HandshakeFailed):
            raise HandshakeFailed(self._error.code, str(self._error)) from self._error
        if isinstance(self._error, BusError):
            raise BusError(self._error.code, str(self._error), self._error.details) from self._error
        if self._error is not None:
            raise BusError("CLOSED", f"the thread of this {self.KIND} has ended: {self._error!r}") from self._error
        if self._ends.is_set():
            raise BusError("CLOSED", f"this {self.KIND} is closed; make another one")

    def _report(self) -> dict[str, Any]:
        return {**self._publisher.values(), "program": True, "state": "connected" if self._connected.is_set() else "disconnected"}

    # In the thread

    def _keep(self) -> None:
        try:
            asyncio.run(self._connect())
            while not self._ends.wait(ASK_S):
                with self._lock:
                    self._publisher.keep()
                self._member.beat()
        except BaseException as error:  # noqa: BLE001 - the callers report it
            self._error = error
            self._connected.set()

    async def _connect(self) -> None:
        connecting = asyncio.ensure_future(self._publisher.connect())
        while not self._ends.is_set():
            done, _ = await asyncio.wait([connecting], timeout=POLL_S * 10)
            if done:
                connecting.result()
                self._connected.set()
                return
        connecting.cancel()

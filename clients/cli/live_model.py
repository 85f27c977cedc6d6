"""State of the live view: ticks, statistics and processes in, frozen `Snapshot`s out. Pure."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hulak.bus.histogram import Histogram
from hulak.bus.wire.names import DISPLAY_SERVICE
from hulak.bus.wire.price_digits import OF_VENUES, digits_of, usual_digits
from hulak.clients.cli import stats_tables
from hulak.clients.durations import age
from hulak.clients.judge.facts import Facts
from hulak.clients.judge.heartbeats import Heartbeats
from hulak.clients.judge.processes import processes
from hulak.clients.judge.situations import LIMITS, Limit
from hulak.clients.judge.verdict import Verdict, judge

LATENCY_WINDOW_S = 5.0
HISTORY = 60  # most values of ticks per second, one per second
STARTS_WITHIN_S = 60.0  # a start that takes longer waits for something that is not about to come


@dataclass(frozen=True, slots=True)
class Price:
    """The newest quote of one symbol."""

    symbol: str
    bid: float | None  # quote currency; None if that side of the book is empty
    ask: float | None  # as bid
    moved: int  # direction of the mid price since the quote before: -1, 0 or 1
    ticks: int  # since the start of the view
    digits: int  # decimals of its prices, as its first quote shows them


@dataclass(frozen=True, slots=True)
class Process:
    """A process under supervisord, or supervisord itself."""

    name: str
    state: str  # of supervisord, in lower case: running, starting, stopped, backoff, fatal, ...
    pid: int  # 0: none
    rss_bytes: int | None  # None: unknown


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The data of one frame of the view."""

    up_s: float  # seconds since the start
    stats: Mapping[str, Any] | None  # the broker's last message on `stats`; None before the first
    silent_s: float  # seconds since then
    prices: tuple[Price, ...]  # in the order of symbols
    view_us: Mapping[str, float] | None  # broker to view: p50, p99, max, count; None before the first tick
    history: tuple[float, ...]  # ticks per second, one a second, oldest first
    processes: tuple[Process, ...]
    first_task: bool  # a NEPSE task of this view has succeeded
    last_task: str  # result of the last NEPSE task; empty before the first
    wanted_symbols: int  # symbols with ticks that a complete start of the demo has
    expects_feed: bool  # a complete start has a feed that reports, also while its venue is closed
    expects_task: bool  # a complete start has a first NEPSE task
    wanted_displays: int | None  # displays with a worker that a complete start has at least; None: they do not matter
    page: str  # address of the page; empty: none
    verdict: Verdict  # health of all processes
    silent: Mapping[int, str]  # pid -> "hangs 12 s" of each process that is late, hangs or has an unknown state
    supervisor_silent_s: float  # seconds since the last answer of supervisord, or since the start
    was_complete: bool = False  # a snapshot before this one was of a complete start

    @property
    def workers(self) -> list[Mapping[str, Any]]:
        """Workers in the broker's statistics."""
        return list(self.stats["workers"]) if self.stats else []

    @property
    def for_tasks(self) -> int:
        """Number of workers for tasks; the others compute displays."""
        return sum(worker.get("service") != DISPLAY_SERVICE for worker in self.workers)

    @property
    def displays(self) -> tuple[int, int]:
        """Number of displays, and of displays with a worker."""
        counts = (self.stats or {}).get("displays", {})
        return counts.get("displays", 0), counts.get("assigned", 0)

    @property
    def symbols(self) -> int:
        """Number of symbols that tick now."""
        return stats_tables.ticking(self.stats) if self.stats else 0

    @property
    def healthy(self) -> bool:
        """The statistics are recent, and the gateway's data is complete and fresh."""
        return self.stats is not None and not self.verdict.unready()

    @property
    def trouble(self) -> str:
        """Headline of the findings; empty without any."""
        return self.verdict.headline() if self.verdict.findings else ""

    @property
    def is_starting(self) -> bool:
        """The start is not complete yet, and may be at any moment; a part that is missing later is no reason to hurry again."""
        return not self.was_complete and self.up_s < STARTS_WITHIN_S and bool(self.waits_for())

    def waits_for(self) -> str:
        """Return the next thing that is missing for a complete start; empty if nothing is."""
        if self.stats is None:
            return "the broker"
        if not self.for_tasks:
            return "a worker"
        if self.expects_feed and not any(row["kind"] == "feed" for row in self.stats["processes"]):
            return "the feed"
        if self.symbols < self.wanted_symbols:
            return f"symbols to tick, {self.symbols} of {self.wanted_symbols}"
        if self.expects_task and not self.first_task:
            return "the first NEPSE task"
        total, assigned = self.displays
        wanted = 0 if self.wanted_displays is None else max(total, self.wanted_displays)
        return f"displays, {assigned} of {wanted}" if assigned < wanted else ""

    def standing(self, *, with_symbols: bool = True) -> str:
        """Return a summary of the start: "1 worker, 28 symbols ticking, first NEPSE task done"."""
        count, (displays, _) = self.for_tasks, self.displays
        parts = [f"{count} worker{'' if count == 1 else 's'}"]
        if with_symbols:
            parts.append(f"{self.symbols} symbols ticking" if self.symbols else "no symbol ticking")
        if displays:
            parts.append(f"{displays} displays")
        if self.first_task:
            parts.append("first NEPSE task done")
        return ", ".join(parts)


@dataclass
class LiveModel:
    """Collects the data of the threads.

    Args:
        started: monotonic seconds.
        wanted_symbols: as in `Snapshot`.
        expects_task: as in `Snapshot`.
        wanted_displays: as in `Snapshot`.
        page: as in `Snapshot`.
        expects_feed: `hulak up` runs a feed.
        min_workers: setting scaling.min_workers.
        limits: limits of the quantities.
    """

    started: float
    wanted_symbols: int = 0
    expects_task: bool = False
    wanted_displays: int | None = None
    page: str = ""
    expects_feed: bool = False
    min_workers: int = 1
    limits: Mapping[str, Limit] = field(default_factory=lambda: LIMITS)
    supervised: Sequence[Mapping[str, Any]] = ()  # as `bus.process.supervisor_rpc.list_processes`
    supervised_at: float = 0.0  # the last answer of supervisord
    prices: dict[str, Price] = field(default_factory=dict)
    stats: Mapping[str, Any] | None = None
    stats_at: float = 0.0
    processes: tuple[Process, ...] = ()
    first_task: bool = False
    last_task: str = ""
    history: deque[float] = field(default_factory=lambda: deque(maxlen=HISTORY))

    def __post_init__(self) -> None:
        self._view_us = Histogram(LATENCY_WINDOW_S, self.started)
        self.heartbeats = Heartbeats(self.started)
        self.supervised_at = self.started
        self._was_complete = False

    def add_tick(self, body: Any, age_us: float, now: float) -> None:
        """Add one tick.

        Args:
            body: map of the tick; a body that is not a quote is ignored.
            age_us: microseconds since the broker's stamp.
            now: monotonic seconds.
        """
        self._view_us.add(age_us, now)
        match body:
            case {"symbol": str() as symbol, "bid": float() | int() | None as bid, "ask": float() | int() | None as ask}:
                before = self.prices.get(symbol)
                moved = 0
                mid, mid_before = _twice_mid(bid, ask), None if before is None else _twice_mid(before.bid, before.ask)
                if mid is not None and mid_before is not None:
                    moved = (mid > mid_before) - (mid < mid_before)
                if before is not None and moved == 0:
                    moved = before.moved
                digits = price_digits(symbol, body.get("source"), bid, ask) if before is None else before.digits
                self.prices[symbol] = Price(symbol, bid, ask, moved, 1 if before is None else before.ticks + 1, digits)

    def add_stats(self, stats: Mapping[str, Any], now: float) -> None:
        """Add the broker's statistics; `now` in monotonic seconds."""
        self.stats, self.stats_at = stats, now
        self.history.append(stats["ticks"]["per_s"])
        self._find_displays()

    def add_displays(self, count: int) -> None:
        """Add the number of displays that the demo has found or created: a complete start has them."""
        self.wanted_displays = count
        self._find_displays()

    def _find_displays(self) -> None:
        """Want no number of displays after the wanted ones came: a display that is removed later is not missing."""
        there = (self.stats or {}).get("displays", {}).get("displays", 0)
        if self.wanted_displays is not None and there >= self.wanted_displays:
            self.wanted_displays = 0

    def add_processes(self, processes: Sequence[Process], supervised: Sequence[Mapping[str, Any]], now: float) -> None:
        """Add an answer of supervisord; `supervised` is empty if it did not answer."""
        self.processes, self.supervised = tuple(processes), supervised
        if supervised:
            self.supervised_at = now

    def add_task(self, done: bool, text: str) -> None:
        """Add the result of a NEPSE task of this view."""
        self.first_task = self.first_task or done
        self.last_task = text

    def snapshot(self, now: float) -> Snapshot:
        """Return the data at `now`, in monotonic seconds."""
        silent_s = now - self.stats_at
        facts = Facts(
            self.stats,
            stats_age_s=silent_s,
            broker_silence_s=self.heartbeats.silence_s(now),
            asked_s=now - self.started,
            supervised=self.supervised,
            expects_feed=self.expects_feed,
            min_workers=self.min_workers,
        )
        snapshot = Snapshot(
            up_s=now - self.started,
            stats=self.stats,
            silent_s=silent_s,
            prices=tuple(self.prices[symbol] for symbol in sorted(self.prices)),
            view_us=self._view_us.quantiles(now),
            history=tuple(self.history),
            processes=self.processes,
            first_task=self.first_task,
            last_task=self.last_task,
            wanted_symbols=self.wanted_symbols,
            expects_feed=self.expects_feed,
            expects_task=self.expects_task,
            wanted_displays=self.wanted_displays,
            page=self.page,
            verdict=judge(facts, self.limits),
            silent={} if self.stats is None else _silent(self.stats, silent_s),
            supervisor_silent_s=now - self.supervised_at,
            was_complete=self._was_complete,
        )
        self._was_complete = self._was_complete or not snapshot.waits_for()
        return snapshot


def _silent(stats: Mapping[str, Any], age_s: float) -> dict[int, str]:
    rows = [row for row in processes(stats, age_s) if row.state != "ok"]
    return {row.pid: row.state if row.state == "unknown" else f"{row.state} {age(row.silence_s)}" for row in rows}


def price_digits(symbol: str, source: Any, bid: float | None, ask: float | None) -> int:
    """Return the decimals of a symbol's prices: those of its venue, the usual ones, or those of its quote."""
    of_venue = OF_VENUES.get(source) if isinstance(source, str) else None
    usual = usual_digits(symbol) if of_venue is None else of_venue
    return digits_of(side for side in (bid, ask) if side is not None) if usual is None else usual


def _twice_mid(bid: float | None, ask: float | None) -> float | None:
    """Return twice the mid price; None if a side is empty."""
    return None if bid is None or ask is None else bid + ask

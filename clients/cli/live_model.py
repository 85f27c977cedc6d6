"""What the live view knows: ticks, stats and processes go in, one frozen `Snapshot` comes out. Pure."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bus.histogram import Histogram
from bus.wire.names import DISPLAY_SERVICE
from clients.judge.facts import Facts
from clients.judge.processes import processes
from clients.judge.situations import LIMITS, Limit
from clients.judge.verdict import Verdict, judge

LATENCY_WINDOW_S = 5.0
HISTORY = 60  # values of ticks per second kept, one a second


@dataclass(frozen=True, slots=True)
class Price:
    """The newest quote of one symbol."""

    symbol: str
    bid: float | None  # quote currency; None where that side of the book is empty
    ask: float | None  # likewise
    moved: int  # of the middle against the quote before: -1, 0 or 1
    ticks: int  # so far


@dataclass(frozen=True, slots=True)
class Process:
    """One process that supervisord keeps, or supervisord itself."""

    name: str
    state: str  # as supervisord says it, in lower case: running, starting, stopped, backoff, fatal, ...
    pid: int  # 0: none
    rss_bytes: int | None  # None: not known


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that the view shows at one moment."""

    up_s: float  # seconds since the start
    stats: Mapping[str, Any] | None  # the broker's last message on `stats`; None before the first
    silent_s: float  # seconds since then
    prices: tuple[Price, ...]  # in the order of symbols
    view_us: Mapping[str, float] | None  # broker to view: p50, p99, max, count; None before the first tick
    history: tuple[float, ...]  # ticks per second, one a second, oldest first
    processes: tuple[Process, ...]
    first_task: bool  # a NEPSE task of ours was done
    word: str  # how the last one went; empty before the first
    wanted_symbols: int  # how many are to tick until everything stands; 0 without a feed
    wants_task: bool  # whether a first NEPSE task belongs to that
    wants_displays: bool  # whether displays, each with a worker, belong to that
    page: str  # address of the page; empty if there is none
    verdict: Verdict  # on all of it
    silent: Mapping[int, str]  # pid -> "hangs 12 s", of those that are late, hang, or are not known to do well

    @property
    def workers(self) -> list[Mapping[str, Any]]:
        """The workers that the broker knows."""
        return list(self.stats["workers"]) if self.stats else []

    @property
    def for_tasks(self) -> int:
        """How many of them carry tasks out; the others compute displays."""
        return sum(worker.get("service") != DISPLAY_SERVICE for worker in self.workers)

    @property
    def displays(self) -> tuple[int, int]:
        """How many displays there are, and how many of them have a worker."""
        told = (self.stats or {}).get("displays", {})
        return told.get("displays", 0), told.get("assigned", 0)

    @property
    def symbols(self) -> int:
        """How many symbols the broker has ticks of."""
        return int(self.stats["ticks"]["symbols"]) if self.stats else 0

    @property
    def healthy(self) -> bool:
        """The broker spoke not long ago, and what is served is whole and fresh."""
        return self.stats is not None and not self.verdict.unready()

    @property
    def trouble(self) -> str:
        """Say what is wrong now; empty if nothing is."""
        return self.verdict.headline() if self.verdict.findings else ""

    def waits_for(self) -> str:
        """Name what is still missing until everything stands; empty if nothing is."""
        if self.stats is None:
            return "the broker"
        if not self.for_tasks:
            return "a worker"
        if self.symbols < self.wanted_symbols:
            return f"symbols to tick, {self.symbols} of {self.wanted_symbols}"
        if self.wants_task and not self.first_task:
            return "the first NEPSE task"
        there, assigned = self.displays
        return f"displays, {assigned} of {there or 'some'}" if self.wants_displays and not 0 < there == assigned else ""

    def standing(self) -> str:
        """Say what stands: "1 worker, 28 symbols ticking, first NEPSE task done"."""
        count, (displays, _) = self.for_tasks, self.displays
        said = [f"{count} worker{'' if count == 1 else 's'}"]
        said.append(f"{self.symbols} symbols ticking" if self.symbols else "no symbol ticking")
        if displays:
            said.append(f"{displays} displays")
        if self.first_task:
            said.append("first NEPSE task done")
        return ", ".join(said)


@dataclass
class LiveModel:
    """Collects what the watchers bring.

    Args:
        started: monotonic seconds.
        wanted_symbols: as in `Snapshot`.
        wants_task: as in `Snapshot`.
        wants_displays: as in `Snapshot`.
        page: as in `Snapshot`.
        wants_feed: setting feed.url names a feed.
        min_workers: setting scaling.min_workers.
        limits: of quantities.
    """

    started: float
    wanted_symbols: int = 0
    wants_task: bool = False
    wants_displays: bool = False
    page: str = ""
    wants_feed: bool = False
    min_workers: int = 1
    limits: Mapping[str, Limit] = field(default_factory=lambda: LIMITS)
    supervised: Sequence[Mapping[str, Any]] = ()  # as `bus.process.supervisor_rpc.list_processes`
    prices: dict[str, Price] = field(default_factory=dict)
    stats: Mapping[str, Any] | None = None
    stats_at: float = 0.0
    processes: tuple[Process, ...] = ()
    first_task: bool = False
    word: str = ""
    history: deque[float] = field(default_factory=lambda: deque(maxlen=HISTORY))

    def __post_init__(self) -> None:
        self._view_us = Histogram(LATENCY_WINDOW_S, self.started)

    def take_tick(self, body: Any, age_us: float, now: float) -> None:
        """Take one tick.

        Args:
            body: its map; what is no quote is passed over.
            age_us: microseconds since the broker stamped it.
            now: monotonic seconds.
        """
        self._view_us.add(age_us, now)
        match body:
            case {"symbol": str() as symbol, "bid": float() | int() | None as bid, "ask": float() | int() | None as ask}:
                before = self.prices.get(symbol)
                moved = 0
                middle, was = _middle(bid, ask), None if before is None else _middle(before.bid, before.ask)
                if middle is not None and was is not None:
                    moved = (middle > was) - (middle < was)
                if before is not None and moved == 0:
                    moved = before.moved
                self.prices[symbol] = Price(symbol, bid, ask, moved, 1 if before is None else before.ticks + 1)

    def take_stats(self, stats: Mapping[str, Any], now: float) -> None:
        """Take what the broker tells of itself."""
        self.stats, self.stats_at = stats, now
        self.history.append(stats["ticks"]["per_s"])

    def take_task(self, done: bool, word: str) -> None:
        """Take how a NEPSE task of ours went."""
        self.first_task = self.first_task or done
        self.word = word

    def snapshot(self, now: float) -> Snapshot:
        """Say how everything is at `now`, in monotonic seconds."""
        silent_s = now - self.stats_at
        facts = Facts(
            self.stats,
            heard_s=silent_s,
            asked_s=now - self.started,
            supervised=self.supervised,
            wants_feed=self.wants_feed,
            min_workers=self.min_workers,
        )
        return Snapshot(
            up_s=now - self.started,
            stats=self.stats,
            silent_s=silent_s,
            prices=tuple(self.prices[symbol] for symbol in sorted(self.prices)),
            view_us=self._view_us.quantiles(now),
            history=tuple(self.history),
            processes=self.processes,
            first_task=self.first_task,
            word=self.word,
            wanted_symbols=self.wanted_symbols,
            wants_task=self.wants_task,
            wants_displays=self.wants_displays,
            page=self.page,
            verdict=judge(facts, self.limits),
            silent={} if self.stats is None else _silent(self.stats, silent_s),
        )


def _silent(stats: Mapping[str, Any], heard_s: float) -> dict[int, str]:
    unwell = [one for one in processes(stats, heard_s) if one.state != "ok"]
    return {one.pid: one.state if one.state == "unknown" else f"{one.state} {one.silence_s:.0f} s" for one in unwell}


def _middle(bid: float | None, ask: float | None) -> float | None:
    """Return twice the middle of both sides; None unless both are there."""
    return None if bid is None or ask is None else bid + ask

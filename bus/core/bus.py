"""The broker's whole state, without a socket: topics, intake, tasks, reports, and what it tells of itself. Pure."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bus.core.backoff import Backoff
from bus.core.dispatch import Dispatcher
from bus.core.intake import Intake
from bus.core.policy import Policy
from bus.core.stats import Histogram, Rate, Reports
from bus.core.tasks import State
from bus.core.topics import Topics
from bus.errors import ProtocolError
from bus.frames import pack

STATS = b"stats\0"
STATS_S = 1.0  # seconds between two messages on the topic `stats`
LATENCY_WINDOW_S = 5.0
PROTOCOL = 1


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the tick side."""

    max_topics: int = 10_000
    max_tick_bytes: int = 65_536


class Rejects:
    """Bytes that PROTOCOL.md does not allow: counted by socket and code, told once per peer.

    Args:
        remember: peers whose log line was written; beyond it all are forgotten, and told once more.
    """

    def __init__(self, remember: int = 1000) -> None:
        self.counts: dict[str, Counter[str]] = {}
        self._told: set[tuple[str, bytes, str]] = set()
        self._remember = remember

    def count(self, socket: str, peer: bytes, code: str) -> bool:
        """Count one; True if it is this peer's first with this code on this socket."""
        self.counts.setdefault(socket, Counter())[code] += 1
        if (socket, peer, code) in self._told:
            return False
        if len(self._told) >= self._remember:
            self._told.clear()
        self._told.add((socket, peer, code))
        return True

    def total(self) -> int:
        """How many on all sockets."""
        return sum(codes.total() for codes in self.counts.values())


class Bus:
    """Everything that one broker knows.

    Args:
        epoch: larger at each start.
        version: of the package, told to those who ask.
        limits: of the tick side.
        policy: of the task side.
        on_reject: told each refused frame of a feed.
        now: monotonic seconds.
        backoff: delays between attempts; the default draws from the system's randomness.
    """

    def __init__(
        self,
        epoch: int,
        version: str,
        limits: Limits,
        policy: Policy,
        on_reject: Callable[[ProtocolError], None],
        now: float,
        backoff: Backoff | None = None,
    ) -> None:
        self.epoch = epoch
        self.version = version
        self.started = now
        self.topics = Topics(epoch, limits.max_topics)
        self.intake = Intake(self.topics, on_reject, max_bytes=limits.max_tick_bytes)
        self.dispatcher = Dispatcher(epoch, policy, backoff or Backoff(0.5, 60.0, random.random), now)
        self.reports = Reports()
        self.rejects = Rejects()
        self.unanswered = 0  # messages to clients that were gone, or took nothing more
        self.lag_us = Histogram(LATENCY_WINDOW_S, now)
        self.stats_due = now + STATS_S
        self._tick_rate = Rate(now)
        self._task_rate = Rate(now)

    def turn(self, frames: list[bytes], now: float, time_ns: int) -> list[bytes]:
        """Take what feeds sent in one turn of the loop; return what is to be published."""
        turn = self.intake.turn(frames, time_ns)
        if turn.lag_ns is not None:
            self.lag_us.add(turn.lag_ns / 1000, now)
        return turn.messages

    def next_due(self) -> float:
        """When `advance` or `publish_stats` has something to do, in monotonic seconds."""
        task_side = self.dispatcher.timers.next()
        return self.stats_due if task_side is None else min(self.stats_due, task_side)

    def publish_stats(self, now: float, time_ns: int, process: dict[str, Any]) -> bytes | None:
        """Number the next message of the topic `stats`; None if nobody wants it.

        Args:
            now: monotonic seconds.
            time_ns: ns since 1970 UTC.
            process: what only the shell knows: pid, rss_bytes.
        """
        self.stats_due = now + STATS_S
        self._tick_rate.look(self.topics.ticks, now)
        self._task_rate.look(self.dispatcher.counters["done"], now)
        return self.topics.publish(STATS, pack(self.stats(now, process)), time_ns)

    def stats(self, now: float, process: dict[str, Any]) -> dict[str, Any]:
        """All that the broker tells of itself (PROTOCOL.md section 7.2)."""
        return {
            "broker": {
                "version": self.version,
                "protocol": PROTOCOL,
                "epoch": self.epoch,
                "uptime_s": round(now - self.started, 3),
                **process,
            },
            "ticks": self._ticks(now),
            "tasks": self._tasks(),
            "workers": [self._worker(now, worker) for worker in self.dispatcher.roster],
            "processes": self.reports.rows(now),
            "rejected": {
                "total": self.rejects.total(),
                **{socket: dict(codes) for socket, codes in self.rejects.counts.items()},
            },
        }

    def _ticks(self, now: float) -> dict[str, Any]:
        sources = self.intake.sources.values()
        return {
            "taken": self.topics.ticks,
            "per_s": round(self._tick_rate.per_s, 1),
            "symbols": sum(key.startswith(b"tick.") and log.sequence > 0 for key, log in self.topics.logs.items()),
            "subscriptions": sum(self.topics.subscriptions.values()),
            "duplicates": sum(source.duplicates for source in sources),
            "early": sum(source.early for source in sources),
            "unopened": self.intake.unopened,
            "feed_to_broker_us": self.lag_us.quantiles(now),
        }

    def _tasks(self) -> dict[str, Any]:
        states = Counter(task.state for task in self.dispatcher.tasks.values())
        return {
            "queued": states[State.QUEUED],
            "waiting": states[State.WAITING],
            "running": states[State.RUNNING],
            "per_s": round(self._task_rate.per_s, 1),
            **self.dispatcher.counters,
            "unanswered": self.unanswered,
        }

    def _worker(self, now: float, worker: Any) -> dict[str, Any]:
        return {
            "name": worker.name,
            "service": worker.service,
            "state": worker.state,
            "credit": worker.credit,
            "held": len(worker.held),
            "done": worker.done,
            "failed": worker.failed,
            "age_s": round(now - worker.since, 3),
            **worker.info,
            **worker.report,
        }

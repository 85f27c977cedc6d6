"""The broker's whole state, without a socket: topics, intake, tasks, reports, statistics. Pure."""

from collections import Counter
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from hulak.bus.backoff import Backoff
from hulak.bus.core.display_assignment import DisplayAssignment, DisplayStates
from hulak.bus.core.journal.record_format import Snapshot
from hulak.bus.core.journal.segment_index import TopicOrdinals
from hulak.bus.core.process_reports import ProcessReports, Rate
from hulak.bus.core.process_trends import ProcessTrend
from hulak.bus.core.recent_counts import RecentCounts
from hulak.bus.core.tasks import task_counts
from hulak.bus.core.tasks.dispatcher import Dispatcher
from hulak.bus.core.tasks.policy import Policy
from hulak.bus.core.ticks.intake import Intake, IntakeTurn, Source
from hulak.bus.core.ticks.topic_logs import TopicLogs
from hulak.bus.errors import ProtocolError
from hulak.bus.histogram import Histogram
from hulak.bus.wire.codec import pack
from hulak.bus.wire.names import AUTO, CONFIG, DISPLAYS, HEARTBEAT, NEPSE_SERVICE, PROTOCOL, SLOTS, STATS

LOG_AGAIN_S = 300.0  # between two log lines about the same refusals
STATS_S = 1.0  # seconds between two messages on the topic `stats`
LATENCY_WINDOW_S = 5.0
TICKING_S = 60.0  # a symbol with a tick within this time counts as ticking
MOST_SHARED = 20  # topics of several feeds that the statistics name


class Limits(Struct, frozen=True):
    """Bounds of the tick side, and of what may be set by hand."""

    max_topics: int = 10_000
    max_tick_bytes: int = 65_536
    min_workers: int = 1  # of nepse
    max_workers: int = SLOTS
    max_displays: int = 1000
    most_of: Mapping[str, int] = field(default_factory=dict)  # service -> largest number of workers, where the settings have one


class Rejects:
    """Bytes that PROTOCOL.md does not allow: counted by socket and code, and logged per peer at a bounded rate.

    Args:
        remember: peers whose log line was written; beyond it all are forgotten, and logged again.
    """

    def __init__(self, remember: int = 1000) -> None:
        self.counts: dict[str, Counter[str]] = {}
        self._logged: dict[tuple[str, bytes, str], list[float]] = {}  # when it was logged, in monotonic seconds; refused since
        self._remember = remember

    def count(self, socket: str, peer: bytes, code: str, now: float) -> int:
        """Count one; return how many of this peer with this code on this socket are to be logged now, 0 for none."""
        self.counts.setdefault(socket, Counter())[code] += 1
        logged = self._logged.get((socket, peer, code))
        if logged is None:
            if len(self._logged) >= self._remember:
                self._logged.clear()
            self._logged[socket, peer, code] = [now, 0]
            return 1
        logged[1] += 1
        if now - logged[0] < LOG_AGAIN_S:
            return 0
        many, logged[:] = int(logged[1]), [now, 0]
        return many

    def total(self) -> int:
        """The number on all sockets."""
        return sum(codes.total() for codes in self.counts.values())


class BrokerState:
    """The state of one broker.

    Args:
        epoch: of the ticks at the start; the workers' epoch stays this one.
        version: of the package, named in answers and statistics.
        limits: of the tick side.
        policy: of the task side.
        on_reject: called with the error of each refused frame of a feed.
        now: monotonic seconds.
        backoff: delays between attempts; carries the randomness.
        ordinals: of the topics of feeds, shared with the journal's indexes.
    """

    def __init__(
        self,
        epoch: int,
        version: str,
        limits: Limits,
        policy: Policy,
        on_reject: Callable[[ProtocolError], None],
        now: float,
        backoff: Backoff,
        ordinals: TopicOrdinals | None = None,
    ) -> None:
        self.version = version
        self.limits = limits
        self.started = now
        self.topics = TopicLogs(epoch, limits.max_topics, ordinals)
        for key in (STATS, HEARTBEAT, CONFIG, DISPLAYS):
            self.topics.log(key)  # their places are taken before feeds can take them all
        self.displays = DisplayAssignment(limits.max_displays)
        self.states = DisplayStates(self.topics, self.displays)
        self.intake = Intake(self.topics, on_reject, max_bytes=limits.max_tick_bytes, take_state=self.states.take)
        self.intake.own.called = lambda instance: self._feeds([instance])[0]
        most_of = {**limits.most_of, NEPSE_SERVICE: limits.max_workers}
        self.dispatcher = Dispatcher(epoch, policy, backoff, now, most_of)
        self.reports = ProcessReports()
        self.trend = ProcessTrend()  # the broker's own
        self.targets: dict[str, int] = {}  # service -> workers wanted by hand
        self.rejects = Rejects()
        self.refused = 0  # well-formed requests that the broker itself answered with an ERROR
        self.cut_off = 0  # subscribers that were disconnected since they did not read
        self.unanswered = 0  # messages to clients that were gone or did not read
        self.lag_us = Histogram(LATENCY_WINDOW_S, now)
        self.stats_due = now + STATS_S
        self._tick_rate = Rate(now)
        self._task_rate = Rate(now)
        self._recent_tasks = RecentCounts(now, self._task_counts())
        self._recent_ticks = RecentCounts(now, {})

    def restore(self, state: Snapshot) -> None:
        """Continue from the state that the journal holds."""
        self.topics.restore(state.topics.values(), state.ticks, state.ended, state.floor)
        for instance, running in state.sources.items():
            self.intake.sources[instance] = Source(instance, running, running)

    @property
    def epoch(self) -> int:
        """The epoch of published messages."""
        return self.topics.epoch

    def begin_epoch(self, epoch: int, turn: IntakeTurn | None = None) -> None:
        """Continue under a larger epoch; `turn`, if given, was made under the present one and is not published yet."""
        self.topics.epoch = epoch
        if turn is not None:
            self.intake.stamp_again(turn)

    def snapshot(self, boot: str, time_ns: int) -> Snapshot:
        """Return the snapshot that begins a segment of the journal."""
        topics = self.topics
        frames = {key: log.frame for key, log in topics.fed.items() if log.frame}
        sources = {source.instance: source.last for source in self.intake.sources.values()}
        state = Snapshot(self.epoch, boot, time_ns, topics.ticks, frames, sources)
        return replace(state, ended=dict(topics.ended), floor=topics.floor)

    def turn(self, frames: list[bytes], now: float, time_ns: int) -> IntakeTurn:
        """Process the frames that feeds sent in one turn of the loop."""
        turn = self.intake.turn(frames, now, time_ns)
        if turn.lag_ns is not None:
            self.lag_us.add(turn.lag_ns / 1000, now)
        return turn

    def next_due(self) -> float:
        """When `advance` or `publish_stats` is due next, in monotonic seconds."""
        task_side = self.dispatcher.timers.next()
        return self.stats_due if task_side is None else min(self.stats_due, task_side)

    def publish_stats(self, now: float, time_ns: int, shell: dict[str, Any]) -> bytes | None:
        """Number the next message of the topic `stats`; None if there is no subscriber.

        Args:
            now: monotonic seconds.
            time_ns: ns since 1970 UTC.
            shell: values of the shell, see `stats`.
        """
        self.stats_due = now + STATS_S
        self._tick_rate.update(self.topics.ticks, now)
        self._task_rate.update(self.dispatcher.counters["done"], now)
        self._recent_tasks.update(now, self._task_counts())
        self._recent_ticks.update(now, self._tick_counts(shell))
        process = shell.get("process", {})
        self.trend.take(now, process.get("pid", 0), process)
        return self.topics.publish(STATS, pack(self.stats(now, shell)), time_ns)

    def publish_silence(self, now: float, time_ns: int, shell: Callable[[], dict[str, Any]]) -> bytes | None:
        """Number a message of the topic `stats` at once if other processes than before miss their beats; else None.

        Args:
            now: monotonic seconds; called four times a second.
            time_ns: ns since 1970 UTC.
            shell: returns the values of the shell, see `stats`.
        """
        return self.topics.publish(STATS, pack(self.stats(now, shell())), time_ns) if self.reports.check(now) else None

    def stats(self, now: float, shell: dict[str, Any]) -> dict[str, Any]:
        """Return the broker's statistics (PROTOCOL.md section 7.2).

        Args:
            now: monotonic seconds.
            shell: `process` (pid, rss_bytes, cpu_s), `journal`, `store`, `internal`, `schedules`, `config`, `connections`,
                `subscribers`, `ring` and `security`, all maps; and `time_ns`, the present time that the broker stamps, ns
                since 1970 UTC.
        """
        return {
            "broker": {
                "version": self.version,
                "protocol": PROTOCOL,
                "epoch": self.epoch,
                "uptime_s": round(now - self.started, 3),
                **self.trend.as_dict(),
                **shell.get("process", {}),
            },
            "journal": shell.get("journal", {}),
            "store": shell.get("store", {}),
            "internal": shell.get("internal", {}),
            "schedules": shell.get("schedules", {}),
            "config": shell.get("config", {}),
            "connections": shell.get("connections", {}),
            "subscribers": shell.get("subscribers", {}),
            "ring": shell.get("ring", {}),
            "security": shell.get("security", {}),
            "ticks": self._ticks(now, shell),
            "tasks": self._tasks(now),
            "displays": {**self.displays.stats(), "states": self.states.taken, "fenced": self.states.fenced},
            "workers": [self._worker(now, worker) for worker in self.dispatcher.roster],
            "scaling": self._scaling(),
            "processes": self.reports.rows(now),
            "rejected": {
                "total": self.rejects.total(),
                **{socket: dict(codes) for socket, codes in self.rejects.counts.items()},
            },
        }

    def _task_counts(self) -> dict[str, int]:
        counters = self.dispatcher.counters
        return {name: counters[name] for name in ("done", "failed", "expired", "dead_letters")}

    def _tick_counts(self, shell: dict[str, Any]) -> dict[str, int]:
        return {"topics_refused": self.topics.refused, "lost": shell.get("journal", {}).get("lost", 0)}

    def _ticks(self, now: float, shell: dict[str, Any]) -> dict[str, Any]:
        sources = self.intake.sources.values()
        shared = dict(self.intake.rivals.topics(now))
        symbols, ticking = self.topics.count_ticked(shell.get("time_ns", 0) - int(TICKING_S * 1e9))
        return {
            "taken": self.topics.ticks,
            "per_s": round(self._tick_rate.per_s, 1),
            "symbols": symbols,
            "ticking": ticking,
            "topics": len(self.topics.logs),
            "most_topics": self.topics.limit,
            "removed": self.topics.removed,
            "refused_topics": list(self.topics.refused_topics),
            "subscriptions": self.topics.subscriptions.count,
            "own": {
                "names": len(self.intake.own.claims),
                "topics": len(self.topics.own),
                "most_topics": self.topics.most_own,
                "taken": self.intake.own.taken,
                "refused_claims": self.intake.own.refused,
            },
            "duplicates": sum(source.duplicates for source in sources),
            "early": sum(source.early for source in sources),
            "unopened": self.intake.unopened,
            "shared": len(shared),
            "shared_topics": {topic: self._feeds(instances) for topic, instances in islice(shared.items(), MOST_SHARED)},
            "cut_off": self.cut_off,
            "recent": self._recent_ticks.grown(now, self._tick_counts(shell)),
            "feed_to_broker_us": self.lag_us.quantiles(now),
            "feed_to_broker_totals": self.lag_us.totals(),
        }

    def _feeds(self, instances: list[int]) -> list[str]:
        """Return the names of the feeds of these instances; a feed that does not report is named by its number."""
        names = {report.values.get("instance"): report.name for report in self.reports.last.values() if report.kind == "feed"}
        return sorted(
            names.get(f"{instance:x}") or (f"instance {instance:x}" if instance else "unnumbered feeds") for instance in instances
        )

    def _tasks(self, now: float) -> dict[str, Any]:
        policy = self.dispatcher.policy
        oldest = task_counts.oldest(self.dispatcher.lifecycle, now)
        services = task_counts.by_service(self.dispatcher.lifecycle, self.dispatcher.roster)
        return {
            **task_counts.totals(self.dispatcher.lifecycle, self.dispatcher.roster),
            "most": policy.max_tasks,
            "bytes": self.dispatcher.size,
            "most_bytes": policy.max_task_bytes,
            "recent": self._recent_tasks.grown(now, self._task_counts()),
            "per_s": round(self._task_rate.per_s, 1),
            **self.dispatcher.counters,
            "refused": self.refused + self.dispatcher.refused,
            "unanswered": self.unanswered,
            "oldest_s": max(oldest.values(), default=None),
            "services": {name: {**counts, "oldest_s": oldest.get(name)} for name, counts in services.items()},
            "attempts": self.dispatcher.roster.attempts(),
            "actions": self.dispatcher.lifecycle.times.rows(),
        }

    def pools(self) -> dict[str, tuple[int, int]]:
        """Return the least and largest number of workers of each scaled service: nepse, and the pools that a scaler reports."""
        pools = {NEPSE_SERVICE: (self.limits.min_workers, self.limits.max_workers)}
        for report in self.reports.last.values():
            if report.kind == "scaler":
                pools |= {service: (pool["least"], pool["most"]) for service, pool in report.values.get("pools", {}).items()}
        return pools

    def _scaling(self) -> dict[str, Any]:
        queue = self.dispatcher.queue
        return {service: {"workers": self.targets.get(service, AUTO), "queued": queue.count(service)} for service in self.pools()}

    def _worker(self, now: float, worker: Any) -> dict[str, Any]:
        return {
            **worker.info,
            **worker.report,
            "name": worker.name,
            "service": worker.service,
            "state": worker.state,
            "credit": worker.credit,
            "held": len(worker.held),
            "done": worker.done,
            "failed": worker.failed,
            "age_s": round(now - worker.since, 3),
        }

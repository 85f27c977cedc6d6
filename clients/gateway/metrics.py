"""`/metrics`: the statistics of broker and gateway in the format of Prometheus. Pure.

Names carry their unit; counters end in `_total`. A figure that the broker does not report (yet) is omitted. A process is named
by its slot, which outlives a restart, so that its counters continue in one series; its pid is a value.
"""

import math
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from hulak.bus.histogram import BOUNDS, FIRST, TASK_BOUNDS, native_counts
from hulak.clients.gateway import protobuf_format
from hulak.clients.gateway.metric_format import prefers_protobuf
from hulak.clients.gateway.metric_names import FIGURES, OF_BRIDGES, OF_DISPLAY_WORKERS, OF_FEEDS, OF_PROCESSES, OF_PROGRAMS
from hulak.clients.gateway.protobuf_format import Histograms
from hulak.clients.judge.bridges import ways
from hulak.clients.judge.processes import SLOT, number, slots
from hulak.clients.judge.situations import SITUATIONS, STATS_SILENT_S
from hulak.clients.judge.verdict import Verdict

TYPE = "text/plain; version=0.0.4; charset=utf-8"
TOTALS = "_totals"  # suffix of a latency's histogram, in reports and statistics
TASK_STATES = ("queued", "waiting", "running")
OTHER = "other"
MOST_SERVICES = 100  # with a separate label

Row = Mapping[str, Any]


class _Families(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self.families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self.families


def text(stats: Mapping[str, Any], stats_age_s: float | None, gateway: Mapping[str, Any], verdict: Verdict) -> bytes:
    """Return all metrics as text.

    Args:
        stats: the broker's statistics (PROTOCOL.md section 7.2); empty before the first.
        stats_age_s: age of the statistics in seconds; None before the first.
        gateway: the gateway's figures.
        verdict: of the judge.
    """
    return answer("", stats, stats_age_s, gateway, verdict)[1]


def answer(
    accept: str, stats: Mapping[str, Any], stats_age_s: float | None, gateway: Mapping[str, Any], verdict: Verdict
) -> tuple[str, bytes]:
    """Return the type and the body that answer a request: all metrics as text, or as protobuf with native histograms.

    Args:
        accept: header of the request; empty if it has none.
        stats: see `text`.
        stats_age_s: see `text`.
        gateway: see `text`.
        verdict: see `text`.
    """
    metrics = [*_problems(verdict, stats_age_s), *families({**stats, "gateway": gateway}, stats_age_s)]
    if prefers_protobuf(accept):
        return protobuf_format.TYPE, protobuf_format.encode(metrics)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(metrics))
    return TYPE, generate_latest(registry)


def families(stats: Mapping[str, Any], stats_age_s: float | None) -> Iterator[Metric]:
    """Iterate over the metrics; see `text`."""
    if stats_age_s is not None:
        yield _metric("hulak_broker_heard_age_seconds", "Age of the broker's newest statistics.", [({}, stats_age_s)])
    for name, help_text, path in FIGURES:
        value = _number(_at(stats, path))
        yield _metric(name, help_text, [] if value is None else [({}, value)])
    yield from _states(stats)
    yield from _tasks(stats.get("tasks", {}))
    yield from _subscribers(stats.get("subscribers", {}))
    rows = by_slot(stats.get("processes", []))
    yield from _latencies(stats, rows)
    yield from _of(rows, OF_PROCESSES)
    feeds = [row for row in rows if row[0]["kind"] == "feed"]
    yield from _of(feeds, OF_FEEDS)
    states = [({"slot": labels["slot"], "state": str(row["state"])}, 1.0) for labels, row in feeds if "state" in row]
    yield _metric("hulak_feed_state", "1 for a feed's current state.", states)
    yield from _of([row for row in rows if row[0]["kind"] == "display"], OF_DISPLAY_WORKERS)
    if stats:
        yield from _of([({"site": row["site"], "way": row["way"]}, row) for row in ways(stats)], OF_BRIDGES)
    broker = stats.get("broker", {})
    if "version" in broker:
        labels = {"version": str(broker["version"]), "protocol": str(broker.get("protocol", ""))}
        yield _metric("hulak_build_info", "Version of the broker; always 1.", [(labels, 1.0)])
    for name, help_text, key in (
        ("hulak_broker_resident_memory_bytes", "Memory of the broker.", "rss_bytes"),
        ("hulak_broker_cpu_seconds_total", "Processor time of the broker.", "cpu_s"),
    ):
        if (value := _number(broker.get(key))) is not None:
            yield _metric(name, help_text, [({}, value)])


def by_slot(processes: Iterable[Any]) -> list[tuple[dict[str, str], Row]]:
    """Return each process that reports with its labels: kind and slot, which is the name without the process id.

    A slot of supervisord may still list a former process: the newest report counts. Several processes that were started by hand
    under one name are numbered, by process id.
    """
    rows = sorted((row for row in processes if isinstance(row, Mapping)), key=lambda row: number(row.get("pid")) or 0)
    newest: dict[tuple[str, str], Row] = {}
    for slot, row in zip(slots(rows), rows, strict=True):
        key = str(row.get("kind")), slot
        if key not in newest or (SLOT.search(slot) and _age_s(row) < _age_s(newest[key])):
            newest[key] = row
    labelled: list[tuple[dict[str, str], Row]] = []
    for (kind, slot), row in newest.items():
        # The broker reports restarts only after the first; a counter has to exist before.
        values = {"restarts": 0, **row}
        if (per_min := number(row.get("rss_per_min"))) is not None:
            values["rss_per_s"] = per_min / 60
        labelled.append(({"kind": kind, "slot": slot}, values))
    return labelled


def _age_s(row: Row) -> float:
    return number(row.get("age_s")) or 0.0


def _problems(verdict: Verdict, stats_age_s: float | None) -> Iterator[Metric]:
    is_silent = any(finding.what == "broker_silent" for finding in verdict.findings)
    is_up = stats_age_s is not None and stats_age_s <= STATS_SILENT_S and not is_silent
    yield _metric("hulak_broker_up", "1 while the broker sends heartbeats and statistics.", [({}, float(is_up))])
    active = {(finding.what, finding.level) for finding in verdict.findings}
    samples = [
        ({"what": what, "severity": level.name.lower()}, float((what, level) in active))
        for what, situation in SITUATIONS.items()
        for level in situation.levels
    ]
    yield _metric("hulak_problem", "1 while a problem is present; docs/howto/monitoring.md lists them.", samples)
    yield _metric("hulak_health_level", "0 OK, 1 WARNING, 2 CRITICAL.", [({}, float(verdict.level))])


def _states(stats: Mapping[str, Any]) -> Iterator[Metric]:
    tasks = stats.get("tasks", {})
    samples = [({"state": state}, value) for state in TASK_STATES if (value := _number(tasks.get(state))) is not None]
    yield _metric("hulak_tasks", "Tasks now, by state.", samples)
    named = known_services(tasks)
    counts: Counter[tuple[str, str]] = Counter()
    for service, row in tasks.get("services", {}).items():
        counts.update({(_one_of(named, service), state): int(_number(row.get(state)) or 0) for state in TASK_STATES})
    services = [({"service": service, "state": state}, float(count)) for (service, state), count in counts.items()]
    yield _metric("hulak_service_tasks", "Tasks now, by service and state.", services)
    held = Counter((_one_of(named, worker.get("service")), str(worker.get("state"))) for worker in stats.get("workers", []))
    workers = [({"service": service, "state": state}, float(count)) for (service, state), count in held.items()]
    yield _metric("hulak_workers", "Workers, by service and state.", workers)
    sockets = stats.get("connections", {}).get("sockets", {})
    connections = [({"socket": name}, float(count)) for name, count in sockets.items()]
    yield _metric("hulak_connections", "Connections to the broker, by socket.", connections)
    reasons = [
        ({"socket": str(name), "code": str(code)}, value)
        for name, codes in stats.get("rejected", {}).items()
        if isinstance(codes, Mapping)
        for code, count in codes.items()
        if (value := _number(count)) is not None
    ]
    yield _metric("hulak_rejected_by_code_total", "Messages refused by the broker, by socket and reason.", reasons)
    for name in ("journal", "store"):
        if (state := stats.get(name, {}).get("state")) is not None:
            yield _metric(f"hulak_{name}_live", f"1 while the {name} accepts data.", [({}, float(state == "live"))])
    gateway = stats.get("gateway", {})
    clients = [({"path": path}, float(count)) for path, count in gateway.get("clients", {}).items()]
    yield _metric("hulak_gateway_clients", "WebSocket clients, by path.", clients)


def _tasks(tasks: Mapping[str, Any]) -> Iterator[Metric]:
    named = known_services(tasks)
    if "oldest_s" in tasks:
        value = _number(tasks["oldest_s"]) or 0.0
        yield _metric(
            "hulak_tasks_oldest_queued_age_seconds", "Age of the oldest queued task; 0 if none is queued.", [({}, value)]
        )
    ages: dict[str, float] = {}
    for service, row in tasks.get("services", {}).items():
        if (age_s := _number(row.get("oldest_s"))) is not None:
            label = _one_of(named, service)
            ages[label] = max(age_s, ages.get(label, 0.0))
    samples = [({"service": service}, age_s) for service, age_s in ages.items()]
    yield _metric("hulak_service_oldest_queued_age_seconds", "Age of the oldest queued task, by service.", samples)
    labels = ["service", "action"]
    waits = Histograms(
        "hulak_task_wait_seconds", "Time from a task's acceptance to its first attempt, or its expiry without one.", labels, FIRST
    )
    runs = Histograms("hulak_task_run_seconds", "Time from the start of an attempt to its result.", labels, FIRST)
    failed = CounterMetricFamily("hulak_task_attempts_failed", "Attempts that failed.", labels=labels)
    for row in tasks.get("actions", []):
        values = [str(row.get("service")), str(row.get("action"))]
        _add(waits, values, row.get(f"wait{TOTALS}"), TASK_BOUNDS)
        _add(runs, values, row.get(f"run{TOTALS}"), TASK_BOUNDS)
        if (count := _number(row.get("failed"))) is not None:
            failed.add_metric(values, count)
    yield from (waits, runs, failed)


def known_services(tasks: Mapping[str, Any]) -> set[str]:
    """Return the services with a label, which have had a worker. All other names come from clients, without a bound."""
    return set(list(tasks.get("attempts", {}))[:MOST_SERVICES])


def _one_of(named: Container[str], service: Any) -> str:
    return service if service in named else OTHER


def _subscribers(subscribers: Mapping[str, Any]) -> Iterator[Metric]:
    programs = subscribers.get("programs", {})
    for name, help_text, key in OF_PROGRAMS:
        samples = [
            ({"program": str(program)}, value)
            for program, row in programs.items()
            if (value := _number(row.get(key))) is not None
        ]
        yield _metric(name, help_text, samples)
    blocked: dict[str, float] = {}
    for row in subscribers.get("slow", []):
        if (blocked_s := _number(row.get("blocked_s"))) is not None:
            program = str(row.get("name")) if row.get("name") in programs else OTHER
            blocked[program] = max(blocked_s, blocked.get(program, 0.0))
    samples = [({"program": program}, blocked_s) for program, blocked_s in blocked.items()]
    yield _metric("hulak_subscriber_blocked_seconds", "For how long a program's subscriber has not read.", samples)


def _latencies(stats: Mapping[str, Any], rows: list[tuple[dict[str, str], Row]]) -> Iterator[Metric]:
    lag = Histograms("hulak_feed_to_broker_seconds", "Latency from a feed's receipt to the broker.", [], FIRST)
    _add(lag, [], _at(stats, f"ticks.feed_to_broker{TOTALS}"))
    yield lag
    labels = ["kind", "slot", "what"]
    latencies = Histograms("hulak_process_latency_seconds", "Latencies reported by processes.", labels, FIRST)
    for labels_of_row, row in rows:
        for key, value in row.items():
            if str(key).endswith(TOTALS):
                _add(latencies, [*labels_of_row.values(), key.removesuffix(TOTALS)], value)
    yield latencies


def _add(family: Histograms, labels: list[str], totals: Any, bounds: Sequence[float] = BOUNDS) -> None:
    """Add the totals of a histogram (`bus.histogram.Histogram.totals`) with bounds in microseconds; ignore malformed ones."""
    if not isinstance(totals, Mapping):
        return
    counts_below, count, total_us = totals.get("le"), _number(totals.get("count")), _number(totals.get("sum_us"))
    if not isinstance(counts_below, list | tuple) or len(counts_below) != len(bounds) or count is None or total_us is None:
        return
    counts = [_number(value) for value in counts_below]
    known = [value for value in counts if value is not None]
    if len(known) == len(counts) and sorted([0.0, *known, count]) == [0.0, *known, count]:
        buckets = [(repr(bound / 1e6), value) for bound, value in zip(bounds, known, strict=True)]
        family.add_metric(labels, [*buckets, ("+Inf", count)], total_us / 1e6)
        if (native := native_counts(totals)) is not None:
            family.native[tuple(labels)] = native


def _of(rows: list[tuple[dict[str, str], Row]], figures: tuple[tuple[str, str, str], ...]) -> Iterator[Metric]:
    for name, help_text, key in figures:
        samples = [(labels, value) for labels, row in rows if (value := _number(row.get(key))) is not None]
        yield _metric(name, help_text, samples)


def _metric(name: str, help_text: str, samples: list[tuple[dict[str, str], float]]) -> Metric:
    labels = list(samples[0][0]) if samples else []
    family = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
    metric = family(name, help_text, labels=labels)
    for labelled, value in samples:
        metric.add_metric(list(labelled.values()), value)
    return metric


def _at(stats: Mapping[str, Any], path: str) -> Any:
    value: Any = stats
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) else None

"""`/metrics`: the statistics of broker and gateway in the format of Prometheus. Pure.

Names carry their unit; counters end in `_total`. A figure that the broker does not report (yet) is omitted. A process is named
by its slot, which outlives a restart, so that its counters continue in one series; its pid is a value.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from hulak.bus.histogram import BOUNDS
from hulak.clients.gateway.metric_names import FIGURES, OF_DISPLAY_WORKERS, OF_FEEDS, OF_PROCESSES
from hulak.clients.judge.processes import number
from hulak.clients.judge.situations import BROKER_SILENT_S, SITUATIONS
from hulak.clients.judge.verdict import Verdict

TYPE = "text/plain; version=0.0.4; charset=utf-8"
TOTALS = "_totals"  # suffix of a latency's histogram, in reports and statistics
SLOT = re.compile(r"_\d+$")  # a slot of supervisord: one process at a time

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
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families([*_problems(verdict), *families({**stats, "gateway": gateway}, stats_age_s)]))
    return generate_latest(registry)


def families(stats: Mapping[str, Any], stats_age_s: float | None) -> Iterator[Metric]:
    """Iterate over the metrics; see `text`."""
    is_up = stats_age_s is not None and stats_age_s <= BROKER_SILENT_S
    yield _metric("hulak_broker_up", "1 while the broker publishes its statistics.", [({}, float(is_up))])
    if stats_age_s is not None:
        yield _metric("hulak_broker_heard_age_seconds", "Age of the broker's newest statistics.", [({}, stats_age_s)])
    for name, help_text, path in FIGURES:
        if (value := _number(_at(stats, path))) is not None:
            yield _metric(name, help_text, [({}, value)])
    yield from _states(stats)
    rows = by_slot(stats.get("processes", []))
    yield from _latencies(stats, rows)
    yield from _of(rows, OF_PROCESSES)
    yield from _of([row for row in rows if row[0]["kind"] == "feed"], OF_FEEDS)
    yield from _of([row for row in rows if row[0]["kind"] == "display"], OF_DISPLAY_WORKERS)
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
    slots: dict[tuple[str, str], list[Row]] = {}
    for row in processes:
        if isinstance(row, Mapping):
            slots.setdefault((str(row.get("kind")), str(row.get("name")).partition("/")[0]), []).append(row)
    labelled: list[tuple[dict[str, str], Row]] = []
    for (kind, slot), rows in slots.items():
        rows.sort(key=lambda row: number(row.get("pid")) or 0)
        if SLOT.search(slot):
            rows = [min(rows, key=lambda row: number(row.get("age_s")) or 0)]
        for at, row in enumerate(rows, 1):
            # The broker reports restarts only after the first; a counter has to exist before.
            labelled.append(({"kind": kind, "slot": slot if at == 1 else f"{slot}#{at}"}, {"restarts": 0, **row}))
    return labelled


def _problems(verdict: Verdict) -> Iterator[Metric]:
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
    samples = [
        ({"state": state}, value)
        for state in ("queued", "waiting", "running")
        if (value := _number(tasks.get(state))) is not None
    ]
    yield _metric("hulak_tasks", "Tasks now, by state.", samples)
    services = [
        ({"service": service, "state": state}, float(count))
        for service, states in tasks.get("services", {}).items()
        for state, count in states.items()
    ]
    yield _metric("hulak_service_tasks", "Tasks now, by service and state.", services)
    counts: dict[tuple[str, str], int] = {}
    for worker in stats.get("workers", []):
        key = (str(worker.get("service")), str(worker.get("state")))
        counts[key] = counts.get(key, 0) + 1
    workers = [({"service": service, "state": state}, float(count)) for (service, state), count in counts.items()]
    yield _metric("hulak_workers", "Workers, by service and state.", workers)
    sockets = stats.get("connections", {}).get("sockets", {})
    connections = [({"socket": name}, float(count)) for name, count in sockets.items()]
    yield _metric("hulak_connections", "Connections to the broker, by socket.", connections)
    for name in ("journal", "store"):
        if (state := stats.get(name, {}).get("state")) is not None:
            yield _metric(f"hulak_{name}_live", f"1 while the {name} accepts data.", [({}, float(state == "live"))])
    gateway = stats.get("gateway", {})
    clients = [({"path": path}, float(count)) for path, count in gateway.get("clients", {}).items()]
    yield _metric("hulak_gateway_clients", "WebSocket clients, by path.", clients)
    feeds = [row for row in stats.get("processes", []) if row.get("kind") == "feed" and "state" in row]
    states = [({"slot": str(row.get("name")), "state": str(row["state"])}, 1.0) for row in feeds]
    yield _metric("hulak_feed_state", "1 for a feed's current state.", states)


def _latencies(stats: Mapping[str, Any], rows: list[tuple[dict[str, str], Row]]) -> Iterator[Metric]:
    lag = HistogramMetricFamily("hulak_feed_to_broker_seconds", "Latency from a feed's receipt to the broker.", labels=[])
    _add(lag, [], _at(stats, f"ticks.feed_to_broker{TOTALS}"))
    yield lag
    labels = ["kind", "slot", "what"]
    latencies = HistogramMetricFamily("hulak_process_latency_seconds", "Latencies reported by processes.", labels=labels)
    for labels_of_row, row in rows:
        for key, value in row.items():
            if str(key).endswith(TOTALS):
                _add(latencies, [*labels_of_row.values(), key.removesuffix(TOTALS)], value)
    yield latencies


def _add(family: HistogramMetricFamily, labels: list[str], totals: Any) -> None:
    """Add the totals of a `bus.histogram.Histogram`; malformed ones are ignored."""
    if not isinstance(totals, Mapping):
        return
    counts_below, count, total_us = totals.get("le"), _number(totals.get("count")), _number(totals.get("sum_us"))
    if not isinstance(counts_below, list | tuple) or len(counts_below) != len(BOUNDS) or count is None or total_us is None:
        return
    counts = [_number(value) for value in counts_below]
    known = [value for value in counts if value is not None]
    if len(known) == len(counts) and sorted([*known, count]) == [*known, count]:
        buckets = [(repr(bound / 1e6), value) for bound, value in zip(BOUNDS, known, strict=True)]
        family.add_metric(labels, [*buckets, ("+Inf", count)], total_us / 1e6)


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

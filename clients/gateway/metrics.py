"""`/metrics`: the broker's statistics and the gateway's own as Prometheus reads them. Pure.

Names carry their unit; what only ever grows ends in `_total`. A figure that the broker does not tell (yet) is left out. A process
is named by its slot, which outlives a restart, so that its counters go on in one series; its pid is a value.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from bus.histogram import BOUNDS
from clients.gateway.metric_names import FIGURES, OF_DISPLAY_WORKERS, OF_FEEDS, OF_PROCESSES
from clients.judge.processes import number
from clients.judge.situations import BROKER_SILENT_S, SITUATIONS
from clients.judge.verdict import Verdict

TYPE = "text/plain; version=0.0.4; charset=utf-8"
TOTALS = "_totals"  # how the name of a latency's histogram ends, in reports and statistics
SLOT = re.compile(r"_\d+$")  # of supervisord: one process at a time

Row = Mapping[str, Any]


class _Families(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self.families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self.families


def text(stats: Mapping[str, Any], heard_s: float | None, gateway: Mapping[str, Any], verdict: Verdict) -> bytes:
    """Write all metrics.

    Args:
        stats: the broker's statistics (PROTOCOL.md section 7.2); empty before the first.
        heard_s: their age in seconds; None before the first.
        gateway: the gateway's own figures.
        verdict: on all of it.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families([*_problems(verdict), *families({**stats, "gateway": gateway}, heard_s)]))
    return generate_latest(registry)


def families(stats: Mapping[str, Any], heard_s: float | None) -> Iterator[Metric]:
    """Make the metrics one after the other; see `text`."""
    is_up = heard_s is not None and heard_s <= BROKER_SILENT_S
    yield _metric("hulak_broker_up", "1 while the broker is heard.", [({}, float(is_up))])
    if heard_s is not None:
        yield _metric("hulak_broker_heard_age_seconds", "Since the broker told its statistics last.", [({}, heard_s)])
    for name, said, path in FIGURES:
        if (value := _number(_at(stats, path))) is not None:
            yield _metric(name, said, [({}, value)])
    yield from _states(stats)
    rows = by_slot(stats.get("processes", []))
    yield from _latencies(stats, rows)
    yield from _of(rows, OF_PROCESSES)
    yield from _of([one for one in rows if one[0]["kind"] == "feed"], OF_FEEDS)
    yield from _of([one for one in rows if one[0]["kind"] == "display"], OF_DISPLAY_WORKERS)
    broker = stats.get("broker", {})
    if "version" in broker:
        labels = {"version": str(broker["version"]), "protocol": str(broker.get("protocol", ""))}
        yield _metric("hulak_build_info", "Of the broker; always 1.", [(labels, 1.0)])
    for name, said, key in (
        ("hulak_broker_resident_memory_bytes", "Memory of the broker.", "rss_bytes"),
        ("hulak_broker_cpu_seconds_total", "Processor time of the broker.", "cpu_s"),
    ):
        if (value := _number(broker.get(key))) is not None:
            yield _metric(name, said, [({}, value)])


def by_slot(processes: Iterable[Any]) -> list[tuple[dict[str, str], Row]]:
    """Give each process that reports its labels: kind and slot, which is the name without the process id.

    Of a slot of supervisord, where a former process may still be told of, it is the one heard last. Several that were started by
    hand under one name are numbered, by process id.
    """
    places: dict[tuple[str, str], list[Row]] = {}
    for row in processes:
        if isinstance(row, Mapping):
            places.setdefault((str(row.get("kind")), str(row.get("name")).partition("/")[0]), []).append(row)
    found: list[tuple[dict[str, str], Row]] = []
    for (kind, slot), rows in places.items():
        rows.sort(key=lambda row: number(row.get("pid")) or 0)
        if SLOT.search(slot):
            rows = [min(rows, key=lambda row: number(row.get("age_s")) or 0)]
        for at, row in enumerate(rows, 1):
            # The broker tells of restarts only once there was one; a counter has to be there before.
            found.append(({"kind": kind, "slot": slot if at == 1 else f"{slot}#{at}"}, {"restarts": 0, **row}))
    return found


def _problems(verdict: Verdict) -> Iterator[Metric]:
    there = {(one.what, one.level) for one in verdict.findings}
    found = [
        ({"what": what, "severity": level.name.lower()}, float((what, level) in there))
        for what, situation in SITUATIONS.items()
        for level in situation.levels
    ]
    yield _metric("hulak_problem", "1 while something is not well; docs/howto/monitoring.md lists what.", found)
    yield _metric("hulak_health_level", "0 OK, 1 WARNING, 2 CRITICAL.", [({}, float(verdict.level))])


def _states(stats: Mapping[str, Any]) -> Iterator[Metric]:
    tasks = stats.get("tasks", {})
    found = [
        ({"state": state}, value)
        for state in ("queued", "waiting", "running")
        if (value := _number(tasks.get(state))) is not None
    ]
    yield _metric("hulak_tasks", "Tasks now, by state.", found)
    services = [
        ({"service": service, "state": state}, float(count))
        for service, states in tasks.get("services", {}).items()
        for state, count in states.items()
    ]
    yield _metric("hulak_service_tasks", "Tasks now, by service and state.", services)
    counts: dict[tuple[str, str], int] = {}
    for one in stats.get("workers", []):
        key = (str(one.get("service")), str(one.get("state")))
        counts[key] = counts.get(key, 0) + 1
    workers = [({"service": service, "state": state}, float(count)) for (service, state), count in counts.items()]
    yield _metric("hulak_workers", "Workers, by service and state.", workers)
    there = stats.get("connections", {}).get("sockets", {})
    connections = [({"socket": name}, float(count)) for name, count in there.items()]
    yield _metric("hulak_connections", "Connections to the broker, by socket.", connections)
    for part in ("journal", "store"):
        if (state := stats.get(part, {}).get("state")) is not None:
            yield _metric(f"hulak_{part}_live", f"1 while the {part} takes what it is given.", [({}, float(state == "live"))])
    gateway = stats.get("gateway", {})
    clients = [({"path": path}, float(count)) for path, count in gateway.get("clients", {}).items()]
    yield _metric("hulak_gateway_clients", "WebSocket clients, by path.", clients)
    feeds = [one for one in stats.get("processes", []) if one.get("kind") == "feed" and "state" in one]
    told = [({"slot": str(one.get("name")), "state": str(one["state"])}, 1.0) for one in feeds]
    yield _metric("hulak_feed_state", "1 for the state that a feed is in.", told)


def _latencies(stats: Mapping[str, Any], rows: list[tuple[dict[str, str], Row]]) -> Iterator[Metric]:
    lag = HistogramMetricFamily("hulak_feed_to_broker_seconds", "From a feed's receipt to the broker.", labels=[])
    _add(lag, [], _at(stats, f"ticks.feed_to_broker{TOTALS}"))
    yield lag
    labels = ["kind", "slot", "what"]
    told = HistogramMetricFamily("hulak_process_latency_seconds", "Latencies that processes report of themselves.", labels=labels)
    for named, row in rows:
        for key, value in row.items():
            if str(key).endswith(TOTALS):
                _add(told, [*named.values(), key.removesuffix(TOTALS)], value)
    yield told


def _add(family: HistogramMetricFamily, labels: list[str], told: Any) -> None:
    """Add what `bus.core.process_reports.Histogram.totals` told; anything else that somebody reports is left out."""
    if not isinstance(told, Mapping):
        return
    at_most, count, total_us = told.get("le"), _number(told.get("count")), _number(told.get("sum_us"))
    if not isinstance(at_most, list | tuple) or len(at_most) != len(BOUNDS) or count is None or total_us is None:
        return
    counts = [_number(one) for one in at_most]
    known = [one for one in counts if one is not None]
    if len(known) == len(counts) and sorted([*known, count]) == [*known, count]:
        buckets = [(repr(bound / 1e6), one) for bound, one in zip(BOUNDS, known, strict=True)]
        family.add_metric(labels, [*buckets, ("+Inf", count)], total_us / 1e6)


def _of(rows: list[tuple[dict[str, str], Row]], figures: tuple[tuple[str, str, str], ...]) -> Iterator[Metric]:
    for name, said, key in figures:
        found = [(labels, value) for labels, row in rows if (value := _number(row.get(key))) is not None]
        yield _metric(name, said, found)


def _metric(name: str, said: str, samples: list[tuple[dict[str, str], float]]) -> Metric:
    labels = list(samples[0][0]) if samples else []
    family = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
    metric = family(name, said, labels=labels)
    for labelled, value in samples:
        metric.add_metric(list(labelled.values()), value)
    return metric


def _at(stats: Mapping[str, Any], path: str) -> Any:
    found: Any = stats
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) else None

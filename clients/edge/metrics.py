"""`/metrics`: the broker's statistics and the gateway's own as Prometheus reads them. Pure.

Names carry their unit; what only ever grows ends in `_total`. A figure that the broker does not tell (yet) is left out.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

TYPE = "text/plain; version=0.0.4; charset=utf-8"
QUANTILES = {"p50": "0.5", "p99": "0.99", "max": "1"}

# Name, help, path in the statistics. Names that end in _total are counters, the others gauges.
FIGURES = (
    ("hulak_broker_uptime_seconds", "Since the broker was started.", "broker.uptime_s"),
    ("hulak_ticks_total", "Ticks taken from feeds, over all restarts.", "ticks.taken"),
    ("hulak_ticks_per_second", "Ticks taken in the last second.", "ticks.per_s"),
    ("hulak_symbols", "Symbols that have had a tick.", "ticks.symbols"),
    ("hulak_subscriptions", "Subscriptions at the publisher.", "ticks.subscriptions"),
    ("hulak_ticks_duplicate_total", "Ticks that feeds sent again and the broker had.", "ticks.duplicates"),
    ("hulak_ticks_early_total", "Ticks refused until one before them had come.", "ticks.early"),
    ("hulak_journal_bytes", "Size of the tick journal.", "journal.bytes"),
    ("hulak_journal_segments", "Files of the tick journal.", "journal.segments"),
    ("hulak_journal_held_ticks", "Ticks published that wait in memory for the disk.", "journal.held"),
    ("hulak_journal_lost_ticks_total", "Ticks published that will not be journalled.", "journal.lost"),
    ("hulak_journal_let_go_total", "Segments deleted for their age, or since there were too many bytes.", "journal.let_go"),
    ("hulak_journal_syncs_total", "Syncs of the journal to the disk.", "journal.syncs"),
    ("hulak_replays", "Replays under way.", "journal.replays"),
    ("hulak_replays_served_total", "Requests for replays answered.", "journal.replays_served"),
    ("hulak_store_commits_total", "Commits of the store of tasks.", "store.commits"),
    ("hulak_tasks_per_second", "Tasks done in the last second.", "tasks.per_s"),
    ("hulak_tasks_accepted_total", "Tasks accepted since the broker's start.", "tasks.accepted"),
    ("hulak_tasks_done_total", "Tasks done.", "tasks.done"),
    ("hulak_tasks_failed_total", "Tasks failed for good.", "tasks.failed"),
    ("hulak_tasks_expired_total", "Tasks whose time was over.", "tasks.expired"),
    ("hulak_tasks_cancelled_total", "Tasks cancelled.", "tasks.cancelled"),
    ("hulak_tasks_retried_total", "Attempts after the first.", "tasks.retried"),
    ("hulak_tasks_refused_total", "Requests refused by the broker.", "tasks.refused"),
    ("hulak_workers_lost_total", "Workers of any service that died or froze.", "tasks.lost_workers"),
    ("hulak_internal_errors_total", "Bugs that the broker met, and went on.", "internal.total"),
    ("hulak_messages_rejected_total", "Messages that the protocol does not allow.", "rejected.total"),
    ("hulak_displays", "Displays that there are.", "displays.displays"),
    ("hulak_displays_assigned", "Displays that a living worker computes.", "displays.assigned"),
    ("hulak_display_moves_total", "Displays that went from one worker to another.", "displays.moved"),
    ("hulak_display_workers_lost_total", "Display workers that died or froze.", "displays.lost_workers"),
    ("hulak_display_states_total", "States published, since the broker's start.", "displays.states"),
    (
        "hulak_display_states_fenced_total",
        "States refused: of a worker that does not have the display any more.",
        "displays.fenced",
    ),
    ("hulak_gateway_frames_total", "Frames sent to clients.", "gateway.frames"),
    ("hulak_gateway_frames_encoded_total", "Frames encoded: each goes to all clients that want the same.", "gateway.encoded"),
    ("hulak_gateway_sent_bytes_total", "Bytes of frames sent to clients.", "gateway.bytes"),
    ("hulak_gateway_conflated_total", "Frames that a client behind was not given, but the newest later.", "gateway.conflated"),
    ("hulak_gateway_disconnected_total", "Clients disconnected because they did not read.", "gateway.too_slow"),
    ("hulak_gateway_refused_total", "Connections refused: origin, token, or too many.", "gateway.refused"),
    ("hulak_gateway_bad_messages_total", "Messages of clients that are not understood.", "gateway.bad_messages"),
    ("hulak_gateway_displays", "Displays whose state is known.", "gateway.displays"),
    ("hulak_gateway_turn_lag_seconds", "How late the last turn of the gateway's loop was.", "gateway.lag_s"),
)
# The same for each process that reports, with the labels kind and name.
OF_PROCESSES = (
    ("hulak_process_resident_memory_bytes", "Memory of a process.", "rss_bytes"),
    ("hulak_process_cpu_seconds_total", "Processor time of a process.", "cpu_s"),
    ("hulak_process_report_age_seconds", "Since a process reported last.", "age_s"),
    ("hulak_process_loop_age_seconds", "Since a process's main loop turned, at its last report.", "loop_age_s"),
    ("hulak_process_restarts_total", "How often a process came in the place of one that failed.", "restarts"),
    ("hulak_process_resident_memory_growth_bytes_per_minute", "Slope over the last ten minutes.", "rss_per_min"),
    ("hulak_process_config_version", "Version of the live configuration that a process applies.", "config_version"),
)
OF_DISPLAY_WORKERS = (
    ("hulak_display_worker_displays", "Displays that a worker computes.", "displays"),
    ("hulak_display_worker_catching_up", "Those of them that still take in ticks of the past.", "catching_up"),
    ("hulak_display_worker_stale_seconds", "How long the first of these has not been live.", "stale_s"),
    ("hulak_display_worker_ticks_total", "Ticks folded into displays.", "ticks"),
    ("hulak_display_worker_states_total", "States sent to the broker.", "states"),
    ("hulak_display_worker_dropped_total", "States that there was no room for; a newer one went out later.", "dropped"),
    ("hulak_display_worker_gaps_total", "Ticks that were missing between those that came.", "gaps"),
    ("hulak_display_worker_rebuilt_total", "Displays built up anew after a failure.", "rebuilt"),
)
OF_FEEDS = (
    ("hulak_feed_data_age_seconds", "Since a feed's last tick.", "data_age_s"),
    ("hulak_feed_heartbeat_age_seconds", "Since a feed's last heartbeat.", "heartbeat_age_s"),
    ("hulak_feed_posted_total", "Ticks a feed has posted.", "posted"),
    ("hulak_feed_unconfirmed", "Ticks the broker has not confirmed yet.", "unconfirmed"),
    ("hulak_feed_dropped_total", "Ticks a feed had to drop.", "dropped"),
    ("hulak_feed_resent_total", "Ticks a feed sent again.", "resent"),
    ("hulak_feed_stale_symbols", "Symbols without a fresh tick.", "stale"),
)


class _Families(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self.families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self.families


def text(stats: Mapping[str, Any], heard_s: float | None, gateway: Mapping[str, Any]) -> bytes:
    """Write all metrics.

    Args:
        stats: the broker's statistics (PROTOCOL.md section 7.2); empty before the first.
        heard_s: their age in seconds; None before the first.
        gateway: the gateway's own figures.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(families({**stats, "gateway": gateway}, heard_s)))
    return generate_latest(registry)


def families(stats: Mapping[str, Any], heard_s: float | None) -> Iterator[Metric]:
    """Make the metrics one after the other; see `text`."""
    yield _metric("hulak_broker_up", "1 while the broker is heard.", [({}, float(heard_s is not None and heard_s <= 5.0))])
    if heard_s is not None:
        yield _metric("hulak_broker_heard_age_seconds", "Since the broker told its statistics last.", [({}, heard_s)])
    for name, said, path in FIGURES:
        if (value := _number(_at(stats, path))) is not None:
            yield _metric(name, said, [({}, value)])
    yield from _states(stats)
    yield from _quantiles(stats)
    # The broker tells of restarts only once there was one; a counter has to be there before.
    rows: list[Mapping[str, Any]] = [{"restarts": 0, **one} for one in stats.get("processes", []) if isinstance(one, Mapping)]
    yield from _of(rows, OF_PROCESSES)
    yield from _of([one for one in rows if one.get("kind") == "feed"], OF_FEEDS)
    yield from _of([one for one in rows if one.get("kind") == "display"], OF_DISPLAY_WORKERS)
    broker = stats.get("broker", {})
    for name, said, key in (
        ("hulak_broker_resident_memory_bytes", "Memory of the broker.", "rss_bytes"),
        ("hulak_broker_cpu_seconds_total", "Processor time of the broker.", "cpu_s"),
    ):
        if (value := _number(broker.get(key))) is not None:
            yield _metric(name, said, [({}, value)])


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
    for part in ("journal", "store"):
        if (state := stats.get(part, {}).get("state")) is not None:
            yield _metric(f"hulak_{part}_live", f"1 while the {part} takes what it is given.", [({}, float(state == "live"))])
    gateway = stats.get("gateway", {})
    clients = [({"path": path}, float(count)) for path, count in gateway.get("clients", {}).items()]
    yield _metric("hulak_gateway_clients", "WebSocket clients, by path.", clients)
    feeds = [one for one in stats.get("processes", []) if one.get("kind") == "feed" and "state" in one]
    told = [({"name": str(one.get("name")), "state": str(one["state"])}, 1.0) for one in feeds]
    yield _metric("hulak_feed_state", "1 for the state that a feed is in.", told)


def _quantiles(stats: Mapping[str, Any]) -> Iterator[Metric]:
    told = _at(stats, "ticks.feed_to_broker_us")
    if isinstance(told, Mapping):
        found = [({"quantile": at}, told[name] / 1e6) for name, at in QUANTILES.items() if name in told]
        yield _metric("hulak_feed_to_broker_seconds", "From a feed's receipt to the broker, over the last 5 to 10 s.", found)
    found = [
        (
            {"kind": str(row.get("kind")), "name": str(row.get("name")), "what": key.removesuffix("_us"), "quantile": at},
            value[name] / 1e6,
        )
        for row in stats.get("processes", [])
        for key, value in row.items()
        if key.endswith("_us") and isinstance(value, Mapping)
        for name, at in QUANTILES.items()
        if _number(value.get(name)) is not None
    ]
    yield _metric("hulak_process_latency_seconds", "Latencies that processes report of themselves.", found)


def _of(rows: list[Mapping[str, Any]], figures: tuple[tuple[str, str, str], ...]) -> Iterator[Metric]:
    for name, said, key in figures:
        found = [
            ({"kind": str(row.get("kind")), "name": str(row.get("name"))}, value)
            for row in rows
            if (value := _number(row.get(key))) is not None
        ]
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

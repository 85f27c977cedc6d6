"""The pools: which services are scaled, within which bounds, and by which slots of supervisord. Pure.

A pool is a group of supervisord with the name of a service. Its processes, the slots, are named SERVICE_NN and run a worker of
that service, and at least one of them does not start by itself. Without settings, its least number of workers is the number of
slots that start by themselves, and its largest the number of slots.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hulak.bus.process.settings import ServiceScaling, Settings
from hulak.bus.wire.names import NEPSE_SERVICE
from hulak.workers.scaling import Options, PoolWorker, Slot

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Pool:
    """The bounds of a service's workers."""

    service: str
    options: Options


def find_pools(programs: Iterable[Row], settings: Settings) -> list[Pool]:
    """Return the pools of a supervisord, by service.

    Args:
        programs: as `bus.process.supervisor_rpc.list_programs`.
        settings: `[scaling]` and `[scaling.SERVICE]`.
    """
    groups: dict[str, list[Row]] = {}
    for row in programs:
        groups.setdefault(row["group"], []).append(row)
    return [
        Pool(service, options_of(settings, service, sum(row["autostart"] for row in rows), len(rows)))
        for service, rows in sorted(groups.items())
        if all(_is_slot(service, row) for row in rows) and not all(row["autostart"] for row in rows)
    ]


def _is_slot(service: str, row: Row) -> bool:
    runs_worker = re.search(rf"\bworkers?\s+[\"']?{re.escape(service)}[\"']?(\s|$)", row["command"])
    return bool(runs_worker and re.fullmatch(rf"{re.escape(service)}_\d+", row["name"]))


def options_of(settings: Settings, service: str, least: int, most: int) -> Options:
    """Return bounds and settings of a service whose slots allow `least` to `most` workers."""
    common = settings.scaling
    if service == NEPSE_SERVICE:
        least, most = common.min_workers, min(most, common.max_workers)
        return Options(min(least, most), most, common.idle_timeout_s, common.scaling_threshold)
    own = settings.services.get(service, ServiceScaling())
    most = most if own.max_workers is None else min(most, own.max_workers)
    least = least if own.min_workers is None else own.min_workers
    idle_timeout_s = common.idle_timeout_s if own.idle_timeout_s is None else own.idle_timeout_s
    threshold = common.scaling_threshold if own.scaling_threshold is None else own.scaling_threshold
    return Options(min(least, most), most, idle_timeout_s, threshold)


def slots_of(service: str, rows: Iterable[Row], due: Iterable[str] = ()) -> list[Slot]:
    """Return a service's slots, sorted by name.

    Args:
        service: name of the group.
        rows: as `bus.process.supervisor_rpc.list_processes`.
        due: names, "group:name", of processes that supervisord gave up and that may be tried again now.
    """
    again = set(due)
    return sorted(
        (
            Slot(row["name"], row["state"], row["pid"], f"{service}:{row['name']}" in again)
            for row in rows
            if row["group"] == service
        ),
        key=lambda slot: slot.name,
    )


def workers_of(service: str, workers: Sequence[Row]) -> list[PoolWorker]:
    """Return a service's workers from the `workers` of the broker's statistics."""
    return [
        PoolWorker(
            name=row["name"],
            slot=str(row.get("slot") or ""),
            pid=row.get("pid") or 0,
            busy=row["state"] == "busy" or row["held"] > 0,
            handled=row["done"] + row["failed"],
            age_s=row["age_s"],
            retiring=row["state"] == "retiring",
        )
        for row in workers
        if row["service"] == service
    ]

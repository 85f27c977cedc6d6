"""Schedules of posted tasks, from the client's side: PROTOCOL.md section 7.9."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

OPTIONS = (
    "at",
    "every_s",
    "cron",
    "zone",
    "calendar",
    "until",
    "runs",
    "missed",
    "overlap",
    "late_s",
    "jitter_s",
    "name",
    "retries",
    "expires_s",
    "priority",
)
TIMEOUT_S = 10.0


def scheduling(service: str, action: str = "", args: Mapping[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    """Return the arguments of `hulak.schedule.add`.

    Args:
        service: a service of workers, e.g. "nepse".
        action: of the service.
        args: msgpack values under text keys; packed, they have at most 16 KiB.
        options: those of `OPTIONS`; None means that it was not given.
            at: a local time: "15:05", today or tomorrow, or "2026-11-30T15:05". With `every_s`, the time from which it counts.
            every_s: seconds from one run to the next.
            cron: five fields: minute, hour, day of the month, month, day of the week.
            zone: a time zone; that of the calendar, or UTC, by default.
            calendar: runs on its trading days only.
            until: a local time after which nothing is due.
            runs: the number of runs after which it ends.
            missed: "skip", "once" (the default) or "all": runs that were due while no broker ran.
            overlap: a run may begin while the former one is queued or running.
            late_s: with "skip", a run that is later is left out; 60 by default.
            jitter_s: seconds; each run is posted later, by the same part of them.
            name: of the schedule; made by the broker by default.
            retries, expires_s, priority: of the tasks, as in `posting`.

    Raises:
        TypeError: an option is unknown.
    """
    unknown = options.keys() - set(OPTIONS)
    if unknown:
        raise TypeError(f"options {sorted(unknown)} are unknown, must be of {', '.join(OPTIONS)}")
    given = {name: value for name, value in options.items() if value is not None}
    return {"service": service, "action": action, "args": dict(args or {}), **given}


class Schedules(ABC):
    """The methods of a client for schedules; each raises `BusError` or `BusTimeout`, like `call`.

    A schedule is a map: `name`, `service`, `action`, its options, `state` ("active", "paused" or "ended"), `why` (why there is no
    next run), `next_ns` (ns since 1970 UTC; None), `last_due_ns`, `last_task` (an id), `last_state`, `failures`, `runs_posted`,
    `runs_missed`, `runs_skipped`.
    """

    @abstractmethod
    def call(self, service: str, action: str = "", args: Mapping[str, Any] | None = None, *, timeout_s: float = 60.0) -> Any:
        """Call an action and wait for its reply."""

    def schedule(
        self,
        service: str,
        action: str = "",
        args: Mapping[str, Any] | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        **options: Any,
    ) -> dict[str, Any]:
        """Schedule a task, see `scheduling`; return the schedule, which is then safe on the broker's disk.

        Raises:
            BusError: `BAD_ARGUMENT`, `UNKNOWN_CALENDAR`, `BUSY`: too many schedules.
        """
        return self._schedule("add", scheduling(service, action, args, **options), timeout_s)

    def list_schedules(self, *, timeout_s: float = TIMEOUT_S) -> list[dict[str, Any]]:
        """List the schedules, the next one first."""
        return list(self.call("hulak.schedule.list", "", {}, timeout_s=timeout_s))

    def show_schedule(self, name: str, *, timeout_s: float = TIMEOUT_S) -> dict[str, Any]:
        """Return a schedule, with the arguments of its task as `args`. Raises `BusError`: `UNKNOWN_SCHEDULE`."""
        return dict(self.call("hulak.schedule.list", "", {"name": name}, timeout_s=timeout_s)[0])

    def pause_schedule(self, name: str, *, timeout_s: float = TIMEOUT_S) -> dict[str, Any]:
        """Stop the runs of a schedule until it is resumed; return the schedule."""
        return self._schedule("pause", {"name": name}, timeout_s)

    def resume_schedule(self, name: str, *, timeout_s: float = TIMEOUT_S) -> dict[str, Any]:
        """Let a paused schedule run again, without what was due meanwhile; return the schedule."""
        return self._schedule("resume", {"name": name}, timeout_s)

    def remove_schedule(self, name: str, *, timeout_s: float = TIMEOUT_S) -> None:
        """Remove a schedule; the tasks of its runs stay."""
        self.call("hulak.schedule.remove", "", {"name": name}, timeout_s=timeout_s)

    def run_schedule(self, name: str, *, timeout_s: float = TIMEOUT_S) -> str:
        """Post a run of a schedule at once, in addition to those that are due; return the task's id."""
        return bytes(self.call("hulak.schedule.run", "", {"name": name}, timeout_s=timeout_s)["task"]).hex()

    def set_calendar(self, days: Mapping[str, Any], *, timeout_s: float = TIMEOUT_S) -> None:
        """Set the trading days of a market.

        Args:
            days: `name`, `zone`, `weekdays` (1 is Monday), `closed` and `opened` (dates such as "2026-11-30"), `first` and
                `last`, between which all this is known; `clients.market_calendars` makes it of what a market publishes.
            timeout_s: for the reply.
        """
        self.call("hulak.calendar.set", "", dict(days), timeout_s=timeout_s)

    def list_calendars(self, *, timeout_s: float = TIMEOUT_S) -> list[dict[str, Any]]:
        """List the calendars as they were set."""
        return list(self.call("hulak.calendar.list", "", {}, timeout_s=timeout_s))

    def remove_calendar(self, name: str, *, timeout_s: float = TIMEOUT_S) -> None:
        """Remove a calendar that no schedule has."""
        self.call("hulak.calendar.remove", "", {"name": name}, timeout_s=timeout_s)

    def _schedule(self, action: str, args: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        return dict(self.call(f"hulak.schedule.{action}", "", args, timeout_s=timeout_s))

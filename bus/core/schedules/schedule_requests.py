"""The arguments of the control services on schedules and calendars. PROTOCOL.md section 7.9. Pure."""

from datetime import date
from typing import Any

import msgspec
from msgspec import field

from hulak.bus.core.control_arguments import (
    Action,
    Arguments,
    Boolean,
    CronExpression,
    Day,
    Days,
    DelayS,
    EveryS,
    ExpiresS,
    LateS,
    LocalTime,
    Map,
    MissedPolicy,
    Priority,
    Retries,
    Runs,
    ScheduleName,
    ServiceOfWorkers,
    Weekdays,
    ZoneName,
)
from hulak.bus.core.schedules.due_times import check_cron
from hulak.bus.core.schedules.local_times import read_local
from hulak.bus.core.schedules.trading_days import LONGEST_DAYS, TradingDays
from hulak.bus.wire.codec import pack

MOST_ARGS_BYTES = 16_384  # of the arguments of a schedule's task, packed


class ScheduleArguments(Arguments, frozen=True):
    """`hulak.schedule.add`."""

    service: ServiceOfWorkers
    action: Action = ""
    args: Map = field(default_factory=dict)
    retries: Retries | None = None
    expires_s: ExpiresS | None = None
    priority: Priority = 1
    name: ScheduleName | None = None
    at: LocalTime | None = None
    every_s: EveryS | None = None
    cron: CronExpression | None = None
    zone: ZoneName | None = None
    calendar: ScheduleName | None = None
    until: LocalTime | None = None
    runs: Runs | None = None
    missed: MissedPolicy = "once"
    overlap: Boolean = False
    late_s: LateS = 60
    jitter_s: DelayS = 0

    def __post_init__(self) -> None:
        if self.cron is not None and (self.at is not None or self.every_s is not None):
            raise ValueError("argument cron stands alone: at and every_s do not go with it")
        if self.cron is None and self.at is None and self.every_s is None:
            raise ValueError("argument at is missing, must be a local time such as '15:05'; or every_s, or cron")
        if self.cron is not None:
            _checked("cron", self.cron, check_cron)
        for name, text in (("at", self.at), ("until", self.until)):
            if text is not None:
                _checked(name, text, read_local)
        size = len(pack(self.args))
        if size > MOST_ARGS_BYTES:
            raise ValueError(f"argument args has {size} bytes, must have at most {MOST_ARGS_BYTES}")


def _checked(name: str, text: str, read: Any) -> None:
    try:
        read(text)
    except ValueError as error:
        raise ValueError(f"argument {name} is {text!r}: {error}") from error


class ScheduleNameArguments(Arguments, frozen=True):
    """`hulak.schedule.pause`, `.resume`, `.remove` and `.run`."""

    name: ScheduleName


class ScheduleListArguments(Arguments, frozen=True):
    """`hulak.schedule.list`."""

    name: ScheduleName | None = None


class CalendarArguments(Arguments, frozen=True):
    """`hulak.calendar.set`."""

    name: ScheduleName
    zone: ZoneName
    weekdays: Weekdays
    first: Day
    last: Day
    closed: Days = field(default_factory=list)
    opened: Days = field(default_factory=list)

    def __post_init__(self) -> None:
        days = self.days()
        if not 0 <= (days.last - days.first).days <= LONGEST_DAYS:
            raise ValueError(f"argument last is {self.last!r}, must be from {self.first} on, at most {LONGEST_DAYS} days later")

    def days(self) -> TradingDays:
        """Return the calendar of these arguments. Raises `ValueError`."""
        closed, opened = (frozenset(map(_day, texts)) for texts in (self.closed, self.opened))
        return TradingDays(self.name, self.zone, frozenset(self.weekdays), closed, opened, _day(self.first), _day(self.last))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no date: {error}") from error


class CalendarNameArguments(Arguments, frozen=True):
    """`hulak.calendar.remove`."""

    name: ScheduleName


def definition_of(args: ScheduleArguments) -> dict[str, Any]:
    """Return the arguments as a map of plain values, to be stored and shown."""
    return dict(msgspec.structs.asdict(args))

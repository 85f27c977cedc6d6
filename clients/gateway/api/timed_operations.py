"""The operations of `/api/v1` whose work is done later: schedules, calendars and alerts."""

from http import HTTPStatus

from hulak.bus.core.alerts import alert_requests as alerts
from hulak.bus.core.schedules import schedule_requests as schedules
from hulak.clients.gateway.api.operation import change, reading

TIMED = (
    # Schedules
    reading("schedules.list", "/schedules", "Schedules", schedules.ScheduleListArguments, service="hulak.schedule.list"),
    change(
        "schedules.add",
        "POST",
        "/schedules",
        "Post a task by a schedule",
        schedules.ScheduleArguments,
        service="hulak.schedule.add",
        status=HTTPStatus.CREATED,
        example={"service": "nepse", "action": "today-price", "name": "prices", "cron": "5 15 * * 1-5", "zone": "Asia/Kathmandu"},
        detail="One of at, every_s and cron is needed; at may go with every_s. PROTOCOL.md section 7.9.",
    ),
    *(
        change(
            f"schedules.{verb}",
            "POST",
            f"/schedules/{{name}}/{verb}",
            summary,
            schedules.ScheduleNameArguments,
            service=f"hulak.schedule.{verb}",
            example={"name": "prices"},
        )
        for verb, summary in (("pause", "Pause a schedule"), ("resume", "Resume a schedule"), ("run", "Post its task now"))
    ),
    change(
        "schedules.remove",
        "DELETE",
        "/schedules/{name}",
        "Remove a schedule",
        schedules.ScheduleNameArguments,
        service="hulak.schedule.remove",
        example={"name": "prices"},
    ),
    reading("calendars.list", "/calendars", "Calendars of trading days", service="hulak.calendar.list"),
    change(
        "calendars.set",
        "PUT",
        "/calendars/{name}",
        "Set a calendar of trading days",
        schedules.CalendarArguments,
        service="hulak.calendar.set",
        example={
            "name": "nepse",
            "zone": "Asia/Kathmandu",
            "weekdays": [1, 2, 3, 4, 7],
            "first": "2026-01-01",
            "last": "2026-12-31",
        },
    ),
    change(
        "calendars.remove",
        "DELETE",
        "/calendars/{name}",
        "Remove a calendar",
        schedules.CalendarNameArguments,
        service="hulak.calendar.remove",
        example={"name": "nepse"},
    ),
    # Alerts
    reading(
        "alerts.list", "/alerts", "Alerts, and whether they are evaluated", alerts.AlertListArguments, service="hulak.alert.list"
    ),
    change(
        "alerts.add",
        "POST",
        "/alerts",
        "Add an alert",
        alerts.AlertArguments,
        service="hulak.alert.add",
        status=HTTPStatus.CREATED,
        example={"symbol": "EURUSD", "name": "euro-high", "on": "price", "above": 1.1},
        detail=(
            "price needs above, below or both, side if wanted; change, in percent, the same and window_s, without which it is "
            "that of the day; spread above, below or both, with unit; stale needs after_s. repeat: it fires again after a value "
            "off its limits by more than rearm, at most once in cooldown_s; until_ms, in ms since 1970 UTC, ends it. PROTOCOL.md "
            "section 7.10."
        ),
    ),
    change(
        "alerts.enable",
        "PATCH",
        "/alerts/{name}",
        "Let an alert be evaluated, or not",
        alerts.AlertEnableArguments,
        service="hulak.alert.enable",
        example={"name": "euro-high", "enabled": False},
    ),
    change(
        "alerts.remove",
        "DELETE",
        "/alerts/{name}",
        "Remove an alert",
        alerts.AlertNameArguments,
        service="hulak.alert.remove",
        example={"name": "euro-high"},
    ),
)

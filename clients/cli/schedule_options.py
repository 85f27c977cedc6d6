"""The options of `hulak task post` that make a schedule of a task, and how schedules are shown."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import click

from hulak.clients.cli.key_times import Duration
from hulak.clients.durations import exactly

NS = 1_000_000_000
OF_SCHEDULES = ("at", "every", "cron", "zone", "calendar", "until", "runs", "missed", "overlap", "late", "jitter", "name")
Decorated = Callable[..., Any]


def schedule_options(command: Decorated) -> Decorated:
    """Add the options of schedules to a command."""
    seconds = Duration()
    options = (
        click.option("--at", metavar="TIME", help="Run it at a local time: 15:05 (today or tomorrow) or 2026-11-30T15:05."),
        click.option("--every", type=seconds, help="Run it again and again: 30s, 5m, 2h or 1d; with --at, from that time on."),
        click.option("--cron", metavar="FIELDS", help="Run it at the times of a cron expression of five fields."),
        click.option("--tz", "zone", metavar="ZONE", help="Time zone of the times; that of the calendar, or UTC, by default."),
        click.option("--calendar", metavar="NAME", help="Run it on trading days only, e.g. nepse; on all days by default."),
        click.option("--until", metavar="TIME", help="Local time after which it ends; never by default."),
        click.option("--runs", type=click.IntRange(1), help="Number of runs after which it ends; no limit by default."),
        click.option(
            "--missed",
            type=click.Choice(["skip", "once", "all"]),
            help="Runs that were due while no broker ran: skip them, run once, or run all (100 at most); once by default.",
        ),
        click.option("--overlap", is_flag=True, default=None, help="Run it although the former run has not ended."),
        click.option("--late", type=seconds, help="Delay after which --missed skip leaves a run out; 60s by default."),
        click.option("--jitter", type=seconds, help="Delay all its runs by a fixed part of this time; 0 by default."),
        click.option("--name", help="Name of the schedule; made by the broker by default."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def given_options(options: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a schedule for the given options; empty if the task is to be posted at once.

    Raises:
        click.UsageError: options of schedules without a time.
    """
    given = {name: value for name, value in options.items() if name in OF_SCHEDULES and value is not None}
    if given and not given.keys() & {"at", "every", "cron"}:
        names = ", ".join("--tz" if name == "zone" else f"--{name}" for name in given)
        raise click.UsageError(f"{names} needs a time: --at 15:05, --every 5m or --cron '5 15 * * 1-5'")
    for name in ("every", "late", "jitter"):
        if name in given:
            given[f"{name}_s"] = given.pop(name) // timedelta(seconds=1)
    return given


def in_zone(time_ns: int | None, zone: str) -> str:
    """Return a time as the clocks of a schedule's zone show it, with the offset; empty if there is none."""
    if time_ns is None:
        return ""
    try:
        there = UTC if zone == "UTC" else ZoneInfo(zone)
    except (OSError, ValueError, KeyError):  # the broker's machine knows it, this one does not
        there = UTC
    return datetime.fromtimestamp(time_ns // NS, there).isoformat(" ", "seconds")


def when(row: dict[str, Any]) -> str:
    """Return when a schedule runs, as its options say."""
    parts = [f"at {row['at']}"] if row.get("at") else []
    parts += [f"every {exactly(row['every_s'])}"] if row.get("every_s") else []
    parts += [f"cron {row['cron']}"] if row.get("cron") else []
    parts += [f"on days of {row['calendar']}"] if row.get("calendar") else []
    return ", ".join(parts)

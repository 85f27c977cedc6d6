"""`hulak schedule`: the schedules of posted tasks, and the calendars that they follow."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from hulak.bus.errors import BusError
from hulak.clients import market_calendars
from hulak.clients.cli import missing_worker, table
from hulak.clients.cli.command import Call, Command, print_json
from hulak.clients.cli.groups import ListingGroup
from hulak.clients.cli.help_text import examples
from hulak.clients.cli.schedule_options import in_zone, when

if TYPE_CHECKING:
    from hulak.clients.calls.client import BusClient

HEADS = ["schedule", "service", "action", "when", "state", "next run", "last run", "result", "task", "runs", "missed", "skipped"]
CALENDAR_HEADS = ["calendar", "zone", "days", "holidays", "extra days", "known from", "known until", "set"]
SOON = timedelta(days=14)  # before a calendar ends, when posting a task sets it again
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@click.group(
    cls=ListingGroup,
    short_help="List, pause and remove schedules of tasks.",
    epilog=examples("hulak schedule", "hulak schedule pause floor-sheet", "hulak schedule calendar update nepse"),
)
def schedule() -> None:
    """List, pause, run and remove schedules; without a command, list them as `hulak schedule ls`.

    `hulak task post` with --at, --every or --cron makes them. The broker keeps them on its disk, at most 1,000.
    """


@schedule.command(cls=Command, short_help="List schedules, with their next and last runs.", epilog=examples("hulak schedule ls"))
def ls(call: Call) -> None:
    """List schedules, the next one first; times are those of each schedule's zone. `hulak task result` shows a last run's task.

    Sends REQUEST hulak.schedule.list to the frontend.
    """
    with call.client() as client:
        rows = client.list_schedules(timeout_s=call.timeout_s or 10.0)
    if call.as_json:
        print_json(rows)
    else:
        table.show(
            HEADS, [cells(row) for row in rows], "there is no schedule; `hulak task post SERVICE ACTION --every 5m` adds one"
        )


def cells(row: dict[str, Any]) -> list[Any]:
    """Return a schedule as a row of the table."""
    zone = row.get("zone") or "UTC"
    state = "stuck" if row["state"] == "active" and row["next_ns"] is None else row["state"]
    return [
        row["name"],
        row["service"],
        row.get("action", ""),
        when(row),
        state,
        in_zone(row["next_ns"], zone) or row["why"],
        in_zone(row["last_due_ns"], zone),
        row["last_state"] or "",
        bytes(row["last_task"] or b"").hex(),
        row["runs_posted"],
        row["runs_missed"],
        row["runs_skipped"],
    ]


@schedule.command(cls=Command, short_help="Show a schedule.", epilog=examples("hulak schedule show floor-sheet"))
@click.argument("name")
def show(call: Call, name: str) -> None:
    """Show all values of schedule NAME, with the arguments of its task.

    Sends REQUEST hulak.schedule.list to the frontend.
    """
    with call.client() as client:
        _print(call, client.show_schedule(name, timeout_s=call.timeout_s or 10.0))


def _print(call: Call, row: dict[str, Any]) -> None:
    if call.as_json:
        print_json(row)
        return
    zone = row.get("zone") or "UTC"
    times = {name.removesuffix("_ns"): in_zone(row[name], zone) for name in ("created_ns", "next_ns", "last_due_ns")}
    ids = {name: bytes(row[name] or b"").hex() for name in ("schedule", "last_task")}
    rest = {name: value for name, value in row.items() if not name.endswith("_ns") and name not in ids and value is not None}
    table.show_value({"name": row["name"], "when": when(row), **rest, **times, **ids})


@schedule.command(cls=Command, short_help="Pause a schedule.", epilog=examples("hulak schedule pause floor-sheet"))
@click.argument("name")
def pause(call: Call, name: str) -> None:
    """Pause schedule NAME: it does not run until it is resumed.

    Sends REQUEST hulak.schedule.pause to the frontend.
    """
    with call.client() as client:
        _report(call, client.pause_schedule(name, timeout_s=call.timeout_s or 10.0))


@schedule.command(cls=Command, short_help="Resume a paused schedule.", epilog=examples("hulak schedule resume floor-sheet"))
@click.argument("name")
def resume(call: Call, name: str) -> None:
    """Resume schedule NAME; runs that were due while it was paused are left out.

    Sends REQUEST hulak.schedule.resume to the frontend.
    """
    with call.client() as client:
        _report(call, client.resume_schedule(name, timeout_s=call.timeout_s or 10.0))


def _report(call: Call, row: dict[str, Any]) -> None:
    if call.as_json:
        print_json(row)
    else:
        click.echo(sentence(row))


def sentence(row: dict[str, Any]) -> str:
    """Return a line about a schedule: its state and its next run."""
    following = in_zone(row["next_ns"], row.get("zone") or "UTC")
    return f"schedule {row['name']} is {row['state']}, " + (f"next run {following}" if following else row["why"] or "no next run")


@schedule.command(cls=Command, short_help="Remove schedules.", epilog=examples("hulak schedule rm floor-sheet"))
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
def rm(call: Call, names: tuple[str, ...]) -> None:
    """Remove schedules; the tasks of their runs stay.

    Sends REQUEST hulak.schedule.remove to the frontend.
    """
    with call.client() as client:
        for name in names:
            client.remove_schedule(name, timeout_s=call.timeout_s or 10.0)
            if not call.as_json:
                click.echo(f"removed {name}")
    if call.as_json:
        print_json(list(names))


@schedule.command(cls=Command, short_help="Run a schedule's task now.", epilog=examples("hulak schedule run floor-sheet"))
@click.argument("name")
def run(call: Call, name: str) -> None:
    """Post a run of schedule NAME now, in addition to those that are due, and print the task's id.

    Sends REQUEST hulak.schedule.run to the frontend.
    """
    with call.client() as client:
        task = client.run_schedule(name, timeout_s=call.timeout_s or 10.0)
    if call.as_json:
        print_json({"task": task})
    else:
        click.echo(task)


@schedule.group(
    cls=ListingGroup,
    short_help="List and set calendars of trading days.",
    epilog=examples("hulak schedule calendar", "hulak schedule calendar update XNYS"),
)
def calendar() -> None:
    """List, set and remove calendars; without a command, list them as `hulak schedule calendar ls`.

    After the last day that a calendar knows, its schedules do not run: `hulak check` says so.
    """


@calendar.command(
    "ls", cls=Command, short_help="List calendars, and until when they are known.", epilog=examples("hulak schedule calendar ls")
)
def list_calendars(call: Call) -> None:
    """List calendars.

    Sends REQUEST hulak.calendar.list to the frontend.
    """
    with call.client() as client:
        rows = client.list_calendars(timeout_s=call.timeout_s or 10.0)
    if call.as_json:
        print_json(rows)
    else:
        table.show(
            CALENDAR_HEADS,
            [_calendar_cells(row) for row in rows],
            "there is no calendar; `hulak schedule calendar update` sets one",
        )


def _calendar_cells(row: dict[str, Any]) -> list[Any]:
    days = ", ".join(DAYS[day - 1] for day in row.get("weekdays", ()))
    counts = [len(row.get(name, ())) for name in ("closed", "opened")]
    return [
        row["name"],
        row.get("zone", ""),
        days,
        *counts,
        row.get("first", ""),
        row.get("last", ""),
        table.moment(row["set_ns"]),
    ]


@calendar.command(
    cls=Command,
    short_help="Set a calendar to what its market publishes.",
    timeout_help="Seconds to wait for the exchange; 60 by default.",
    epilog=examples("hulak schedule calendar update nepse", "hulak schedule calendar update XNYS"),
)
@click.argument("name")
def update(call: Call, name: str) -> None:
    """Set calendar NAME: nepse, or a name of the package exchange_calendars such as XNYS.

    The days of nepse are read by a NEPSE worker: the exchange's holidays, and the days of the week of its last ten sessions. They
    are known for 60 days from now on; the NEPSE feed sets them again each day.

    Sends REQUEST nepse holidays and hulak.calendar.set to the frontend.
    """
    timeout_s, nepse = call.timeout_s or 60.0, market_calendars.NEPSE
    with call.client() as client, missing_worker.noticed(call, nepse, timeout_s) if name == nepse else nullcontext():
        days = set_calendar(client, name, timeout_s)
    if call.as_json:
        print_json(days)
    else:
        click.echo(f"calendar {name} is known from {days['first']} until {days['last']}")


def set_calendar(client: "BusClient", name: str, timeout_s: float) -> dict[str, Any]:
    """Set a calendar to what its market publishes, and return it."""

    def ask(action: str, args: dict[str, Any]) -> Any:
        return client.call(market_calendars.NEPSE, action, args, timeout_s=timeout_s)

    now = datetime.now(UTC)
    if name == market_calendars.NEPSE:
        days = market_calendars.nepse_days(ask, now.astimezone(ZoneInfo(market_calendars.NEPAL_ZONE)).date())
    else:
        days = market_calendars.exchange_days(name, now.date())
    client.set_calendar(days)
    return days


def ensure_calendar(client: "BusClient", name: str, timeout_s: float) -> None:
    """Set a calendar that the broker does not know, or that ends within two weeks.

    Raises:
        BusError: it is not known, and cannot be set.
    """
    known = {row["name"]: row.get("last", "") for row in client.list_calendars()}
    if known.get(name, "") > (datetime.now(UTC) + SOON).date().isoformat():
        return
    try:
        set_calendar(client, name, timeout_s)
    except BusError as error:
        if name not in known:
            raise
        click.echo(f"hulak: calendar {name} is known until {known[name]} only, and was not set again: {error}", err=True)


@calendar.command("rm", cls=Command, short_help="Remove a calendar.", epilog=examples("hulak schedule calendar rm XNYS"))
@click.argument("name")
def remove_calendar(call: Call, name: str) -> None:
    """Remove calendar NAME, which no schedule may have.

    Sends REQUEST hulak.calendar.remove to the frontend.
    """
    with call.client() as client:
        client.remove_calendar(name, timeout_s=call.timeout_s or 10.0)
    if call.as_json:
        print_json({"calendar": name})
    else:
        click.echo(f"removed {name}")

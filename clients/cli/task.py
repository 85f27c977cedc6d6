"""`hulak task`: called and posted tasks of any service."""

import contextlib
import json
from dataclasses import dataclass
from typing import Any

import click

from hulak.bus.errors import HulakError
from hulak.clients.cli import missing_worker, side_notes, table, task_text
from hulak.clients.cli.command import Call, Command, print_json
from hulak.clients.cli.groups import Group
from hulak.clients.cli.help_text import EXAMPLE_TASK, examples
from hulak.clients.cli.schedule import ensure_calendar, sentence
from hulak.clients.cli.schedule_options import given_options, schedule_options
from hulak.clients.durations import age
from hulak.clients.json_text import NameTwice, unique

STATES = ["queued", "running", "waiting", "done", "failed", "expired", "cancelled", "unreadable"]
CALL_HEADS = ["task", "service", "action", "state", "attempt", "age", "worker", "trouble"]
HEADS = ["task", "service", "action", "state", "attempt", "posted", "worker", "trouble"]


class Argument(click.ParamType[tuple[str, Any]]):
    """An argument of a task as NAME=VALUE; VALUE is JSON, or else text."""

    name = "name=value"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Any]:
        """Parse an argument; the usage error names what is allowed."""
        name, equals, text = str(value).partition("=")
        if not equals or not name:
            self.fail(f"{value!r} must be NAME=VALUE, e.g. symbol=NABIL", param, ctx)
        try:
            return name, json.loads(text, object_pairs_hook=unique)
        except NameTwice as error:
            self.fail(f"{value!r}: {error}", param, ctx)
        except ValueError:
            return name, text


ARGUMENTS = click.option("--arg", "args", type=Argument(), multiple=True, help="Argument of the action; repeatable.")
RETRIES = click.option("--retries", type=click.IntRange(0, 20), help="Number of further attempts; [task] retries by default.")
PRIORITY = click.option(
    "--priority", type=click.Choice(["high", "normal", "low"]), default="normal", help="Priority in the queue; normal by default."
)
PRIORITIES = {"high": 0, "normal": 1, "low": 2}


@click.group(
    cls=Group,
    short_help="Call, post and list tasks of any service.",
    epilog=examples(
        "hulak task call nepse market-depth --arg symbol=NABIL",
        "hulak task post nepse security-brief --key brief-today",
        "hulak task ls --state waiting",
        f"hulak task show {EXAMPLE_TASK}",
    ),
)
def task() -> None:
    """Run tasks of any service: `call` waits for the result; `post` stores the task on the broker's disk and returns its id."""


@task.command(
    cls=Command,
    short_help="Run a task and wait for its result.",
    timeout_help="Seconds to wait for the result; 60 by default.",
    epilog=examples(
        "hulak task call nepse market-status", "hulak task call nepse market-depth --arg symbol=NABIL --priority high"
    ),
)
@click.argument("service")
@click.argument("action", default="")
@ARGUMENTS
@RETRIES
@PRIORITY
def call(call: Call, service: str, action: str, args: tuple[tuple[str, Any], ...], retries: int | None, priority: str) -> None:
    """Run ACTION of SERVICE and print its result.

    Partial results (of an action that yields) are printed as they arrive: with --json as one object {"part": value} per line,
    and the result last. Sends REQUEST SERVICE ACTION to the frontend.
    """
    with call.client() as client:
        timeout_s, rank = call.timeout_s or 60.0, PRIORITIES[priority]
        parts = PartPrinter(call)
        options: dict[str, Any] = {"timeout_s": timeout_s, "retries": retries, "priority": rank}
        options |= {"on_part": parts.show, "on_restart": parts.restart}
        with missing_worker.noticed(call, service, timeout_s):
            value = client.call(service, action, dict(args), **options)
    if call.as_json or value is not None or not parts.count:
        show(call, value)


@dataclass
class PartPrinter:
    """Prints the partial results of a task."""

    call: Call
    count: int = 0

    def show(self, value: Any) -> None:
        """Print a partial result."""
        self.count += 1
        show(self.call, {"part": value} if self.call.as_json else value)

    def restart(self) -> None:
        """Print that the partial results come again from the start."""
        click.echo("hulak: another attempt begins, the parts above come again", err=True)


def show(call: Call, value: Any) -> None:
    """Print a result."""
    if call.as_json:
        print_json(value)
    else:
        table.show_value(value)


@task.command(
    cls=Command,
    short_help="Post a task, now or by a schedule.",
    epilog=examples(
        "hulak task post nepse security-brief --key brief-today",
        "hulak task post nepse floor-sheet --at 15:05 --tz Asia/Kathmandu",
        'hulak task post nepse today-price --cron "5 15 * * *" --calendar nepse --name prices',
    ),
)
@click.argument("service")
@click.argument("action", default="")
@ARGUMENTS
@RETRIES
@PRIORITY
@click.option(
    "--key", help="Key that identifies the task: for [task] key_keep_s, the same key means the same task; none by default."
)
@click.option(
    "--expires",
    "expires_s",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Seconds after which the task expires; never by default.",
)
@schedule_options
def post(
    call: Call,
    service: str,
    action: str,
    args: tuple[tuple[str, Any], ...],
    retries: int | None,
    priority: str,
    key: str | None,
    expires_s: float | None,
    **options: Any,
) -> None:
    """Post ACTION of SERVICE, and print the id of the task when it is on the broker's disk.

    With --at, --every or --cron the broker keeps a schedule, and posts a task each time that it is due; its name and its next run
    are printed. --expires counts from each run on. `hulak schedule` lists schedules.

    Sends REQUEST hulak.post or hulak.schedule.add to the frontend.
    """
    if scheduled := given_options(options):
        if key is not None:
            raise click.UsageError("--key identifies a single task; use --name, which identifies a schedule")
        tasks_options = {"retries": retries, "expires_s": expires_s, "priority": PRIORITIES[priority]}
        post_by_schedule(call, service, action, dict(args), scheduled | tasks_options)
        return
    with call.client() as client:
        posted = client.post(
            service,
            action,
            dict(args),
            key=key,
            retries=retries,
            expires_s=expires_s,
            priority=PRIORITIES[priority],
            timeout_s=call.timeout_s or 10.0,
        )
        if call.as_json:
            print_json({"task": posted})
        else:
            click.echo(posted)
        with contextlib.suppress(HulakError):  # the task is posted in any case
            if parts := missing_worker.missing(client, service):
                side_notes.show(f"{parts[0]}: the task waits until one is there; {parts[1]}")


def post_by_schedule(call: Call, service: str, action: str, args: dict[str, Any], options: dict[str, Any]) -> None:
    """Add a schedule and print its name and its next run; a calendar that the broker lacks is set before."""
    with call.client() as client:
        timeout_s = call.timeout_s or 10.0
        if calendar := options.get("calendar"):
            ensure_calendar(client, calendar, max(timeout_s, 60.0))
        row = client.schedule(service, action, args, timeout_s=timeout_s, **options)
    if call.as_json:
        print_json(row)
    else:
        click.echo(sentence(row))


@task.command(
    cls=Command,
    short_help="Wait for the result of a posted task.",
    timeout_help="Seconds to wait for the result; 60 by default.",
    epilog=examples(f"hulak task result {EXAMPLE_TASK}"),
)
@click.argument("task", metavar="TASK")
def result(call: Call, task: str) -> None:
    """Wait until TASK has ended, and print its result or its error.

    Sends REQUEST hulak.result to the frontend.
    """
    timeout_s = call.timeout_s or 60.0
    with call.client() as client, missing_worker.noticed(call, None, timeout_s, task):
        value = client.result(task, timeout_s=timeout_s)
    show(call, value)


@task.command(cls=Command, short_help="Cancel a posted task.", epilog=examples(f"hulak task cancel {EXAMPLE_TASK}"))
@click.argument("task", metavar="TASK")
def cancel(call: Call, task: str) -> None:
    """Cancel TASK and print its state; a task that has ended is not changed.

    Sends REQUEST hulak.cancel to the frontend.
    """
    with call.client() as client:
        state = client.cancel(task)
    if call.as_json:
        print_json({"task": task, "state": state})
    else:
        click.echo(f"task {task} is {state}")


@task.command(cls=Command, short_help="List posted tasks.", epilog=examples("hulak task ls --state waiting"))
@click.option("--state", type=click.Choice(STATES), help="State of the tasks; all states by default.")
@click.option("--service", help="Service of the tasks; all services by default.")
@click.option("--before", metavar="TASK", help="Only tasks that were posted before this one.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, help="Maximum number of tasks; 100 by default.")
def ls(call: Call, state: str | None, service: str | None, before: str | None, limit: int) -> None:
    """List posted tasks, newest first. `hulak task calls` lists the calls, for which a client waits.

    Sends REQUEST hulak.tasks to the frontend.
    """
    with call.client() as client:
        rows = client.list_tasks(state=state, service=service, before=before, limit=limit)
    list_tasks(call, HEADS, rows)


@task.command(
    "show",
    cls=Command,
    short_help="Show a posted task with its arguments and attempts.",
    epilog=examples(f"hulak task show {EXAMPLE_TASK}"),
)
@click.argument("task", metavar="TASK")
def show_task(call: Call, task: str) -> None:
    """Show TASK: its arguments, its attempts with their times, and its result or the error and traceback of the last attempt.

    Sends REQUEST hulak.task.show to the frontend.
    """
    with call.client() as client:
        row = client.inspect_task(task)
    show(call, {**row, "task": task} if call.as_json else task_text.readable(row, task))


@task.command(
    cls=Command, short_help="List calls in progress.", epilog=examples("hulak task calls", "hulak task calls --service nepse")
)
@click.option("--service", help="Service of the calls; all services by default.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, help="Maximum number of calls; 100 by default.")
def calls(call: Call, service: str | None, limit: int) -> None:
    """List the calls in progress, oldest first: tasks that are not posted, for which a client waits.

    Sends REQUEST hulak.calls to the frontend.
    """
    with call.client() as client:
        reply = client.list_calls(service=service, limit=limit)
    if call.as_json:
        print_json(reply)
        return
    rows = [{**row, "task": bytes(row["task"]).hex(), "age": age(row["age_s"])} for row in reply["calls"]]
    table.show(CALL_HEADS, [[row[head] for head in CALL_HEADS] for row in rows], "no call is in progress")
    if not reply["complete"]:
        click.echo("hulak: there may be more calls; --limit and --service choose others", err=True)


def list_tasks(call: Call, heads: list[str], rows: list[dict[str, Any]], empty: str = "there is no such posted task") -> None:
    """Print posted tasks as a table or as JSON; `empty` in place of no rows."""
    if call.as_json:
        print_json(rows)
        return
    table.show(heads, [[readable(row)[head] for head in heads] for row in rows], empty)


def readable(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of the list for people, with the headings of its columns as keys."""
    retried_as = bytes(row["retried_as"] or b"").hex()
    texts = {"task": bytes(row["task"]).hex(), "posted": table.moment(row["posted_ns"]), "retried as": retried_as}
    return {**row, **texts, "trouble": row["trouble"][:120]}

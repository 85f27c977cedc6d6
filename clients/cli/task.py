"""`hulak task`: any service's tasks, called or posted."""

import json
from dataclasses import dataclass
from typing import Any

import click

from clients.cli import table
from clients.cli.command import Call, Command, print_json

STATES = ["queued", "running", "waiting", "done", "failed", "expired", "cancelled", "unreadable"]
HEADS = ["task", "service", "action", "state", "attempt", "posted", "worker", "trouble"]


class Argument(click.ParamType[tuple[str, Any]]):
    """One argument of a task as NAME=VALUE; a VALUE that is JSON is read as such, any other is text."""

    name = "name=value"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Any]:
        """Read one value; a usage error says what is allowed."""
        name, equals, said = str(value).partition("=")
        if not equals or not name:
            self.fail(f"{value!r} must be NAME=VALUE, e.g. symbol=NABIL", param, ctx)
        try:
            return name, json.loads(said)
        except ValueError:
            return name, said


ARGUMENTS = click.option("--arg", "args", type=Argument(), multiple=True, help="Of the action; again for each.")
RETRIES = click.option("--retries", type=click.IntRange(0, 20), help="Further attempts. Default: [task] retries.")


PRIORITY = click.option("--priority", type=click.Choice(["high", "normal", "low"]), default="normal", help="Default: normal.")
PRIORITIES = {"high": 0, "normal": 1, "low": 2}


@click.group(short_help="Call, post and follow tasks of any service.")
def task() -> None:
    """Have tasks done: `call` waits for the answer, `post` leaves it to the broker, which keeps it on its disk.

    \b
    hulak task call nepse market-depth --arg symbol=NABIL
    hulak task post nepse security-brief --key brief-today
    hulak task ls --state waiting
    """


@task.command(cls=Command, short_help="Have a task done and wait.", timeout_help="How long to wait. Default: 60.")
@click.argument("service")
@click.argument("action", default="")
@ARGUMENTS
@RETRIES
@PRIORITY
def call(call: Call, service: str, action: str, args: tuple[tuple[str, Any], ...], retries: int | None, priority: str) -> None:
    """Have ACTION of SERVICE done, and print what it gives.

    What the action sends before its end (a function that yields) is printed as it comes: with --json one object {"part": value}
    a line, the answer last. Sends REQUEST SERVICE ACTION to the frontend.

    \b
    hulak task call nepse market-status
    hulak task call nepse market-depth --arg symbol=NABIL --priority high
    """
    with call.client() as client:
        timeout_s, rank = call.timeout_s or 60.0, PRIORITIES[priority]
        parts = PartPrinter(call)
        options: dict[str, Any] = {"timeout_s": timeout_s, "retries": retries, "priority": rank, "on_part": parts.show}
        value = client.call(service, action, dict(args), **options)
    if call.as_json or value is not None or not parts.count:
        show(call, value)


@dataclass
class PartPrinter:
    """Prints what comes before the end of a task."""

    call: Call
    count: int = 0

    def show(self, value: Any) -> None:
        """Print one part."""
        self.count += 1
        show(self.call, {"part": value} if self.call.as_json else value)


def show(call: Call, value: Any) -> None:
    """Print an answer."""
    if call.as_json:
        print_json(value)
    else:
        table.show_value(value)


@task.command(cls=Command, short_help="Leave a task to the broker.")
@click.argument("service")
@click.argument("action", default="")
@ARGUMENTS
@RETRIES
@PRIORITY
@click.option("--key", help="Your own name for it: the same key means the same task, for a day.")
@click.option("--expires", "expires_s", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="Default: never.")
def post(
    call: Call,
    service: str,
    action: str,
    args: tuple[tuple[str, Any], ...],
    retries: int | None,
    priority: str,
    key: str | None,
    expires_s: float | None,
) -> None:
    """Post ACTION of SERVICE, and print the task's id once it is safe on the broker's disk.

    Sends REQUEST hulak.post to the frontend.

    \b
    hulak task post nepse security-brief --key brief-today
    """
    with call.client() as client:
        told = client.post(
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
        print_json({"task": told})
    else:
        click.echo(told)


@task.command(cls=Command, short_help="Wait for a posted task's result.", timeout_help="How long to wait. Default: 60.")
@click.argument("task", metavar="TASK")
def result(call: Call, task: str) -> None:
    """Wait until TASK has ended, and print its value, or why it has none.

    Sends REQUEST hulak.result to the frontend.

    \b
    hulak task result 4f1e0c6b7a5d4c3b2a1908f7e6d5c4b3
    """
    with call.client() as client:
        value = client.result(task, timeout_s=call.timeout_s or 60.0)
    show(call, value)


@task.command(cls=Command, short_help="End a posted task before its time.")
@click.argument("task", metavar="TASK")
def cancel(call: Call, task: str) -> None:
    """End TASK before its time; one that has ended stays as it is.

    Sends REQUEST hulak.cancel to the frontend.

    \b
    hulak task cancel 4f1e0c6b7a5d4c3b2a1908f7e6d5c4b3
    """
    with call.client() as client:
        state = client.cancel(task)
    if call.as_json:
        print_json({"task": task, "state": state})
    else:
        click.echo(f"task {task} is {state}")


@task.command(cls=Command, short_help="List posted tasks.")
@click.option("--state", type=click.Choice(STATES))
@click.option("--service", help="Only of this one.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, help="Default: 100.")
def ls(call: Call, state: str | None, service: str | None, limit: int) -> None:
    """List posted tasks, the newest first.

    Sends REQUEST hulak.tasks to the frontend.

    \b
    hulak task ls --state waiting
    """
    with call.client() as client:
        rows = client.list_tasks(state=state, service=service, limit=limit)
    list_tasks(call, HEADS, rows)


def list_tasks(call: Call, heads: list[str], rows: list[dict[str, Any]]) -> None:
    """Print rows of posted tasks."""
    if call.as_json:
        print_json(rows)
        return
    table.show(heads, [[of_list(row)[head] for head in heads] for row in rows])


def of_list(row: dict[str, Any]) -> dict[str, Any]:
    """Write a row for people, by the heads of its columns."""
    again = bytes(row["retried_as"] or b"").hex()
    told = {"task": bytes(row["task"]).hex(), "posted": table.moment(row["posted_ns"]), "retried as": again}
    return {**row, **told, "trouble": row["trouble"][:120]}

"""`hulak dead`: posted tasks that failed permanently."""

import click

from hulak.bus.errors import BusError
from hulak.clients.cli import task as tasks
from hulak.clients.cli import task_text
from hulak.clients.cli.command import Call, Command, print_json
from hulak.clients.cli.groups import Group
from hulak.clients.cli.help_text import EXAMPLE_TASK, examples

HEADS = ["task", "service", "action", "state", "attempt", "posted", "worker", "retried as", "trouble"]


@click.group(
    cls=Group,
    short_help="Manage dead letters.",
    epilog=examples("hulak dead ls", f"hulak dead show {EXAMPLE_TASK}", f"hulak dead retry {EXAMPLE_TASK}"),
)
def dead() -> None:
    """Manage dead letters: posted tasks that failed permanently. The broker keeps them for [task] dead_keep_s seconds."""


@dead.command(
    "ls", cls=Command, short_help="List dead letters.", epilog=examples("hulak dead ls", "hulak dead ls --service nepse")
)
@click.option("--service", help="Service of the tasks; all services by default.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, help="Maximum number of dead letters; 100 by default.")
def dead_ls(call: Call, service: str | None, limit: int) -> None:
    """List dead letters, newest first, each with the id of the task that retried it.

    Sends REQUEST hulak.tasks with state failed to the frontend.
    """
    with call.client() as client:
        rows = client.list_tasks(state="failed", service=service, limit=limit)
    tasks.list_tasks(call, HEADS, rows, "there is no dead letter")


@dead.command(
    cls=Command,
    short_help="Show a dead letter and the error of each attempt.",
    epilog=examples(f"hulak dead show {EXAMPLE_TASK}"),
)
@click.argument("task", metavar="TASK")
def show(call: Call, task: str) -> None:
    """Show a dead letter: the task, its arguments, its last error with the traceback, and the error of each attempt.

    Sends REQUEST hulak.task.show to the frontend.
    """
    with call.client() as client:
        row = client.inspect_task(task)
    if row["state"] != "failed":
        raise BusError(
            "UNKNOWN_TASK", f"task {task} is {row['state']}, not a dead letter; `hulak dead ls` lists the dead letters"
        )
    tasks.show(call, {**row, "task": task} if call.as_json else task_text.readable(row, task))


@dead.command(cls=Command, short_help="Post a dead letter again.", epilog=examples(f"hulak dead retry {EXAMPLE_TASK}"))
@click.argument("task", metavar="TASK")
def retry(call: Call, task: str) -> None:
    """Post a dead letter again as a new task, and print the id of the new task.

    If it was posted again already, the id is that of the task that does its work: it is not posted a second time, unless that
    task failed, expired or was cancelled.

    Sends REQUEST hulak.retry to the frontend.
    """
    with call.client() as client:
        new_task = client.retry_task(task)
    if call.as_json:
        print_json({"task": new_task})
    else:
        click.echo(new_task)


@dead.command(cls=Command, short_help="Delete a dead letter.", epilog=examples(f"hulak dead drop {EXAMPLE_TASK}"))
@click.argument("task", metavar="TASK")
def drop(call: Call, task: str) -> None:
    """Delete a dead letter.

    Sends REQUEST hulak.drop to the frontend.
    """
    with call.client() as client:
        dropped = client.drop_task(task)
    if not dropped:
        raise BusError("UNKNOWN_TASK", f"dead letter {task} is unknown; `hulak dead ls` lists all")
    if call.as_json:
        print_json({"task": task, "dropped": True})
    else:
        click.echo(f"dead letter {task} was deleted")

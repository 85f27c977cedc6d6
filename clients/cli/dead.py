"""`hulak dead`: posted tasks that failed for good."""

from typing import Any

import click

from bus.errors import BusError
from clients.cli import table
from clients.cli import task as tasks
from clients.cli.command import Call, Command, print_json

HEADS = ["task", "service", "action", "state", "attempt", "posted", "worker", "retried as", "trouble"]


@click.group(short_help="Look after posted tasks that failed.")
def dead() -> None:
    """Dead letters: posted tasks that failed for good. They are kept for [task] dead_keep_s.

    \b
    hulak dead ls
    hulak dead show 4f1e0c6b7a5d4c3b2a1908f7e6d5c4b3
    hulak dead retry 4f1e0c6b7a5d4c3b2a1908f7e6d5c4b3
    """


@dead.command("ls", cls=Command, short_help="List dead letters.")
@click.option("--service", help="Only of this one.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, help="Default: 100.")
def dead_ls(call: Call, service: str | None, limit: int) -> None:
    """List dead letters, the newest first, and as which task one was posted anew.

    Sends REQUEST hulak.tasks with state failed to the frontend.

    \b
    hulak dead ls
    """
    with call.client() as client:
        rows = client.list_tasks(state="failed", service=service, limit=limit)
    tasks.list_tasks(call, HEADS, rows)


@dead.command(cls=Command, short_help="Show one, with all its troubles.")
@click.argument("task", metavar="TASK")
def show(call: Call, task: str) -> None:
    """Show a dead letter: what it was, and why each attempt failed.

    Sends REQUEST hulak.result to the frontend.

    \b
    hulak dead show 4f1e0c6b7a5d4c3b2a1908f7e6d5c4b3
    """
    with call.client() as client:
        told = client.show_task(task)
    if told["state"] != "failed":
        raise BusError("UNKNOWN_TASK", f"task {task} is no dead letter, it is {told['state']}")
    tasks.show(call, {**told, "task": task} if call.as_json else readable(told, task))


def readable(told: dict[str, Any], task: str) -> dict[str, Any]:
    """Write a dead letter for people: its id first, times as such, each trouble a line of its own."""
    found: dict[str, Any] = {"task": task}
    for name, value in told.items():
        if name.endswith("_ns"):
            found[name.removesuffix("_ns")] = None if value is None else table.moment(value)
        elif name == "retried_as":
            found["retried as"] = value and bytes(value).hex()
        elif name not in ("task", "trouble", "error", "kept"):
            found[name] = value
    error = told.get("error") or {"code": "", "text": told["trouble"], "details": {}}
    details = dict(error["details"])
    troubles = details.pop("troubles", [])  # of the last attempts
    first = details.pop("attempts", len(troubles)) - len(troubles) + 1
    found |= {"code": error["code"], "text": error["text"]}
    found |= {f"attempt {number}": said for number, said in enumerate(troubles, first)}
    return {**found, **({"details": details} if details else {})}


@dead.command(cls=Command, short_help="Post one anew.")
@click.argument("task", metavar="TASK")
def retry(call: Call, task: str) -> None:
    """Post a dead letter anew, as a task of its own, and print that one's id.

    Sends REQUEST hulak.retry to the frontend.

    \b
    hulak dead retry 4f1e0c6b7a5d4c3b2a1908f7e6d5c4b3
    """
    with call.client() as client:
        told = client.retry_task(task)
    if call.as_json:
        print_json({"task": told})
    else:
        click.echo(told)


@dead.command(cls=Command, short_help="Delete one.")
@click.argument("task", metavar="TASK")
def drop(call: Call, task: str) -> None:
    """Delete a dead letter.

    Sends REQUEST hulak.drop to the frontend.

    \b
    hulak dead drop 4f1e0c6b7a5d4c3b2a1908f7e6d5c4b3
    """
    with call.client() as client:
        dropped = client.drop_task(task)
    if not dropped:
        raise BusError("UNKNOWN_TASK", f"there is no dead letter {task}")
    if call.as_json:
        print_json({"task": task, "dropped": True})
    else:
        click.echo(f"dead letter {task} was deleted")

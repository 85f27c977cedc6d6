"""`hulak worker`: one worker process."""

import click

from clients.cli.command import Call, Command


@click.command(cls=Command, daemon=True, short_help="Run one worker for a service.")
@click.argument("service", metavar="SERVICE")
@click.option("--name", help="Unique among living workers. Default: the supervisor's slot and the pid.")
@click.option("--module", help="A Python module of yours, with functions under workers.tasks.task.")
@click.option("--credit", type=click.IntRange(1, 1024), help="Tasks of a module held at a time. Default: by how long they take.")
@click.pass_context
def worker(ctx: click.Context, call: Call, service: str, name: str | None, module: str | None, credit: int | None) -> None:
    """Run one worker for a service, such as nepse, until it is retired or stopped.

    It sends READY to the backend, then HEARTBEAT, and RESULT for each TASK. `python -m workers nepse` is the same.

    \b
    hulak worker nepse
    hulak worker nepse --name second
    hulak worker sums --module mine
    """
    from workers.services import run_worker

    ctx.exit(run_worker(call.settings, call.home, service, name, module=module, credit=credit))

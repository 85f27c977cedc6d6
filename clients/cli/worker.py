"""`hulak worker`: a worker process."""

import click

from hulak.clients.cli.command import Call, Command
from hulak.clients.cli.help_text import examples


@click.command(
    cls=Command,
    daemon=True,
    short_help="Run a worker of a service.",
    epilog=examples("hulak worker nepse", "hulak worker nepse --name second", "hulak worker sums --module my_tasks"),
)
@click.argument("service", metavar="SERVICE")
@click.option("--name", help="Unique name of the worker; the slot of supervisord and the pid by default.")
@click.option("--module", help="Python module with functions under the decorator workers.tasks.task; none by default.")
@click.option(
    "--credit",
    type=click.IntRange(1, 1024),
    help="Number of tasks of a module to hold at a time; adapted to their duration by default.",
)
@click.pass_context
def worker(ctx: click.Context, call: Call, service: str, name: str | None, module: str | None, credit: int | None) -> None:
    """Run a worker of a service, such as nepse, until it is retired or stopped.

    It sends READY to the backend, then HEARTBEAT, and RESULT for each TASK. `python -m hulak.workers nepse` does the same.
    """
    from hulak.workers.services import run_worker

    ctx.exit(run_worker(call.settings, call.home, service, name, module=module, credit=credit))

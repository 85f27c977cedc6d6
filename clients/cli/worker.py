"""`hulak worker` and `hulak retire`: one worker process, and how to send one away."""

import click

from clients.cli.common import Call, Command, print_json


@click.command(cls=Command, daemon=True, short_help="Run one worker for a service.")
@click.argument("service", metavar="SERVICE")
@click.option("--name", help="Unique among living workers. Default: the supervisor's slot and the pid.")
@click.pass_context
def worker(ctx: click.Context, call: Call, service: str, name: str | None) -> None:
    """Run one worker for a service, such as nepse, until it is retired or stopped.

    It sends READY to the backend, then HEARTBEAT, and RESULT for each TASK. `python -m workers nepse` is the same.

    \b
    hulak worker nepse
    hulak worker nepse --name second
    """
    from workers.services import run_worker

    ctx.exit(run_worker(call.settings, call.home, service, name))


@click.command(cls=Command, short_help="Ask a worker to finish and leave.")
@click.argument("worker", metavar="WORKER")
def retire(call: Call, worker: str) -> None:
    """Ask a worker to finish what it holds and to exit with 0; `hulak status` shows the names.

    Sends REQUEST hulak.retire to the frontend; the broker sends RETIRE to the worker.

    \b
    hulak retire nepse_00/4711
    """
    answer = call.ask("hulak.retire", args={"worker": worker})
    if call.as_json:
        print_json(answer)
    else:
        click.echo(f"worker {worker} was asked to finish and leave")

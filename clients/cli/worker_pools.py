"""`hulak workers add` and `hulak workers remove`: slots for the workers of a service of your own."""

import os
import sys
from pathlib import Path

import click

from hulak.bus.errors import ConfigError
from hulak.bus.process.settings import MOST_SLOTS
from hulak.clients.cli.command import Call, Command, print_json
from hulak.clients.cli.help_text import examples

REMOVE_S = 100.0  # longer than stopwaitsecs of the workers


@click.command(
    cls=Command,
    short_help="Add a service whose workers follow the load.",
    epilog=examples(
        "hulak workers add sums --module shop",
        "hulak workers add sums --module shop.tasks --directory . --min 0 --max 8",
    ),
)
@click.argument("service", metavar="SERVICE")
@click.option("--module", required=True, help="Python module with functions under the decorator workers.tasks.task.")
@click.option(
    "--directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="Folder of the module, where the workers run; the current one by default.",
)
@click.option("--min", "least", type=click.IntRange(0, MOST_SLOTS), default=1, help="Least number of workers; 1 by default.")
@click.option("--max", "most", type=click.IntRange(1, MOST_SLOTS), default=5, help="Largest number of workers; 5 by default.")
@click.option(
    "--credit",
    type=click.IntRange(1, 1024),
    help="Tasks that a worker holds; adapted to their duration by default.",
)
def add(call: Call, service: str, module: str, directory: Path, least: int, most: int, credit: int | None) -> None:
    """Add a service of your own: its workers run under supervisord, as many as the load needs.

    Imports the module to check its tasks, and writes HOME/programs/workers-SERVICE.conf with a slot per worker. A running
    supervisord takes it up at once, else `hulak up` does. The scaler keeps from --min to --max workers; [scaling.SERVICE] in
    hulak.toml has further settings, `hulak scale` sets a number by hand, and `hulak workers remove` ends the workers.
    """
    from hulak.bus.process.lifecycle import make_home
    from hulak.clients import pool_files

    if least > most:
        raise click.UsageError(f"--min {least} is above --max {most}; give a lower --min or a higher --max")
    file = pool_files.PoolFile(service, module, directory.absolute(), least, most, credit)
    pool_files.refuse_taken(call.home, service)
    _check_tasks(file.directory, module, service)
    make_home(call.home)
    path = file.write(call.home)
    runs = pool_files.start(call.home, service)
    if call.as_json:
        print_json({"service": service, "file": str(path), "min": least, "max": most, "started": runs})
        return
    click.echo(f"service {service}: {least} to {most} workers, in {path}")
    click.echo("supervisord has started it; see `hulak workers`" if runs else "`hulak up` starts it")


def _check_tasks(directory: Path, module: str, service: str) -> None:
    """Check that the module has tasks of the service, as its workers will. Raises ConfigError."""
    from hulak.workers.tasks import load

    os.chdir(directory)
    sys.path[:] = [entry for entry in sys.path if entry]  # the folder of this command is not that of the workers
    try:
        load(module, service)
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(f"module {module!r} cannot be imported: {type(error).__name__}: {error}") from error


@click.command(
    cls=Command,
    short_help="Remove a service that `add` has added.",
    timeout_help=f"Seconds to wait for workers that finish their tasks; {REMOVE_S:g} by default.",
    epilog=examples("hulak workers remove sums"),
)
@click.argument("service", metavar="SERVICE")
def remove(call: Call, service: str) -> None:
    """Remove HOME/programs/workers-SERVICE.conf, and stop the workers after their present tasks.

    Tasks that wait stay in the broker, for workers that are started later or by hand.
    """
    from hulak.clients import pool_files

    pool_files.remove(call.home, service, call.timeout_s or REMOVE_S)
    if call.as_json:
        print_json({"service": service, "removed": True})
    else:
        click.echo(f"service {service} has no slots any more")

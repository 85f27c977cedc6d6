"""`hulak nepse NAME`: the tasks of the NEPSE workers. Arguments and options are made from the workers' table of endpoints."""

import sys
from pathlib import Path
from typing import Any

import click

from hulak.clients.cli import nepse_output, table_files
from hulak.clients.cli.command import Call, Command, print_json
from hulak.clients.cli.help_text import examples
from hulak.workers.nepse.arguments import Argument, Kind
from hulak.workers.nepse.endpoints import ENDPOINTS, PAGED, SESSION_ACTIONS, Endpoint

EXAMPLES = {Kind.SECURITY: "NABIL", Kind.INDEX: "nepse", Kind.DATE: "2026-04-24", Kind.YEAR: "2026", Kind.NUMBER: "10"}


def _parameter(argument: Argument) -> click.Parameter:
    if argument.required:
        return click.Argument([argument.name])
    subject = argument.what[0].upper() + argument.what[1:]
    if argument.kind is Kind.FLAG:
        text = f"{subject}; {'yes' if argument.default else 'no'} by default."
        return click.Option([f"--{argument.name}/--no-{argument.name}"], default=None, help=text)
    preset = "" if argument.default is None else f"; {argument.default} by default"
    return click.Option([f"--{argument.name}"], metavar=argument.kind.name, help=f"{subject}: {argument.allowed}{preset}.")


def _help(name: str, what: str, endpoint: Endpoint | None) -> str:
    required = [argument for argument in _arguments(endpoint) if argument.required]
    allowed = "".join(f"\n\n{argument.name.upper()} is {argument.allowed}." for argument in required)
    pages = "\n\nReads the whole list, unless --page or --pages is given." if endpoint and endpoint.shape in PAGED else ""
    return f"Print {what}.\n\nSends REQUEST nepse {name} to the frontend; a nepse worker replies.{allowed}{pages}"


def _examples(name: str, endpoint: Endpoint | None) -> str:
    arguments = [argument for argument in _arguments(endpoint) if argument.kind in EXAMPLES]
    words = [f"hulak nepse {name}", *(EXAMPLES[argument.kind] for argument in arguments if argument.required)]
    options = [f"--{argument.name} {EXAMPLES[argument.kind]}" for argument in arguments if not argument.required]
    return examples(" ".join(words), f"{' '.join([*words, *options[:1]])} --json --timeout 10")


def _arguments(endpoint: Endpoint | None) -> tuple[Argument, ...]:
    return () if endpoint is None else endpoint.arguments


def _request(call: Call, name: str, given: dict[str, Any], *, whole: bool) -> tuple[Any, bool]:
    """Make a request; returns its answer, and whether the market is known to be closed, if the answer is empty."""
    from hulak.clients.nepse.client import NepseClient

    call.wait_for_broker()
    with NepseClient(call.settings, call.home, timeout_s=call.timeout_s or call.settings.task.timeout_s) as client:
        if whole:
            return client.whole(name, **given, on_rows=_progress if sys.stderr.isatty() else None), False
        value = client.call(name, **given)
        closed = name in nepse_output.LIVE and not value and client.call("market-status")["isOpen"] != "OPEN"
        return value, closed


def _progress(rows: int, total: int | None) -> None:
    of = "" if total is None else f" of {total:,}"
    click.echo(f"\r{rows:,}{of} rows ", err=True, nl=total is not None and rows >= total)


def _command(name: str, what: str, endpoint: Endpoint | None) -> click.Command:
    path = click.Path(path_type=Path, dir_okay=False)

    @click.command(
        name,
        cls=Command,
        params=[_parameter(argument) for argument in _arguments(endpoint)],
        help=_help(name, what, endpoint),
        short_help=f"Print {what}.",
        timeout_help="Seconds to wait for each reply, all attempts included; [task] timeout_s by default.",
        epilog=_examples(name, endpoint),
    )
    @click.option("--csv", "csv_file", type=path, metavar="FILE", help="Write the rows to a CSV file instead.")
    @click.option("--parquet", "parquet_file", type=path, metavar="FILE", help="Write the rows to a Parquet file instead.")
    def run(call: Call, csv_file: Path | None, parquet_file: Path | None, **given: Any) -> None:
        given = {key: value for key, value in given.items() if value is not None}
        paged = endpoint is not None and endpoint.shape in PAGED
        value, closed = _request(call, name, given, whole=paged and not given.keys() & {"page", "pages"})
        rows = value["rows"] if paged else value
        if csv_file is not None:
            table_files.write_csv(csv_file, *nepse_output.flat_rows(rows))
        if parquet_file is not None:
            table_files.write_parquet(parquet_file, *nepse_output.flat_rows(rows))
        if csv_file is None and parquet_file is None:
            if call.as_json:
                print_json(value)
                return
            nepse_output.show(name, rows, closed=closed)
        if paged:
            click.echo(nepse_output.summary(value), err=True)

    return run


@click.group(
    epilog=examples(
        "hulak nepse market-status", "hulak nepse market-depth NABIL", "hulak nepse floor-sheet --symbol NABIL --json"
    )
)
def nepse() -> None:
    """Request data of the exchange from a NEPSE worker."""


for session_action, session_what in SESSION_ACTIONS.items():
    nepse.add_command(_command(session_action, session_what, None))
for row in ENDPOINTS:
    nepse.add_command(_command(row.action, row.what, row))

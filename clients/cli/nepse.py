"""`hulak nepse NAME`: the tasks of the NEPSE workers. Arguments and options are made from the workers' table of endpoints."""

import sys
from pathlib import Path
from typing import Any, Self

import click

from hulak.bus.wire.names import NEPSE_SERVICE
from hulak.clients import table_files
from hulak.clients.cli import missing_worker, nepse_output
from hulak.clients.cli.command import Call, Command, print_json
from hulak.clients.cli.groups import Group
from hulak.clients.cli.help_text import examples
from hulak.clients.cli.nepse_archive import archive, archiver
from hulak.clients.cli.output_file import OutputFile
from hulak.clients.printable import printable
from hulak.workers.nepse.arguments import Argument, Kind
from hulak.workers.nepse.endpoint import PAGED, SAVED, Endpoint, Shape
from hulak.workers.nepse.endpoints import ENDPOINTS, SESSION_ACTIONS

EXAMPLES = {
    Kind.SECURITY: "NABIL",
    Kind.INDEX: "nepse",
    Kind.DATE: "2026-04-24",
    Kind.YEAR: "2026",
    Kind.NUMBER: "10",
    Kind.TEXT: "Kumari",
    Kind.FILE: "c0699e3d57114311dc167a9904939e94.pdf",
}
EXAMPLE_FILES = {Shape.FILE: "file.pdf", Shape.TABLE: "prices.csv", Shape.PICTURE: "logo.png"}


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
    allowed = "".join(f"\n\n{argument.name.upper()} is {argument.what}: {argument.allowed}." for argument in required)
    more = ""
    if endpoint is not None and endpoint.shape in PAGED:
        more = "\n\nReads the whole list, unless --page or --pages is given."
    if endpoint is not None and endpoint.shape in SAVED:
        more = "\n\nThe file is written when it has come as a whole, and is what it should be: a page or an error is refused."
    return f"{_verb(endpoint)} {what}.\n\nSends REQUEST nepse {name} to the frontend; a nepse worker replies.{allowed}{more}"


def _verb(endpoint: Endpoint | None) -> str:
    return "Save" if endpoint is not None and endpoint.shape in SAVED else "Print"


def _examples(name: str, endpoint: Endpoint | None) -> str:
    arguments = [argument for argument in _arguments(endpoint) if argument.kind is not Kind.FLAG]
    words = [f"hulak nepse {name}", *(_example(argument) for argument in arguments if argument.required)]
    if endpoint is not None and endpoint.shape in SAVED:
        words.append(f"--output {EXAMPLE_FILES[endpoint.shape]}")
    options = [f"--{argument.name} {_example(argument)}" for argument in arguments if not argument.required]
    return examples(" ".join(words), f"{' '.join([*words, *options[:1]])} --json --timeout 10")


def _example(argument: Argument) -> str:
    if argument.kind is Kind.WORD:
        return argument.choices[0][0]
    if argument.kind is Kind.SORT:
        return f"{argument.words[0]},desc"
    return EXAMPLES[argument.kind]


def _arguments(endpoint: Endpoint | None) -> tuple[Argument, ...]:
    return () if endpoint is None else endpoint.arguments


def _request(call: Call, name: str, given: dict[str, Any], *, whole: bool) -> tuple[Any, bool]:
    """Make a request; returns its answer, and whether the market is known to be closed, if the answer is empty."""
    from hulak.clients.nepse.client import NepseClient

    call.wait_for_broker()
    timeout_s = call.timeout_s or call.settings.task.timeout_s
    with (
        NepseClient(call.settings, call.home, timeout_s=timeout_s) as client,
        missing_worker.noticed(call, NEPSE_SERVICE, timeout_s),
    ):
        if whole:
            with Progress() as progress:
                return client.whole(name, **given, on_rows=progress.show if sys.stderr.isatty() else None), False
        value = client.call(name, **given)
        closed = name in nepse_output.LIVE and not value and client.call("market-status")["isOpen"] != "OPEN"
        return value, closed


class Progress:
    """Prints, on one line of a terminal, how many rows of a long list were read; a context manager."""

    def __init__(self) -> None:
        self._shown = False

    def show(self, rows: int, total: int | None) -> None:
        """Print the numbers; nothing for a list that came at once."""
        if not self._shown and total is not None and rows >= total:
            return
        self._shown = True
        of = "" if total is None else f" of {total:,}"
        click.echo(f"\r{rows:,}{of} rows ", err=True, nl=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            click.echo("\r\x1b[K", err=True, nl=False)  # the summary, or an error, takes its line


def _save_command(endpoint: Endpoint) -> click.Command:
    """Return the command of an action that returns a file."""

    @click.command(
        endpoint.action,
        cls=Command,
        params=[_parameter(argument) for argument in endpoint.arguments],
        help=_help(endpoint.action, endpoint.what, endpoint),
        short_help=f"Save {endpoint.what}.",
        timeout_help="Seconds to wait for the file, all attempts included; [task] timeout_s by default.",
        epilog=_examples(endpoint.action, endpoint),
    )
    @click.option(
        "--output", type=OutputFile(), metavar="FILE", required=True, help="File to write; an existing one is replaced."
    )
    def run(call: Call, output: Path, **given: Any) -> None:
        from hulak.clients.nepse.client import NepseClient

        call.wait_for_broker()
        timeout_s = call.timeout_s or call.settings.task.timeout_s
        with (
            NepseClient(call.settings, call.home, timeout_s=timeout_s) as client,
            missing_worker.noticed(call, NEPSE_SERVICE, timeout_s),
        ):
            saved = client.download(endpoint.action, output, **given)
        if call.as_json:
            print_json(saved)
        elif saved is None:
            click.echo("none: no file is written")
        else:
            click.echo(f"{printable(str(output))}: {saved['size']:,} bytes, {saved['type']}")

    return run


def _command(name: str, what: str, endpoint: Endpoint | None) -> click.Command:
    path = OutputFile()

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
        if "page" in given:  # then not to the end of the list
            given = {argument.name: argument.default for argument in _arguments(endpoint) if argument.name == "pages"} | given
        value, closed = _request(call, name, given, whole=paged)
        rows = value["rows"] if paged else value
        files = [path for path in (csv_file, parquet_file) if path is not None]
        if files:
            _write(call, rows, csv_file, parquet_file)
        elif call.as_json:
            print_json(value)
        else:
            nepse_output.show(name, rows, closed=closed)
        if paged and (files or not call.as_json):
            click.echo(nepse_output.summary(value), err=True)

    return run


def _write(call: Call, value: Any, csv_file: Path | None, parquet_file: Path | None) -> None:
    """Write a result to files, and print their names."""
    value = nepse_output.unpaged(value)
    table = table_files.Table(value if isinstance(value, list) else [value])
    writers = ((csv_file, table_files.write_csv), (parquet_file, table_files.write_parquet))
    files = []
    for path, write in writers:
        if path is not None:
            write(path, table)
            files.append(str(path))
            if not call.as_json:
                click.echo(printable(f"{table.count:,} rows in {path}"))
    if call.as_json:
        print_json({"rows": table.count, "files": files})


@click.group(
    cls=Group,
    epilog=examples(
        "hulak nepse market-status", "hulak nepse market-depth NABIL", "hulak nepse floor-sheet --symbol NABIL --json"
    ),
)
def nepse() -> None:
    """Request data of the exchange from a NEPSE worker."""


for session_action, session_what in SESSION_ACTIONS.items():
    nepse.add_command(_command(session_action, session_what, None))
for row in ENDPOINTS:
    nepse.add_command(_save_command(row) if row.shape in SAVED else _command(row.action, row.what, row))
nepse.add_command(archive)
nepse.add_command(archiver)

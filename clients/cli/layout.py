"""`hulak layout`: layouts of the page that all its users can choose."""

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hulak.bus.errors import BusError, ConfigError, HulakError
from hulak.bus.wire.plain_values import short, suggestion
from hulak.clients.cli import table
from hulak.clients.cli.command import BROKER_S, FAILED, Call, Command, print_json
from hulak.clients.cli.config import user
from hulak.clients.cli.groups import ListingGroup
from hulak.clients.cli.help_text import examples
from hulak.clients.cli.output_file import OutputFile

if TYPE_CHECKING:
    from hulak.clients.calls.client import BusClient

HEADS = ["layout", "view", "version", "by", "changed", "bytes"]
STDIN = "-"
MOST_BYTES = 16 << 20  # of a file: all layouts that a broker keeps have half of it
LAYOUTS = "layouts"  # the key of an exported file


@click.group(
    cls=ListingGroup,
    short_help="List, show, put and remove shared layouts of the page.",
    epilog=examples("hulak layout", "hulak layout show desk", "hulak layout export --output layouts.json"),
)
def layout() -> None:
    """List, show, put and remove shared layouts; without a command, list them as `hulak layout ls`.

    The broker keeps at most 200 on its disk, for all users of the page. A layout is a JSON object: version, view (such as
    table), and what that view of the page has: columns, sort, group, filter, pinned symbols.
    """


@layout.command(
    cls=Command,
    short_help="List the layouts.",
    epilog=examples("hulak layout ls", "hulak layout ls --view table", "hulak layout ls --json"),
)
@click.option("--view", help="Those of one view of the page only, such as table.")
def ls(call: Call, view: str | None) -> None:
    """List the layouts by name, with author and time of the last change of each.

    Sends REQUEST hulak.layout.list to the frontend.
    """
    rows = call.request("hulak.layout.list", "", {} if view is None else {"view": view})[LAYOUTS]
    if call.as_json:
        print_json(rows)
    else:
        cells = [[row["name"], row["view"], row["version"], row["by"], table.moment(row["at_ns"]), row["bytes"]] for row in rows]
        table.show(HEADS, cells, "no layout is shared; the page shares one, or `hulak layout put`")


@layout.command(
    cls=Command, short_help="Show a layout.", epilog=examples("hulak layout show desk", "hulak layout show desk --json")
)
@click.argument("name")
def show(call: Call, name: str) -> None:
    """Show layout NAME: its document, with author and time of the last change.

    Sends REQUEST hulak.layout.show to the frontend.
    """
    with call.client() as client:
        row = _show(call, client, name)
    if call.as_json:
        print_json(row)
    else:
        table.show_value({**row, "at_ns": table.moment(row["at_ns"])})


@layout.command(
    cls=Command,
    short_help="Add or replace a layout.",
    epilog=examples("hulak layout put desk desk.json", "hulak layout put desk - --if-version 3"),
)
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.option("--if-version", type=click.IntRange(min=0), metavar="N", help="Only if it has this version; 0: only if it is new.")
def put(call: Call, name: str, file: Path, if_version: int | None) -> None:
    """Add layout NAME, or replace it, from the JSON document in FILE; `-` reads it from standard input.

    The broker's version of a layout grows with each change; a new one begins above those of all that were removed.

    Sends REQUEST hulak.layout.put to the frontend.
    """
    document = _read(file)
    with call.client() as client:
        row = _put(call, client, name, document, if_version)
    if call.as_json:
        print_json(row)
    else:
        click.echo(f"layout {row['name']} has version {row['version']}")


@layout.command(cls=Command, short_help="Remove layouts.", epilog=examples("hulak layout rm desk night"))
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
def rm(call: Call, names: tuple[str, ...]) -> None:
    """Remove layouts from the broker; copies in browsers stay.

    Sends REQUEST hulak.layout.remove to the frontend.
    """
    with call.client() as client:
        for name in names:
            with _suggesting(call, client, name):
                _ask(call, client, "remove", {"name": name})
            if not call.as_json:
                click.echo(f"removed {name}")
    if call.as_json:
        print_json(list(names))


@layout.command(
    cls=Command,
    short_help="Write layouts to a file.",
    epilog=examples("hulak layout export --output layouts.json", "hulak layout export desk > desk.json"),
)
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--output", type=OutputFile(), metavar="FILE", help="File to write; standard output by default.")
def export(call: Call, names: tuple[str, ...], output: Path | None) -> None:
    """Write all layouts, or those of these names, as one JSON document for `hulak layout import`.

    Sends REQUEST hulak.layout.list and hulak.layout.show to the frontend.
    """
    from hulak.clients.whole_file import whole_file

    with call.client() as client:
        wanted = names or [row["name"] for row in _ask(call, client, "list", {})[LAYOUTS]]
        documents = {name: _show(call, client, name)["document"] for name in wanted}
    text = json.dumps({LAYOUTS: documents}, ensure_ascii=False, indent=2) + "\n"
    if output is None:
        click.echo(text, nl=False)
        return
    with whole_file(output) as path:
        path.write_text(text, encoding="utf-8")
    if call.as_json:
        print_json(list(documents))
    else:
        click.echo(f"{len(documents)} layouts written to {output}")


@layout.command(
    name="import",
    cls=Command,
    short_help="Put the layouts of a file.",
    epilog=examples("hulak layout import layouts.json", "hulak layout import layouts.json --replace"),
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.option("--replace", is_flag=True, help="Replace layouts that have the same names; they are left as they are by default.")
def import_(call: Call, file: Path, replace: bool) -> None:
    """Put the layouts of FILE, as `hulak layout export` writes it; `-` reads it from standard input.

    A layout that is refused leaves the others; the exit code is 1 then. Sends REQUEST hulak.layout.put to the frontend.
    """
    documents = _read(file).get(LAYOUTS)
    if not isinstance(documents, dict):
        raise ConfigError(f"{_name(file)} has {LAYOUTS} {short(documents)}, must be a map of names and layouts")
    put_, refused = [], {}
    with call.client() as client:
        for name, document in documents.items():
            try:
                _put(call, client, name, document, None if replace else 0)
                put_.append(name)
            except BusError as error:
                refused[name] = str(error)
    if call.as_json:
        print_json({"put": put_, "refused": refused})
    else:
        click.echo(f"{len(put_)} of {len(documents)} layouts put")
        for name, why in refused.items():
            click.echo(f"{name}: {why}", err=True)
    if refused:
        click.get_current_context().exit(FAILED)


def _show(call: Call, client: "BusClient", name: str) -> Any:
    with _suggesting(call, client, name):
        return _ask(call, client, "show", {"name": name})


def _put(call: Call, client: "BusClient", name: str, document: Any, if_version: int | None) -> Any:
    version = {} if if_version is None else {"if_version": if_version}
    return _ask(call, client, "put", {"name": name, "document": document, "by": user(), **version})


def _ask(call: Call, client: "BusClient", verb: str, args: dict[str, Any]) -> Any:
    return client.call(f"hulak.layout.{verb}", "", args, timeout_s=call.timeout_s or BROKER_S)


@contextlib.contextmanager
def _suggesting(call: Call, client: "BusClient", wanted: str) -> Iterator[None]:
    """Add a suggestion to the error of an unknown layout."""
    try:
        yield
    except BusError as error:
        known: list[str] = []
        if error.code == "UNKNOWN_LAYOUT":
            with contextlib.suppress(HulakError):
                known = [row["name"] for row in _ask(call, client, "list", {})[LAYOUTS]]
        if not (near := suggestion(wanted, known)):
            raise
        raise BusError(error.code, f"{error}{near}", error.details) from error


def _name(file: Path) -> str:
    return "standard input" if str(file) == STDIN else str(file)


def _read(file: Path) -> dict[str, Any]:
    """Return the JSON map of a file. Raises `ConfigError`."""
    if str(file) == STDIN:
        data = sys.stdin.buffer.read(MOST_BYTES + 1)
    else:
        with file.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ConfigError(f"{_name(file)} has more than {MOST_BYTES:,} bytes, must be the JSON of layouts")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{_name(file)} is no JSON: {error}; `hulak layout export` writes such a file") from error
    if not isinstance(value, dict):
        raise ConfigError(f"{_name(file)} has {short(value)}, must be a JSON object")
    return value

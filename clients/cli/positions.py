"""`hulak positions`: lists and removes the kept positions of subscribers."""

import time
from typing import Any

import click

from hulak.bus.errors import BusError
from hulak.clients.cli import table
from hulak.clients.cli.command import Call, Command, print_json
from hulak.clients.cli.groups import ListingGroup
from hulak.clients.cli.help_text import examples
from hulak.clients.durations import age

HEADS = ["position", "tick", "epoch", "saved", "key"]


@click.group(
    cls=ListingGroup,
    short_help="List and remove the kept positions of subscribers.",
    epilog=examples("hulak positions", "hulak positions rm strategy-1"),
)
def positions() -> None:
    """List and remove positions of subscribers; without a command, list them as `hulak positions ls`.

    The broker keeps the position of a subscriber that has a name and a beginning in the past (`hulak sub ticks --since 1h --name
    strategy-1`), until it is removed; at most 1,000, and 250 of one key.
    """


@positions.command(
    cls=Command, short_help="List positions, and when they were saved.", epilog=examples("hulak positions ls --json")
)
def ls(call: Call) -> None:
    """List positions: the number of the last tick that the subscriber processed, in the order of the topic `ticks`.

    Sends REQUEST hulak.position.list to the frontend.
    """
    rows = call.request("hulak.position.list")
    if call.as_json:
        print_json(rows)
    else:
        table.show(
            HEADS,
            [_cells(row, time.time_ns()) for row in rows],
            "no subscriber keeps a position; `hulak sub ticks --since now --name NAME` does",
        )


def _cells(row: dict[str, Any], now_ns: int) -> list[Any]:
    saved = f"{age((now_ns - row['saved_ns']) / 1e9)} ago" if row["number"] else "never"
    return [row["name"], row["number"] or "-", row["epoch"] or "-", saved, row["owner"] or "-"]


@positions.command(cls=Command, short_help="Remove positions.", epilog=examples("hulak positions rm strategy-1 strategy-2"))
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
def rm(call: Call, names: tuple[str, ...]) -> None:
    """Remove positions: a subscriber that starts with such a name begins again where its program says.

    A subscriber that runs with the name ends with an error at its next save. Exit code 1 if there is no such position.

    Sends REQUEST hulak.position.remove to the frontend.
    """
    removed = call.request("hulak.position.remove", args={"names": list(names)})
    if call.as_json:
        print_json(removed)
    else:
        for name in removed:
            click.echo(f"removed {name}")
    missing = [name for name in names if name not in removed]
    if missing:
        raise BusError("UNKNOWN_POSITION", f"there is no position {', '.join(map(repr, missing))}; `hulak positions` lists all")

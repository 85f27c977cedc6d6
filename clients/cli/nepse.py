"""`hulak nepse NAME`: the tasks of the exchange's workers. Arguments and options come from the workers' own table."""

from itertools import zip_longest
from typing import Any

import click

from clients.cli import table
from clients.cli.command import Call, Command, print_json
from workers.nepse.arguments import Argument, Kind
from workers.nepse.endpoints import ENDPOINTS, PAGED, SESSION_ACTIONS, Endpoint

BOOK = ("orderCount", "quantity", "orderBookOrderPrice")
BOOK_HEADS = ["buy orders", "buy quantity", "buy price", "sell price", "sell quantity", "sell orders"]
EXAMPLES = {Kind.SECURITY: "NABIL", Kind.INDEX: "nepse", Kind.DATE: "2026-04-24", Kind.YEAR: "2026", Kind.NUMBER: "10"}


def show(value: Any) -> None:
    """Print an answer for people."""
    if value is None:
        click.echo("none")
    elif isinstance(value, dict) and (book := order_book(value.get("marketDepth"))):
        table.show(["name", "value"], [(name, one) for name, one in value.items() if name != "marketDepth"])
        click.echo()
        table.show(BOOK_HEADS, book)
    else:
        table.show_value(value)


def order_book(depth: Any) -> list[table.Row]:
    """Put buyers and sellers side by side, the best of each first; nothing if it is no order book."""
    if not isinstance(depth, dict):
        return []
    sides = [depth.get(name) for name in ("buyMarketDepthList", "sellMarketDepthList")]
    if not all(isinstance(side, list) and all(isinstance(row, dict) for row in side) for side in sides):
        return []
    rows = zip_longest(*sides, fillvalue={})  # type: ignore[arg-type]
    return [[*(buy.get(name) for name in BOOK), *(sell.get(name) for name in reversed(BOOK))] for buy, sell in rows]


def _parameter(one: Argument) -> click.Parameter:
    if one.required:
        return click.Argument([one.name])
    what = one.what[0].upper() + one.what[1:]
    if one.kind is Kind.FLAG:
        return click.Option([f"--{one.name}/--no-{one.name}"], default=None, help=f"{what}. Default: {str(one.default).lower()}.")
    preset = "" if one.default is None else f" Default: {one.default}."
    return click.Option([f"--{one.name}"], metavar=one.kind.name, help=f"{what}: {one.allowed}.{preset}")


def _help(name: str, what: str, endpoint: Endpoint | None) -> str:
    known = () if endpoint is None else endpoint.arguments
    required = [one for one in known if one.required]
    words = [f"hulak nepse {name}", *(EXAMPLES[one.kind] for one in required)]
    optional = [f"--{one.name} {EXAMPLES[one.kind]}" for one in known if not one.required and one.kind in EXAMPLES]
    said = "".join(f"\n\n{one.name.upper()} is {one.allowed}." for one in required)
    pages = "\n\nReads to the end of the list, unless --page or --pages is given." if endpoint and endpoint.shape in PAGED else ""
    return (
        f"Print {what}.\n\nSends REQUEST nepse {name} to the frontend; a nepse worker answers.{said}{pages}\n\n"
        f"\b\n{' '.join(words)}\n{' '.join([*words, *optional[:1]])} --json --timeout 10"
    )


def _ask(call: Call, name: str, given: dict[str, Any], *, whole: bool) -> Any:
    from clients.nepse.client import NepseClient

    call.wait_for_broker()
    with NepseClient(call.settings, call.home, timeout_s=call.timeout_s or call.settings.task.timeout_s) as client:
        return client.whole(name, **given) if whole else client.call(name, **given)


def _command(name: str, what: str, endpoint: Endpoint | None) -> click.Command:
    @click.command(
        name,
        cls=Command,
        params=[] if endpoint is None else [_parameter(one) for one in endpoint.arguments],
        help=_help(name, what, endpoint),
        short_help=what[0].upper() + what[1:] + ".",
        timeout_help="How long to wait for each answer, attempts included. Default: [task] timeout_s.",
    )
    def run(call: Call, **given: Any) -> None:
        given = {key: value for key, value in given.items() if value is not None}
        paged = endpoint is not None and endpoint.shape in PAGED
        value = _ask(call, name, given, whole=paged and not given.keys() & {"page", "pages"})
        if call.as_json:
            print_json(value)
        else:
            show(value["rows"] if paged else value)

    return run


@click.group()
def nepse() -> None:
    """Have a nepse worker ask the exchange.

    \b
    hulak nepse market-status
    hulak nepse market-depth NABIL
    hulak nepse floor-sheet --symbol NABIL --json
    """


for session_action, said in SESSION_ACTIONS.items():
    nepse.add_command(_command(session_action, said, None))
for row in ENDPOINTS:
    nepse.add_command(_command(row.action, row.what, row))

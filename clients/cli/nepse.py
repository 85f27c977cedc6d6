"""`hulak nepse NAME`: the tasks of the NEPSE workers. Arguments and options are made from the workers' table of endpoints."""

from itertools import zip_longest
from typing import Any

import click

from hulak.clients.cli import table
from hulak.clients.cli.command import Call, Command, print_json
from hulak.clients.cli.help_text import examples
from hulak.workers.nepse.arguments import Argument, Kind
from hulak.workers.nepse.endpoints import ENDPOINTS, PAGED, SESSION_ACTIONS, Endpoint

BOOK = ("orderCount", "quantity", "orderBookOrderPrice")
BOOK_HEADS = ["buy orders", "buy quantity", "buy price", "sell price", "sell quantity", "sell orders"]
EXAMPLES = {Kind.SECURITY: "NABIL", Kind.INDEX: "nepse", Kind.DATE: "2026-04-24", Kind.YEAR: "2026", Kind.NUMBER: "10"}


def show(value: Any) -> None:
    """Print a result for people."""
    if value is None:
        click.echo("none")
    elif isinstance(value, dict) and (book := order_book(value.get("marketDepth"))):
        table.show(["name", "value"], [(name, item) for name, item in value.items() if name != "marketDepth"])
        click.echo()
        table.show(BOOK_HEADS, book)
    else:
        table.show_value(value)


def order_book(depth: Any) -> list[table.Row]:
    """Return rows with buyers and sellers side by side, the best price first; empty if `depth` is not an order book."""
    if not isinstance(depth, dict):
        return []
    sides = [depth.get(name) for name in ("buyMarketDepthList", "sellMarketDepthList")]
    if not all(isinstance(side, list) and all(isinstance(row, dict) for row in side) for side in sides):
        return []
    rows = zip_longest(*sides, fillvalue={})  # type: ignore[arg-type]
    return [[*(buy.get(name) for name in BOOK), *(sell.get(name) for name in reversed(BOOK))] for buy, sell in rows]


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


def _request(call: Call, name: str, given: dict[str, Any], *, whole: bool) -> Any:
    from hulak.clients.nepse.client import NepseClient

    call.wait_for_broker()
    with NepseClient(call.settings, call.home, timeout_s=call.timeout_s or call.settings.task.timeout_s) as client:
        return client.whole(name, **given) if whole else client.call(name, **given)


def _command(name: str, what: str, endpoint: Endpoint | None) -> click.Command:
    @click.command(
        name,
        cls=Command,
        params=[_parameter(argument) for argument in _arguments(endpoint)],
        help=_help(name, what, endpoint),
        short_help=f"Print {what}.",
        timeout_help="Seconds to wait for each reply, all attempts included; [task] timeout_s by default.",
        epilog=_examples(name, endpoint),
    )
    def run(call: Call, **given: Any) -> None:
        given = {key: value for key, value in given.items() if value is not None}
        paged = endpoint is not None and endpoint.shape in PAGED
        value = _request(call, name, given, whole=paged and not given.keys() & {"page", "pages"})
        if call.as_json:
            print_json(value)
        else:
            show(value["rows"] if paged else value)

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

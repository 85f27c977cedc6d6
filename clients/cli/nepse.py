"""`hulak nepse NAME`: the tasks of the exchange's workers."""

from typing import Any

import click

from clients.cli import table
from clients.cli.common import Call, Command, print_json
from clients.nepse_actions import ACTIONS


def show(value: Any) -> None:
    """Print an answer for people."""
    if isinstance(value, dict) and len(value) > 8 and not any(isinstance(one, dict | list) for one in value.values()):
        table.show(["name", "value"], list(value.items()))
    else:
        table.show(*table.shape(value))


def _command(action: str, what: str) -> click.Command:
    @click.command(
        action,
        cls=Command,
        help=f"Print {what}.\n\nSends REQUEST nepse {action} to the frontend; a nepse worker answers.\n\n"
        f"\b\nhulak nepse {action}\nhulak nepse {action} --json --timeout 10",
        short_help=what[0].upper() + what[1:] + ".",
        timeout_help="How long to wait for the answer, attempts included. Default: [task] timeout_s.",
    )
    def run(call: Call) -> None:
        value = call.ask("nepse", action, timeout_s=call.settings.task.timeout_s)
        if call.as_json:
            print_json(value)
        else:
            show(value)

    return run


@click.group()
def nepse() -> None:
    """Have a nepse worker ask the exchange.

    \b
    hulak nepse market-status
    hulak nepse security-brief --json
    """


for name, said in ACTIONS.items():
    nepse.add_command(_command(name, said))

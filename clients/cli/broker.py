"""`hulak broker`: the broker in the foreground."""

import click

from hulak.clients.cli.command import Call, Command
from hulak.clients.cli.help_text import examples


@click.command(
    cls=Command,
    daemon=True,
    short_help="Run the broker.",
    epilog=examples("hulak broker", "hulak broker --home ./var --json"),
)
@click.pass_context
def broker(ctx: click.Context, call: Call) -> None:
    """Run the broker until SIGTERM or Ctrl-C.

    It binds the collector, publisher, frontend and backend of [broker] on the loopback interface, and ipc sockets of the same
    names under the home folder. It publishes the topic `stats` once and `heartbeat` four times per second.
    `python -m hulak.bus` does the same.
    """
    from hulak.bus.__main__ import main

    ctx.exit(main(call.home, call.file))

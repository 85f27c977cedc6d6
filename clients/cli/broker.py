"""`hulak broker`: the bus itself, in the foreground."""

import click

from clients.cli.command import Call, Command


@click.command(cls=Command, daemon=True, short_help="Run the broker.")
@click.pass_context
def broker(ctx: click.Context, call: Call) -> None:
    """Run the broker until SIGTERM or Ctrl-C.

    It binds collector, publisher, frontend and backend of [broker] on the loopback, and the same as ipc sockets under the
    home folder. `python -m bus` is the same. Of its own it publishes the topics
    `stats` each second and `heartbeat` four times a second.

    \b
    hulak broker
    hulak broker --home ./var --json
    """
    from bus.__main__ import main

    ctx.exit(main(call.home, call.file))

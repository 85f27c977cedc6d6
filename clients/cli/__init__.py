"""The command line `hulak`: one module per group of commands, imported when one of its commands runs.
Imported by `hulak`, for its console script.
Start with `command.py`.
"""

import contextlib
import importlib
import sys
from collections.abc import Callable
from typing import Any

import click

from hulak.clients.cli.help_text import examples

# Command -> "module:attribute", in the order of `hulak --help`.
COMMANDS = {
    "up": "up:up",
    "down": "up:down",
    "reload": "reload:reload",
    "service": "service:service",
    "completion": "completion:completion",
    "status": "status:status",
    "stats": "status:stats",
    "top": "top:top",
    "check": "check:check",
    "doctor": "doctor:doctor",
    "ping": "status:ping",
    "sub": "sub:sub",
    "last": "history:last",
    "replay": "history:replay",
    "topic": "topic:topic",
    "positions": "positions:positions",
    "journal": "journal:journal",
    "config": "config:config",
    "key": "key:key",
    "nepse": "nepse:nepse",
    "task": "task:task",
    "dead": "dead:dead",
    "displays": "displays:displays",
    "broker": "broker:broker",
    "feed": "feed:feed",
    "feeds": "feeds:feeds",
    "worker": "worker:worker",
    "workers": "workers:workers",
    "scale": "workers:scale",
    "scaler": "workers:scaler",
    "gateway": "gateway:gateway",
    "sim": "sim:sim",
    "bench": "bench:bench",
    "latency": "latency:latency",
}


class LazyGroup(click.Group):
    """A group that imports a command when it is used.

    Args:
        places: command name -> "module:attribute", the module within this package.
    """

    def __init__(self, *args: Any, places: dict[str, str] | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.places = places or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands in the order of `places`."""
        del ctx
        return list(self.places)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command; the error for an unknown name suggests the nearest known one."""
        if self.places and args[0] not in self.places and not args[0].startswith("-"):
            from hulak.bus.wire.plain_values import suggestion

            raise click.UsageError(f"No such command {args[0]!r}{suggestion(args[0], self.places)}", ctx)
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None if the name is unknown."""
        del ctx
        place = self.places.get(cmd_name)
        if place is None:
            return None
        module, _, attribute = place.partition(":")
        command: click.Command = getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
        return command


def _version() -> str:
    from hulak.bus.version import VERSION

    return VERSION


def _show_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    del param
    if value:
        click.echo(f"hulak {_version()}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    places=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples("hulak up --demo", "hulak sub tick.EURUSD", "hulak nepse market-status"),
)
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_show_version, help="Show the version.")
def cli() -> None:
    """Run and inspect Hulak, a message bus for market data on ZeroMQ.

    Every command takes --json, --timeout, --home and --config. Exit codes: 0 success, 1 refused or failed, 2 usage error,
    3 no broker or no reply in time, 78 invalid setting.
    """


def main() -> None:
    """Run the command line; exits the process."""
    from hulak.clients.cli import std_streams

    run: Callable[..., Any] = cli
    std_streams.prepare()
    try:
        try:
            run(prog_name="hulak")
        finally:
            with contextlib.suppress(BrokenPipeError):
                sys.stdout.flush()
    except std_streams.OutputFailed as error:
        sys.exit(std_streams.give_up(error))

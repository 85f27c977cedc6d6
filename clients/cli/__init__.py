"""The command line `hulak`: one module per group of commands, imported when one of its commands runs.
Imported by `hulak`, for its console script.
Start with `command.py`.
"""

import contextlib
import importlib
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from hulak.clients.cli.groups import Group
from hulak.clients.cli.help_text import examples

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

# Section of `hulak --help` -> command -> "module:attribute".
SECTIONS = {
    "Start and stop": {
        "up": "up:up",
        "down": "up:down",
        "reload": "reload:reload",
        "service": "service:service",
        "completion": "completion:completion",
    },
    "Health": {
        "status": "status:status",
        "stats": "status:stats",
        "top": "top:top",
        "check": "check:check",
        "doctor": "doctor:doctor",
        "ping": "status:ping",
    },
    "Ticks and other topics": {
        "sub": "sub:sub",
        "pub": "pub:pub",
        "last": "history:last",
        "replay": "history:replay",
        "bars": "bars:bars",
        "alert": "alert:alert",
        "topics": "topics:topics",
        "positions": "positions:positions",
        "journal": "journal:journal",
        "query": "query:query",
    },
    "Tasks": {
        "nepse": "nepse:nepse",
        "task": "task:task",
        "schedule": "schedule:schedule",
        "dead": "dead:dead",
    },
    "Feeds, workers, displays": {
        "feeds": "feeds:feeds",
        "workers": "workers:workers",
        "scale": "workers:scale",
        "displays": "displays:displays",
        "layout": "layout:layout",
    },
    "Configuration and keys": {
        "config": "config:config",
        "key": "key:key",
        "context": "context:context",
    },
    "Processes that `hulak up` runs": {
        "broker": "broker:broker",
        "feed": "feed:feed",
        "derive": "derive:derive",
        "worker": "worker:worker",
        "scaler": "workers:scaler",
        "gateway": "gateway:gateway",
        "bridge": "bridge:bridge",
        "sim": "sim:sim",
    },
    "Measurements and conformance": {
        "bench": "bench:bench",
        "latency": "latency:latency",
        "conform": "conform:conform",
    },
}
COMMANDS = {name: place for commands in SECTIONS.values() for name, place in commands.items()}

ALIASES = {"topic": "topics"}  # a former name -> the command

# The list of `hulak --help` and of a shell's completion: a copy of each command's short help (a test keeps the two equal), so
# that neither imports every command. A command without an entry is imported.
SUMMARIES = {
    "up": "Start all processes and show live status.",
    "down": "Stop all processes of `hulak up`.",
    "reload": "Apply changes of the settings file.",
    "service": "Run Hulak as a service of systemd.",
    "completion": "Print the completion script of a shell.",
    "status": "Show the health of the broker and its processes.",
    "stats": "Show processes, queues, losses and latencies.",
    "top": "Show processes, feeds, topics and tasks live.",
    "check": "Check the health of all processes for a monitoring system.",
    "doctor": "Examine the installation and the machine, and advise.",
    "ping": "Check that a broker answers.",
    "sub": "Print published messages.",
    "pub": "Publish messages on a topic of your own.",
    "last": "Print the last message of topics.",
    "replay": "Print ticks from the journal.",
    "bars": "Show bars of a symbol as a chart.",
    "alert": "Add, list and remove alerts, and show their firings.",
    "topics": "List and remove topics of ticks and own topics.",
    "positions": "List and remove the kept positions of subscribers.",
    "journal": "List, verify and export the tick journal.",
    "query": "Query the tick journal with SQL.",
    "nepse": "Request data of the exchange from a NEPSE worker.",
    "task": "Call, post and list tasks of any service.",
    "schedule": "List, pause and remove schedules of tasks.",
    "dead": "Manage dead letters.",
    "feeds": "Show feeds, and add and remove their symbols.",
    "workers": "List, drain, restart, add and remove workers.",
    "scale": "Set the number of workers of a service.",
    "displays": "Show, create and watch displays.",
    "layout": "List, show, put and remove shared layouts of the page.",
    "config": "Show and change the live configuration.",
    "key": "Make, list and revoke keys.",
    "context": "Name brokers, and choose one.",
    "broker": "Run the broker.",
    "feed": "Publish ticks from a venue or a file.",
    "derive": "Make bars, conflated ticks and states of ticks.",
    "worker": "Run a worker of a service.",
    "scaler": "Run the scaler.",
    "gateway": "Run the gateway for browsers and monitoring.",
    "bridge": "Exchange ticks, tasks and configuration with other sites.",
    "sim": "Run the simulators.",
    "conform": "Judge programs of any language by the protocol.",
    "bench": "Measure the running broker with synthetic ticks and tasks.",
    "latency": "Measure the latency of ticks.",
}


class LazyGroup(Group):
    """A group that imports a command when it is used.

    Args:
        sections: heading in the help -> command name -> "module:attribute", the module within this package.
        summaries: command name -> its short help.
        aliases: former name of a command, which is not listed -> its name.
    """

    def __init__(
        self,
        *args: Any,
        sections: dict[str, dict[str, str]] | None = None,
        summaries: dict[str, str] | None = None,
        aliases: dict[str, str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self.aliases = aliases or {}
        self.sections = sections or {}
        self.places = {name: place for commands in self.sections.values() for name, place in commands.items()}
        self.summaries = summaries or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands in the order of `sections`."""
        del ctx
        return list(self.places)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command, also by a former name."""
        return super().resolve_command(ctx, [self.aliases.get(args[0], args[0]), *args[1:]])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None if the name is unknown."""
        del ctx
        place = self.places.get(cmd_name)
        if place is None:
            return None
        module, _, attribute = place.partition(":")
        command: click.Command = getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, by section."""
        longest = max(map(len, self.places))
        limit = formatter.width - 6 - longest
        for heading, commands in self.sections.items():
            with formatter.section(heading):
                rows = [(name.ljust(longest), self._listed(ctx, name).get_short_help_str(limit)) for name in commands]
                formatter.write_dl(rows)  # padded: the columns of all sections are in one line

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Return the commands and options that begin like `incomplete`."""
        from click.shell_completion import CompletionItem

        names = [name for name in self.places if name.startswith(incomplete)]
        commands = [CompletionItem(name, help=self._listed(ctx, name).get_short_help_str()) for name in names]
        return [*commands, *super(click.Group, self).shell_complete(ctx, incomplete)]

    def _listed(self, ctx: click.Context, name: str) -> click.Command:
        """Return a command to list: its name and short help alone, if they are known."""
        if name in self.summaries:
            return click.Command(name, short_help=self.summaries[name])
        command = self.get_command(ctx, name)
        assert command is not None
        return command


def _version() -> str:
    from hulak.bus.version import VERSION

    return VERSION


def _show_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    del param
    if value:
        click.echo(f"hulak {_version()}")
        ctx.exit()


def _complete_context(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    del ctx, param
    from hulak.clients.cli.contexts import names

    return [name for name in names() if name.startswith(incomplete)]


@click.group(
    cls=LazyGroup,
    sections=SECTIONS,
    summaries=SUMMARIES,
    aliases=ALIASES,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples("hulak up --demo", "hulak sub tick.EURUSD", "hulak nepse market-status", "hulak --context live status"),
)
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_show_version, help="Show the version.")
@click.option(
    "--context",
    metavar="NAME",
    shell_complete=_complete_context,
    help="Broker to use, one of `hulak context ls`; HULAK_CONTEXT or the one of `hulak context use` by default.",
)
@click.pass_context
def cli(ctx: click.Context, context: str | None) -> None:
    """Run and inspect Hulak, a message bus for market data on ZeroMQ.

    Every command takes --json, --timeout, --home and --config. Exit codes: 0 success, 1 refused or failed, 2 usage error,
    3 no broker or no reply in time, 78 invalid setting. `hulak check` and `hulak doctor` have those of monitoring plugins.
    """
    if context is not None:
        ctx.meta["hulak.context"] = context  # `command.CONTEXT`; that module is imported with a command


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

"""`hulak context`: named brokers, and which one commands use."""

import os
from dataclasses import replace
from pathlib import Path

import click

from hulak.bus.errors import HulakError
from hulak.clients.cli import contexts, table
from hulak.clients.cli.command import CONTEXT, Call, Command, print_json
from hulak.clients.cli.contexts import Context, Contexts
from hulak.clients.cli.groups import ListingGroup
from hulak.clients.cli.help_text import examples

HEADS = ["used", "context", "home", "host", "key", "config"]


def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the names of contexts that begin like `incomplete`."""
    del ctx, param
    return [name for name in contexts.names() if name.startswith(incomplete)]


@click.group(
    cls=ListingGroup,
    short_help="Name brokers, and choose one.",
    epilog=examples("hulak context", "hulak context add live --home /var/lib/hulak", "hulak context use live"),
)
def context() -> None:
    """Name brokers, and choose the one that commands use; without a command, list them as `hulak context ls`.

    The first of these counts: --home, `hulak --context NAME`, HULAK_HOME, HULAK_CONTEXT, the context of `hulak context use`. With
    `hulak --context NAME` the variables of another broker (HULAK_KEY, HULAK_CONFIG, addresses) do not count; otherwise they go
    before the context. The file is ~/.config/hulak/contexts.toml, or below XDG_CONFIG_HOME. Programs do not read it: they take
    HULAK_HOME and HULAK_KEY.
    """


def _read() -> Contexts:
    return contexts.read(contexts.file_path(os.environ))


def _write(known: Contexts) -> None:
    contexts.write(contexts.file_path(os.environ), known)


@context.command(
    cls=Command,
    any_context=False,
    short_help="List the contexts.",
    epilog=examples("hulak context ls", "hulak context ls --json"),
)
def ls(call: Call) -> None:
    """List the contexts; a star marks the one of `hulak context use`. Sends nothing."""
    known = _read()
    rows = [(name, known.by_name[name]) for name in sorted(known.by_name)]
    if call.as_json:
        print_json([{"name": name, "used": name == known.used, **row.values()} for name, row in rows])
        return
    cells = [["*" if name == known.used else "", name, row.home, row.host, row.key, row.config] for name, row in rows]
    if cells:
        table.show(HEADS, cells)
    else:
        click.echo("no context; `hulak context add` adds one")


@context.command(
    cls=Command,
    any_context=False,
    short_help="Add a context, or replace it.",
    epilog=examples(
        "hulak context add live --home /var/lib/hulak", "hulak context add far --host 10.0.0.5 --key ~/keys/far.key --use"
    ),
)
@click.argument("name")
@click.option("--host", help="Name or address of the broker's machine, without a port; this machine by default.")
@click.option("--key", type=click.Path(path_type=Path, dir_okay=False), help="File of a key for the broker; no key by default.")
@click.option("--use", "is_used", is_flag=True, help="Also use it from now on, as `hulak context use`.")
def add(call: Call, name: str, host: str | None, key: Path | None, is_used: bool) -> None:
    """Add the context NAME: a home on this machine (--home or HULAK_HOME), or --host and --key of a broker on another machine.

    --config names its settings file, if it has an unusual place or other ports. The file of the key is checked, and stays where
    it is. Sends nothing.
    """
    from hulak.bus.process.key_files import read_client_key

    if key is not None:
        read_client_key(key)
    home = str(call.home) if call.named and host is None else ""
    texts = {"home": home, "host": host or "", "key": str(key.absolute()) if key else ""}
    made = Context(**texts, config=str(call.file.absolute()) if call.file else "")
    known, checked = _read(), contexts.checked(contexts.check_name(name), made)
    used = name if is_used else known.used
    _write(replace(known, by_name={**known.by_name, name: checked}, used=used))
    _report(call, name, f"context {name} is in use" if used == name else f"added; `hulak context use {name}` uses it")


@context.command(
    cls=Command, any_context=False, short_help="Use a context from now on.", epilog=examples("hulak context use live")
)
@click.argument("name", shell_complete=complete)
def use(call: Call, name: str) -> None:
    """Use the context NAME in all commands of this user that are given no other broker. Sends nothing."""
    known = _read()
    known.at(name, "`hulak context use`")
    _write(replace(known, used=name))
    _report(call, name, f"context {name} is in use")
    for variable in ("HULAK_HOME", contexts.VARIABLE):
        if os.environ.get(variable):
            click.echo(f"hulak: {variable} is set in this shell and goes before it; `unset {variable}`", err=True)


@context.command(cls=Command, any_context=False, short_help="Remove a context.", epilog=examples("hulak context rm live"))
@click.argument("name", shell_complete=complete)
def rm(call: Call, name: str) -> None:
    """Remove the context NAME; the files that it names stay. Sends nothing."""
    known = _read()
    known.at(name, "`hulak context rm`")
    rest = {other: row for other, row in known.by_name.items() if other != name}
    _write(Contexts(rest, "" if known.used == name else known.used))
    _report(call, name, "removed" + (", no context is in use now" if known.used == name else ""))


@context.command(
    cls=Command,
    any_context=False,
    short_help="Show the context that counts here.",
    epilog=examples("hulak context show", "hulak context show live", "hulak context show --name-only"),
)
@click.argument("name", required=False, shell_complete=complete)
@click.option("--name-only", is_flag=True, help="Print its name alone, and nothing without one: for the prompt of a shell.")
@click.pass_context
def show(ctx: click.Context, call: Call, name: str | None, name_only: bool) -> None:
    """Show the context NAME, or the one that commands use in this shell. Sends nothing."""
    known = _read()
    shown, row = (name, known.at(name, "NAME")) if name else contexts.chosen(known, ctx.meta.get(CONTEXT), os.environ)
    if name_only:
        if shown:
            click.echo(shown)
    elif row is None:
        raise HulakError("no context counts here" + ("; HULAK_HOME goes before them" if os.environ.get("HULAK_HOME") else ""))
    elif call.as_json:
        print_json({"name": shown, "used": shown == known.used, **row.values()})
    else:
        table.show(["name", "value"], [["context", shown], *row.values().items()])


def _report(call: Call, name: str, text: str) -> None:
    if call.as_json:
        print_json({"name": name, "text": text})
    else:
        click.echo(text)

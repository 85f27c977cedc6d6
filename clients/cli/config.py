"""`hulak config`: the live configuration, and the processes that have applied it."""

import getpass
import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from hulak.bus.live_config.keys import DISPLAY, GLOBAL, KIND, KINDS, check_scope, check_value, find_key, read_value
from hulak.bus.live_config.scopes import difference
from hulak.bus.wire.plain_values import suggestion
from hulak.clients.cli import table
from hulak.clients.cli.command import BROKER_S, FAILED, Call, Command, print_json
from hulak.clients.cli.groups import Group
from hulak.clients.cli.help_text import examples
from hulak.clients.durations import fine_age

if TYPE_CHECKING:
    from hulak.clients.calls.client import BusClient
    from hulak.clients.live_config import LiveConfig

HEADS = ["scope", "key", "value", "from", "default", "unit", "help"]
WAIT_S = 2.0


@click.group(
    cls=Group,
    short_help="Show and change the live configuration.",
    epilog=examples(
        "hulak config get",
        "hulak config set log_level=debug",
        'hulak config set kind:nepse rate_per_s=1.5 cache_s=10 --note "requested by the exchange"',
        "hulak config unset kind:nepse rate_per_s",
        "hulak config history",
        "hulak config diff 3 7",
        "hulak config revert 3",
    ),
)
def config() -> None:
    """Show and change the live configuration; every process applies a change within milliseconds, and it survives restarts.

    The scope of a value is `global` (the default), a kind of process (`kind:nepse`), one display (`display:eurusd-1`) or one feed
    (`feed:kraken`). The narrowest scope that has a key overrides the others; keys without a value have that of the settings file.
    """


def _version_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of the commands that make a new version."""
    seconds = click.FloatRange(min=0, max=3600)
    wait_help = f"Seconds to wait for all processes to apply the change; {WAIT_S:g} by default."
    note = click.option("--note", default=None, metavar="TEXT", help="Reason, shown in the history.")
    wait = click.option("--wait", "wait_s", type=seconds, default=WAIT_S, metavar="SECONDS", help=wait_help)
    return note(wait(command))


def _split(words: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Split the words into the scope, `global` if none is given, and the rest."""
    if words and "=" not in words[0] and (words[0] == GLOBAL or ":" in words[0]):
        return check_scope(words[0]), words[1:]
    return GLOBAL, words


@config.command(
    cls=Command,
    short_help="Show the keys, their values and the origin of each value.",
    epilog=examples(
        "hulak config get",
        "hulak config get kind:nepse",
        "hulak config get display:eurusd-1 --json",
        "hulak config get --version 3",
    ),
)
@click.argument("scope", required=False, metavar="[SCOPE]")
@click.option("--version", type=int, metavar="N", help="Version number; the newest by default.")
def get(call: Call, scope: str | None, version: int | None) -> None:
    """Show every live key with its value and the scope that sets it; with SCOPE, the values that apply in it.

    Defaults are those of the broker's settings file. Sends REQUEST hulak.config.get to the frontend.
    """
    where = None if scope is None else check_scope(scope)
    with call.client() as client:
        result = _live(call, client).get(where, version=version)
    if call.as_json:
        print_json(result)
        return
    table.show(HEADS, [[_cell(row[head]) for head in HEADS] for row in result["rows"]])


@config.command(
    name="set",
    cls=Command,
    short_help="Set keys and wait until all processes apply them.",
    epilog=examples(
        "hulak config set kind:nepse rate_per_s=1.5",
        "hulak config set log_level=debug --wait 0",
        "hulak config set kind:display states_per_s=20 show_flash=true",
    ),
)
@click.argument("words", nargs=-1, required=True, metavar="[SCOPE] KEY=VALUE...")
@_version_options
def set_(call: Call, words: tuple[str, ...], note: str | None, wait_s: float) -> None:
    """Set keys in a scope, all or none, and wait until all processes have applied them.

    SCOPE is global by default, kind:KIND, display:ID or feed:NAME. If a process has not applied the change after --wait seconds,
    the exit code is 1 and the process is named; the values stay set, and the process applies them when it can. Sends REQUEST
    hulak.config.set to the frontend.
    """
    scope, pairs = _split(words)
    wrong = [pair for pair in pairs if "=" not in pair]
    if wrong or not pairs:
        near = suggestion(wrong[0], [GLOBAL, *(KIND + kind for kind in KINDS)]) if wrong else ""
        raise click.UsageError(f"{wrong[0]!r} is not KEY=VALUE{near}" if wrong else "KEY=VALUE is missing; give at least one")
    values = {name: read_value(name, text) for name, _, text in (pair.partition("=") for pair in pairs)}
    for name, value in values.items():
        check_value(scope, find_key(scope, name), value)  # an early error; the broker checks again
    _make(call, lambda live: live.set(scope, values, note=note or ""), wait_s, scope)


@config.command(
    cls=Command,
    short_help="Unset keys, so that wider scopes or defaults apply.",
    epilog=examples("hulak config unset kind:nepse rate_per_s", "hulak config unset log_level"),
)
@click.argument("words", nargs=-1, required=True, metavar="[SCOPE] KEY...")
@_version_options
def unset(call: Call, words: tuple[str, ...], note: str | None, wait_s: float) -> None:
    """Remove keys from a scope, so that the value of a wider scope or of the settings file applies again.

    Sends REQUEST hulak.config.set to the frontend.
    """
    scope, keys = _split(words)
    if not keys:
        raise click.UsageError("KEY is missing; give at least one")
    _make(call, lambda live: live.set(scope, unset=keys, note=note or ""), wait_s)


@config.command(cls=Command, short_help="Restore the values of an earlier version.", epilog=examples("hulak config revert 3"))
@click.argument("version", type=int, metavar="VERSION")
@_version_options
def revert(call: Call, version: int, note: str | None, wait_s: float) -> None:
    """Make a new version with the values of VERSION; version 0 has no values.

    Sends REQUEST hulak.config.revert to the frontend.
    """
    _make(call, lambda live: live.revert(version, note=note), wait_s)


@config.command(cls=Command, short_help="List the versions, newest first.", epilog=examples("hulak config history --limit 5"))
@click.option("--limit", type=click.IntRange(1, 1000), default=20, metavar="N", help="Maximum number of versions; 20 by default.")
def history(call: Call, limit: int) -> None:
    """List the versions, newest first: time, user, changes and note.

    Sends REQUEST hulak.config.history to the frontend.
    """
    with call.client() as client:
        versions = _live(call, client).history(limit)
    if call.as_json:
        print_json(versions)
        return
    cells = [
        [row["version"], table.moment(row["at_ns"]), row["by"], change_text(change), row["note"]]
        for row in versions
        for change in row["changes"]
    ]
    table.show(["version", "at", "by", "change", "note"], cells)


@config.command(
    cls=Command,
    short_help="Compare two versions.",
    epilog=examples("hulak config diff", "hulak config diff 3", "hulak config diff 3 7"),
)
@click.argument("before", type=int, required=False, metavar="[A]")
@click.argument("after", type=int, required=False, metavar="[B]")
def diff(call: Call, before: int | None, after: int | None) -> None:
    """List the changes from version A to version B; by default B is the newest version, and A the version before B.

    Sends REQUEST hulak.config.get to the frontend.
    """
    with call.client() as client:
        live = _live(call, client)
        new = live.get(version=after)
        old = live.get(version=max(0, new["version"] - 1) if before is None else before)
    changes = difference(old["scopes"], new["scopes"])
    rows = [{"scope": item.scope, "key": item.key, "before": item.before, "after": item.after} for item in changes]
    if call.as_json:
        print_json({"from": old["version"], "to": new["version"], "changes": rows})
        return
    count = f"{len(rows) or 'no'} change{'' if len(rows) == 1 else 's'}"
    click.echo(f"from version {old['version']} to {new['version']}: {count}")
    for row in rows:
        click.echo(f"  {change_text(row)}")


def _make(call: Call, make: Callable[["LiveConfig"], dict[str, Any]], wait_s: float, scope: str = "") -> None:
    """Make a new version, wait until all processes have applied it and print the result; exits with 1 if one has not.

    Keys of an unknown display (`scope`) are set too, for when it is created; a warning is printed.
    """
    with call.client() as client:
        live = _live(call, client)
        before = time.monotonic()
        version = make(live)
        rows, late = live.wait(version["version"], wait_s)
        took_ms = (time.monotonic() - before) * 1000
        unknown = scope.startswith(DISPLAY) and not _is_display(client, scope.removeprefix(DISPLAY))
    result = {**version, "processes": len(rows), "applied": len(rows) - len(late), "took_ms": round(took_ms, 1), "late": late}
    if call.as_json:
        print_json(result)
    else:
        click.echo(outcome(result))
    if unknown:
        click.echo(f"hulak: display {scope.removeprefix(DISPLAY)!r} is unknown; the values apply when it is created", err=True)
    if late:
        click.get_current_context().exit(FAILED)


def _live(call: Call, client: "BusClient") -> "LiveConfig":
    from hulak.clients.live_config import LiveConfig

    return LiveConfig(client, by=user(), timeout_s=call.timeout_s or BROKER_S)


def _is_display(client: "BusClient", display: str) -> bool:
    return any(row["display"] == display for row in client.call("hulak.display.list", timeout_s=BROKER_S)["rows"])


def outcome(result: Mapping[str, Any]) -> str:
    """Return one line: how many processes have applied a version, and the names of the others."""
    version = f"version {result['version']}" + ("" if result["changed"] else " (nothing changed)")
    applied = f"{version}: applied by {result['applied']} of {result['processes']} in {result['took_ms']:.0f} ms"
    if not result["late"]:
        return applied
    names = ", ".join(
        f"{row['kind']} {row['name']} (pid {row['pid']}, last report {fine_age(row['age_s'])} ago)" for row in result["late"]
    )
    return f"{applied}; not yet by {names}"


def change_text(change: Mapping[str, Any]) -> str:
    """Return one change as a line: scope, key, old value, new value."""
    return f"{change['scope']} {change['key']}: {_cell(change['before'])} -> {_cell(change['after'])}"


def _cell(value: Any) -> str:
    if value is None:
        return "unset"
    return str(value).lower() if isinstance(value, bool) else table.text(value)


def user() -> str:
    """Return the name of the user, for the history."""
    try:
        return getpass.getuser()[:200]
    except (KeyError, OSError):  # the user of a container may have no name
        return f"user {os.getuid()}"

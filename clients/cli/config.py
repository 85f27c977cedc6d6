"""`hulak config`: what can be changed while everything runs, and who has applied it."""

import getpass
import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from bus.live_config.keys import DISPLAY, GLOBAL, check_scope, check_value, find_key, read_value
from bus.live_config.scopes import difference
from clients.cli import table
from clients.cli.command import BROKER_S, FAILED, Call, Command, print_json

if TYPE_CHECKING:
    from clients.calls.client import BusClient
    from clients.live_config import LiveConfig

HEADS = ["scope", "key", "value", "from", "default", "unit", "help"]
WAIT_S = 2.0


@click.group(short_help="Show and change what can be changed live.")
def config() -> None:
    """Show and change the live configuration: applied by every process within milliseconds, kept over restarts.

    A value is set for everybody (scope `global`, which need not be said), for the processes of a kind (`kind:nepse`), or for one
    display (`display:eurusd-1`). The narrower goes before the wider; what is set nowhere is as the settings file says.

    \b
    hulak config get
    hulak config set log_level=debug
    hulak config set kind:nepse rate_per_s=1.5 cache_s=10 --note "they complained"
    hulak config unset kind:nepse rate_per_s
    hulak config history
    hulak config diff 3 7
    hulak config revert 3
    """


def _making(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give the options of those that make a new version."""
    waits = click.FloatRange(min=0, max=3600)
    note = click.option("--note", default=None, metavar="TEXT", help="Why; shown in the history.")
    wait = click.option(
        "--wait", "wait_s", type=waits, default=WAIT_S, show_default=True, metavar="SECONDS", help="For all to apply it."
    )
    return note(wait(command))


def _split(words: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Take the scope off the words, if they begin with one: `global` if not."""
    if words and "=" not in words[0] and (words[0] == GLOBAL or ":" in words[0]):
        return check_scope(words[0]), words[1:]
    return GLOBAL, words


@config.command(cls=Command, short_help="Show keys, their values, and where they come from.")
@click.argument("scope", required=False, metavar="[SCOPE]")
@click.option("--version", type=int, metavar="N", help="As it was in version N. Default: now.")
def get(call: Call, scope: str | None, version: int | None) -> None:
    """Show every live key with its value and the scope it comes from; with SCOPE, what counts there.

    Defaults are those of the broker's settings file. Sends REQUEST hulak.config.get to the frontend.

    \b
    hulak config get
    hulak config get kind:nepse
    hulak config get display:eurusd-1 --json
    """
    where = None if scope is None else check_scope(scope)
    with call.client() as client:
        told = _live(call, client).get(where, version=version)
    if call.as_json:
        print_json(told)
        return
    table.show(HEADS, [[_cell(row[head]) for head in HEADS] for row in told["rows"]])


@config.command(name="set", cls=Command, short_help="Set keys, and wait until all have applied them.")
@click.argument("words", nargs=-1, required=True, metavar="[SCOPE] KEY=VALUE...")
@_making
def set_(call: Call, words: tuple[str, ...], note: str | None, wait_s: float) -> None:
    """Set keys in a scope, all or none, and say who has applied them.

    SCOPE is global if it is left out, else kind:KIND or display:ID. Exit code 1, and the names, if somebody has not applied it
    in --wait seconds; it stays set, and they apply it when they can. Sends REQUEST hulak.config.set to the frontend.

    \b
    hulak config set kind:nepse rate_per_s=1.5
    hulak config set log_level=debug --wait 0
    hulak config set kind:display states_per_s=20 show_flash=true
    """
    scope, pairs = _split(words)
    wrong = [one for one in pairs if "=" not in one]
    if wrong or not pairs:
        raise click.UsageError(f"{wrong[0]!r} is not KEY=VALUE" if wrong else "no KEY=VALUE is given")
    values = {name: read_value(name, text) for name, _, text in (one.partition("=") for one in pairs)}
    for name, value in values.items():
        check_value(scope, find_key(scope, name), value)  # refused without a broker; it looks again itself
    _make(call, lambda live: live.set(scope, values, note=note or ""), wait_s, scope)


@config.command(cls=Command, short_help="Take keys back, so that wider scopes or defaults count.")
@click.argument("words", nargs=-1, required=True, metavar="[SCOPE] KEY...")
@_making
def unset(call: Call, words: tuple[str, ...], note: str | None, wait_s: float) -> None:
    """Take keys out of a scope, so that what a wider scope or the settings file says counts again.

    Sends REQUEST hulak.config.set to the frontend.

    \b
    hulak config unset kind:nepse rate_per_s
    hulak config unset log_level
    """
    scope, keys = _split(words)
    if not keys:
        raise click.UsageError("no KEY is given")
    _make(call, lambda live: live.set(scope, unset=keys, note=note or ""), wait_s)


@config.command(cls=Command, short_help="Make a former version the present one.")
@click.argument("version", type=int, metavar="VERSION")
@_making
def revert(call: Call, version: int, note: str | None, wait_s: float) -> None:
    """Make a new version whose values are those of VERSION; 0 is that of the beginning.

    Sends REQUEST hulak.config.revert to the frontend.

    \b
    hulak config revert 3
    """
    _make(call, lambda live: live.revert(version, note=note), wait_s)


@config.command(cls=Command, short_help="Show who changed what, the newest first.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, metavar="N", help="Versions, at most.")
def history(call: Call, limit: int) -> None:
    """Show the versions, the newest first: when, by whom, what changed, and why.

    Sends REQUEST hulak.config.history to the frontend.

    \b
    hulak config history --limit 5
    """
    with call.client() as client:
        told = _live(call, client).history(limit)
    if call.as_json:
        print_json(told)
        return
    cells = [
        [row["version"], table.moment(row["at_ns"]), row["by"], sentence(one), row["note"]]
        for row in told
        for one in row["changes"]
    ]
    table.show(["version", "at", "by", "change", "note"], cells)


@config.command(cls=Command, short_help="Compare two versions.")
@click.argument("before", type=int, required=False, metavar="[A]")
@click.argument("after", type=int, required=False, metavar="[B]")
def diff(call: Call, before: int | None, after: int | None) -> None:
    """Show what changed from version A to version B; B is the present one and A the one before B if they are left out.

    Sends REQUEST hulak.config.get to the frontend.

    \b
    hulak config diff
    hulak config diff 3
    hulak config diff 3 7
    """
    with call.client() as client:
        live = _live(call, client)
        new = live.get(version=after)
        old = live.get(version=max(0, new["version"] - 1) if before is None else before)
    found = difference(old["scopes"], new["scopes"])
    rows = [{"scope": one.scope, "key": one.key, "before": one.before, "after": one.after} for one in found]
    if call.as_json:
        print_json({"from": old["version"], "to": new["version"], "changes": rows})
        return
    count = f"{len(rows) or 'no'} change{'' if len(rows) == 1 else 's'}"
    click.echo(f"from version {old['version']} to {new['version']}: {count}")
    for row in rows:
        click.echo(f"  {sentence(row)}")


def _make(call: Call, make: Callable[["LiveConfig"], dict[str, Any]], wait_s: float, scope: str = "") -> None:
    """Have a new version made, wait until all have applied it, say so; ends with 1 if somebody has not.

    Keys of a display (`scope`) that there is not are set all the same, for the day it is created; but that is said.
    """
    with call.client() as client:
        live = _live(call, client)
        before = time.monotonic()
        version = make(live)
        rows, late = live.wait(version["version"], wait_s)
        took_ms = (time.monotonic() - before) * 1000
        unknown = scope.startswith(DISPLAY) and not _is_display(client, scope.removeprefix(DISPLAY))
    told = {**version, "processes": len(rows), "applied": len(rows) - len(late), "took_ms": round(took_ms, 1), "late": late}
    if call.as_json:
        print_json(told)
    else:
        click.echo(outcome(told))
    if unknown:
        click.echo(
            f"hulak: there is no display {scope.removeprefix(DISPLAY)!r}; what was set counts once it is created", err=True
        )
    if late:
        click.get_current_context().exit(FAILED)


def _live(call: Call, client: "BusClient") -> "LiveConfig":
    from clients.live_config import LiveConfig

    return LiveConfig(client, by=_user(), timeout_s=call.timeout_s or BROKER_S)


def _is_display(client: "BusClient", display: str) -> bool:
    return any(row["display"] == display for row in client.call("hulak.display.list", timeout_s=BROKER_S)["rows"])


def outcome(told: Mapping[str, Any]) -> str:
    """Say who has applied a version, or who has not."""
    what = f"version {told['version']}" + ("" if told["changed"] else " (nothing changed)")
    done = f"{what}: applied by {told['applied']} of {told['processes']} in {told['took_ms']:.0f} ms"
    if not told["late"]:
        return done
    names = ", ".join(
        f"{row['kind']} {row['name']} (pid {row['pid']}, heard of {row['age_s']:.1f} s ago)" for row in told["late"]
    )
    return f"{done}; not yet by {names}"


def sentence(change: Mapping[str, Any]) -> str:
    """Say one change: where, which, from what to what."""
    return f"{change['scope']} {change['key']}: {_cell(change['before'])} -> {_cell(change['after'])}"


def _cell(value: Any) -> str:
    if value is None:
        return "unset"
    return str(value).lower() if isinstance(value, bool) else table.text(value)


def _user() -> str:
    try:
        return getpass.getuser()[:200]
    except (KeyError, OSError):  # a container's user may have no name
        return f"user {os.getuid()}"

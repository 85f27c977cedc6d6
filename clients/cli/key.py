"""`hulak key`: keys of clients and of the broker, as files in <home>/keys. docs/howto/security.md."""

import contextlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hulak.bus.errors import BusError, BusTimeout, ConfigError, HandshakeFailed
from hulak.clients.cli import key_output, table
from hulak.clients.cli.command import FAILED, NO_ANSWER, Call, Command, print_json
from hulak.clients.cli.groups import Group
from hulak.clients.cli.help_text import examples
from hulak.clients.cli.key_times import Duration, Expiry

if TYPE_CHECKING:
    from hulak.bus.wire.roles import Role

ASK_S = 2.0  # for a broker that runs to say what it knows of the keys
RESTART = "the broker takes keys from its next start on: restart it, `hulak down` and `hulak up`"
EXPIRES_HELP = "Duration or time after which the key is refused: 90d, 12h, 2027-01-31T12:00:00Z; never by default."
HEADS = ["name", "state", "roles", "expires", "connections", "last seen", "refused", "note"]


@click.group(
    cls=Group,
    short_help="Make, list and revoke keys.",
    epilog=examples("hulak key new alice --role 'subscribe:tick.*'", "hulak key list", "hulak key revoke alice"),
)
def key() -> None:
    """Make, list and revoke the keys by which programs on other machines, or of other users, connect to the broker.

    A key is a file for the program that connects, named by HULAK_KEY, and one that authorises it on the broker's machine, in
    HOME/keys/authorised, which the broker watches.
    """


OUT = click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="File for the client; HOME/keys/NAME.secret by default.",
)


@key.command(
    cls=Command,
    short_help="Make a key and authorise it.",
    epilog=examples(
        "hulak key new alice --role 'subscribe:tick.*'",
        "hulak key new kraken --role 'feed:tick.kraken.*' --expires 90d",
        "hulak key new desk --role subscribe:ticks --role read --note 'the desk in Zurich'",
        "hulak key new worker-7 --role work:nepse --out worker-7.secret",
    ),
)
@click.argument("name", metavar="NAME")
@click.option(
    "--role",
    "roles",
    type=key_output.RoleText(),
    multiple=True,
    required=True,
    metavar="ROLE",
    help="Role of the key; can be repeated.",
)
@click.option("--note", help="Note for people.")
@click.option("--expires", type=Expiry(), metavar="WHEN", help=EXPIRES_HELP)
@OUT
def new(
    call: Call, name: str, roles: tuple["Role", ...], note: str | None, expires: datetime | str | None, out: Path | None
) -> None:
    """Make a key pair, authorise it with roles, and write the file for the client.

    Copy that file to the client, by a way that no other user can read, and let HULAK_KEY name it there: the client needs only the
    broker's addresses in addition. The first key also makes the key of the broker, which takes keys from its next start on.

    \b
    Roles; a PATTERN is a name, or its beginning and a star:
      subscribe:PATTERN  receive topics, live, as last values and replayed
      feed:PATTERN       post ticks to topics
      submit:PATTERN     call services and post tasks to them
      work:PATTERN       carry out tasks of services; display: compute displays
      read               see statistics, tasks, configuration and displays
      control            all of read; change the configuration, scale, retire, ...
    """
    from hulak.bus.process import key_files
    from hulak.clients.cli import key_store

    key_files.check_name(name)
    server, first = key_store.ensure_broker_key(call.home)
    until = expires if isinstance(expires, datetime) else None
    made, path = key_store.make(call.home, name, frozenset(roles), note or "", until, out)
    reloaded = _reload(call)
    facts = {**key_output.facts_of(made, path), "roles": sorted(map(str, roles)), "expires": key_output.text(until)}
    if call.as_json:
        print_json({**facts, "broker_key_made": first, "broker": reloaded})
        return
    table.show(["name", "value"], list(facts.items()))
    if first:
        click.echo(f"hulak: the broker's key was made, public {server.public}; {RESTART}", err=True)
    key_output.hint_copy(path)


@key.command("list", cls=Command, short_help="List the keys.", epilog=examples("hulak key list", "hulak key list --json"))
def list_keys(call: Call) -> None:
    """List the authorised keys, with what the broker knows of them if it answers: connections, last message, refusals.

    Reads the files of this home. Sends REQUEST hulak.stats to the frontend.
    """
    from hulak.bus.process import key_files

    if not key_files.folder(call.home).exists():
        raise BusError("NO_KEYS", f"home {call.home} has no keys; `hulak key new NAME --role ROLE` makes the first one")
    stats = _ask(call, "hulak.stats")
    security = None if stats is None else stats["security"]
    keys, refused = key_files.read_authorised_keys(call.home)
    known = (security or {}).get("keys")
    rows = [key_output.row_of(key, known) for _, key in sorted(keys.items())]
    if call.as_json:
        print_json({"keys": rows, "files_refused": refused, "broker": security})
        return
    shown = [[row[head.replace(" ", "_")] for head in HEADS] for row in rows]
    malformed = [(file.removesuffix(key_files.SUFFIX), why) for file, why in sorted(refused.items())]
    shown += [[name, "malformed", "", None, None, None, None, why] for name, why in malformed]
    table.show(HEADS, [["-" if cell is None else key_output.cell(cell) for cell in line] for line in shown])
    if security is None:
        click.echo("hulak: no broker answers: connections and refusals are unknown", err=True)
    elif known is None:
        click.echo(f"hulak: the broker has no keys yet, `hulak key new` makes one; {RESTART}", err=True)
    elif security["unknown"]:
        click.echo(f"hulak: the broker refused {security['unknown']} connections with keys that are not authorised", err=True)


@key.command(cls=Command, short_help="Show a key, or the broker's.", epilog=examples("hulak key show", "hulak key show alice"))
@click.argument("name", required=False, metavar="[NAME]")
def show(call: Call, name: str | None) -> None:
    """Show a key: its public key, roles, note and expiry; without a name, the broker's public key. Never a secret."""
    from hulak.bus.process import key_files
    from hulak.clients.cli import key_store

    if name is None:
        server, after = key_store.broker_key(call.home), key_files.read_next_broker_key(call.home)
        facts: dict[str, Any] = {"public": server.public, "file": str(key_files.broker_path(call.home))}
        if after is not None:
            facts |= {"next": after.public, "until": key_output.text(after.until)}
    else:
        authorised = key_store.authorised(call.home, name)
        facts = {"name": authorised.name, "public": authorised.public, "roles": sorted(map(str, authorised.roles))}
        facts |= {
            "expires": key_output.text(authorised.expires),
            "note": authorised.note,
            "file": str(key_files.authorised_path(call.home, name)),
        }
    if call.as_json:
        print_json(facts)
    else:
        table.show(["name", "value"], [[head, key_output.cell(value)] for head, value in facts.items()])


@key.command(cls=Command, short_help="Revoke a key and end its connections.", epilog=examples("hulak key revoke alice"))
@click.argument("name", metavar="NAME")
def revoke(call: Call, name: str) -> None:
    """Revoke a key: remove its file, after which the broker ends its connections within a second, and no other key's.

    Sends REQUEST hulak.key.reload to the frontend, so that it happens at once.
    """
    from hulak.clients.cli import key_store

    removed = key_store.revoke(call.home, name)
    reloaded = _reload(call)
    if call.as_json:
        print_json({"name": name, "removed": [str(path) for path in removed], "broker": reloaded})
        return
    click.echo(f"key {name!r} was revoked; {'its connections were ended' if reloaded else 'no broker answers'}")


@key.command(
    cls=Command,
    short_help="Replace a key by another one with its roles.",
    epilog=examples("hulak key rotate alice", "hulak key rotate alice --grace 0"),
)
@click.argument("name", metavar="NAME")
@click.option(
    "--grace", type=Duration(), default="7d", help="Time for which the former key counts too; 7d by default. 0: it is revoked."
)
@click.option(
    "--expires",
    type=Expiry(),
    metavar="WHEN",
    help="When the new key expires, see `hulak key new`; needed if the former one does.",
)
@OUT
def rotate(call: Call, name: str, grace: timedelta, expires: datetime | str | None, out: Path | None) -> None:
    """Make another key with the roles of a key, which expires after a while: alice is followed by alice.2, alice.3.

    Copy the new file to the client within that time, and start the client again.
    """
    from hulak.clients.cli import key_store

    if expires is None and (former := key_store.authorised(call.home, name).expires) is not None:
        raise click.UsageError(
            f"key {name!r} expires at {key_output.text(former)}: --expires must say when the new one does, or never"
        )
    lives = expires if isinstance(expires, datetime) else None
    made, path, until = key_store.rotate(call.home, name, grace, datetime.now(UTC), out, lives)
    reloaded = _reload(call)
    facts = {**key_output.facts_of(made, path), "replaces": name, "until": key_output.text(until)}
    if call.as_json:
        print_json({**facts, "broker": reloaded})
        return
    table.show(["name", "value"], list(facts.items()))
    key_output.hint_copy(path)


@key.command(
    "rotate-broker",
    cls=Command,
    short_help="Replace the broker's own key.",
    epilog=examples("hulak key rotate-broker --grace 7d", "hulak key rotate-broker --now"),
)
@click.option("--grace", type=Duration(), default="7d", help="Time until the broker uses its new key; 7d by default.")
@click.option(
    "--now", "at_once", is_flag=True, help="Let the next key replace the present one now: clients without it are cut off."
)
def rotate_broker(call: Call, grace: timedelta, at_once: bool) -> None:
    """Make the broker's next key, which it uses after a while, and write it into the clients' files in HOME/keys.

    Within that time, each client needs the next key: copy its file again, or run `hulak key check --save` there. A client that
    has both keys connects again by itself when the broker changes.
    """
    from hulak.bus.process import key_files
    from hulak.clients.cli import key_store

    now = datetime.now(UTC)
    made = (
        key_store.promote(call.home, now)
        if at_once or not grace
        else key_store.rotate_broker(call.home, (now + grace).replace(microsecond=0))
    )
    changed, wrong = key_store.renew_client_files(call.home)
    reloaded = _reload(call)
    facts: dict[str, Any] = {"public": key_store.broker_key(call.home).public}
    if made.until is not None:
        facts |= {"next": made.public, "until": key_output.text(made.until)}
    facts["files"] = [path.name for path in changed]
    if call.as_json:
        print_json({**facts, "unreadable": {str(path): why for path, why in wrong.items()}, "broker": reloaded})
        return
    table.show(["name", "value"], [[head, key_output.cell(value)] for head, value in facts.items()])
    for why in wrong.values():
        click.echo(f"hulak: {why}", err=True)
    others = len(key_files.read_authorised_keys(call.home)[0]) - len(changed)
    hint = "copy the files to the clients" if changed else "let each client have it"
    click.echo(
        f"hulak: {hint}, or run `hulak key check --save` there{f'; {others} keys have no file here' if others > 0 else ''}",
        err=True,
    )


@key.command(cls=Command, short_help="Let the broker read its keys again.", epilog=examples("hulak key reload"))
def reload(call: Call) -> None:
    """Let the broker read its keys again at once; it does so by itself within a second after a file was changed.

    Sends REQUEST hulak.key.reload to the frontend.
    """
    answer = call.request("hulak.key.reload")
    if call.as_json:
        print_json(answer)
        return
    refused = answer["files_refused"]
    click.echo(f"the broker has {answer['authorised']} keys; {len(refused)} files are refused")
    for file, why in sorted(refused.items()):
        click.echo(f"hulak: {file}: {why}", err=True)


@key.command(
    cls=Command,
    short_help="Check the key of this program and its connection.",
    epilog=examples("hulak key check", "hulak key check alice.secret", "HULAK_KEY=alice.secret hulak key check --save"),
)
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path), metavar="[FILE]")
@click.option("--save", is_flag=True, help="Write the broker's next key, while its key is replaced, into the file.")
def check(call: Call, file: Path | None, save: bool) -> None:
    """Check a key's file, connect to each of the broker's addresses with it, and ask the broker for its roles.

    Tells apart whose key is wrong: UNKNOWN_KEY, WRONG_SERVER_KEY, KEY_NEEDED, NO_KEYS, or NO_BROKER if no program listens. On the
    broker's machine it checks the files of all keys too. Sends REQUEST hulak.key.whoami to the frontend.
    """
    from hulak.bus.process import load_settings
    from hulak.clients.cli import key_check

    settings = call.settings if file is None else load_settings.load(call.home, call.file, {"security": {"key": file}})
    findings, answer = key_check.check_keys(settings, call.home)
    saved = _save(settings.security.key, answer) if save else False
    errors = [finding for finding in findings if finding.state == "error"]
    if call.as_json:
        rows = [{"what": row.what, "state": row.state, "code": row.code, "text": row.text} for row in findings]
        print_json({"ok": not errors, "findings": rows, "whoami": answer, "saved": saved})
    else:
        table.show(["what", "state", "code", "text"], [[row.what, row.state, row.code or "-", row.text] for row in findings])
        if saved:
            click.echo(f"hulak: {settings.security.key} has the broker's keys now", err=True)
    if errors:
        only_silence = {finding.code for finding in errors} == {key_check.NO_BROKER}
        click.get_current_context().exit(NO_ANSWER if only_silence else FAILED)


def _save(file: Path | None, answer: dict[str, Any] | None) -> bool:
    """Write the broker's keys into a client's file if they have changed; return whether they have."""
    from hulak.bus.process import key_files
    from hulak.clients.cli import key_check

    if file is None or answer is None:
        raise ConfigError("--save needs a key that the broker accepts: name its file, or let HULAK_KEY name it")
    before = key_files.read_client_key(file)
    after = key_check.news_of(before, answer)
    if after == before:
        return False
    key_files.write_client_key(file, after, replace=True)
    return True


# The broker


def _ask(call: Call, service: str) -> dict[str, Any] | None:
    """Send a request to the broker; None if none answers."""
    from hulak.bus.process import endpoints
    from hulak.clients.calls.client import BusClient

    if endpoints.find(call.settings, call.home, "frontend") is None:
        return None
    with contextlib.suppress(BusTimeout), BusClient(call.settings, call.home) as client:
        return dict(client.call(service, timeout_s=call.timeout_s or ASK_S))
    return None


def _reload(call: Call) -> bool:
    """Let a broker that runs read its keys now; false if none does: it reads them when it starts, or within a second."""
    try:
        return _ask(call, "hulak.key.reload") is not None
    except (HandshakeFailed, BusError, ConfigError):  # the files are written, which is what counts
        return False

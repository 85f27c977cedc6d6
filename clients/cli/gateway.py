"""`hulak gateway`: the HTTP and WebSocket gateway, and the tokens of its clients."""

import time
from typing import TYPE_CHECKING, Any

import click

from hulak.bus.errors import HulakError
from hulak.clients.cli import table
from hulak.clients.cli.command import Call, Command, print_json
from hulak.clients.cli.groups import Group
from hulak.clients.cli.help_text import examples

if TYPE_CHECKING:
    from hulak.clients.gateway.tokens import Token, Tokens

ROLES = ("metrics", "view", "operate")
DAY_S = 86400.0


class GatewayCommand(Group, Command):
    """A command that runs by itself, and has subcommands."""


@click.group(
    cls=GatewayCommand,
    daemon=True,
    invoke_without_command=True,
    short_help="Run the gateway for browsers and monitoring.",
    epilog=examples("hulak gateway", "hulak gateway --port 8080", "hulak gateway token new desk-1 --role view"),
)
@click.option("--port", type=click.IntRange(1, 65535), help="TCP port to listen on; [gateway] port by default.")
@click.pass_context
def gateway(ctx: click.Context, call: Call, port: int | None) -> None:
    """Run the gateway: the page, the WebSocket for displays, ticks and statistics, /metrics, /healthz and /readyz on one port.

    It subscribes to display. (states), displays, stats, config and, while a client subscribes to ticks, ticks; it forwards the
    commands of clients as REQUEST hulak.config.set, hulak.display.create and hulak.display.remove. Without tokens it serves its
    own user and root; `hulak gateway token` lets others in. docs/howto/gateway.md has TLS, tokens and proxies.
    """
    from msgspec.structs import replace

    from hulak.clients.gateway.process import run_gateway

    if ctx.invoked_subcommand is not None:
        return
    settings = call.settings
    if port is not None:
        settings = replace(settings, gateway=replace(settings.gateway, port=port))
    run_gateway(settings, call.home)


@gateway.group(
    cls=Group,
    short_help="Manage the tokens of the gateway's clients.",
    epilog=examples(
        "hulak gateway token new desk-1 --role view", "hulak gateway token list", "hulak gateway token revoke desk-1"
    ),
)
def token() -> None:
    """Manage the tokens of the gateway's clients: programs, browsers, monitoring.

    The file HOME/keys/gateway-tokens.toml has their hashes; a running gateway applies a change within a second. From the first
    token with the role view or operate on, every client of the page and its WebSockets needs one. Run these commands as the user
    of the gateway, or as root.
    """


@token.command(
    cls=Command,
    short_help="Make a token and print it, once.",
    epilog=examples(
        "hulak gateway token new desk-1 --role view",
        "hulak gateway token new prometheus --role metrics",
        "hulak gateway token new contractor --role operate --expires 14",
    ),
)
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), default="view", help="Rights of its holder; view by default.")
@click.option(
    "--expires", "days", type=click.IntRange(1, 36500), metavar="DAYS", help="Days after which it expires; never by default."
)
def new(call: Call, name: str, role: str, days: int | None) -> None:
    """Make a token with a new NAME, and print it on standard output: it is kept nowhere, only its hash is.

    Roles, each with the rights of those before it: metrics reads /metrics and the reasons of /readyz; view reads everything on
    the page and its WebSockets; operate changes the configuration and the displays too.
    """
    from hulak.clients.gateway import tokens

    if tokens.NAME.fullmatch(name) is None:
        raise click.UsageError(f"NAME is {name!r}, must be a text like {tokens.NAME.pattern}")
    now = time.time()
    with tokens.changing(call.home):
        known = tokens.load(call.home)
        if name in known.by_name:
            raise HulakError(f"there is a token {name} already; revoke it first, or choose another name")
        text, made = tokens.make(name, tokens.GRANTED[role], now, None if days is None else now + days * DAY_S)
        tokens.write_private(tokens.file_of(call.home), known.plus(made).text(), call.home)
    if call.as_json:
        print_json({**_row(made, now), "token": text})
        return
    click.echo(text)
    click.echo(f"This is the only time that the token of {name} ({role}) is shown; its holder should keep it secret.", err=True)
    if not known.required and known.plus(made).required:
        click.echo("From now on, every client of the page and its WebSockets needs a token.", err=True)


@token.command("list", cls=Command, short_help="List the tokens.", epilog=examples("hulak gateway token list"))
def list_(call: Call) -> None:
    """List the tokens by name, with role, state and times; the tokens themselves are kept nowhere."""
    from hulak.clients.gateway import tokens

    known, now = tokens.load(call.home), time.time()
    rows = [_row(known.by_name[name], now) for name in sorted(known.by_name)]
    if call.as_json:
        print_json({"required": known.required, "tokens": rows})
        return
    heads = ["name", "role", "state", "created", "expires"]
    table.show(heads, [[row["name"], row["role"], row["state"], row["created"], row["expires"] or "never"] for row in rows])
    click.echo(_page_access(call, known), err=True)


@token.command(cls=Command, short_help="Revoke tokens by name.", epilog=examples("hulak gateway token revoke desk-1"))
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def revoke(call: Call, names: tuple[str, ...]) -> None:
    """Revoke tokens: a running gateway ends their connections and logins within a second.

    Revoking the last token opens nothing: every client needs a token still. The exit code is 1 if a NAME is unknown; then none is
    revoked.
    """
    from hulak.bus.wire.plain_values import suggestion
    from hulak.clients.gateway import tokens

    with tokens.changing(call.home):
        known = tokens.load(call.home)
        for name in names:
            if name not in known.by_name:
                raise HulakError(f"there is no token {name!r}{suggestion(name, known.by_name)}")
        for name in dict.fromkeys(names):
            known = known.minus(name)
        tokens.write_private(tokens.file_of(call.home), known.text(), call.home)
    if call.as_json:
        print_json({"revoked": list(dict.fromkeys(names))})
        return
    click.echo(f"revoked: {', '.join(dict.fromkeys(names))}")
    if not known.by_name:
        click.echo(_page_access(call, known), err=True)


def _row(kept: "Token", now: float) -> dict[str, Any]:
    return {
        "name": kept.name,
        "role": str(kept.role),
        "state": "expired" if kept.is_expired(now) else "valid",
        "created": _time(kept.created),
        "expires": None if kept.expires is None else _time(kept.expires),
    }


def _time(seconds: float) -> str:
    return table.moment(int(seconds) * 10**9)


def _page_access(call: Call, known: "Tokens") -> str:
    """Return the clients that can use the page, as a sentence."""
    from hulak.clients.gateway.tokens import Role, file_of

    if not known.required:
        return "Tokens are not required: on the loopback, the user of the gateway and root need none ([gateway] local_users)."
    text = "Every client of the page and its WebSockets needs a token"
    if any(kept.role >= Role.VIEW for kept in known.by_name.values()):
        return f"{text}."
    return (
        f"{text}, and there is none with the role view or operate; required = false in {file_of(call.home)} lets the user of the "
        "gateway in without one, on the loopback."
    )

"""`hulak conform`: the subscriber, feed, client or worker of any language, judged by the rules of PROTOCOL.md."""

from typing import Any

import click

from hulak.clients.cli.command import Call, Command, print_json
from hulak.clients.cli.groups import Group
from hulak.clients.cli.help_text import examples
from hulak.clients.cli.table import show

LIMIT_S = 30.0  # for each run of the program

PROGRAMS = {  # kind -> how the program is called
    "subscriber": "COMMAND PUBLISHER FRONTEND TOPIC COUNT",
    "feed": "COMMAND COLLECTOR FRONTEND SYMBOL COUNT",
    "client": "COMMAND FRONTEND SERVICE ACTION COUNT",
    "worker": "COMMAND BACKEND SERVICE",
}
DUTIES = {  # kind -> what the program has to do
    "subscriber": "The program prints COUNT ticks of TOPIC, one a line, as `SEQUENCE BID ASK`, and exits with 0.",
    "feed": """The program posts COUNT ticks of SYMBOL as a numbered feed: number N has bid N and ask N + 0.5. It prints nothing,
and exits with 0 when all are safe.""",
    "client": """The program calls the action COUNT times, one call after the other; call N has the arguments `a` N and `b` N. Of
each call it prints `part VALUE` for each part that counts, then `reply VALUE` or `error CODE`; then it exits with 0.""",
    "worker": """The program serves the action `add`: it returns the sum of its arguments `a` and `b`, after as many milliseconds
as the argument `ms` says if it is given. It exits with 0 when it is retired.""",
}
EXIT_CODES = """Exit codes: 0 all rules passed, 1 some failed, 2 usage error, 78 the program cannot be started."""
EXAMPLES = {
    "subscriber": "ruby subscriber.rb",
    "feed": "python feed.py",
    "client": "perl client.pl",
    "worker": "php worker.php",
}


@click.group(
    cls=Group,
    short_help="Judge programs of any language by the protocol.",
    epilog=examples("hulak conform subscriber -- ruby subscriber.rb", "hulak conform worker --list"),
)
def conform() -> None:
    """Judge the subscriber, feed, client or worker of any language by bus/PROTOCOL.md.

    Hulak plays the broker, on free loopback ports: with gaps, restarts, larger epochs, duplicates and answers to others. It
    starts the program for each rule, and says which section was broken. It needs no broker, and disturbs none.
    """


def _command(name: str) -> click.Command:
    """Return the command that judges one kind of program."""

    @click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="-- COMMAND...")
    @click.option("--rule", "names", multiple=True, metavar="NAME", help="Judge this rule only; may be given several times.")
    @click.option("--list", "lists", is_flag=True, help="List the rules and their sections, and start nothing.")
    @click.pass_context
    def judge(ctx: click.Context, call: Call, words: tuple[str, ...], names: tuple[str, ...], lists: bool) -> None:
        ctx.exit(_judge(name, call, words, names, lists=lists))

    short = f"Judge a {name}: {PROGRAMS[name]}."
    judge.__doc__ = f"{short}\n\nThe arguments are appended to the command. {DUTIES[name]}\n\n{EXIT_CODES}"
    example = EXAMPLES[name]
    lines = (f"hulak conform {name} -- {example}", f"hulak conform {name} --list", f"hulak conform {name} --json -- {example}")
    declare = click.command(
        name,
        cls=Command,
        short_help=short,
        timeout_help=f"Seconds that one run of the program may take; {LIMIT_S:g} by default.",
        epilog=examples(*lines),
    )
    return declare(judge)


def _judge(name: str, call: Call, words: tuple[str, ...], names: tuple[str, ...], *, lists: bool) -> int:
    from hulak.clients.conform.kinds import KINDS
    from hulak.clients.conform.runner import judge

    kind = KINDS[name]
    known = [rule.name for rule in kind.rules]
    for unknown in set(names) - set(known):
        raise click.UsageError(f"rule {unknown!r} is unknown, must be one of {', '.join(known)}")
    chosen = [rule for rule in kind.rules if not names or rule.name in names]
    if lists:
        rows = [{"rule": rule.name, "section": rule.section, "text": rule.text} for rule in chosen]
        _print(call, rows, {"kind": name, "rules": rows})
        return 0
    if not words:
        raise click.UsageError(f"there is no command to judge; give it behind --: hulak conform {name} -- {EXAMPLES[name]}")
    verdicts = [judge(kind, rule, words, call.timeout_s or LIMIT_S) for rule in chosen]
    rows = [_row(verdict) for verdict in verdicts]
    passed = sum(verdict.passed for verdict in verdicts)
    _print(call, rows, {"kind": name, "passed": passed, "failed": len(verdicts) - passed, "rules": rows})
    if not call.as_json:
        click.echo(f"{passed} of {len(verdicts)} rules passed", err=True)
    return 0 if passed == len(verdicts) else 1


def _row(verdict: Any) -> dict[str, Any]:
    """Return one verdict; a failed rule has the section that was broken, which may be another one than the rule's."""
    first = verdict.findings[0] if verdict.findings else None
    return {
        "rule": verdict.rule.name,
        "section": first.section if first else verdict.rule.section,
        "verdict": "failed" if first else "passed",
        "seconds": round(verdict.took_s, 2),
        "found": "; ".join(finding.text for finding in verdict.findings),
    }


def _print(call: Call, rows: list[dict[str, Any]], value: dict[str, Any]) -> None:
    if call.as_json:
        print_json(value)
    else:
        show(list(rows[0]), [list(row.values()) for row in rows])


for _name in PROGRAMS:
    conform.add_command(_command(_name))

"""Manual pages and completion scripts, from the commands themselves: `python -m hulak.clients.cli.manual DIR` writes them.

DIR is a folder share/, with man/ and the folders of the shells below it. click-man, which does the same for other projects, knows
neither the examples nor the exit codes of these commands, and writes the paragraphs of a help text as one.
"""

import inspect
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click

from hulak.bus.version import VERSION
from hulak.clients.cli import cli
from hulak.clients.cli.completion import script

COMPLETIONS = {
    "bash": "bash-completion/completions/hulak",
    "zsh": "zsh/site-functions/_hulak",
    "fish": "fish/vendor_completions.d/hulak.fish",
}
CODES = """.SH EXIT STATUS
.TP
.B 0
done
.TP
.B 1
refused or failed; one sentence is on standard error
.TP
.B 2
wrong usage
.TP
.B 3
no broker, or no answer in time
.TP
.B 78
a setting that is not allowed
"""
FILES = r""".SH FILES
.TP
.I ~/.local/state/hulak
the home folder, unless \fB\-\-home\fR or \fBHULAK_HOME\fR names another one; \fI/var/lib/hulak\fR of the system service
.TP
.I HOME/hulak.toml\fR, \fI/etc/hulak/hulak.toml
settings; the first one that exists
.TP
.I ~/.config/hulak/contexts.toml
named brokers, written by \fBhulak context\fR
.SH ENVIRONMENT
.TP
.B HULAK_HOME\fR, \fBHULAK_CONFIG
as \fB\-\-home\fR and \fB\-\-config\fR
.TP
.B HULAK_CONTEXT
the context to use; see \fBhulak\-context\fR(1)
.TP
.B HULAK_SECTION__NAME
a setting, such as \fBHULAK_LOG__LEVEL\fR; overrides the settings file
"""
CODE = re.compile(r"`([^`]+)`")


def pages(date: str, version: str = VERSION) -> dict[str, str]:
    """Return all pages by file name, hulak.1, hulak-sub.1, ...

    Args:
        date: of the pages, YYYY-MM-DD.
        version: of Hulak.
    """
    return {f"{_name(ctx)}.1": page(command, ctx, date, version) for command, ctx in commands(cli, None, "hulak")}


def commands(command: click.Command, parent: click.Context | None, name: str) -> Iterator[tuple[click.Command, click.Context]]:
    """Yield a command and all commands below it, each with its context."""
    ctx = click.Context(command, parent, info_name=name)
    yield command, ctx
    if isinstance(command, click.Group):
        for key in command.list_commands(ctx):
            child = command.get_command(ctx, key)
            assert child is not None
            yield from commands(child, ctx, key)


def _name(ctx: click.Context) -> str:
    return ctx.command_path.replace(" ", "-")


def page(command: click.Command, ctx: click.Context, date: str, version: str) -> str:
    """Return the page of a command, in the macros of man(7)."""
    short = (command.short_help or command.get_short_help_str(limit=200)).rstrip(".").replace("`", "")
    lines = [
        f'.TH "{_roff(_name(ctx).upper())}" "1" "{date}" "hulak {version}" "Hulak"',
        ".SH NAME",
        f"{_roff(_name(ctx))} \\- {_roff(short)}",
        ".SH SYNOPSIS",
        f".B {_roff(ctx.command_path)}",
        _roff(" ".join(command.collect_usage_pieces(ctx))),
        ".SH DESCRIPTION",
        *_paragraphs(command.help or ""),
    ]
    records = [record for item in command.get_params(ctx) if (record := item.get_help_record(ctx))]
    if records:
        lines.append(".SH OPTIONS")
        for names, meaning in records:
            lines += [".TP", f".B {_roff(names)}", _prose(meaning)]
    if isinstance(command, click.Group):
        lines.append(".SH COMMANDS")
        for inner, at in commands(command, ctx.parent, ctx.info_name or ""):
            if at.command_path.rpartition(" ")[0] == ctx.command_path:
                lines += [".TP", f".BR {_roff(_name(at))} (1)", _prose(inner.short_help or inner.get_short_help_str(limit=200))]
    if command.epilog:
        lines += _examples(command.epilog)
    text = "\n".join(lines) + "\n" + CODES + (FILES if ctx.parent is None else "")
    return text + ".SH SEE ALSO\n" + _others(ctx) + "\n"


def _paragraphs(text: str) -> Iterator[str]:
    for number, paragraph in enumerate(inspect.cleandoc(text).split("\n\n")):
        if paragraph.startswith("\b"):
            yield from (".PP", ".nf", *map(_roff, paragraph.removeprefix("\b").strip("\n").splitlines()), ".fi")
        else:
            yield from ([".PP"] if number else [])
            yield _prose(paragraph)


def _examples(epilog: str) -> list[str]:
    rows = [line.strip() for line in epilog.removeprefix("\b").strip().splitlines()[1:]]
    return [".SH EXAMPLES", ".nf", *map(_roff, rows), ".fi"]


def _others(ctx: click.Context) -> str:
    if ctx.parent is None:
        return ".BR hulak\\-up (1),\n.BR hulak\\-service (1),\n.BR hulak\\-check (1)"
    return f".BR {_roff(_name(ctx.parent))} (1)" + ("" if ctx.parent.parent is None else ",\n.BR hulak (1)")


def _prose(text: str) -> str:
    """Return a text with what is in backticks in bold."""
    pieces = CODE.split(" ".join(text.split()))
    return _guarded("".join(f"\\fB{_marks(piece)}\\fR" if number % 2 else _marks(piece) for number, piece in enumerate(pieces)))


def _roff(text: str) -> str:
    return _guarded(_marks(text))


def _marks(text: str) -> str:
    return text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("^", "\\(ha").replace("~", "\\(ti")


def _guarded(text: str) -> str:
    return f"\\&{text}" if text.startswith(".") else text


def write(share: Path, version: str = VERSION) -> list[Path]:
    """Write all pages and scripts below a folder share/; returns their paths. SOURCE_DATE_EPOCH sets the date of the pages."""
    date = time.strftime("%Y-%m-%d", time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH") or time.time())))
    texts = {f"man/man1/{name}": text for name, text in pages(date, version).items()}
    texts |= {place: script(shell) for shell, place in COMPLETIONS.items()}
    for place, text in texts.items():
        path = share / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return [share / place for place in texts]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m hulak.clients.cli.manual DIR")
    click.echo(f"{len(write(Path(sys.argv[1])))} files below {sys.argv[1]}")

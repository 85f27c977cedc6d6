"""Hooks of MkDocs: pages made of the repository's own documents, and the reference of the command line.

A document of the repository stays where it is and is a page of the site too, so there is one text of each. Links are written as
paths within the repository, which a reader of the checkout can follow; here they become links between pages.
"""

import inspect
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from hulak.clients.cli import cli
from hulak.clients.cli.command import Command

ROOT = Path(__file__).resolve().parents[1]
PAGES = {  # document of the repository -> page of the site
    "README.md": "index.md",
    "bus/PROTOCOL.md": "protocol.md",
    "clients/examples/README.md": "howto/languages.md",
    "benchmarks/README.md": "benchmarks.md",
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
COMMANDS_PAGE = "reference/commands.md"
DOCUMENTS = {page: document for document, page in PAGES.items()}
CODE = re.compile(r"(^ *```.*?^ *```|`[^`\n]+`)", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s#:]+)(#[^)\s]*)?\)")

COMMANDS_HEAD = """\
# Command line

Every command takes these options. Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 no
broker or no answer in time, 78 a setting that is not allowed.

"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that do not lie in docs/."""
    for document, page in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / document)))
    files.append(File.generated(config, COMMANDS_PAGE, content=commands_page()))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Make links between pages of the links between files."""
    del config, files
    return relink(markdown, page.file.src_uri)


def relink(markdown: str, page: str) -> str:
    """Make links between pages of the links between files of the repository.

    A link to a file that is no page becomes its text; one to a file that does not exist stays, for MkDocs to refuse.

    Args:
        markdown: of the page, with links as paths relative to its document.
        page: e.g. "howto/ticks.md".
    """
    document = DOCUMENTS.get(page, f"docs/{page}")

    def linked(match: re.Match[str]) -> str:
        mark, text, path, anchor = match.groups()
        target = posixpath.normpath(posixpath.join(posixpath.dirname(document), path))
        wanted = PAGES.get(target) or (target.removeprefix("docs/") if target.startswith("docs/") else None)
        if wanted is None:
            return text if (ROOT / target).exists() else match.group()
        return f"{mark}[{text}]({posixpath.relpath(wanted, posixpath.dirname(page) or '.')}{anchor or ''})"

    pieces = CODE.split(markdown)  # code is every second one
    return "".join(piece if number % 2 else LINK.sub(linked, piece) for number, piece in enumerate(pieces))


def commands_page() -> str:
    """Write the reference of the command line, from the commands themselves."""
    shared = _rows(Command("shared"), click.Context(Command("shared")))
    texts = [COMMANDS_HEAD + _table(shared)]
    texts += [
        "\n".join(_section(command, ctx, depth, shared)) for command, ctx, depth in _commands(cli, None, "hulak", 1) if depth > 1
    ]
    return "\n\n".join(texts)


def _commands(
    command: click.Command, parent: click.Context | None, name: str, depth: int
) -> Iterator[tuple[click.Command, click.Context, int]]:
    ctx = click.Context(command, parent, info_name=name)
    yield command, ctx, depth
    if isinstance(command, click.Group):
        for key in command.list_commands(ctx):
            child = command.get_command(ctx, key)
            assert child is not None
            yield from _commands(child, ctx, key, depth + 1)


def _section(command: click.Command, ctx: click.Context, depth: int, shared: list[tuple[str, str]]) -> Iterator[str]:
    path = ctx.command_path
    yield f"{'#' * depth} {path}\n"
    if not isinstance(command, click.Group):
        yield f"```text\n{path} {' '.join(command.collect_usage_pieces(ctx))}\n```\n"
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        if paragraph.startswith("\b"):
            yield f"```text\n{paragraph.removeprefix(chr(8)).strip(chr(10))}\n```\n"
        else:
            yield f"{paragraph}\n"
    if isinstance(command, click.Group):
        return
    own = [row for row in _rows(command, ctx) if row not in shared]
    if own:
        yield _table(own)


def _rows(command: click.Command, ctx: click.Context) -> list[tuple[str, str]]:
    return [record for item in command.get_params(ctx) if (record := item.get_help_record(ctx)) and "--help" not in record[0]]


def _table(rows: list[tuple[str, str]]) -> str:
    lines = ["| option | meaning |", "|---|---|"]
    for option, meaning in rows:
        text = " ".join(meaning.split()).replace("|", "&#124;").replace("<", "&lt;")
        lines.append(f"| `{option}` | {text} |")
    return "\n".join(lines)

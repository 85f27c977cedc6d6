"""The documents: their form, and that what they name is there. `mkdocs build --strict` (make check) follows their links."""

import ast
import builtins
import importlib.util
import re
import shlex
import sys
from pathlib import Path

import click
import pytest

import hulak
from hulak.clients.cli import cli

ROOT = Path(__file__).resolve().parents[1]
WIDTH, LANDING_LINES = 100, 120
NAMES = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "bus/PROTOCOL.md"]
NAMES += ["benchmarks/README.md", "clients/examples/README.md"]
NAMES += sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
SHELL = re.compile(r"(?:^|\$\(|-m )hulak (?:(?! [|#&]|\)).)+", re.MULTILINE)  # up to a pipe, a comment, the end of $( )


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


def without_boxes(text):
    """Take out code blocks, fenced and indented; keep the number of lines."""
    text = FENCE.sub(lambda match: "\n" * match.group().count("\n"), text)
    return re.sub(r"^    .*$", "", text, flags=re.MULTILINE)


def spans_of(name):
    """Return the code spans in prose and tables that are commands of hulak."""
    spans = re.findall(r"`(hulak [^`]+)`", without_boxes(text_of(name)))
    return [" ".join(span.split()) for span in spans]


def lines_of(name):
    """Return the commands of hulak in code blocks."""
    text = text_of(name)
    boxes = [body for language, body in FENCE.findall(text) if language in {"", "sh", "ini", "text"}]
    boxes += re.findall(r"^    (\S.*)$", FENCE.sub("", text), re.MULTILINE)
    return [line.removeprefix("$(").removeprefix("-m ").strip() for box in boxes for line in SHELL.findall(box)]


def programs_of(name):
    """Return the Python programs of a document."""
    return [body for language, body in FENCE.findall(text_of(name)) if language == "python"]


def places(finder):
    """Name what a finder finds in all documents, each once."""
    return sorted({(name, place) for name in NAMES for place in finder(name)})


# Form


def test_the_readme_is_a_landing_page():
    assert len(text_of("README.md").splitlines()) <= LANDING_LINES


@pytest.mark.parametrize("name", NAMES)
def test_prose_is_wrapped(name):
    def may_be_long(line):
        return line.lstrip().startswith("|") or "://" in line or " " not in line.strip()

    lines = enumerate(without_boxes(text_of(name)).splitlines(), 1)
    assert [number for number, line in lines if len(line) > WIDTH and not may_be_long(line)] == []


# Commands


def command_at(words):
    """Follow words into the tree of commands, as far as there are groups; returns the command and the words left."""
    command, words = cli, list(words)
    while isinstance(command, click.Group) and words and not words[0].startswith("-") and not words[0].isupper():
        ctx = click.Context(command)
        name = words.pop(0)
        assert name in command.list_commands(ctx), f"{name!r} is not one of {command.list_commands(ctx)}"
        command = command.get_command(ctx, name)
    return command, words


def options_of(command):
    options = (
        option for param in command.params if isinstance(param, click.Option) for option in (*param.opts, *param.secondary_opts)
    )
    return {*options, "-h", "--help"}


@pytest.mark.parametrize(("name", "span"), places(spans_of))
def test_a_command_that_is_mentioned_exists_with_its_options(name, span):
    first, *words = span.replace("[", "").replace("]", "").split()
    assert first == "hulak"
    named = [word.split("|") for word in words]  # `hulak topic ls|rm`
    plain = [alternatives[0] for alternatives in named]
    command, rest = command_at(plain)
    for at, alternatives in enumerate(named[: len(named) - len(rest)]):
        for other in alternatives[1:]:
            command_at([*plain[:at], other])
    for alternatives in named[len(named) - len(rest) :]:
        for alternative in alternatives:
            if alternative.startswith("-"):
                assert alternative.partition("=")[0] in options_of(command)


@pytest.mark.parametrize(("name", "line"), places(lines_of))
def test_a_command_in_a_box_is_one_that_the_command_line_takes(name, line):
    _, *words = shlex.split(line.rstrip("\"'") if line.count('"') % 2 else line)
    command, rest = command_at(words)
    try:
        command.make_context("hulak", rest)
    except click.exceptions.Exit:  # --help
        assert rest == ["--help"]


def test_there_are_commands_to_be_found():
    assert len(places(spans_of)) > 80
    assert len(places(lines_of)) > 80


# Programs


@pytest.mark.parametrize(("name", "program"), places(programs_of))
def test_a_program_imports_from_hulak_alone_and_names_what_is_there(name, program):
    nodes = list(ast.walk(ast.parse(program)))
    known, imports = set(dir(builtins)), False
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
            assert module == "hulak" or module in sys.stdlib_module_names
            assert module != "hulak" or {alias.name for alias in node.names} <= set(hulak.__all__)
            known |= {alias.asname or alias.name for alias in node.names}
            imports = True
        elif isinstance(node, ast.FunctionDef):
            known |= {node.name, *(argument.arg for argument in node.args.args)}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            known.add(node.id)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            known.add(node.name)
    if not imports:  # it goes on where a program above it ended
        known |= set(hulak.__all__)
    assert {node.id for node in nodes if isinstance(node, ast.Name)} <= known
    contexts = [item for node in nodes if isinstance(node, ast.With) for item in node.items]
    clients = {item.optional_vars.id: getattr(hulak, item.context_expr.func.id) for item in contexts}
    used = [node for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)]
    missing = [node.attr for node in used if node.value.id in clients and not hasattr(clients[node.value.id], node.attr)]
    assert missing == []


# The site


@pytest.fixture(scope="module")
def hooks():
    """Load docs/hooks.py."""
    pytest.importorskip("mkdocs")
    spec = importlib.util.spec_from_file_location("docs_hooks", ROOT / "docs" / "hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("page", "written", "linked"),
    [
        ("index.md", "[T](docs/tutorial.md)", "[T](tutorial.md)"),
        ("index.md", "![P](docs/images/page.png)", "![P](images/page.png)"),
        ("index.md", "[P](bus/PROTOCOL.md)", "[P](protocol.md)"),
        ("howto/ticks.md", "[P](../../bus/PROTOCOL.md#73-replays)", "[P](../protocol.md#73-replays)"),
        ("howto/ticks.md", "[R](../reference/python.md)", "[R](../reference/python.md)"),
        ("howto/languages.md", "[P](../../bus/PROTOCOL.md)", "[P](../protocol.md)"),
        ("operating.md", "[etc/hulak.toml](../etc/hulak.toml)", "etc/hulak.toml"),
        ("operating.md", "[none](../etc/none.toml)", "[none](../etc/none.toml)"),
        ("operating.md", "[out](https://example.org/a)", "[out](https://example.org/a)"),
        ("operating.md", "`[a](../etc/hulak.toml)`", "`[a](../etc/hulak.toml)`"),
    ],
)
def test_links_between_files_become_links_between_pages(hooks, page, written, linked):
    assert hooks.relink(written, page) == linked


def test_the_reference_has_every_command_with_its_options(hooks):
    page = hooks.commands_page()

    def follow(command, path):
        assert re.search(rf"^#+ {path}$", page, re.MULTILINE), path
        section = page.partition(f" {path}\n")[2].partition("\n\n#")[0]
        if not isinstance(command, click.Group):
            shared = {"--json", "--timeout", "--home", "--config", "-h", "--help"}
            assert all(option in section for option in options_of(command) - shared), path
            return
        for name in command.list_commands(click.Context(command)):
            follow(command.get_command(click.Context(command), name), f"{path} {name}")

    for name in cli.list_commands(click.Context(cli)):
        follow(cli.get_command(click.Context(cli), name), f"hulak {name}")

"""The help of every command: sentences, units, defaults, and examples that the command line accepts."""

import re
import shlex
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from hulak.clients.cli import COMMANDS, SUMMARIES, cli

VERB = re.compile(r"[A-Z][a-z]+,? .*\.")
NO_VERBS = ("The ", "A ", "An ", "How ", "What ", "Who ", "Tell ", "Say ", "Have ", "Give ", "Look ", "Be ")


def tree(command=cli, path=("hulak",)):
    """Yield the path and the command of the root and of everything below."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from tree(command.get_command(context, name), (*path, name))


ALL = [pytest.param(path, command, id=" ".join(path)) for path, command in tree()]


def examples_of(command):
    """Return the command lines of the section "Examples:" at the end of a command's help."""
    lines = (command.epilog or "").split("\n")
    assert lines[:2] == ["\b", "Examples:"]
    assert all(line.startswith("  ") for line in lines[2:])
    return [line.strip() for line in lines[2:]]


def words_of(example):
    """Split an example into the arguments of `hulak`, without variables before it and programs after a pipe."""
    words = shlex.split(example.partition(" | ")[0])
    while re.fullmatch(r"[A-Z][A-Z_]+=.*", words[0]):
        words.pop(0)
    assert words[0] == "hulak"
    return words[1:]


def parse(words):
    """Parse a command line against the tree of commands; raise a usage error for what is unknown."""
    context = cli.make_context("hulak", list(words))
    while isinstance(context.command, click.Group):
        words = [*context._protected_args, *context.args]
        if not words and context.command.invoke_without_command:
            break
        name, command, rest = context.command.resolve_command(context, words)
        context = command.make_context(name, rest, parent=context)
    return context


@pytest.mark.parametrize(("path", "command"), ALL)
def test_the_short_help_is_a_sentence_in_the_imperative(path, command):
    text = command.get_short_help_str(200)
    assert VERB.fullmatch(text), text
    assert not text.startswith(NO_VERBS), text


def test_the_summaries_are_the_short_helps_of_the_commands():
    context = click.Context(cli)
    assert {name: cli.get_command(context, name).get_short_help_str(200) for name in COMMANDS} == SUMMARIES


def test_the_list_of_commands_and_their_completion_import_no_command():
    program = """
import sys
from click.testing import CliRunner
from hulak.clients.cli import COMMANDS, cli

listed = CliRunner().invoke(cli, ["--help"]).output
completed = CliRunner().invoke(
    cli, [], prog_name="hulak", env={"_HULAK_COMPLETE": "bash_complete", "COMP_WORDS": "hulak ", "COMP_CWORD": "1"}
).output
assert all(f"\\n  {name} " in listed and f"plain,{name}\\n" in completed for name in COMMANDS), (listed, completed)
print([name for name in sys.modules if name.removeprefix("hulak.clients.cli.") in {p.split(":")[0] for p in COMMANDS.values()}])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_the_completion_behind_an_unknown_command_lists_the_commands():
    variables = {"_HULAK_COMPLETE": "bash_complete", "COMP_WORDS": "hulak stauts ", "COMP_CWORD": "2"}
    result = CliRunner().invoke(cli, [], prog_name="hulak", env=variables)
    assert (result.output.splitlines(), result.exit_code) == ([f"plain,{name}" for name in COMMANDS], 0)


@pytest.mark.parametrize(("path", "command"), ALL)
def test_the_help_begins_with_a_sentence_in_the_imperative(path, command):
    first = " ".join(command.help.partition("\n\n")[0].split())
    assert VERB.fullmatch(first), first
    assert not first.startswith(NO_VERBS), first


@pytest.mark.parametrize(("path", "command"), ALL)
def test_every_option_has_a_sentence_with_its_default(path, command):
    for option in (parameter for parameter in command.params if isinstance(parameter, click.Option)):
        assert option.help, option.name
        assert re.fullmatch(r"[A-Z].*\.", option.help), option.help
        default = option.to_info_dict()["default"]
        if isinstance(default, str | int | float) and not isinstance(default, bool):
            text = "standard output" if default == "-" else "all topics" if default == "" else default
            text = f"{text:.10g}" if isinstance(text, int | float) else text
            assert f"{text} by default" in option.help, option.help
        if isinstance(option.type, click.FloatRange) and option.name not in ("rate", "mishaps"):
            assert "second" in option.help.lower(), option.help


@pytest.mark.parametrize(("path", "command"), ALL)
def test_every_command_has_examples_of_itself_that_parse(path, command):
    lines = examples_of(command)
    assert lines
    assert any(words_of(line)[: len(path) - 1] == list(path[1:]) for line in lines)
    for line in lines:
        parse(words_of(line))


@pytest.mark.parametrize(
    "line", ["hulak statsu", "hulak sub --cuont 1", "hulak scale nepse", "hulak config set", "hulak sub --count none"]
)
def test_an_example_that_does_not_parse_is_found(line):
    with pytest.raises(click.UsageError):
        parse(words_of(line))


def test_an_example_of_another_program_is_found():
    with pytest.raises(AssertionError):
        words_of("curl http://127.0.0.1:5570/readyz")
    assert words_of("HULAK_LOG__LEVEL=debug hulak top --count 1 | head -20") == ["top", "--count", "1"]

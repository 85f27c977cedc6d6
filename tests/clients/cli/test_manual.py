"""Manual pages and completion scripts, made from the commands and judged by the tools that read them."""

import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from hulak.clients.cli import cli, manual
from hulak.clients.cli.completion import SHELLS, script

ROOT = Path(__file__).resolve().parents[3]
PAGES = manual.pages("2026-11-29", "1.2.3")


def run(*words, **how):
    return subprocess.run([*map(str, words)], capture_output=True, text=True, timeout=60, check=False, **how)


@pytest.fixture(scope="module")
def share(tmp_path_factory):
    folder = tmp_path_factory.mktemp("share")
    manual.write(folder, "1.2.3")
    return folder


def test_every_command_has_a_page_with_all_that_its_help_has():
    for command, ctx in manual.commands(cli, None, "hulak"):
        text = PAGES[f"{ctx.command_path.replace(' ', '-')}.1"].replace("\\-", "-")
        for parameter in command.get_params(ctx):
            assert all(name in text for name in parameter.opts if name.startswith("-")), ctx.command_path
        for heading in ("NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "SEE ALSO", "EXAMPLES"):
            assert f".SH {heading}\n" in text, ctx.command_path
        if isinstance(command, click.Group):
            assert all(f"{ctx.command_path} {name}".replace(" ", "-") in text for name in command.list_commands(ctx))


def test_text_that_is_markup_to_man_is_escaped():
    assert manual._prose(".conf `a-b` it's \\ ~/x") == "\\&.conf \\fBa\\-b\\fR it\\(aqs \\e \\(ti/x"


def test_backticks_of_a_help_text_become_bold():
    assert "`" not in "".join(PAGES.values())


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="this machine has no mandoc")
def test_mandoc_finds_no_fault_in_the_pages(share):
    done = run("mandoc", "-T", "lint", "-W", "warning", *sorted((share / "man" / "man1").iterdir()))
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.skipif(shutil.which("man") is None, reason="this machine has no man")
def test_man_shows_a_page(share):
    done = run(
        "man", "-l", share / "man" / "man1" / "hulak-sub.1", env={"PATH": "/usr/bin:/bin", "MANWIDTH": "80", "LC_ALL": "C"}
    )
    if done.returncode and "minimised" in done.stdout + done.stderr:
        pytest.skip("this machine's man is a placeholder")
    assert done.returncode == 0, done.stderr
    assert "HULAK-SUB(1)" in done.stdout
    assert "hulak sub" in done.stdout


@pytest.mark.parametrize("shell", list(SHELLS))
def test_each_shell_takes_its_script(shell, share):
    path = share / manual.COMPLETIONS[shell]
    assert path.read_text() == script(shell)
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"this machine has no {shell}")
    done = run(program, *(["--no-execute"] if shell == "fish" else ["-n"]), path)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("bash") is None, reason="this machine has no bash")
def test_bash_completes_a_command(share, tmp_path):
    (tmp_path / "hulak").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m hulak "$@"\n')
    (tmp_path / "hulak").chmod(0o755)
    lines = (
        f"source {share / manual.COMPLETIONS['bash']}",
        "COMP_WORDS=(hulak service inst) COMP_CWORD=2",
        "_hulak_completion hulak",
        'echo "${COMPREPLY[@]}"',
    )
    done = run("bash", "-c", "\n".join(lines), env={"PATH": f"{tmp_path}:/usr/bin:/bin", "PYTHONPATH": str(ROOT)})
    assert done.stdout.strip() == "install", done.stderr

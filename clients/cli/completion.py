"""`hulak completion`: the script with which a shell completes the command line."""

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

from hulak.clients.cli.command import Call, Command, print_json
from hulak.clients.cli.help_text import examples

SHELLS: dict[str, type[ShellComplete]] = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}


def script(shell: str) -> str:
    """Return the script of a shell: bash, zsh or fish. It calls `hulak` for each completion, so that it fits every version."""
    from hulak.clients.cli import cli

    made = SHELLS[shell](cli, {}, "hulak", "_HULAK_COMPLETE")
    return (
        f"{(made.source_template % made.source_vars()).strip()}\n"  # `made.source()` of bash also starts a bash, for its version
    )


@click.command(
    cls=Command,
    short_help="Print the completion script of a shell.",
    epilog=examples("hulak completion bash", "hulak completion fish"),
)
@click.argument("shell", metavar="bash|zsh|fish", type=click.Choice(list(SHELLS)))
def completion(call: Call, shell: str) -> None:
    """Print the script with which a shell completes commands, options and their values.

    For one session use `eval "$(hulak completion bash)"`; for all, add that line to ~/.bashrc or ~/.zshrc, or save the output as
    ~/.config/fish/completions/hulak.fish. A package of the system has installed it already. Sends nothing.
    """
    text = script(shell)
    if call.as_json:
        print_json({"shell": shell, "script": text})
    else:
        click.echo(text, nl=False)

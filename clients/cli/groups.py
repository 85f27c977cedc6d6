"""Groups of commands: an unknown command gets the nearest name, or the names that there are."""

from collections.abc import Sequence

import click

SAME = ({"ls", "list"}, {"rm", "remove", "delete"}, {"add", "create"})  # words that groups use for the same
MOST_NAMED = 12  # commands that an error lists; it leads to the help of a group with more


def unknown_command(ctx: click.Context, name: str, known: Sequence[str]) -> click.UsageError:
    """Return the error for a command that is not known."""
    from hulak.bus.wire.plain_values import suggestion

    others = {other for words in SAME if name in words for other in words}
    near = suggestion(next((word for word in known if word in others), name), known)
    if not near:
        listed = f"commands are {', '.join(known)}" if len(known) <= MOST_NAMED else f"`{ctx.command_path} --help` lists all"
        near = f"; {listed}"
    return click.UsageError(f"No such command {name!r}{near}", ctx)


class Group(click.Group):
    """A group whose error for an unknown command says which are known."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command. Raises `click.UsageError`."""
        known = self.list_commands(ctx)
        # There is nothing to refuse in the completion of a shell.
        if args[0] not in known and not args[0].startswith("-") and not ctx.resilient_parsing:
            raise unknown_command(ctx, args[0], known)
        return super().resolve_command(ctx, args)


class ListingGroup(Group):
    """A group that runs its command `ls` if no command is given."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Insert `ls` before options, or if there are no arguments."""
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = ["ls", *args]
        return super().parse_args(ctx, args)

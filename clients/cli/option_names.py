"""Names of options in the errors of the broker, which knows the arguments of its services only."""

import re

import click

from hulak.bus.errors import BusError, HulakError

ARGUMENT = re.compile(r"argument ([a-z_]+)(?=[ :])")
UNIT = re.compile(r"_(s|ms|bytes)$")


def put_into(error: HulakError, ctx: click.Context) -> None:
    """Name in an error the option that was given: `--at is '25:99'` in place of `argument at is '25:99'`.

    An argument that takes a word too, as COUNT|auto, has the first of its names.

    Args:
        error: of the broker; any other stays as it is.
        ctx: of the command.
    """
    match = ARGUMENT.match(str(error)) if isinstance(error, BusError) else None
    if match is None:
        return
    names = {match[1], UNIT.sub("", match[1])}
    for param in ctx.command.params:
        option = next((option for option in param.opts if option.lstrip("-").replace("-", "_") in names), None)
        if isinstance(param, click.Argument):
            is_meant = param.name in names and repr(ctx.params.get(param.name or "")) in str(error)
            option = param.human_readable_name.partition("|")[0] if is_meant else None
        elif option is None and param.name in names:
            option = max(param.opts, key=len)
        if option is not None:
            error.args = (f"{option}{str(error)[match.end() :]}",)
            return

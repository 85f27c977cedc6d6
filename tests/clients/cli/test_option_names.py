"""The errors of the broker name the options of the command, not the arguments of its services."""

import click
import pytest

from hulak.bus.errors import BusError, ConfigError
from hulak.clients.cli import cli, option_names

PLACES = {  # a command, and an error of the broker about one of its options -> the beginning of the error that is printed
    ("task post sums --at 25:99", "argument at is '25:99': hour must be in 0..23"): "--at is '25:99': hour",
    ("task post sums --at 10:00 --tz Foo", "argument zone is 'Foo', which is no"): "--tz is 'Foo', which",
    ("task post sums --expires 1e9", "argument expires_s is 1e9, must be"): "--expires is 1e9, must",
    ("task post sums --every 1h --jitter 9h", "argument jitter_s is 32400, must be"): "--jitter is 32400",
    ("task ls --before 00", "argument before: there is no posted task"): "--before: there is no",
    ("replay tick.X --from 9 --to 3", "argument to is 3, must not be below from"): "--to is 3, must",
    ("alert add high E*U --above 1", "argument symbol is 'E*U', must be"): "SYMBOL is 'E*U'",
    ("alert add high EURUSD --stale 1s", "argument after_s is 1, must be"): "argument after_s is 1",
    ("displays create EURUSD --display a:b", "argument display is 'a:b', must be"): "--display is 'a:b'",
    ("task call hulak.scale --arg service=zz", "argument service is 'zz', must be"): "argument service is 'zz'",
    ("scale nepse 99", "argument workers is 99, must be 'auto' or a number from 1 to 5"): "COUNT is 99, must be 'auto' or",
    ("scale nepse 99", "argument service is 'nepse', must be"): "SERVICE is 'nepse', must",
    ("scale nosuch 3", "there is no such service"): "there is no such",
}


def context_of(words):
    """Parse words as far as the command, which is not run."""
    context = click.Context(cli, info_name="hulak")
    while isinstance(context.command, click.Group):
        name, command, words = context.command.resolve_command(context, words)
        context = (
            command.make_context(name, list(words), parent=context)
            if not isinstance(command, click.Group)
            else click.Context(command, info_name=name, parent=context)
        )
    return context


@pytest.mark.parametrize(("words", "error"), list(PLACES))
def test_an_argument_that_an_option_gave_has_the_name_of_the_option(words, error):
    refusal = BusError("BAD_ARGUMENT", error)
    option_names.put_into(refusal, context_of(words.split()))
    assert str(refusal).startswith(PLACES[words, error])
    assert refusal.code == "BAD_ARGUMENT"


def test_an_error_that_is_not_of_the_broker_stays_as_it_is():
    error = ConfigError("argument at is x")
    option_names.put_into(error, context_of(["task", "post", "sums", "--at", "x"]))
    assert str(error) == "argument at is x"

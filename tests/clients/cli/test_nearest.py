"""Suggestions for names that a broker knows, and for the choices of options."""

import click
import pytest
from click.testing import CliRunner

from hulak.bus.errors import BusError, BusTimeout
from hulak.bus.wire.plain_values import suggestion
from hulak.clients.cli import cli, nearest
from hulak.clients.cli.groups import Group


@pytest.fixture
def topics(monkeypatch):
    """Let a broker have some topics."""
    named = ["tick.EURUSD", "tick.GBPUSD", "tick.kraken.BTCUSD"]
    monkeypatch.setattr(nearest, "_topics", lambda client, prefix: [name for name in named if name.startswith(prefix)])


@pytest.mark.parametrize(
    ("wanted", "near"),
    [
        ("tick.eurusd", "; did you mean 'tick.EURUSD'?"),
        ("tick.EURUSX", "; did you mean 'tick.EURUSD'?"),
        ("eurusd", "; did you mean 'tick.EURUSD'?"),
        ("tick.krakn.btcusd", "; did you mean 'tick.kraken.BTCUSD'?"),
        ("app.signals", ""),
        ("tikc.GBPUSD", "; did you mean 'tick.GBPUSD'?"),
        ("tick.XYZ", ""),
    ],
)
def test_a_topic_in_other_letters_or_with_a_typo_is_suggested(topics, wanted, near):
    assert nearest.topic(None, wanted) == near


@pytest.mark.parametrize(
    ("wanted", "near"), [("tick", "; did you mean 'tick.*'?"), ("tick.kraken", "; did you mean 'tick.kraken.*'?")]
)
def test_the_beginning_of_topics_without_its_dot_is_suggested_with_it(topics, monkeypatch, wanted, near):
    monkeypatch.setattr("hulak.clients.history.last_events", lambda client, wanted, wait_s: [])
    assert nearest.unpublished(None, wanted) == f"no message was published on {wanted!r} yet{near}"
    assert nearest.below(None, "app") == nearest.below(None, "") == ""


def test_only_the_error_of_an_unknown_topic_gets_a_suggestion(topics):
    with (
        pytest.raises(BusError, match=r"no tick; did you mean 'EURUSD'\?") as caught,
        nearest.suggesting(None, "eurusd", is_symbol=True),
    ):
        raise BusError("UNKNOWN_TOPIC", "no tick")
    assert caught.value.code == "UNKNOWN_TOPIC"
    with pytest.raises(BusError) as caught, nearest.suggesting(None, "tick.eurusd"):
        raise BusError("TOO_OLD", "too old")
    assert "mean" not in str(caught.value)


@pytest.mark.parametrize(
    ("code", "text", "added"),
    [
        ("UNKNOWN_SCHEDULE", "there is no schedule 'pricse'", "; `hulak schedule` lists all; did you mean 'prices'?"),
        ("UNKNOWN_ALERT", "there is no alert 'pricse'", "; `hulak alert` lists all; did you mean 'prices'?"),
        ("UNKNOWN_POSITION", "there is no position 'pricse'; `hulak positions` lists all", "; did you mean 'prices'?"),
        ("UNKNOWN_CALENDAR", "there is no calendar 'xyz'", "; `hulak schedule calendar` lists all"),
        ("BUSY", "there are 1,000 schedules, 'pricse' is too many", ""),
    ],
)
def test_the_error_of_an_unknown_name_gets_the_command_that_lists_all_and_the_nearest(code, text, added):
    class Answering:
        def request(self, service, *, timeout_s):
            rows = [{"name": "prices"}, {"name": "status"}]
            return {"alerts": rows} if service == "hulak.alert.list" else rows

    assert nearest.of_error(Answering(), BusError(code, text), ["status", "pricse", "xyz"]) == added


def test_a_list_that_may_not_be_read_costs_the_suggestion_alone():
    class Refusing:
        def request(self, service, *, timeout_s):
            raise BusError("FORBIDDEN", "the key has no role for it")

    error = BusError("UNKNOWN_ALERT", "there is no alert 'x'")
    assert nearest.of_error(Refusing(), error, ["x"]) == "; `hulak alert` lists all"


def test_a_broker_that_gives_no_names_costs_the_suggestion_alone():
    class Silent:
        def call(self, *words, **options):
            raise BusTimeout("no reply")

    assert nearest.symbol(Silent(), "eurusd") == ""


def test_case_does_not_count_and_an_exact_name_is_the_only_suggestion():
    assert suggestion("EURUSD", ["eurusd", "eurusd-2"]) == "; did you mean 'eurusd'?"
    assert suggestion(5, ["a"]) == suggestion("", ["a"]) == suggestion("a", []) == ""


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (("top", "--sort", "memry"), "'latency', 'restarts'; did you mean 'memory'?"),
        (("completion", "bsh"), "did you mean 'bash'?"),
        (("feed", "--venue", "binanc"), "did you mean 'binance'?"),
        (("config", "set", "globl", "log_level=info"), "'globl' is not KEY=VALUE; did you mean 'global'?"),
    ],
)
def test_a_wrong_choice_gets_the_nearest_one(words, near):
    result = CliRunner().invoke(cli, list(words))
    assert result.exit_code == 2
    assert near in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (("alert", "ad"), "No such command 'ad'; did you mean 'add'?"),
        (("displays", "rm"), "No such command 'rm'; did you mean 'remove'?"),
        (("layout", "remove"), "No such command 'remove'; did you mean 'rm'?"),
        (("key", "ls"), "No such command 'ls'; did you mean 'list'?"),
        (("alert", "create"), "No such command 'create'; did you mean 'add'?"),
        (("schedule", "calendar", "updat"), "No such command 'updat'; did you mean 'update'?"),
        (("gateway", "token", "x"), "No such command 'x'; commands are list, new, revoke"),
        (("nepse", "x"), "No such command 'x'; `cli nepse --help` lists all"),
    ],
)
def test_an_unknown_command_gets_the_nearest_one_or_those_that_there_are(words, near):
    result = CliRunner().invoke(cli, list(words))
    assert result.exit_code == 2
    assert near in " ".join(result.stderr.split())


def test_every_group_answers_an_unknown_command_in_this_way():
    def groups(group, ctx):
        yield group
        for name in group.list_commands(ctx):
            command = group.get_command(ctx, name)
            if isinstance(command, click.Group):
                yield from groups(command, ctx)

    assert [group.name for group in groups(cli, click.Context(cli)) if not isinstance(group, Group)] == []

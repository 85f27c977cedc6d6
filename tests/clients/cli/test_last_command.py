"""`hulak last` with a client that answers from a list."""

import contextlib

import pytest
from click.testing import CliRunner

from hulak.clients.cli import cli
from hulak.clients.cli.command import Call


class NoMessages:
    """A client of a broker on which nothing was published."""

    def call(self, service, action, arguments, timeout_s):
        assert (service, action) == ("hulak.last", "")
        return []


@pytest.mark.parametrize(
    ("topic", "hint"),
    [("NABIL", "the ticks of a symbol are on 'tick.NABIL'; "), ("tick.NABIL", ""), ("market.nepse", "")],
)
def test_the_error_for_a_symbol_has_its_topic(monkeypatch, topic, hint):
    monkeypatch.setattr(Call, "client", lambda call: contextlib.nullcontext(NoMessages()))
    result = CliRunner().invoke(cli, ["last", topic])
    assert result.exit_code == 1
    assert result.output == f"hulak: no message was published on {topic!r} yet; {hint}`hulak last` lists all ticks\n"

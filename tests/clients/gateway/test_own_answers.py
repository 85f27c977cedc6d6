"""The answers that the gateway gives without the broker, around a home folder."""

import asyncio

import pytest
import structlog

from hulak.bus.errors import BusError
from hulak.bus.process import key_files
from hulak.bus.process.key_files import AuthorisedKey
from hulak.bus.wire.roles import parse_roles
from hulak.clients.gateway.operator_messages import HistoryRead, KeyRevoke, KeysList, LogRead
from hulak.clients.gateway.own_answers import OwnAnswers


@pytest.fixture
def home(tmp_path):
    for name in ("run", "log"):
        (tmp_path / name).mkdir()
    return tmp_path


def own(home):
    return OwnAnswers(home, structlog.get_logger())


def ask(answers, command):
    return asyncio.run(answers.answer(command, "test"))


def test_figures_outlive_the_gateway_and_a_damaged_file_begins_a_new_history(home):
    answers = own(home)
    answers.take_stats({"broker": {"epoch": 1}, "tasks": {"queued": 4}}, 5.0)
    assert [value for value in ask(answers, HistoryRead("queue"))["lines"]["queued"]["mean"] if value is not None] == [4.0]
    asyncio.run(answers.save())
    [file] = (home / "run").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    again = own(home)
    assert ask(again, HistoryRead("queue", "day"))["since_ms"] == int(answers.history.since * 1000)
    file.write_bytes(b"damaged")
    with pytest.raises(BusError, match="none yet"):
        ask(own(home), HistoryRead("queue"))


def test_the_history_is_saved_every_five_minutes(home):
    answers = own(home)
    begin = answers._saved_at
    assert [answers.save_due(begin + late) for late in (1.0, 299.0, 300.5, 301.0, 601.0)] == [False, False, True, False, True]


def test_a_home_that_cannot_be_written_costs_the_history_alone(home):
    answers = own(home)
    (home / "run").rmdir()
    asyncio.run(answers.save())


def test_keys_are_listed_without_their_keys_and_revoked_by_name(home):
    pair = key_files.new_pair()
    key = AuthorisedKey(name="alice", public=pair.public, roles=parse_roles(["read", "subscribe:tick.*"]), note="desk")
    key_files.write_authorised_key(home, key)
    answers = own(home)
    listed = ask(answers, KeysList())
    assert listed == {
        "keys": [{"name": "alice", "roles": ["read", "subscribe:tick.*"], "note": "desk", "expires": None}],
        "refused": {},
    }
    assert ask(answers, KeyRevoke("alice")) == {"name": "alice", "revoked": True}
    assert ask(answers, KeysList())["keys"] == []
    for name, code in (("alice", "UNKNOWN_KEY"), ("../broker", "BAD_ARGUMENT")):
        with pytest.raises(BusError) as error:
            ask(answers, KeyRevoke(name))
        assert error.value.code == code


def test_the_log_is_read_in_the_homes_folder(home):
    (home / "log" / "broker.log").write_text(
        '{"event": "broker started", "level": "info", "timestamp": "2026-11-30T04:17:13Z"}\n'
    )
    assert [row["event"] for row in ask(own(home), LogRead())["lines"]] == ["broker started"]

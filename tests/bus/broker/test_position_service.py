"""The positions of named subscribers in the store."""

import sqlite3

import pytest

from hulak.bus.broker import position_service
from hulak.bus.broker.position_service import list_rows, open_row, remove_rows, save_row
from hulak.bus.broker.storage import database_schema
from hulak.bus.core.control_requests import PositionSaveArguments
from hulak.bus.core.security import needs
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.roles import Rights, parse_roles

NOW = 5_000_000_000


@pytest.fixture
def store():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    database_schema.prepare(connection)
    yield connection
    connection.close()


def save(store, name, token, number, owner=None):
    return save_row(store, PositionSaveArguments(name=name, token=token, number=number, epoch=7), owner, NOW)


def code(value):
    assert isinstance(value, ProtocolError), value
    return value.code


def test_a_position_is_kept_from_the_first_opening_on(store):
    first = {"name": "s", "owner": "", "token": 1, "number": 0, "epoch": 0, "saved_ns": 0}
    assert open_row(store, "s", None) == first
    assert save(store, "s", 1, 812) is None
    assert open_row(store, "s", None) == {**first, "token": 2, "number": 812, "epoch": 7, "saved_ns": NOW}


def test_an_earlier_subscriber_of_the_name_can_no_longer_save(store):
    open_row(store, "s", None)
    open_row(store, "s", None)
    assert code(save(store, "s", 1, 5)) == "NOT_YOURS"
    assert save(store, "s", 2, 6) is None
    assert [row["number"] for row in list_rows(store, None)] == [6]


def test_a_key_has_its_own_positions_and_the_owner_has_all(store):
    open_row(store, "a", "alice")
    open_row(store, "b", "bob")
    assert [code(value) for value in (open_row(store, "a", "bob"), save(store, "a", 1, 5, "bob"))] == ["NOT_YOURS"] * 2
    assert [row["name"] for row in list_rows(store, "bob")] == ["b"]
    assert [row["name"] for row in list_rows(store, None)] == ["a", "b"]
    assert remove_rows(store, ["a", "b"], "bob") == ["b"]
    assert open_row(store, "a", None)["owner"] == "alice"
    assert remove_rows(store, ["a", "x"], None) == ["a"]


def test_a_removed_position_is_unknown_and_their_number_is_bounded(store, monkeypatch):
    assert code(save(store, "s", 1, 5)) == "UNKNOWN_POSITION"
    monkeypatch.setattr(position_service, "MOST", 2)
    open_row(store, "a", None)
    open_row(store, "b", None)
    assert code(open_row(store, "c", None)) == "BUSY"
    assert open_row(store, "a", None)["token"] == 2


def test_a_key_leaves_room_for_the_positions_of_others(store, monkeypatch):
    monkeypatch.setattr(position_service, "SHARE", 2)
    for name in ("a", "b"):
        open_row(store, name, "alice")
    assert code(open_row(store, "c", "alice")) == "BUSY"
    assert open_row(store, "b", "alice")["token"] == 2
    assert open_row(store, "c", "bob")["owner"] == "bob"
    assert [open_row(store, name, None)["owner"] for name in "xyz"] == [""] * 3


@pytest.mark.parametrize(
    ("roles", "opens", "lists"),
    [(["subscribe:tick.A"], "", ""), (["read"], "subscribe:...", ""), (["submit:x"], "subscribe:...", "subscribe:...")],
)
def test_a_key_needs_the_role_subscribe(roles, opens, lists):
    rights = Rights(parse_roles(roles))
    assert (needs.subscriber(rights, None), needs.position_reader(rights, None)) == (opens, lists)

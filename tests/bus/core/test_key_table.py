"""The authorised keys: the peers that may connect, and the connections that end when the keys change."""

import pytest

from hulak.bus.core.security.key_table import KeyChanges, KeyTable, KnownKey, key_name
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.roles import parse_roles

NOW = 1_000.0


def key(name, *roles, public=None, expires=None):
    return KnownKey(name, public or f"public of {name}", parse_roles(roles), expires)


def table(*keys, now=NOW):
    made = KeyTable()
    assert not made.update({each.name: each for each in keys}, now)
    return made


def update(of, *keys, now=NOW):
    return of.update({each.name: each for each in keys}, now)


def allowed(of, user_id):
    try:
        of.rights(user_id)
    except ProtocolError as error:
        return {"FORBIDDEN": False}[error.code]
    return True


def test_each_connection_of_a_key_gets_another_user_id_with_its_name():
    of = table(key("alice.2", "read"))
    ids = [of.issue("public of alice.2", NOW) for _ in range(3)]
    assert len(set(ids)) == 3
    assert {key_name(user_id) for user_id in ids} == {"alice.2"}
    assert all(of.rights(user_id).may_read for user_id in ids)


def test_an_unknown_key_is_refused_by_its_public_key():
    with pytest.raises(ProtocolError, match="key public of bob is not authorised"):
        table(key("alice")).issue("public of bob", NOW)


def test_a_revoked_key_loses_the_connections_of_which_nothing_was_seen_too():
    of = table(key("alice", "read"), key("bob", "read"))
    alice, bob = of.issue("public of alice", NOW), of.issue("public of bob", NOW)
    assert update(of, key("bob", "read")) == KeyChanges({"alice": "it was revoked"})
    assert (allowed(of, alice), allowed(of, bob)) == (False, True)


def test_a_key_that_was_revoked_and_authorised_again_does_not_revive_its_former_connections():
    of = table(key("alice", "read"))
    before = of.issue("public of alice", NOW)
    update(of)
    assert not update(of, key("alice", "read"))
    assert not allowed(of, before)
    assert allowed(of, of.issue("public of alice", NOW))


def test_a_key_whose_public_key_changes_loses_its_connections():
    of = table(key("alice", "read"))
    before = of.issue("public of alice", NOW)
    assert update(of, key("alice", "read", public="new")) == KeyChanges({"alice": "its public key was changed"})
    assert not allowed(of, before)
    assert allowed(of, of.issue("new", NOW))
    with pytest.raises(ProtocolError):
        of.issue("public of alice", NOW)


def test_further_roles_count_at_once_and_the_connections_stay():
    of = table(key("alice", "read"))
    before = of.issue("public of alice", NOW)
    assert update(of, key("alice", "read", "control")) == KeyChanges({}, {"alice": "it got the role control"})
    assert of.rights(before).may_control


def test_a_lost_role_ends_the_connections_and_the_next_one_has_the_remaining_roles():
    of = table(key("alice", "read", "control"))
    before = of.issue("public of alice", NOW)
    assert update(of, key("alice", "read", "submit:x")) == KeyChanges({"alice": "it lost the role control"})
    assert not allowed(of, before)
    after = of.rights(of.issue("public of alice", NOW))
    assert (after.may_read, after.may_control, after.may_submit("x")) == (True, False, True)


def test_another_note_or_a_later_expiry_changes_nothing():
    of = table(key("alice", "read", expires=NOW + 10))
    before = of.issue("public of alice", NOW)
    assert not update(of, key("alice", "read", expires=NOW + 20))
    assert not of.expire(NOW + 15)
    assert allowed(of, before)


def test_an_expired_key_ends_once_and_may_be_prolonged():
    of = table(key("alice", "read", expires=NOW + 10))
    before = of.issue("public of alice", NOW)
    assert not of.expire(NOW + 9.9)
    assert of.expire(NOW + 10) == KeyChanges({"alice": "it has expired"})
    assert not of.expire(NOW + 11)
    assert not allowed(of, before)
    with pytest.raises(ProtocolError, match="key 'alice' has expired"):
        of.issue("public of alice", NOW)
    update(of, key("alice", "read", expires=NOW + 30), now=NOW + 20)
    assert not allowed(of, before)
    assert allowed(of, of.issue("public of alice", NOW))


def test_a_key_that_is_expired_when_it_is_first_read_cannot_connect():
    of = KeyTable()
    update(of, key("alice", "read", expires=NOW - 1))
    with pytest.raises(ProtocolError, match="has expired"):
        of.issue("public of alice", NOW)


@pytest.mark.parametrize("user_id", ["", "alice", "alice#", "alice#x", "alice#0", "bob#1", "#1"])
def test_a_user_id_that_was_not_issued_is_refused(user_id):
    of = table(key("alice", "read"))
    of.issue("public of alice", NOW)
    assert not allowed(of, user_id)

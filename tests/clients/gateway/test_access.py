"""The rules: hosts, origins, and the role of each client."""

import os

import pytest

from hulak.bus.process.settings import GatewaySettings
from hulak.clients.gateway.access import BY_USER, Grant, Peer, access_of
from hulak.clients.gateway.access import UNKNOWN as UNKNOWN_CLIENT
from hulak.clients.gateway.logins import Logins
from hulak.clients.gateway.tokens import Role, Tokens, make

HERE = {"Host": "127.0.0.1:5570"}
TIME = 1.8e9
OWNER, ROOT, OTHER, UNKNOWN = (Peer("127.0.0.1", user) for user in (os.geteuid(), 0, 54321, None))
REMOTE = Peer("192.0.2.9")
VIEW_TEXT, VIEW = make("desk", Role.VIEW, TIME, TIME + 100)
OPERATE_TEXT, OPERATE = make("ops", Role.OPERATE, TIME)
METRICS_TEXT, METRICS = make("prometheus", Role.METRICS, TIME)
LOGINS = Logins(b"k" * 32, 5570, secure=False)


def access(*kept, required=None, **settings):
    tokens = Tokens()
    for token in kept:
        tokens = tokens.plus(token)
    if required is not None:
        tokens = Tokens(tokens.by_name, required)
    return access_of(GatewaySettings(**settings), LOGINS, tokens)


@pytest.mark.parametrize(
    ("origin", "let_in"),
    [
        ("", True),
        ("http://127.0.0.1:5570", True),
        ("https://desk.example", True),
        ("HTTPS://DESK.example", True),
        ("http://127.0.0.1:5571", False),
        ("http://desk.example", False),
        ("https://desk.example.evil", False),
        ("null", False),
        ("file://127.0.0.1:5570", False),
        ("http://[", False),
    ],
)
def test_origins(origin, let_in):
    rules = access(origins="https://desk.example,https://other.example")
    assert rules.origin({**HERE, "Origin": origin}) is let_in


def test_with_tls_a_page_that_came_unencrypted_is_of_another_origin(tmp_path):
    rules = access(tls_cert=tmp_path, tls_key=tmp_path)
    assert rules.origin({**HERE, "Origin": "https://127.0.0.1:5570"})
    assert not rules.origin({**HERE, "Origin": "http://127.0.0.1:5570"})


@pytest.mark.parametrize(
    ("settings", "host", "known"),
    [
        ({}, "127.0.0.1:5570", True),
        ({}, "LOCALHOST", True),
        ({}, "[::1]:5570", True),
        ({}, "evil.example:5570", False),
        ({}, "192.0.2.1", False),
        ({}, "", False),
        ({}, "[::1", False),
        *(({}, host, False) for host in ("evil@localhost", "localhost/", "localhost?", "localhost#", "evil\\@localhost")),
        ({}, "127.0.0.1.evil.example", False),
        ({"host": "127.0.0.7"}, "127.0.0.7", True),
        ({"hosts": "Desk.example,desk"}, "desk.example:8443", True),
        ({"hosts": "Desk.example,desk"}, "desk", True),
        ({"hosts": "desk.example"}, "x.desk.example", False),
        ({"origins": "https://desk.example"}, "desk.example", True),
        ({"host": "0.0.0.0", "behind_proxy": True}, "192.0.2.1:5570", True),
        ({"host": "0.0.0.0", "behind_proxy": True}, "evil.example", False),
    ],
)
def test_hosts(settings, host, known):
    assert access(**settings).host({"Host": host}) is known


@pytest.mark.parametrize(
    ("header", "role"),
    [
        ({"Authorization": f"Bearer {VIEW_TEXT}"}, Role.VIEW),
        ({"Authorization": f"bearer  {OPERATE_TEXT} "}, Role.OPERATE),
        ({"Authorization": f"Bearer {METRICS_TEXT}"}, Role.METRICS),
        ({"Sec-WebSocket-Protocol": f"hulak, {OPERATE_TEXT}"}, Role.OPERATE),
        ({"Cookie": LOGINS.cookie(VIEW, TIME).partition(";")[0]}, Role.VIEW),
        ({"Authorization": f"Basic {VIEW_TEXT}"}, Role.NONE),
        ({"Authorization": f"Bearer {VIEW_TEXT[:-1]}"}, Role.NONE),
        ({"Authorization": f"Bearer {VIEW.sha256}"}, Role.NONE),
        ({"Authorization": "Bearer é"}, Role.NONE),
        ({"Authorization": "Bearer \udcff"}, Role.NONE),
        ({"Authorization": "Bearer "}, Role.NONE),
        ({"Sec-WebSocket-Protocol": "hulak, hulak_"}, Role.NONE),
        ({"Cookie": f"hulak-5570={VIEW_TEXT}"}, Role.NONE),
        ({}, Role.NONE),
    ],
)
@pytest.mark.parametrize("peer", [OWNER, OTHER, REMOTE])
def test_a_token_gives_its_role_by_header_subprotocol_or_login(header, role, peer):
    grant = access(VIEW, OPERATE, METRICS).grant(peer, {**HERE, **header}, TIME)
    assert grant.role is role
    assert bool(grant.refusal) is (role is Role.NONE)
    assert grant.is_wrong is (
        role is Role.NONE and ("Bearer" in str(header) or "hulak_" in header.get("Sec-WebSocket-Protocol", ""))
    )


@pytest.mark.parametrize(
    ("peer", "role"), [(OWNER, Role.OPERATE), (ROOT, Role.OPERATE), (OTHER, Role.NONE), (UNKNOWN, Role.NONE), (REMOTE, Role.NONE)]
)
def test_without_tokens_the_owner_and_root_have_every_role_and_others_none(peer, role):
    grant = access().grant(peer, HERE, TIME)
    assert (grant.role, grant.by) == (role, UNKNOWN_CLIENT if role is Role.NONE else BY_USER)
    assert access().grant(peer, {**HERE, "X-Forwarded-For": "192.0.2.1"}, TIME).role is Role.NONE, "the proxy's user"


def test_a_token_for_monitoring_alone_leaves_the_owner_as_he_was():
    rules = access(METRICS)
    assert rules.grant(OWNER, HERE, TIME).role is Role.OPERATE
    assert rules.grant(OTHER, {**HERE, "Authorization": f"Bearer {METRICS_TEXT}"}, TIME).role is Role.METRICS


@pytest.mark.parametrize(
    "rules",
    [
        access(VIEW),
        access(required=True),
        access(behind_proxy=True, required=False),
        access(host="0.0.0.0", behind_proxy=True, required=False),
        access(host="192.0.2.1", local_users="open", behind_proxy=True, required=False),
    ],
)
@pytest.mark.parametrize("peer", [OWNER, ROOT, OTHER, REMOTE])
def test_where_tokens_are_required_no_user_has_a_role_without_one(rules, peer):
    assert rules.grant(peer, HERE, TIME).role is Role.NONE
    assert not rules.holds(Grant(Role.OPERATE, BY_USER), TIME)


def test_all_local_users_can_be_let_in():
    rules = access(local_users="open")
    assert rules.grant(OTHER, HERE, TIME).role is rules.grant(UNKNOWN, HERE, TIME).role is Role.OPERATE
    assert not rules.asks_for_user
    assert access().asks_for_user


def test_a_stale_login_does_not_lock_the_owner_out_where_none_is_needed():
    cookie = LOGINS.cookie(VIEW, TIME).partition(";")[0]
    grant = access().grant(OWNER, {**HERE, "Cookie": cookie}, TIME)
    assert (grant.role, grant.is_wrong) == (Role.OPERATE, False)


def test_a_grant_holds_until_its_token_or_its_login_ends():
    rules = access(VIEW, OPERATE)
    grant = rules.grant(OTHER, {**HERE, "Authorization": f"Bearer {VIEW_TEXT}"}, TIME)
    assert rules.holds(grant, TIME + 99)
    assert not rules.holds(grant, TIME + 101)
    assert rules.grant(OTHER, {**HERE, "Authorization": f"Bearer {VIEW_TEXT}"}, TIME + 101).is_wrong
    login = rules.grant(OTHER, {**HERE, "Cookie": LOGINS.cookie(OPERATE, TIME).partition(";")[0]}, TIME)
    assert rules.holds(login, TIME + 29 * 86400)
    assert not rules.holds(login, TIME + 31 * 86400)
    rules.tokens = rules.tokens.minus("ops")
    assert not rules.holds(login, TIME)


def test_behind_a_proxy_the_address_is_the_last_one_that_it_added():
    headers = {**HERE, "X-Forwarded-For": "203.0.113.5, 198.51.100.7"}
    assert access(VIEW, behind_proxy=True).address(OTHER, headers) == "198.51.100.7"
    assert access(VIEW).address(OTHER, headers) == "127.0.0.1", "every client can send this"
    for wrong in ("", "unknown", "1.2.3.4, "):
        assert access(VIEW, behind_proxy=True).address(OTHER, {"X-Forwarded-For": wrong}) == "127.0.0.1"

"""`hulak key`: the files that it writes, their modes, what people and programs read, and the exit codes; no broker runs."""

import json
import os
import stat
import tempfile
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from curve_peer import CurvePeer
from local_bus import free_ports

from hulak.bus.process import key_files
from hulak.bus.process.settings import BrokerSettings, Settings
from hulak.clients.cli import cli, key_check, key_store
from hulak.clients.cli.key_times import duration, expiry
from hulak.clients.local import local

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run `hulak key` on a home that does not exist yet, with unused addresses."""
    for name, port in zip(("COLLECTOR", "PUBLISHER", "FRONTEND", "BACKEND"), free_ports(4), strict=True):
        monkeypatch.setenv(f"HULAK_BROKER__{name}", f"tcp://127.0.0.1:{port}")
    monkeypatch.setenv("HULAK_HOME", str(tmp_path / "home"))
    for name in ("HULAK_CONFIG", "HULAK_KEY"):
        monkeypatch.delenv(name, raising=False)

    def run(*words, code=0):
        result = CliRunner().invoke(cli, ["key", *words], prog_name="hulak")
        assert result.exit_code == code, result.output
        return json.loads(result.stdout) if "--json" in words else result.output

    run.home = tmp_path / "home"
    return run


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_the_first_key_makes_the_brokers_too_and_every_file_is_for_its_owner_only(run, monkeypatch):
    written, original = {}, os.open

    def opened(path, flags, mode=0o777, **options):
        if flags & os.O_CREAT:
            written[str(path)] = mode
        return original(path, flags, mode, **options)

    monkeypatch.setattr(os, "open", opened)
    before = os.umask(0)
    try:
        made = run("new", "alice", "--role", "subscribe:tick.*", "--json")
    finally:
        os.umask(before)
    home = run.home
    files = [key_files.broker_path(home), key_files.authorised_path(home, "alice"), key_store.secret_path(home, "alice")]
    assert [mode(path) for path in files] == [0o600] * 3
    assert set(written.values()) == {0o600}, "from the first byte, not by a later chmod"
    assert [mode(folder) for folder in (home / "keys", home / "keys" / "authorised")] == [0o700] * 2
    client, server = key_files.read_client_key(files[2]), key_files.read_broker_key(home)
    assert made == {
        "name": "alice",
        "file": str(files[2]),
        "public": client.public,
        "server": server.public,
        "roles": ["subscribe:tick.*"],
        "expires": None,
        "broker_key_made": True,
        "broker": False,
    }
    assert client.server == server.public
    assert key_files.read_authorised_key(files[1]).public == client.public


def test_no_output_has_a_secret(run):
    text = run("new", "alice", "--role", "read") + run("show", "alice") + run("show") + run("list") + run("check", code=3)
    text += json.dumps(run("list", "--json")) + json.dumps(run("show", "--json"))
    secrets = [key_files.read_broker_key(run.home).secret, key_files.read_client_key(run.home / "keys" / "alice.secret").secret]
    assert not [secret for secret in secrets if secret in text]


def test_a_name_is_used_once_and_nothing_changes_if_it_is_taken(run):
    run("new", "alice", "--role", "read")
    before = {path: path.read_bytes() for path in run.home.rglob("*") if path.is_file()}
    error = run("new", "alice", "--role", "control", "--json", code=1)["error"]
    assert (error["code"], "hulak key rotate alice" in error["text"]) == ("KEY_EXISTS", True)
    assert {path: path.read_bytes() for path in run.home.rglob("*") if path.is_file()} == before


def test_a_file_that_exists_is_not_overwritten_and_the_key_is_not_authorised(run, tmp_path):
    taken = tmp_path / "taken.secret"
    taken.write_text("mine")
    run("new", "alice", "--role", "read", "--out", str(taken), code=78)
    assert taken.read_text() == "mine"
    assert run("list", "--json")["keys"] == []


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["new", "alice"], 2, "--role"),
        (["new", "alice", "--role", "reader"], 2, "role 'reader' is unknown"),
        (["new", "alice", "--role", "feed:"], 2, "has no pattern"),
        (["new", "../alice", "--role", "read"], 78, "name of a key"),
        (["new", "", "--role", "read"], 78, "name of a key"),
        (["new", "alice", "--role", "read", "--expires", "2020-01-01T00:00:00Z"], 2, "is over already"),
        (["new", "alice", "--role", "read", "--expires", "0"], 2, "is over already"),
        (["new", "alice", "--role", "read", "--expires", "soon"], 2, "must be a duration"),
        (["new", "alice", "--role", "read", "--expires", "2027-01-01T00:00:00"], 2, "its zone"),
        (["show", "unknown"], 1, "key 'unknown' is unknown"),
        (["show"], 1, "has no keys"),
        (["revoke", "unknown"], 1, "key 'unknown' is unknown"),
        (["revoke", "../broker"], 78, "name of a key"),
        (["rotate", "unknown"], 1, "key 'unknown' is unknown"),
        (["rotate-broker"], 1, "has no keys"),
        (["list"], 1, "has no keys"),
        (["reload", "--timeout", "0.1"], 3, "no broker answers"),
        (["check", "nowhere.secret"], 1, "nowhere.secret not found"),
        (["check", "--save"], 78, "--save needs a key"),
    ],
)
def test_what_is_wrong_is_printed_with_the_exit_code_of_its_kind(run, words, code, text):
    output = run(*words, code=code)
    assert text in output
    assert "Traceback" not in output


def test_the_list_has_files_that_are_refused_with_the_reason(run):
    run("new", "alice", "--role", "read", "--role", "submit:nepse", "--note", "a desk")
    key_files.authorised_path(run.home, "bob").write_text("public = 1\n")
    listed = run("list", "--json")
    assert [(row["name"], row["state"], row["roles"], row["note"]) for row in listed["keys"]] == [
        ("alice", "valid", ["read", "submit:nepse"], "a desk")
    ]
    assert (list(listed["files_refused"]), listed["broker"]) == (["bob.key"], None)
    assert "bob\tmalformed" in run("list")
    run("revoke", "bob")
    assert run("list", "--json")["files_refused"] == {}


def test_a_revoked_key_is_gone_with_its_file_for_the_client(run):
    run("new", "alice", "--role", "read")
    assert run("revoke", "alice", "--json")["removed"] == [
        str(key_files.authorised_path(run.home, "alice")),
        str(key_store.secret_path(run.home, "alice")),
    ]
    run("revoke", "alice", code=1)


def test_a_rotated_key_has_a_successor_with_its_roles_and_expires(run):
    run("new", "alice", "--role", "read", "--note", "a desk")
    first = run("rotate", "alice", "--grace", "1h", "--json")
    keys, _ = key_files.read_authorised_keys(run.home)
    assert (first["name"], first["replaces"], set(keys)) == ("alice.2", "alice", {"alice", "alice.2"})
    assert keys["alice.2"].roles == keys["alice"].roles
    assert (keys["alice.2"].note, keys["alice.2"].expires) == ("a desk", None)
    assert keys["alice"].public != keys["alice.2"].public
    assert timedelta(minutes=58) < keys["alice"].expires - datetime.now(UTC) <= timedelta(hours=1)
    assert run("rotate", "alice.2", "--grace", "0", "--json")["name"] == "alice.3"
    assert set(key_files.read_authorised_keys(run.home)[0]) == {"alice", "alice.3"}


def test_the_successor_of_a_key_that_expires_does_not_expire_with_it(run):
    run("new", "alice", "--role", "read", "--expires", "1d")
    assert "--expires must say when" in run("rotate", "alice", code=2)
    run("rotate", "alice", "--expires", "30d")
    run("rotate", "alice.2", "--expires", "never", "--grace", "90d")
    keys, _ = key_files.read_authorised_keys(run.home)
    lives = [keys[name].expires for name in ("alice", "alice.2", "alice.3")]
    assert lives[2] is None
    assert lives[0] - datetime.now(UTC) <= DAY < 29 * DAY < lives[1] - datetime.now(UTC) <= 30 * DAY


def test_the_brokers_next_key_is_written_into_the_clients_files(run):
    run("new", "alice", "--role", "read")
    former = key_files.read_broker_key(run.home)
    planned = run("rotate-broker", "--grace", "2d", "--json")
    after = key_files.read_next_broker_key(run.home)
    assert (planned["public"], planned["next"], planned["files"]) == (former.public, after.public, ["alice.secret"])
    assert after.until - datetime.now(UTC) <= 2 * DAY
    assert run("rotate-broker", "--json", code=1)["error"]["code"] == "ROTATING"
    run("new", "bob", "--role", "read")
    for name in ("alice", "bob"):
        key = key_files.read_client_key(key_store.secret_path(run.home, name))
        assert (key.server, key.server_next) == (former.public, after.public)
    assert run("rotate-broker", "--now", "--json")["public"] == after.public
    assert key_files.read_next_broker_key(run.home) is None
    key = key_files.read_client_key(key_store.secret_path(run.home, "alice"))
    assert (key.server, key.server_next) == (after.public, "")
    assert run("rotate-broker", "--now", "--json")["public"] not in (former.public, after.public)


def test_a_home_that_cannot_be_written_is_one_sentence(run, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HULAK_HOME", str(tmp_path / "file"))
    text = run("new", "alice", "--role", "read", code=78)
    assert text.startswith("hulak: key file ")
    assert text.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *[("0", 0), ("1d", 86400), ("12h", 43200), ("30m", 1800), ("45s", 45)],
        *((wrong, None) for wrong in ("", "d", "1w", "-1d", "1.5h", "999999d", "\u0661d", "1d ", "1 d")),
    ],
)
def test_durations(text, seconds):
    findings = duration(text)
    assert findings is None if seconds is None else findings.total_seconds() == seconds


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("90d", NOW + 90 * DAY),
        ("2027-01-31T12:00:00Z", datetime(2027, 1, 31, 12, tzinfo=UTC)),
        ("2027-01-31T12:00:00+05:45", datetime(2027, 1, 31, 6, 15, tzinfo=UTC)),
        ("2027-01-31", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("tomorrow", None),
    ],
)
def test_when_a_key_expires(text, time):
    assert expiry(text, NOW) == time


# Checks


@pytest.fixture
def peer():
    peer = CurvePeer()
    yield peer
    peer.end()


def unused():
    names = ("collector", "publisher", "frontend", "backend")
    return BrokerSettings(**{name: f"tcp://127.0.0.1:{port}" for name, port in zip(names, free_ports(4), strict=True)})


def states(findings):
    return [(finding.what, finding.state, finding.code) for finding in findings]


def test_the_check_of_a_client_reports_whose_key_is_wrong(peer):
    peer.bind()
    home = peer.home / "client"
    sockets = ["collector", "publisher", "frontend", "backend"]
    for code, path in (
        ("UNKNOWN_KEY", peer.key("bob", accepted=False)),
        ("WRONG_SERVER_KEY", peer.key("carol", server=key_files.new_pair().public)),
    ):
        findings, answer = key_check.check_keys(peer.settings(path), home, NOW)
        assert states(findings) == [(str(path), "ok", ""), *((name, "error", code) for name in sockets)]
        assert answer is None
    peer.unbind()
    findings, _ = key_check.check_keys(peer.settings(path), home, NOW)
    assert states(findings)[1:] == [(name, "error", "NO_BROKER") for name in sockets]


def test_the_check_of_a_home_warns_of_keys_that_expire(tmp_path):
    pair = key_files.new_pair()
    key_files.write_broker_key(tmp_path, key_files.BrokerKey(pair.public, pair.secret))
    for name, days in (("old", -1), ("soon", 3), ("later", 90)):
        public = key_files.new_pair().public
        roles = frozenset([key_store.Role("read")])
        key_files.write_authorised_key(
            tmp_path, key_files.AuthorisedKey(name=name, public=public, roles=roles, expires=NOW + days * DAY)
        )
    key_files.authorised_folder(tmp_path).chmod(0o777)
    findings, _ = key_check.check_keys(Settings(broker=unused()), tmp_path, NOW)
    by_name = {finding.what.removeprefix("key "): finding for finding in findings}
    assert {name: by_name[name].state for name in ("old", "soon", "later")} == {
        "old": "warning",
        "soon": "warning",
        "later": "ok",
    }
    assert by_name[str(key_files.authorised_folder(tmp_path))].state == "error"


def test_news_of_the_brokers_key_are_kept_in_the_file():
    key = key_files.ClientKey(name="alice", public="p", secret="s", server="old")
    during = key_check.news_of(key, {"server": "old", "server_next": "new"})
    assert (during.server, during.server_next) == ("old", "new")
    after = key_check.news_of(during, {"server": "new", "server_next": None})
    assert (after.server, after.server_next) == ("new", "")


# A key of the environment that is of another broker


def test_no_broker_is_started_with_the_key_of_another_one(run, monkeypatch):
    run("new", "alice", "--role", "read", "--json")
    path = key_store.secret_path(run.home, "alice")
    monkeypatch.setenv("HULAK_KEY", str(path))
    with tempfile.TemporaryDirectory(prefix="hk-") as other:  # short: the path of a socket is limited
        monkeypatch.setenv("HULAK_HOME", other)
        result = CliRunner().invoke(cli, ["up"], prog_name="hulak")
    assert result.exit_code == 78
    assert "has no keys; unset HULAK_KEY" in result.output


def test_a_bus_for_one_script_uses_no_key(run, monkeypatch):
    monkeypatch.setenv("HULAK_KEY", str(run.home / "alice.secret"))
    bus = local()
    assert (bus.settings.security.key, bus.settings.security.loopback) == (None, "owner")

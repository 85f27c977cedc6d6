"""Tokens and logins: their files, their ends, and malformed ones."""

import os
import stat

import pytest
import structlog
from structlog.testing import capture_logs

from hulak.bus.errors import ConfigError
from hulak.clients.gateway.logins import LASTS_S, Logins, signing_key
from hulak.clients.gateway.tokens import Role, Tokens, changing, file_of, load, make, parse, read_private, write_private

TIME = 1.8e9
HASH = "0" * 64


def kept(*roles):
    tokens = Tokens()
    for role in roles:
        tokens = tokens.plus(make(f"{role}-1", role, TIME, TIME + 60 if role is Role.VIEW else None)[1])
    return tokens


def written(home, tokens):
    with changing(home):
        write_private(file_of(home), tokens.text(), home)
    return file_of(home)


def test_a_token_is_found_by_its_text_of_which_only_the_hash_is_kept():
    text, token = make("desk", Role.VIEW, TIME)
    tokens = kept(Role.OPERATE).plus(token)
    assert tokens.find(text, TIME) == token
    assert tokens.find(text + "x", TIME) is None
    assert text not in tokens.text()
    assert len({make("desk", Role.VIEW, TIME)[0] for _ in range(100)}) == 100
    assert len(text) == 49, "6 and 43 characters of 6 bits: 256 bits"


def test_what_is_written_is_read_again(tmp_path):
    tokens = kept(Role.METRICS, Role.VIEW, Role.OPERATE)
    assert parse(tokens.text()) == tokens
    path = written(tmp_path, tokens)
    assert load(tmp_path) == tokens
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [entry.name for entry in path.parent.iterdir()] == [path.name], "no temporary file remains"


def test_tokens_are_required_from_the_first_one_for_the_page_on_and_revoking_opens_nothing(tmp_path):
    assert not load(tmp_path).required
    assert not kept(Role.METRICS).required
    assert kept(Role.METRICS, Role.VIEW).required
    assert kept(Role.VIEW).minus("view-1").required
    assert parse("").required, "an emptied file"


def test_an_expired_token_is_not_found_and_does_not_hold():
    text, token = make("desk", Role.VIEW, TIME, TIME + 60)
    tokens = Tokens().plus(token)
    assert tokens.find(text, TIME + 59) == token
    assert tokens.find(text, TIME + 60) is None
    assert not tokens.holds(token, TIME + 60)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("required = 1", "Expected `bool`, got `int` - at `$.required`"),
        ("requried = true", "unknown field `requried`"),
        ("tokens = 5", "Expected `object`, got `int` - at `$.tokens`"),
        ('[tokens."../x"]\nrole = "view"', "at `key` in `$.tokens`"),
        ("[tokens.a]", "missing required field `role`"),
        (f'[tokens.a]\nrole = "admin"\nsha256 = "{HASH}"\ncreated = 2026-01-01T00:00:00Z', "Invalid enum value 'admin'"),
        ('[tokens.a]\nrole = "view"\nsha256 = "00"\ncreated = 2026-01-01T00:00:00Z', ".sha256`"),
        (f'[tokens.a]\nrole = "view"\nsha256 = "{HASH}"\ncreated = 5', ".created`"),
        ("[tokens.a", "Expected ']' at the end of a table declaration"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place(tmp_path, text, error):
    path = written(tmp_path, Tokens())
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    assert error in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_file_that_others_can_read_is_refused(tmp_path):
    path = written(tmp_path, kept(Role.VIEW))
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="its mode is 0640, must be 0600; run: chmod 600"):
        load(tmp_path)
    path.unlink()
    path.mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path)
    path.rmdir()
    os.mkfifo(path, 0o600)
    with pytest.raises(ConfigError, match="not a regular file"):
        load(tmp_path)


def test_a_file_that_is_too_large_is_refused(tmp_path):
    written(tmp_path, Tokens()).write_text("#" * (1 << 21))
    with pytest.raises(ConfigError, match="2,097,152 bytes, must have at most 1,048,576"):
        load(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_writes_belongs_to_the_owner_of_the_home(tmp_path):
    os.chown(tmp_path, 12345, 12345)
    path = written(tmp_path, kept(Role.VIEW))
    signing_key(tmp_path, structlog.get_logger())
    assert {entry.stat().st_uid for entry in (path.parent, *path.parent.iterdir())} == {12345}


# Logins


def login(logins, token):
    return logins.cookie(token, TIME).partition(";")[0]


def test_a_login_stands_for_its_token_until_it_ends():
    _, token = make("desk", Role.VIEW, TIME)
    tokens, logins = Tokens().plus(token), Logins(b"k" * 32, 5570, secure=True)
    cookie = login(logins, token)
    assert cookie.startswith("__Host-hulak-5570=desk:")
    assert "Secure" in logins.cookie(token, TIME).split("; ")
    assert logins.find(f"a=b; {cookie}; c", tokens, TIME) == (token, TIME + LASTS_S)
    assert logins.find(cookie, tokens, TIME + LASTS_S) is None
    assert logins.find(cookie, tokens.minus("desk"), TIME) is None
    assert logins.find(cookie, Tokens().plus(make("desk", Role.VIEW, TIME)[1]), TIME) is None, "another token of that name"
    assert Logins(b"x" * 32, 5570, secure=True).find(cookie, tokens, TIME) is None
    assert Logins(b"k" * 32, 5570, secure=False).find(cookie, tokens, TIME) is None
    renamed = cookie.replace("5570", "5571")
    assert Logins(b"k" * 32, 5571, secure=True).find(renamed, tokens, TIME) is None, "a cookie is sent to every port of a host"


MALFORMED = ["", "desk", "desk:", "desk:99999999999:", "desk:1e9:00", "desk:-1:00", "desk:\u0663:00", "desk:1:\u00e9", "=", "\\"]


@pytest.mark.parametrize("value", [*MALFORMED, "nobody:1900000000:00", '"desk:1900000000:00'])
def test_a_malformed_login_is_none(value):
    _, token = make("desk", Role.VIEW, TIME)
    assert Logins(b"k" * 32, 5570, secure=False).find(f"hulak-5570={value}; [bad]=x; ;=", Tokens().plus(token), TIME) is None


def test_a_changed_login_is_none():
    _, token = make("desk", Role.VIEW, TIME, TIME + 60)
    tokens, logins = Tokens().plus(token), Logins(b"k" * 32, 5570, secure=False)
    cookie = login(logins, token)
    assert logins.find(cookie, tokens, TIME) == (token, TIME + 60), "it ends with its token"
    assert logins.find(cookie.replace(str(int(TIME + 60)), str(int(TIME + 61))), tokens, TIME) is None
    assert logins.find(cookie[:-1] + ("0" if cookie[-1] != "0" else "1"), tokens, TIME) is None


def test_the_key_of_logins_is_made_once_and_kept(tmp_path):
    log = structlog.get_logger()
    key = signing_key(tmp_path, log)
    assert len(key) == 32
    assert signing_key(tmp_path, log) == key
    path = tmp_path / "keys" / "gateway-login.secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_private(path).strip() == key.hex()
    path.write_text("00")
    with pytest.raises(ConfigError, match="it has 1 bytes, must have 32"):
        signing_key(tmp_path, log)


def test_where_the_key_cannot_be_kept_it_is_that_of_the_process(tmp_path):
    (tmp_path / "keys").touch()  # in place of the folder: as on a full or a read-only disk, nothing can be written
    with capture_logs() as logged:
        keys = [signing_key(tmp_path, structlog.get_logger()) for _ in range(2)]
    assert keys[0] != keys[1]
    assert [len(key) for key in keys] == [32, 32]
    assert {entry["event"] for entry in logged} == {"logins end with this process"}

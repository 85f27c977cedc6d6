"""Keys as files: a key is read as it was written, with the right modes; a malformed file is refused, and no other."""

import os
import stat
from datetime import UTC, datetime, timedelta, timezone

import pytest

from hulak.bus.errors import ConfigError
from hulak.bus.process import key_files
from hulak.bus.process.key_files import AuthorisedKey, BrokerKey, ClientKey, KeyPair
from hulak.bus.wire.roles import parse_roles

# The pairs of libzmq's own tests, the same in every process: the parameters below contain them.
PAIR = KeyPair("rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7", "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6")
OTHER = KeyPair("Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID", "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs")


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def _open_umask():
    before = os.umask(0)
    yield
    os.umask(before)


def put(home, name, text):
    key_files.authorised_folder(home).mkdir(parents=True, exist_ok=True)
    path = key_files.authorised_folder(home) / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.usefixtures("_open_umask")
def test_files_and_folders_are_the_owners_alone_even_without_a_umask(tmp_path):
    home = tmp_path / "home"
    broker = key_files.write_broker_key(home, BrokerKey(PAIR.public, PAIR.secret))
    alice = key_files.write_authorised_key(home, AuthorisedKey(name="alice", public=OTHER.public))
    secret = ClientKey(name="alice", public=OTHER.public, secret=OTHER.secret, server=PAIR.public)
    client = key_files.write_client_key(tmp_path / "out" / "alice.secret", secret)
    assert [mode(path) for path in (broker, alice, client)] == [0o600] * 3
    assert [mode(path.parent) for path in (broker, alice, client)] == [0o700] * 3
    assert sorted(path.name for path in broker.parent.iterdir()) == ["authorised", "broker.key"]


def test_each_kind_of_key_is_read_as_it_was_written(tmp_path):
    broker = BrokerKey(PAIR.public, PAIR.secret)
    following = BrokerKey(OTHER.public, OTHER.secret, datetime(2027, 1, 31, 12, tzinfo=UTC))
    client = ClientKey(name="a.2", public=OTHER.public, secret=OTHER.secret, server=PAIR.public, server_next=OTHER.public)
    key = AuthorisedKey(
        name="a.2",
        public=OTHER.public,
        roles=parse_roles(["subscribe:tick.EUR*", 'submit:"é\\', "read"]),
        note='desk 4, "Zoë"\\ \x7f\n',
        expires=datetime(2027, 1, 31, 12, 30, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    )
    key_files.write_broker_key(tmp_path, broker)
    key_files.write_broker_key(tmp_path, following, following=True)
    path = key_files.write_client_key(tmp_path / "a.secret", client)
    key_files.write_authorised_key(tmp_path, key)
    assert key_files.read_broker_key(tmp_path) == broker
    assert key_files.read_next_broker_key(tmp_path) == following
    assert key_files.read_client_key(path) == client
    assert key_files.read_authorised_keys(tmp_path) == ({"a.2": key}, {})


def test_a_home_without_keys_has_none(tmp_path):
    assert key_files.read_broker_key(tmp_path) is None
    assert key_files.read_next_broker_key(tmp_path) is None
    assert key_files.read_authorised_keys(tmp_path) == ({}, {})
    assert key_files.signature_of(tmp_path) == ()


def test_the_secret_is_in_no_text_of_a_key():
    client = ClientKey(name="a", public=PAIR.public, secret=PAIR.secret, server=OTHER.public)
    for key in (PAIR, BrokerKey(PAIR.public, PAIR.secret), client):
        assert PAIR.secret not in f"{key} {key!r}"
        assert PAIR.public in repr(key)


def test_a_key_that_exists_is_not_replaced_unasked(tmp_path):
    first = BrokerKey(PAIR.public, PAIR.secret)
    key_files.write_broker_key(tmp_path, first)
    with pytest.raises(ConfigError, match="exists; it was not changed"):
        key_files.write_broker_key(tmp_path, BrokerKey(OTHER.public, OTHER.secret))
    assert key_files.read_broker_key(tmp_path) == first
    key = AuthorisedKey(name="a", public=PAIR.public)
    key_files.write_authorised_key(tmp_path, key)
    key_files.write_authorised_key(tmp_path, AuthorisedKey(name="a", public=OTHER.public), replace=True)
    assert key_files.read_authorised_keys(tmp_path)[0]["a"].public == OTHER.public


def test_the_next_key_of_the_broker_replaces_the_present_one(tmp_path):
    with pytest.raises(ConfigError, match="there is no next key"):
        key_files.promote_next_broker_key(tmp_path)
    key_files.write_broker_key(tmp_path, BrokerKey(PAIR.public, PAIR.secret))
    key_files.write_broker_key(tmp_path, BrokerKey(OTHER.public, OTHER.secret, datetime.now(UTC)), following=True)
    assert key_files.promote_next_broker_key(tmp_path) == BrokerKey(OTHER.public, OTHER.secret)
    assert key_files.read_broker_key(tmp_path) == BrokerKey(OTHER.public, OTHER.secret)
    assert key_files.read_next_broker_key(tmp_path) is None


def test_a_revoked_key_is_gone_and_cannot_be_revoked_again(tmp_path):
    key_files.write_authorised_key(tmp_path, AuthorisedKey(name="a", public=PAIR.public))
    assert key_files.remove_authorised_key(tmp_path, "a")
    assert not key_files.remove_authorised_key(tmp_path, "a")
    assert key_files.read_authorised_keys(tmp_path) == ({}, {})


GOOD = f'public = "{OTHER.public}"\n'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "public is missing, must be a text"),
        ("public = 1", "public is 1, must be a text"),
        ('public = "abc"', "public is 'abc', must be a key of 40 characters in Z85"),
        (f'public = "{PAIR.public}"\nroles = "read"', "roles is 'read', must be an array of texts"),
        (f'public = "{PAIR.public}"\nroles = [1]', "must be an array of texts"),
        (f'public = "{PAIR.public}"\nroles = ["reed"]', "role 'reed' is unknown"),
        (f'public = "{PAIR.public}"\nrole = ["read"]', "'role' is unknown; allowed are expires, note, public, roles; did you"),
        (f'public = "{PAIR.public}"\nexpires = "soon"', "expires is 'soon', must be a time with its zone"),
        (f'public = "{PAIR.public}"\nexpires = 2027-01-31', "must be a time with its zone"),
        (f'public = "{PAIR.public}"\nexpires = 2027-01-31T12:00:00', "must be a time with its zone"),
        (f'public = "{PAIR.public}"\nnote = "{"x" * 1001}"', "note has 1001 characters, must have at most 1000"),
        ("-----BEGIN", "is malformed, must have lines such as public"),
        ("x = " + "[" * 5000, "is malformed"),
        ("#" * 300_000, "is longer than 262144 bytes"),
    ],
)  # fmt: skip
def test_a_malformed_key_is_refused_and_the_others_count(tmp_path, text, why):
    put(tmp_path, "good.key", GOOD)
    put(tmp_path, "bad.key", text)
    keys, refused = key_files.read_authorised_keys(tmp_path)
    assert list(keys) == ["good"]
    assert list(refused) == ["bad.key"]
    assert why in refused["bad.key"]


def test_odd_files_are_refused_or_ignored_but_never_an_error(tmp_path):
    put(tmp_path, "good.key", GOOD)
    put(tmp_path, ".good.key.swp.key", "an editor's")
    put(tmp_path, "good.key~", "an editor's")
    put(tmp_path, "README", "notes")
    put(tmp_path, "a b.key", GOOD)
    key_files.authorised_path(tmp_path, "folder").mkdir()
    key_files.authorised_path(tmp_path, "link").symlink_to(tmp_path / "nowhere")
    (key_files.authorised_folder(tmp_path) / "binary.key").write_bytes(b"\xff\0")
    keys, refused = key_files.read_authorised_keys(tmp_path)
    assert list(keys) == ["good"]
    assert sorted(refused) == ["a b.key", "binary.key", "folder.key", "link.key"]


def test_a_pipe_in_the_place_of_a_key_is_refused_without_waiting_for_its_writer(tmp_path):
    put(tmp_path, "alice.key", f'public = "{PAIR.public}"\n')
    os.mkfifo(key_files.authorised_folder(tmp_path) / "bob.key")
    keys, refused = key_files.read_authorised_keys(tmp_path)
    assert list(keys) == ["alice"]
    assert "is no file" in refused["bob.key"]


def test_files_with_one_public_key_are_all_refused(tmp_path):
    for name in ("a", "b"):
        put(tmp_path, f"{name}.key", GOOD)
    put(tmp_path, "c.key", f'public = "{PAIR.public}"')
    keys, refused = key_files.read_authorised_keys(tmp_path)
    assert list(keys) == ["c"]
    assert refused == dict.fromkeys(("a.key", "b.key"), "a.key and b.key have the same public key, must differ")


@pytest.mark.parametrize("kind", ["broker", "client"])
def test_a_secret_that_others_can_read_is_refused(tmp_path, kind):
    if kind == "broker":
        path = key_files.write_broker_key(tmp_path, BrokerKey(PAIR.public, PAIR.secret))
        read, argument = key_files.read_broker_key, tmp_path
    else:
        client = ClientKey(name="a", public=PAIR.public, secret=PAIR.secret, server=OTHER.public)
        path = key_files.write_client_key(tmp_path / "a.secret", client)
        read, argument = key_files.read_client_key, path
    path.chmod(0o640)  # a group that was chosen on purpose
    read(argument)
    path.chmod(0o644)
    with pytest.raises(ConfigError, match=rf"has mode 0644: other users can read the secret; `chmod 600 {path}`"):
        read(argument)


def test_a_public_key_that_does_not_belong_to_its_secret_is_refused_without_showing_it(tmp_path):
    path = key_files.write_broker_key(tmp_path, BrokerKey(OTHER.public, PAIR.secret))
    with pytest.raises(ConfigError, match="public is not the public key of secret") as refused:
        key_files.read_broker_key(tmp_path)
    path.write_text(f'public = "{PAIR.public}"\nsecret = "{PAIR.secret}x"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="secret has 41 characters") as refused:
        key_files.read_broker_key(tmp_path)
    assert PAIR.secret not in str(refused.value)


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "../a", "a b", "a\n", "x" * 65, "ä"])
def test_a_name_that_is_no_file_name_everywhere_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match="must have 1 to 64 letters, digits"):
        key_files.write_authorised_key(tmp_path, AuthorisedKey(name=name, public=PAIR.public))


def test_every_change_of_a_key_changes_the_signature(tmp_path):
    seen = [key_files.signature_of(tmp_path)]

    def changed():
        seen.append(key_files.signature_of(tmp_path))
        return seen[-1] != seen[-2]

    key_files.write_authorised_key(tmp_path, AuthorisedKey(name="a", public=PAIR.public))
    assert changed()
    key_files.write_authorised_key(tmp_path, AuthorisedKey(name="a", public=OTHER.public), replace=True)
    assert changed()
    path = key_files.authorised_path(tmp_path, "a")
    before = path.stat()
    path.write_text(path.read_text(encoding="utf-8").replace("p", "q", 1), encoding="utf-8")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # as `cp -p` or an unpacked archive sets it
    assert changed()
    key_files.write_broker_key(tmp_path, BrokerKey(OTHER.public, OTHER.secret), following=True)
    assert changed()
    path.unlink()
    assert changed()
    assert key_files.signature_of(tmp_path) == seen[-1]

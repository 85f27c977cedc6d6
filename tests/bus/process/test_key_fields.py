"""Odd fields in files of keys: refused with a sentence, and never an error that keeps the other files from being read."""

import os

import pytest

from hulak.bus.errors import ConfigError
from hulak.bus.process import key_files
from hulak.bus.process.key_files import ClientKey
from hulak.bus.wire import codec

PAIR, OTHER = key_files.new_pair(), key_files.new_pair()
PUBLIC = f'public = "{PAIR.public}"\n'


@pytest.fixture
def folder(tmp_path):
    made = key_files.authorised_folder(tmp_path)
    made.mkdir(parents=True)
    (made / "good.key").write_text(f'public = "{OTHER.public}"\n')
    return made


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{key}expires = " + "1" * 5000, "is malformed"),  # more digits than Python reads
        ("{key}a = " + "{a=" * 3000, "is malformed"),
        ("{key}{key}", "is malformed"),
        ('{key}note = "\\uD800"', "is malformed"),
        ('{key}expires = "0001-01-01T00:00:00+14:00"', "must be a time with its zone, from 1970 to 9998"),
        ("{key}expires = 9999-12-31T23:59:59-14:00", "must be a time with its zone, from 1970 to 9998"),
        ("{key}expires = 12:00:00", "expires is '12:00:00', must be a time"),
        ("{key}expires = inf", "expires is 'inf', must be a time"),
        ("{key}expires = []", "must be a time"),
        ("{key}roles = {a = 1}", "must be an array of texts"),
        ('{key}secret = "x"', "'secret' is unknown"),
        ('public = "########################################"', "must be a key of 40 characters in Z85"),
        ("\ufeff{key}", "is malformed"),
        ("\0" * 10, "is malformed"),
    ],
)
def test_an_odd_field_refuses_its_file_alone(tmp_path, folder, text, why):
    (folder / "bad.key").write_text(text.replace("{key}", PUBLIC))
    keys, refused = key_files.read_authorised_keys(tmp_path)
    assert (list(keys), list(refused)) == (["good"], ["bad.key"])
    assert why in refused["bad.key"]


def test_names_that_are_not_utf_8_are_refused_and_can_be_reported(tmp_path, folder):
    (folder / os.fsdecode(b"\xff.key")).write_text(PUBLIC)
    keys, refused = key_files.read_authorised_keys(tmp_path)
    assert (list(keys), list(refused)) == (["good"], ["\\xff.key"])
    assert codec.unpack(codec.pack(refused)) == refused


@pytest.mark.parametrize("field", ["public", "secret", "server"])
def test_a_clients_key_whose_characters_exceed_their_bits_is_refused(tmp_path, field):
    fields = {"name": "a", "public": PAIR.public, "secret": PAIR.secret, "server": OTHER.public}
    path = key_files.write_client_key(tmp_path / "a.secret", ClientKey(**{**fields, field: "#" * 40}))
    with pytest.raises(ConfigError, match=f"{field} .* must be a key of 40 characters in Z85"):
        key_files.read_client_key(path)

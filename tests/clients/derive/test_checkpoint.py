"""The checkpoint's file, and the settings of what is made: read back, or refused with the reason."""

import pytest

from hulak.bus.errors import ConfigError
from hulak.bus.process import load_settings
from hulak.clients.derive import checkpoint
from hulak.clients.derive.checkpoint import FORMAT, Checkpoint
from hulak.clients.derive.process import wanted_of
from hulak.clients.derive.rules.derivation import Derivation, Wanted

WANTED = Wanted(bars=("1s", "1m"), every=("1s",), states=True)
BODY = {"symbol": "EURUSD", "bid": 1.0, "ask": 2.0, "timestamp": 1_700_000_000_000, "source": "x"}


def packed(form=FORMAT):
    derivation = Derivation(WANTED)
    derivation.take(1_700_000_000_000_000_000, BODY)
    return Checkpoint(form, 12, 3, 1_700_000_000_000_000_000, 77, 5, derivation.dump()).pack()


def test_a_checkpoint_is_read_back_as_it_was(tmp_path):
    checkpoint.save(tmp_path, packed())
    kept, why = checkpoint.load(tmp_path, WANTED)
    assert why == ""
    assert (kept.number, kept.epoch, kept.instance, kept.posted) == (12, 3, 77, 5)
    assert Checkpoint(*[getattr(kept, name) for name in kept.__struct_fields__]).pack() == packed()
    assert [row.topic for row in Derivation.loaded(kept.derivation).unfinished()] == ["bar.1s.EURUSD", "bar.1m.EURUSD"]
    checkpoint.drop(tmp_path)
    checkpoint.drop(tmp_path)
    assert checkpoint.load(tmp_path, WANTED) == (None, "there is none")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "damaged"),
        (b"\0" * 500, "damaged"),
        (packed()[:-1], "damaged"),
        (packed() + b"x", "damaged"),
        (b"\x97" + b"\x01" * 7, "damaged"),
        (packed(FORMAT + 1), f"it has format {FORMAT + 1}, wanted {FORMAT}"),
    ],
)
def test_a_file_that_is_no_checkpoint_of_this_version_is_not_used(tmp_path, data, why):
    (tmp_path / checkpoint.NAME).write_bytes(data)
    kept, reason = checkpoint.load(tmp_path, WANTED)
    assert kept is None
    assert why in reason


def test_a_checkpoint_of_which_one_byte_has_changed_is_not_used(tmp_path):
    data = packed()
    for at in range(0, len(data), 3):
        (tmp_path / checkpoint.NAME).write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        assert "damaged" in checkpoint.load(tmp_path, WANTED)[1]


def test_a_checkpoint_of_other_settings_or_one_that_cannot_be_read_is_not_used(tmp_path):
    checkpoint.save(tmp_path, packed())
    assert checkpoint.load(tmp_path, Wanted(bars=("1s",)))[1] == "the settings of [derive] have changed"
    checkpoint.drop(tmp_path)
    (tmp_path / checkpoint.NAME).mkdir()
    assert "it cannot be read" in checkpoint.load(tmp_path, WANTED)[1]


def settings_of(tmp_path, **derive):
    return load_settings.load(tmp_path, None, {"derive": derive})


def test_the_settings_name_the_topics_to_make(tmp_path):
    settings = settings_of(tmp_path, bars="1m, 1s", every="100ms", states=True, symbols="EURUSD, kraken.*", stale_s=5.0)
    assert settings.derive.runs
    assert wanted_of(settings) == Wanted(
        ("1s", "1m"), ("100ms",), states=True, symbols=("EURUSD", "kraken.*"), stale_ms=5000, alerts=True
    )
    assert wanted_of(settings_of(tmp_path)) == Wanted(alerts=True)


@pytest.mark.parametrize(
    ("derive", "why"),
    [
        ({}, "asks for nothing; set derive.bars, derive.every, derive.states or derive.alerts"),
        ({"bars": " "}, "asks for nothing"),
        ({"bars": "2m"}, "interval '2m' is unknown"),
        ({"every": "10ms"}, "multiple of 100ms"),
    ],
)
def test_settings_that_make_nothing_or_are_malformed_are_refused(tmp_path, derive, why):
    with pytest.raises(ConfigError, match=why):
        wanted_of(settings_of(tmp_path, alerts=False, **derive))

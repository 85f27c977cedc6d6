"""Keys of the live configuration: scopes and allowed values."""

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hulak.bus.errors import ProtocolError
from hulak.bus.live_config.keys import (
    KEYS,
    KINDS,
    TABLE,
    Range,
    check_scope,
    check_values,
    defaults_of,
    find_key,
    fits,
    read_value,
)
from hulak.bus.process.check_settings import types_of
from hulak.bus.process.settings import LogSettings, NepseSettings, Settings


def refused(scope, values):
    with pytest.raises(ProtocolError) as caught:
        check_values(scope, values)
    assert caught.value.code == "BAD_CONFIG"
    return caught.value


@pytest.mark.parametrize(
    "scope", ["global", *(f"kind:{kind}" for kind in KINDS), "display:a", "display:EUR.USD_1-b", "display:" + "x" * 100]
)
def test_a_scope_is_global_a_kind_or_one_display(scope):
    assert check_scope(scope) == scope


@pytest.mark.parametrize(
    "scope",
    [
        "",
        "Global",
        "kind:",
        "kind:nepsE",
        "kind:subscriber",
        "display",
        "display:",
        "display:a b",
        "display:é",
        "display:a\0",
        None,
        7,
        "display:" + "x" * 101,
        "display:a.",
        "nepse",
        b"global",
        ["global"],
    ],
)
def test_any_other_scope_is_refused_with_the_allowed_ones(scope):
    error = refused(scope, {})
    assert "allowed are global, kind:nepse" in str(error)
    assert set(error.details) == {"scope", "key", "seen", "allowed"}


def test_a_key_is_set_where_it_belongs():
    assert KEYS["log_level"].scopes == ["global", *(f"kind:{kind}" for kind in KINDS)]
    assert KEYS["rate_per_s"].scopes == ["kind:nepse"]
    assert KEYS["show_flash"].scopes == ["kind:display", "display:ID"]
    assert find_key("display:x", "show_flash").name == "show_flash"
    assert not fits(KEYS["log_level"], "display:x")


@pytest.mark.parametrize(
    ("scope", "key", "text"),
    [
        ("global", "rate_per_s", "key rate_per_s is set in scope global, must be in kind:nepse"),
        ("kind:feed", "rate_per_s", "must be in kind:nepse"),
        ("display:x", "log_level", "must be in global, kind:nepse"),
        ("kind:nepse", "stale_s", "must be in kind:feed"),
        ("global", "show_flash", "must be in kind:display, display:ID"),
        ("kind:nepse", "rate", "key 'rate' is unknown; kind:nepse has log_level, rate_per_s, cache_s"),
        ("global", "", "key '' is unknown"),
        ("global", "x" * 5000, "is unknown"),
        ("global", 7, "key 7 is unknown"),
    ],
)
def test_a_key_that_is_unknown_or_belongs_elsewhere_is_refused(scope, key, text):
    error = refused(scope, {key: 1})
    assert text in str(error)
    assert len(str(error)) < 400


@pytest.mark.parametrize(
    ("scope", "key", "value", "kept"),
    [
        ("kind:nepse", "rate_per_s", 1, 1.0),
        ("kind:nepse", "rate_per_s", 100, 100.0),
        ("kind:nepse", "cache_s", 0, 0.0),
        ("kind:display", "adr_lookback_days", 365, 365),
        ("display:a", "distribution_percentage", 1, 1.0),
        ("display:a", "volatility_smoothing", 0.0, 0.0),
        ("display:a", "distribution_depth_mode", "percentage", "percentage"),
        ("display:a", "show_flash", True, True),
        ("global", "log_level", "debug", "debug"),
    ],
)
def test_a_fitting_value_is_kept_as_its_keys_type(scope, key, value, kept):
    values = check_values(scope, {key: value})
    assert values == {key: kept}
    assert type(values[key]) is type(kept)


@pytest.mark.parametrize(
    ("scope", "key", "value"),
    [
        ("kind:nepse", "rate_per_s", 0),
        ("kind:nepse", "rate_per_s", -1.0),
        ("kind:nepse", "rate_per_s", 100.001),
        ("kind:nepse", "rate_per_s", math.nan),
        ("kind:nepse", "rate_per_s", math.inf),
        ("kind:nepse", "rate_per_s", 10**400),
        ("kind:nepse", "rate_per_s", "1.5"),
        ("kind:nepse", "rate_per_s", True),
        ("kind:nepse", "rate_per_s", None),
        ("kind:nepse", "rate_per_s", [1]),
        ("display:a", "volatility_smoothing", 1),
        ("display:a", "price_bucket_multiplier", 0),
        ("display:a", "distribution_percentage", 0.5),
        ("display:a", "adr_lookback_days", 14.0),
        ("display:a", "adr_lookback_days", True),
        ("display:a", "show_flash", 1),
        ("display:a", "show_flash", "true"),
        ("display:a", "distribution_depth_mode", "ALL"),
        ("display:a", "distribution_depth_mode", b"all"),
        ("global", "log_level", "trace"),
        ("global", "log_level", 10),
    ],
)
def test_a_value_of_another_type_or_out_of_range_is_refused_with_key_value_and_range(scope, key, value):
    error = refused(scope, {key: value})
    assert error.details["key"] == key
    assert error.details["allowed"] == KEYS[key].allowed
    assert key in str(error)
    assert KEYS[key].allowed in str(error)
    assert len(error.details["seen"]) <= 60


def test_one_wrong_value_refuses_them_all():
    refused("kind:nepse", {"cache_s": 5, "rate_per_s": 0})


@pytest.mark.parametrize("values", [None, [], "a", 3])
def test_values_that_are_no_map_are_refused(values):
    assert "must be a map" in str(refused("global", values))


def test_what_is_allowed_reads_well():
    assert KEYS["rate_per_s"].allowed == "a number above 0, at most 100 (1/s)"
    assert KEYS["volatility_smoothing"].allowed == "a number of at least 0, below 1"
    assert KEYS["adr_lookback_days"].allowed == "a whole number of at least 1, at most 365 (days)"
    assert KEYS["show_flash"].allowed == "true or false"
    assert KEYS["distribution_depth_mode"].allowed == "all or percentage"


@pytest.mark.parametrize("key", TABLE, ids=lambda key: key.name)
def test_every_key_is_complete_and_its_default_is_allowed(key):
    scope = key.scopes[-1].replace("ID", "x").replace("NAME", "x")
    assert check_values(scope, {key.name: key.default}) == {key.name: key.default}
    assert key.help
    assert "\n" not in key.help
    assert (key.range is not None) == (key.type in ("integer", "number"))
    assert (bool(key.choices) or key.most_symbols > 0) == (key.type == "text")
    assert set(key.kinds) <= set(KINDS)


def test_a_key_that_is_a_setting_too_has_its_default_and_its_bounds():
    settings = Settings()
    assert defaults_of(settings) == defaults_of(None)  # the shipped ones
    bounds = {}
    for key in TABLE:
        if key.setting:
            section, _, name = key.setting.partition(".")
            limits = getattr(types_of(type(getattr(settings, section)))[name], "__metadata__", ())
            words = ("gt", "ge", "lt", "le")
            bounds[key.name] = {word: getattr(item, word) for item in limits for word in words if getattr(item, word) is not None}
    assert set(bounds) == {"log_level", "rate_per_s", "cache_s", "stale_s", "frame_ms", "states_per_s"}
    for name, row in bounds.items():
        allowed = KEYS[name].range
        if allowed is not None:
            assert row == {"gt" if allowed.low_open else "ge": allowed.low, "le": allowed.high}, name


def test_defaults_are_those_of_the_settings_file():
    settings = Settings(nepse=NepseSettings(rate_per_s=0.5), log=LogSettings(level="error"))
    defaults = defaults_of(settings)
    assert (defaults["rate_per_s"], defaults["log_level"], defaults["cache_s"]) == (0.5, "error", 2.0)
    assert set(defaults) == set(KEYS)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("rate_per_s", "1.5", 1.5),
        ("rate_per_s", "2", 2.0),
        ("rate_per_s", "much", "much"),
        ("adr_lookback_days", "7", 7),
        ("adr_lookback_days", "7.5", "7.5"),
        ("show_flash", "true", True),
        ("show_flash", "False", False),
        ("show_flash", "yes", "yes"),
        ("log_level", "debug", "debug"),
        ("distribution_depth_mode", "true", "true"),
        ("nothing", "1", "1"),
    ],
)
def test_text_is_read_as_its_keys_type(name, text, value):
    parsed = read_value(name, text)
    assert parsed == value
    assert type(parsed) is type(value)


@given(value=st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.lists(st.integers()))
@pytest.mark.parametrize("name", ["rate_per_s", "adr_lookback_days", "show_flash", "log_level", "volatility_smoothing"])
def test_whatever_comes_is_taken_as_its_type_or_refused(name, value):
    key = KEYS[name]
    with contextlib.suppress(ProtocolError):
        parsed = check_values(key.scopes[0], {name: value})[name]
        assert type(parsed) is type(key.default)
        assert parsed == value


def test_ranges_include_their_ends():
    assert 0 in Range(0, 1)
    assert 1 in Range(0, 1)
    assert 0 not in Range(0, 1, low_open=True)
    assert 1 not in Range(0, 1, high_open=True)


def test_an_unknown_key_or_scope_is_refused_with_a_suggestion():
    with pytest.raises(ProtocolError, match="did you mean 'rate_per_s'"):
        find_key("kind:nepse", "ratepers")
    with pytest.raises(ProtocolError, match="global has log_level; did you mean 'states_per_s'"):
        find_key("global", "state_per_s")
    with pytest.raises(ProtocolError, match="did you mean 'kind:nepse'"):
        check_scope("kind:npse")

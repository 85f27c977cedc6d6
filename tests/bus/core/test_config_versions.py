"""Versions of the live configuration, and the values that apply to a process."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from request_arguments import arguments

from hulak.bus.core.config_versions import MOST_VALUES, ConfigVersion, ConfigVersions
from hulak.bus.core.control_requests import ConfigSetArguments
from hulak.bus.errors import ProtocolError
from hulak.bus.live_config.keys import KEYS, defaults_of
from hulak.bus.live_config.scopes import Change, difference, effective, kind_of, rows, sources

DEFAULTS = defaults_of(None)


@pytest.fixture
def book():
    return ConfigVersions()


def make(book, scope="global", values=None, unset=(), **more):
    """Prepare and accept; gives the version, or None."""
    made = book.set(arguments("hulak.config.set", scope=scope, values=values or {}, unset=list(unset), **more), 5)
    if made is not None:
        book.accept(made)
    return made


def refused(code, act, *args):
    with pytest.raises(ProtocolError) as caught:
        act(*args)
    assert caught.value.code == code
    return str(caught.value)


def test_before_the_first_version_there_is_an_empty_document(book):
    assert book.document() == {"version": 0, "at_ns": 0, "by": "", "note": "", "scopes": {}}
    assert book.history(10) == []


def test_versions_count_from_1_and_list_the_changes(book):
    first = make(book, "kind:nepse", {"rate_per_s": 1, "cache_s": 3}, by="ram", note="politer")
    assert first == ConfigVersion(
        1, 5, "ram", "politer", (Change("kind:nepse", "cache_s", None, 3.0), Change("kind:nepse", "rate_per_s", None, 1.0))
    )
    second = make(book, "kind:nepse", {"rate_per_s": 0.5}, ["cache_s"])
    assert second.changes == (Change("kind:nepse", "cache_s", 3.0, None), Change("kind:nepse", "rate_per_s", 1.0, 0.5))
    assert book.document() == {"version": 2, "at_ns": 5, "by": "", "note": "", "scopes": {"kind:nepse": {"rate_per_s": 0.5}}}


def test_nothing_is_changed_until_it_is_accepted(book):
    made = book.set(arguments("hulak.config.set", scope="global", values={"log_level": "debug"}), 5)
    assert book.version == 0
    assert book.scopes == {}
    book.accept(made)
    assert book.scopes == {"global": {"log_level": "debug"}}


@pytest.mark.parametrize(
    "args",
    [
        {"scope": "globe", "values": {"log_level": "debug"}},
        {"scope": "global", "values": {"log_level": "debug", "colour": 1}},
        {"scope": "global", "values": {"log_level": "debug"}, "unset": ["colour"]},
        {"scope": "global", "values": {"log_level": "debug"}, "unset": ["log_level"]},
        {"scope": "kind:display", "values": {"show_flash": True, "value_area": 0}},
    ],
)
def test_one_fault_refuses_the_whole_and_nothing_changes(book, args):
    make(book, "global", {"log_level": "error"})
    before = book.document()
    refused("BAD_CONFIG", book.set, arguments("hulak.config.set", **args), 6)
    assert book.document() == before


def test_what_changes_nothing_is_no_version(book):
    make(book, "global", {"log_level": "debug"})
    assert make(book, "global", {"log_level": "debug"}) is None
    assert make(book, "display:x", unset=["show_flash"]) is None
    assert make(book, "global") is None
    assert book.version == 1


def test_a_scope_without_values_is_gone(book):
    make(book, "display:x", {"show_flash": True})
    make(book, "display:x", unset=["show_flash"])
    assert book.scopes == {}


def test_revert_is_a_new_version_like_a_former_one(book):
    make(book, "global", {"log_level": "debug"})
    make(book, "display:x", {"show_flash": True})
    make(book, "global", {"log_level": "error"})
    made = book.revert(arguments("hulak.config.revert", version=1, by="sita"), 9)
    assert (made.version, made.by, made.note) == (4, "sita", "as in version 1")
    book.accept(made)
    assert book.scopes == book.at(1) == {"global": {"log_level": "debug"}}
    assert book.at(3) == {"global": {"log_level": "error"}, "display:x": {"show_flash": True}}
    book.accept(book.revert(arguments("hulak.config.revert", version=0), 9))
    assert book.scopes == {}
    assert book.revert(arguments("hulak.config.revert", version=0), 9) is None


def test_there_is_no_way_back_to_what_never_was(book):
    make(book, "global", {"log_level": "debug"})
    assert "must be 0 to 1" in refused("BAD_CONFIG", book.revert, arguments("hulak.config.revert", version=2), 9)


def test_a_former_version_whose_values_are_not_allowed_any_more_is_not_made_again(book):
    book.accept(ConfigVersion(1, 0, "", "", (Change("kind:nepse", "rate_per_s", None, 1e9),)))
    make(book, "kind:nepse", unset=["rate_per_s"])
    assert "rate_per_s" in refused("BAD_CONFIG", book.revert, arguments("hulak.config.revert", version=1), 9)


def test_versions_kept_are_bounded():
    book = ConfigVersions(keep=3)
    for number in range(1, 11):
        make(book, "kind:nepse", {"rate_per_s": number})
    assert [row["version"] for row in book.history(3)] == [10, 9, 8]
    assert book.at(7) == {"kind:nepse": {"rate_per_s": 7.0}}
    assert "must be 7 to 10" in refused("BAD_CONFIG", book.at, 6)


def test_history_is_the_newest_first_and_bounded(book):
    for level in ("debug", "error", "info"):
        make(book, "global", {"log_level": level}, by="ram")
    assert [row["version"] for row in book.history(2)] == [3, 2]
    assert book.history(1) == [
        {
            "version": 3,
            "at_ns": 5,
            "by": "ram",
            "note": "",
            "changes": [{"scope": "global", "key": "log_level", "before": "error", "after": "info"}],
        }
    ]


def test_the_number_of_values_is_bounded(book):
    full = {f"display:{number}": {"show_flash": True} for number in range(MOST_VALUES)}
    book.scopes = full
    assert "at most" in refused(
        "BAD_CONFIG", book.set, arguments("hulak.config.set", scope="global", values={"log_level": "debug"}), 5
    )


def test_a_document_is_not_changed_by_what_comes_after(book):
    make(book, "global", {"log_level": "debug"})
    document = book.document()
    make(book, "global", {"log_level": "error"})
    assert document["scopes"] == {"global": {"log_level": "debug"}}


# Values that apply to a process


def document(**scopes):
    return {"version": 1, "scopes": {name.replace("_", ":", 1): values for name, values in scopes.items()}}


def test_without_anything_the_defaults_count():
    assert effective(document(), "nepse") == {"log_level": "info", "rate_per_s": 2.0, "cache_s": 2.0}
    assert effective(document(), "nepse", "", {**DEFAULTS, "rate_per_s": 9.0})["rate_per_s"] == 9.0
    assert effective(document(), "scaler") == {"log_level": "info"}


def test_the_narrower_scope_goes_before_the_wider():
    body = document(**{"global": {"log_level": "error"}, "kind_nepse": {"log_level": "debug"}})
    assert sources(body, "nepse")["log_level"] == ("debug", "kind:nepse")
    assert sources(body, "feed")["log_level"] == ("error", "global")
    body = document(kind_display={"show_flash": True, "value_area": 0.5}, display_x={"value_area": 0.6})
    assert sources(body, "display", "display:x")["value_area"] == (0.6, "display:x")
    assert sources(body, "display", "display:x")["show_flash"] == (True, "kind:display")
    assert sources(body, "display", "display:xy")["value_area"] == (0.5, "kind:display")  # exact keys, never prefixes
    assert sources(body, "display")["volatility_smoothing"] == (0.8, "default")


def test_a_key_that_this_version_does_not_know_is_ignored():
    assert "colour" not in effective(document(kind_nepse={"colour": 1}), "nepse")


def test_rows_show_every_key_once_and_what_is_set_elsewhere():
    body = document(kind_nepse={"log_level": "debug"}, display_x={"show_flash": True})
    listed = rows(body, None, DEFAULTS)
    assert [row["key"] for row in listed if row["scope"] != "display:x" and row["from"] != "kind:nepse"] == [
        key.name
        for key in KEYS.values()
        if not key.of_one  # a key of one feed is listed where it is set
    ]
    assert {(row["scope"], row["key"], row["value"], row["from"]) for row in listed if row["from"] != "default"} == {
        ("kind:nepse", "log_level", "debug", "kind:nepse"),
        ("display:x", "show_flash", True, "display:x"),
    }
    assert len(listed) == len([key for key in KEYS.values() if not key.of_one]) + 2


def test_rows_of_a_scope_are_what_counts_there():
    body = document(**{"global": {"log_level": "error"}, "kind_display": {"show_flash": True}})
    assert [(row["key"], row["value"], row["from"]) for row in rows(body, "kind:nepse", DEFAULTS)] == [
        ("log_level", "error", "global"),
        ("rate_per_s", 2.0, "default"),
        ("cache_s", 2.0, "default"),
    ]
    assert [row["key"] for row in rows(body, "global", DEFAULTS)] == ["log_level"]
    (flash,) = [row for row in rows(body, "display:x", DEFAULTS) if row["key"] == "show_flash"]
    assert (flash["value"], flash["from"], flash["default"], flash["type"]) == (True, "kind:display", False, "bool")
    refused("BAD_CONFIG", rows, body, "kind:x", DEFAULTS)


def test_a_worker_is_of_its_services_kind():
    assert [kind_of(service) for service in ("nepse", "display", "sums")] == ["nepse", "display", "worker"]


VALUES = st.dictionaries(st.sampled_from(["rate_per_s", "cache_s", "log_level"]), st.integers(1, 3), max_size=3)


@given(states=st.lists(VALUES, max_size=8))
def test_every_former_state_is_found_again(states):
    book, seen = ConfigVersions(), [{}]
    for state in states:
        values = {key: "debug" if key == "log_level" else value for key, value in state.items()}
        gone = [key for key in ("rate_per_s", "cache_s", "log_level") if key not in values]
        if make(book, "kind:nepse", values, gone) is not None:
            seen.append(book.document()["scopes"])
    assert [book.at(number) for number in range(book.version + 1)] == seen
    assert difference(seen[-1], book.scopes) == []


def test_a_change_that_was_made_for_a_former_version_is_refused():
    versions = ConfigVersions()
    first = versions.set(ConfigSetArguments(scope="feed:x", values={"symbols_added": "A"}, if_version=0), 1)
    versions.accept(first)
    for version in (0, 2):
        with pytest.raises(ProtocolError, match=f"the newest version is 1, the change was for {version}") as refused:
            versions.set(ConfigSetArguments(scope="feed:x", values={"symbols_added": "A,B"}, if_version=version), 2)
        assert refused.value.code == "OTHER_VERSION"
    assert versions.set(ConfigSetArguments(scope="feed:x", values={"symbols_added": "A,B"}, if_version=1), 2).version == 2


def test_a_feeds_own_values_go_before_those_of_all_feeds():
    body = {"version": 1, "scopes": {"kind:feed": {"stale_s": 5.0}, "feed:x": {"stale_s": 2.0, "symbols_added": "A"}}}
    assert effective(body, "feed", "feed:x")["stale_s"] == 2.0
    assert effective(body, "feed", "feed:y")["stale_s"] == 5.0
    assert [(row["key"], row["value"]) for row in rows(body, "feed:x", DEFAULTS)] == [
        ("stale_s", 2.0),
        ("symbols_added", "A"),
        ("symbols_removed", ""),
    ]

"""The live configuration that sites share: PROTOCOL.md section 15.5."""

import json
from pathlib import Path

import pytest

from hulak.bus.errors import ProtocolError
from hulak.bus.wire import codec
from hulak.clients.bridge import config_stream, shared_config
from hulak.clients.bridge.shared_config import Refused, Step
from hulak.clients.bridge.stream import Stored

GOLDEN = json.loads((Path(__file__).resolve().parents[2] / "vectors" / "frames.json").read_text())
DOCUMENT = {"version": 7, "at_ns": 5, "by": "", "note": "", "scopes": {}}


def steps(wanted, present, refused=None):
    return list(shared_config.steps(wanted, present, refused or Refused()))


def after(wanted, present):
    """Return the scopes of a follower after all steps."""
    scopes = {scope: dict(values) for scope, values in present.items()}
    for step in steps(wanted, present):
        scopes[step.scope] = step.on(scopes.get(step.scope, {}))
    return {scope: values for scope, values in scopes.items() if values}


def test_the_golden_message_is_the_topics_document_with_its_shared_scopes():
    (entry,) = GOLDEN["bridge_config"]
    (topic,) = (row for row in GOLDEN["publications"] if row["name"] == "config")
    document = codec.unpack(codec.decode_publication(bytes.fromhex(topic["frame"])).body)
    assert shared_config.encode(document).hex() == entry["frame"]
    assert shared_config.subject(entry["site"]) == entry["subject"]
    read = shared_config.decode(bytes.fromhex(entry["frame"]))
    assert (read.version, read.scopes) == (7, {"kind:nepse": {"rate_per_s": 1.5}})
    message = Stored(1, entry["subject"], entry["headers"], bytes.fromhex(entry["frame"]))
    assert config_stream.published_ns(message) == 1701234567891250000


def test_the_steps_set_and_unset_what_differs_and_each_scope_is_one_step():
    wanted = {"global": {"log_level": "debug"}, "kind:nepse": {"rate_per_s": 1.5, "cache_s": 3.0}}
    present = {"kind:nepse": {"rate_per_s": 1.5, "cache_s": 9.0, "log_level": "error"}, "kind:feed": {"stale_s": 5.0}}
    assert steps(wanted, present) == [
        Step("global", {"log_level": "debug"}, []),
        Step("kind:feed", {}, ["stale_s"]),
        Step("kind:nepse", {"cache_s": 3.0}, ["log_level"]),
    ]
    assert after(wanted, present) == wanted
    assert steps(wanted, wanted) == []


def test_displays_and_feeds_of_both_sites_stay_as_they_are():
    local = {"display:eurusd-1": {"show_flash": True}, "feed:kraken": {"stale_s": 5.0}}
    other = {"display:eurusd-1": {"show_flash": False}, "feed:kraken": {"stale_s": 9.0}}
    assert steps({**local, "global": {"log_level": "debug"}}, other) == [Step("global", {"log_level": "debug"}, [])]


def test_a_refused_value_holds_nothing_else_up_and_is_tried_again_when_it_is_another_one():
    refused, wanted = Refused(), {"global": {"log_level": "debug", "unknown": 1}}
    (step,) = steps(wanted, {})
    refused.add(step, "unknown", "key 'unknown' is unknown")
    assert steps(wanted, {}, refused) == [Step("global", {"log_level": "debug"}, [])]
    assert steps({"global": {"unknown": 2}}, {}, refused) == [Step("global", {"unknown": 2}, [])]
    assert steps({"global": {"unknown": True}}, {}, refused) == [Step("global", {"unknown": True}, [])]
    refused.keep(wanted)
    assert (list(refused.rows), refused.count) == ([("global", "unknown")], 1)
    refused.keep({"global": {"log_level": "debug"}})
    assert (refused.rows, refused.count) == ({}, 1)


def test_a_scope_that_is_refused_as_a_whole_leaves_no_step_of_it():
    refused, wanted = Refused(), {"kind:later": {"a": 1, "b": 2}, "global": {"log_level": "debug"}}
    refused.add(steps(wanted, {})[1], "", "scope 'kind:later' is unknown")
    assert [step.scope for step in steps(wanted, {}, refused)] == ["global"]
    assert refused.count == 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        codec.pack([1]),
        codec.pack({"version": 7}),
        codec.pack(DOCUMENT | {"version": "7"}),
        codec.pack(DOCUMENT | {"version": -1}),
        codec.pack(DOCUMENT | {"scopes": {"global": 5}}),
        codec.pack(DOCUMENT | {"scopes": {"global": {"log_level": None}}}),
        codec.pack(DOCUMENT | {"scopes": {"global": {"log_level": ["debug"]}}}),
        codec.pack(DOCUMENT | {"scopes": {"global": {"rate_per_s": float("nan")}}}),
        codec.pack(DOCUMENT | {"scopes": {"global": {f"key{number}": 1 for number in range(1001)}}}),
    ],
)
def test_another_body_is_refused_with_its_fault(body):
    with pytest.raises(ProtocolError) as caught:
        shared_config.decode(body)
    assert caught.value.code == "BAD_BODY"


@pytest.mark.parametrize(
    "headers", [None, {}, *({"Hulak-Published-Ns": text} for text in ("", "0", "-1", "x", "9" * 19, "1" * 5000))]
)
def test_a_message_without_a_well_formed_time_is_refused(headers):
    with pytest.raises(ProtocolError):
        config_stream.published_ns(Stored(1, "hulak-config.ldn", headers, b""))

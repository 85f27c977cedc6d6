"""PROTOCOL.md, the golden frames and the code say the same."""

import json
import re
from pathlib import Path

import msgspec
import pytest

from hulak.bus.broker.control_services import SERVICES
from hulak.bus.wire import batch_frames, codec, messages
from hulak.bus.wire.messages import HeldTask, Stamp

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = json.loads((ROOT / "tests" / "vectors" / "frames.json").read_text())
DOCUMENT = (ROOT / "bus" / "PROTOCOL.md").read_text()
DECODERS = {
    "client -> broker": codec.decode_from_client,
    "broker -> client": codec.decode_to_client,
    "worker -> broker": codec.decode_from_worker,
    "broker -> worker": codec.decode_to_worker,
}
READERS = {
    "client -> broker": batch_frames.read_requests,
    "broker -> client": batch_frames.read_replies,
    "worker -> broker": batch_frames.read_results,
    "broker -> worker": batch_frames.read_tasks,
}


def by_name(entry):
    return entry["name"]


def message_of(entry, fields=None):
    def value(name, field):
        if name == "held":
            return tuple(HeldTask(bytes.fromhex(held["task"]), held["attempt"]) for held in field)
        if isinstance(field, dict):
            whole = field.keys() == {"hex"}
            return bytes.fromhex(field["hex"]) if whole else {key: value(key, inner) for key, inner in field.items()}
        return field

    return getattr(messages, entry["type"])(**{name: value(name, field) for name, field in (fields or entry["fields"]).items()})


@pytest.mark.parametrize("entry", GOLDEN["dialogs"], ids=by_name)
def test_a_golden_message_encodes_to_its_frame_and_decodes_from_it(entry):
    message, frame = message_of(entry), bytes.fromhex(entry["frame"])
    assert codec.encode(message) == frame
    assert DECODERS[entry["direction"]](frame) == message


@pytest.mark.parametrize("entry", GOLDEN["several"], ids=by_name)
def test_a_golden_frame_of_several_is_put_together_and_taken_apart(entry):
    frame, messages_of_frame = bytes.fromhex(entry["frame"]), [message_of(entry, fields) for fields in entry["several"]]
    assert batch_frames.encode(messages_of_frame) == [frame]
    assert batch_frames.bundle([codec.encode(message) for message in messages_of_frame]) == [frame]
    assert READERS[entry["direction"]](frame) == (messages_of_frame, [])


@pytest.mark.parametrize("entry", GOLDEN["publications"], ids=by_name)
def test_a_golden_publication_encodes_to_its_frame_and_decodes_from_it(entry):
    stamp, body = Stamp(entry["epoch"], entry["sequence"], entry["time_ns"]), bytes.fromhex(entry["body"])
    frame = bytes.fromhex(entry["frame"])
    assert codec.encode_publication(entry["topic"].encode(), stamp, body) == frame
    assert codec.decode_publication(frame) == messages.Publication(entry["topic"], stamp, body)
    if entry["value"] is not None:
        assert codec.unpack(body) == entry["value"]


def test_the_document_prints_every_golden_frame_and_no_other():
    printed = {}
    for box in re.findall(r"```golden\n(.*?)```", DOCUMENT, re.DOTALL):
        for name, digits in re.findall(r"^(\S+)\n((?:    [0-9a-f]+\n)+)", box, re.MULTILINE):
            printed[name] = "".join(digits.split())
    groups = ("dialogs", "publications", "several", "ring", "bridge", "bridge_config")
    entries = [entry for group in groups for entry in GOLDEN[group]]
    golden = {entry["name"]: entry["frame"] for entry in entries}
    assert printed == golden


def test_the_document_lists_the_fields_of_every_message_in_the_order_of_the_code():
    rows = re.findall(r"^\| `(.)` (\w\w) \| \w+ \| ([\w ]+) \| (.*) \|$", DOCUMENT, re.MULTILINE)
    listed = {(kind.encode(), direction): fields for kind, _, direction, fields in rows}
    assert all(ord(kind) == int(code, 16) for kind, code, _, _ in rows)
    directions = {"client to broker", "broker to client", "worker to broker", "broker to worker"}
    assert {direction for _, direction in listed} == directions
    assert len(listed) == len(codec.FIELDS) + 1  # ERROR goes both to clients and to workers
    for cls, fields in codec.FIELDS.items():
        counts = [len(re.sub(r"\(.*?\)", "", names).split(",")) for (kind, _), names in listed.items() if kind == cls.KIND]
        assert len(fields) in counts, cls.__name__


def test_the_document_names_every_code_that_the_bus_gives():
    source = "".join(path.read_text() for path in (ROOT / "bus").rglob("*.py"))
    given = set(re.findall(r'(?:ProtocolError\(\s*|\.error\(|code == )"([A-Z_]+)"', source))
    assert {"BAD_FRAME", "BUSY", "EXPIRED", "WORKER_LOST"} <= given
    missing = {code for code in given if f"`{code}`" not in DOCUMENT}
    assert not missing


def test_the_document_lists_every_control_service_with_its_arguments():
    rows = re.findall(r"^\| `(hulak\.[a-z.]+)` \| (.*?) \| ", DOCUMENT, re.MULTILINE)
    listed = {service: set(re.findall(r"`(\w+)`", args)) for service, args in rows}
    assert len(rows) == len(listed)
    assert listed == {
        name: {field.encode_name for field in msgspec.structs.fields(service.args)} for name, service in SERVICES.items()
    }
    for service, args in rows:
        needed = {field.encode_name for field in msgspec.structs.fields(SERVICES[service].args) if field.required}
        if service not in {"hulak.display.remove", "hulak.replay"}:  # one of two
            assert set(re.findall(r"`(\w+)`", args.partition("if wanted")[0])) == needed, service


def test_the_document_names_the_services_whose_answers_to_a_client_that_does_not_read_are_bounded():
    [listed] = re.findall(r"services\s+with\s+large\s+answers\s+\((.*?)\),\s+then\s+`BUSY`", DOCUMENT, re.DOTALL)
    names = {f"hulak.{name}" for name in re.findall(r"`(?:hulak)?\.([a-z.]+)`", listed)}
    assert names == {name for name, service in SERVICES.items() if service.large}


def test_the_document_lists_every_live_key_with_what_it_may_be_and_its_default():
    from hulak.bus.live_config.keys import KEYS  # noqa: PLC0415 - the table under test

    rows = re.findall(r"^\| `(\w+)` \| .* \| (.+) \| (.+) \|$", DOCUMENT.split("### 7.5")[1].split("### 7.6")[0], re.MULTILINE)
    listed = {name: (allowed, default.strip("`")) for name, allowed, default in rows}
    assert {name: allowed for name, (allowed, _) in listed.items()} == {name: key.allowed for name, key in KEYS.items()}
    for name, key in KEYS.items():
        shown = key.default or "empty" if isinstance(key.default, str) else json.dumps(key.default).removesuffix(".0")
        assert listed[name][1] == shown

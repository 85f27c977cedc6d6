"""Majordomo's frames as bytes, in both directions."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from majordomo_fixture import GIVEN, ID, LIMIT, SENDER, C, W
from request_arguments import arguments

from hulak.bus.errors import ProtocolError
from hulak.bus.wire import codec, fast_encode, mdp
from hulak.bus.wire.messages import BrokerHeartbeat, Error, HeldTask, Part, Reply, Request, Task

DOCUMENT = (Path(__file__).resolve().parents[3] / "bus" / "PROTOCOL.md").read_text()


def code_of(function, *arguments):
    with pytest.raises(ProtocolError) as caught:
        function(*arguments)
    return caught.value.code


# A client's frames


@pytest.mark.parametrize(("envelope", "first"), [([], b"\2\5"), ([b""], b"\3\5")])
def test_a_clients_request_is_read_and_answered_behind_its_own_envelope(envelope, first):
    parts = [SENDER, *envelope, b"MDPC02", b"\x01", b"echo", b"\xff", b"", b"two"]
    address, request = mdp.decode_request(parts, ID, LIMIT)
    assert address == first + SENDER + b"echo"
    assert request == Request(ID, "echo", "", {"body": [b"\xff", b"", b"two"]})
    assert mdp.encode_to_client(address, Part(ID, 1, [b"a", b"b"])) == [
        SENDER,
        *envelope,
        b"MDPC02",
        b"\x02",
        b"echo",
        b"a",
        b"b",
    ]
    assert mdp.encode_to_client(address, Reply(ID, [b"a"])) == [SENDER, *envelope, b"MDPC02", b"\x03", b"echo", b"a"]


def test_a_client_gets_a_failure_in_a_final_and_no_answer_to_an_expired_request():
    address, _ = mdp.decode_request([SENDER, C, b"\x01", b"echo", b"x"], ID, LIMIT)
    frames = mdp.encode_to_client(address, Error(ID, "WORKER_LOST", "4 workers were lost"))
    assert frames == [SENDER, b"MDPC02", b"\x03", b"echo", b"ERROR", b"WORKER_LOST", b"4 workers were lost"]
    assert mdp.encode_to_client(address, Error(ID, "EXPIRED", "its time is over")) == []


@pytest.mark.parametrize(
    ("rest", "code"),
    [
        ([], "BAD_FRAME"),
        ([b"\x01"], "BAD_FRAME"),
        ([b"\x01", b"echo"], "BAD_FRAME"),  # no body
        ([b"\x01", b"echo", *[b"x"] * 57], "BAD_FRAME"),
        ([b"\x01", b"echo", bytes(600), bytes(600)], "TOO_LARGE"),
        ([b"\x02", b"echo", b"x"], "BAD_KIND"),
        ([b"", b"echo", b"x"], "BAD_KIND"),
        ([b"\x01", b"\xff", b"x"], "BAD_BODY"),
        ([b"\x01", b"", b"x"], "BAD_BODY"),
    ],
)
def test_a_clients_frames_that_are_not_as_the_rfc_has_them_are_refused(rest, code):
    assert code_of(mdp.decode_request, [SENDER, C, *rest], ID, LIMIT) == code
    assert code_of(mdp.decode_request, [SENDER, b"", C, *rest], ID, LIMIT) == code


# The document


def test_the_document_prints_the_frames_that_are_read_and_made():
    box = re.search(r"```majordomo\n(.*?)```", DOCUMENT, re.DOTALL)[1]
    printed = {
        name: [bytes.fromhex(frame.strip("-")) for frame in row.split()]
        for name, row in re.findall(r"^(\S+)\n    (.*)$", box, re.MULTILINE)
    }
    client, request = mdp.decode_request([SENDER, *printed.pop("client-request")], ID, LIMIT)
    assert request == Request(ID, "echo", "", {"body": [b"hello"]})
    commands = [mdp.decode_command([SENDER, *printed.pop(f"worker-{name}")]) for name in ("ready", "partial", "final")]
    assert [command for _, command, _ in commands] == [mdp.READY, mdp.PARTIAL, mdp.FINAL]
    worker = commands[0][0]
    assert mdp.decode_answer(commands[1][2], LIMIT) == mdp.decode_answer(commands[2][2], LIMIT) == (HeldTask(ID, 1), [b"world"])
    assert {name: [SENDER, *frames] for name, frames in printed.items()} == {
        "worker-request": mdp.encode_to_worker(worker, Task(ID, 1, request.action, request.args, 1, 2)),
        "worker-heartbeat": mdp.encode_to_worker(worker, BrokerHeartbeat(7, known=True)),
        "worker-disconnect": mdp.encode_to_worker(worker, None),
        "client-partial": mdp.encode_to_client(client, Part(ID, 1, [b"world"])),
        "client-final": mdp.encode_to_client(client, Reply(ID, [b"world"])),
        "client-final-failed": mdp.encode_to_client(client, Error(ID, "BAD", "no")),
    }


# Bodies


@pytest.mark.parametrize(
    ("body", "action", "args"),
    [
        ([b"security", b"\x81\xa6symbol\xa5NABIL"], "security", {"symbol": "NABIL"}),
        ([b"market-status", b"\x80"], "market-status", {}),
        ([b"", b"\x80"], "", {}),
        ([b"hello"], "", {"body": [b"hello"]}),
        ([b"hello", b"world"], "", {"body": [b"hello", b"world"]}),
        ([b"hello", b"\x90"], "", {"body": [b"hello", b"\x90"]}),  # an array
        ([b"hello", b"\x80\x80"], "", {"body": [b"hello", b"\x80\x80"]}),  # more than one value
        ([b"hello", b"\x81\x01\x01"], "", {"body": [b"hello", b"\x81\x01\x01"]}),  # its key is no text
        ([b"\xff", b"\x80"], "", {"body": [b"\xff", b"\x80"]}),
        ([b"", b"\x81\xa4body\x91\xc4\x01x"], "", {"body": [b"", b"\x81\xa4body\x91\xc4\x01x"]}),
    ],
)
def test_a_body_is_an_action_and_its_arguments_where_it_is_exactly_those(body, action, args):
    assert mdp.read_task(body) == (action, args)
    assert mdp.write_task(action, args) == body


@pytest.mark.parametrize(
    ("packed", "args"),
    [
        (b"\xde\0\0", {}),
        (b"\xdf\0\0\0\1\xd9\1a\xcf\0\0\0\0\0\0\0\x28", {"a": 40}),  # map32, str8, uint64
        (b"\xde\0\1\xa1a\xcd\0\1", {"a": 1}),
        (b"\x81\xa1a\xca\x3f\x80\0\0", {"a": 1.0}),  # a float of 32 bits
    ],
)
def test_arguments_may_be_packed_in_any_form_and_stay_as_they_came(packed, args):
    _, request = mdp.decode_request([SENDER, C, b"\1", b"sums", b"add", packed], ID, LIMIT)
    assert request.action == "add"
    for_ours = codec.decode_to_worker(fast_encode.encode_own(Task(ID, 1, "add", request.args, 1, 2)))
    assert for_ours.args == args
    for_majordomo = mdp.encode_to_worker(bytes((mdp.OF_WORKER,)) + b"w", Task(ID, 1, "add", request.args, 1, 2))
    assert for_majordomo[-2:] == [b"add", packed]


def test_a_control_services_arguments_in_longer_forms_are_read():
    packed = b"\xde\0\1\xa5topic\xd9\5ticks"
    _, request = mdp.decode_request([SENDER, C, b"\1", b"hulak.last", b"", packed], ID, LIMIT)
    assert arguments("hulak.last", **request.args).topic == "ticks"


@given(
    st.lists(
        st.binary(max_size=8)
        | st.sampled_from(
            [b"", b"\x80", b"\xde\0\0", b"\xde\0\1\xa4body\x91\xc4\1x", b"\x81\xa1a\x01", b"\x81\xa4body\x91\xc4\0"]
        ),
        min_size=1,
        max_size=4,
    )
)
def test_every_body_reaches_a_majordomo_worker_as_it_was_sent(body):
    assert mdp.write_task(*mdp.read_task(body)) == body


@pytest.mark.parametrize(
    ("value", "body"),
    [
        (b"x", [b"x"]),
        ("Nepal\u0113", ["Nepal\u0113".encode()]),
        ([b"x", b""], [b"x", b""]),
        ([], [b"\x90"]),
        ([b"x", "y"], [b"\x92\xc4\x01x\xa1y"]),
        ([b""] * 57, [codec.pack([b""] * 57)]),
        (None, [b"\xc0"]),
        ({"a": 1}, [b"\x81\xa1a\x01"]),
    ],
)
def test_a_value_becomes_one_frame_or_the_frames_it_is_an_array_of(value, body):
    assert mdp.write_value(value) == body


# A worker's frames


@pytest.mark.parametrize(("envelope", "first"), [([], b"\4"), ([b""], b"\5")])
def test_a_workers_commands_are_read_and_the_brokers_are_made_behind_its_own_envelope(envelope, first):
    def read(*rest):
        return mdp.decode_command([SENDER, *envelope, b"MDPW02", *rest])

    address = first + SENDER
    assert read(b"\x01", b"echo") == (address, mdp.READY, [b"echo"])
    assert read(b"\x03", GIVEN, b"", b"a", b"b") == (address, mdp.PARTIAL, [GIVEN, b"", b"a", b"b"])
    assert read(b"\x04", GIVEN, b"", b"a") == (address, mdp.FINAL, [GIVEN, b"", b"a"])
    assert read(b"\x05") == (address, mdp.HEARTBEAT, [])
    assert read(b"\x06") == (address, mdp.DISCONNECT, [])
    assert mdp.decode_answer([GIVEN, b"", b"a", b"b"], LIMIT) == (HeldTask(ID, 1), [b"a", b"b"])
    task = Task(ID, 1, "", {"body": [b"a", b"b"]}, 1, 2)
    assert mdp.encode_to_worker(address, task) == [SENDER, *envelope, b"MDPW02", b"\x02", GIVEN, b"", b"a", b"b"]
    assert mdp.encode_to_worker(address, BrokerHeartbeat(7, known=True)) == [SENDER, *envelope, b"MDPW02", b"\x05"]
    assert mdp.encode_to_worker(address, BrokerHeartbeat(7, known=False)) == [SENDER, *envelope, b"MDPW02", b"\x06"]


@pytest.mark.parametrize(
    ("rest", "code"),
    [
        ([], "BAD_FRAME"),
        ([b"\x01"], "BAD_FRAME"),
        ([b"\x01", b"echo", b"more"], "BAD_FRAME"),
        ([b"\x02", GIVEN, b"", b"x"], "BAD_KIND"),
        ([b"\x03", GIVEN, b""], "BAD_FRAME"),  # no body
        ([b"\x04", GIVEN, b""], "BAD_FRAME"),
        ([b"\x04", GIVEN, b"x", b"x"], "BAD_FRAME"),  # no empty frame
        ([b"\x05", b"x"], "BAD_FRAME"),
        ([b"\x06", b"x"], "BAD_FRAME"),
        ([b"\x07"], "BAD_KIND"),
    ],
)
def test_a_workers_frames_that_are_not_as_the_rfc_has_them_are_refused(rest, code):
    assert code_of(mdp.decode_command, [SENDER, W, *rest]) == code

"""Majordomo's frames as bytes, in both directions, and the broker's reactions."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from request_arguments import arguments

from hulak.bus.backoff import Backoff
from hulak.bus.broker.dialects import Dialects
from hulak.bus.broker.majordomo import REMEMBERED, Majordomo
from hulak.bus.core.effects import ToClient, ToWorker
from hulak.bus.core.tasks.dispatcher import Dispatcher
from hulak.bus.core.tasks.policy import Policy
from hulak.bus.errors import ProtocolError
from hulak.bus.wire import codec, fast_encode, mdp
from hulak.bus.wire.messages import BrokerHeartbeat, Error, HeldTask, Part, Reply, Request, Retire, Task

ID = bytes.fromhex("101112131415161718191a1b1c1d1e1f")
GIVEN = ID + b"\0\0\0\1"  # the client's address as a worker gets it: the task and the attempt
WHO = b"\0\1\2\3\4"
C, W = b"MDPC02", b"MDPW02"
LIMIT = 1000
DOCUMENT = (Path(__file__).resolve().parents[3] / "bus" / "PROTOCOL.md").read_text()


def code_of(function, *arguments):
    with pytest.raises(ProtocolError) as caught:
        function(*arguments)
    return caught.value.code


# A client's frames


@pytest.mark.parametrize(("envelope", "first"), [([], b"\2\5"), ([b""], b"\3\5")])
def test_a_clients_request_is_read_and_answered_behind_its_own_envelope(envelope, first):
    parts = [WHO, *envelope, b"MDPC02", b"\x01", b"echo", b"\xff", b"", b"two"]
    address, request = mdp.decode_request(parts, ID, LIMIT)
    assert address == first + WHO + b"echo"
    assert request == Request(ID, "echo", "", {"body": [b"\xff", b"", b"two"]})
    assert mdp.encode_to_client(address, Part(ID, 1, [b"a", b"b"])) == [WHO, *envelope, b"MDPC02", b"\x02", b"echo", b"a", b"b"]
    assert mdp.encode_to_client(address, Reply(ID, [b"a"])) == [WHO, *envelope, b"MDPC02", b"\x03", b"echo", b"a"]


def test_a_client_gets_a_failure_in_a_final_and_no_answer_to_an_expired_request():
    address, _ = mdp.decode_request([WHO, C, b"\x01", b"echo", b"x"], ID, LIMIT)
    frames = mdp.encode_to_client(address, Error(ID, "WORKER_LOST", "4 workers were lost"))
    assert frames == [WHO, b"MDPC02", b"\x03", b"echo", b"ERROR", b"WORKER_LOST", b"4 workers were lost"]
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
    assert code_of(mdp.decode_request, [WHO, C, *rest], ID, LIMIT) == code
    assert code_of(mdp.decode_request, [WHO, b"", C, *rest], ID, LIMIT) == code


# The document


def test_the_document_prints_the_frames_that_are_read_and_made():
    box = re.search(r"```majordomo\n(.*?)```", DOCUMENT, re.DOTALL)[1]
    printed = {
        name: [bytes.fromhex(frame.strip("-")) for frame in row.split()]
        for name, row in re.findall(r"^(\S+)\n    (.*)$", box, re.MULTILINE)
    }
    client, request = mdp.decode_request([WHO, *printed.pop("client-request")], ID, LIMIT)
    assert request == Request(ID, "echo", "", {"body": [b"hello"]})
    commands = [mdp.decode_command([WHO, *printed.pop(f"worker-{name}")]) for name in ("ready", "partial", "final")]
    assert [command for _, command, _ in commands] == [mdp.READY, mdp.PARTIAL, mdp.FINAL]
    worker = commands[0][0]
    assert mdp.decode_answer(commands[1][2], LIMIT) == mdp.decode_answer(commands[2][2], LIMIT) == (HeldTask(ID, 1), [b"world"])
    assert {name: [WHO, *frames] for name, frames in printed.items()} == {
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
    _, request = mdp.decode_request([WHO, C, b"\1", b"sums", b"add", packed], ID, LIMIT)
    assert request.action == "add"
    for_ours = codec.decode_to_worker(fast_encode.encode_own(Task(ID, 1, "add", request.args, 1, 2)))
    assert for_ours.args == args
    for_majordomo = mdp.encode_to_worker(bytes((mdp.OF_WORKER,)) + b"w", Task(ID, 1, "add", request.args, 1, 2))
    assert for_majordomo[-2:] == [b"add", packed]


def test_a_control_services_arguments_in_longer_forms_are_read():
    packed = b"\xde\0\1\xa5topic\xd9\5ticks"
    _, request = mdp.decode_request([WHO, C, b"\1", b"hulak.last", b"", packed], ID, LIMIT)
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
        return mdp.decode_command([WHO, *envelope, b"MDPW02", *rest])

    address = first + WHO
    assert read(b"\x01", b"echo") == (address, mdp.READY, [b"echo"])
    assert read(b"\x03", GIVEN, b"", b"a", b"b") == (address, mdp.PARTIAL, [GIVEN, b"", b"a", b"b"])
    assert read(b"\x04", GIVEN, b"", b"a") == (address, mdp.FINAL, [GIVEN, b"", b"a"])
    assert read(b"\x05") == (address, mdp.HEARTBEAT, [])
    assert read(b"\x06") == (address, mdp.DISCONNECT, [])
    assert mdp.decode_answer([GIVEN, b"", b"a", b"b"], LIMIT) == (HeldTask(ID, 1), [b"a", b"b"])
    task = Task(ID, 1, "", {"body": [b"a", b"b"]}, 1, 2)
    assert mdp.encode_to_worker(address, task) == [WHO, *envelope, b"MDPW02", b"\x02", GIVEN, b"", b"a", b"b"]
    assert mdp.encode_to_worker(address, BrokerHeartbeat(7, known=True)) == [WHO, *envelope, b"MDPW02", b"\x05"]
    assert mdp.encode_to_worker(address, BrokerHeartbeat(7, known=False)) == [WHO, *envelope, b"MDPW02", b"\x06"]


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
    assert code_of(mdp.decode_command, [WHO, W, *rest]) == code


@given(
    st.lists(
        st.sampled_from([b"", C, W, *map(bytes, ([byte] for byte in range(8))), GIVEN, b"echo", b"\xff"]) | st.binary(),
        max_size=9,
    )
)
def test_whatever_frames_come_they_are_read_or_refused(rest):
    fixture = MajordomoFixture()
    for dialect in (C, W):
        for parts in ([WHO, dialect, *rest], [WHO, b"", dialect, *rest], [WHO, *rest, b""]):
            try:
                address, [request], _ = fixture.peers.requests(parts)
                assert isinstance(request, Request)
                assert mdp.of_majordomo(address) == mdp.speaks(parts, C)
            except ProtocolError as error:
                fixture.peers.unread(parts, error)
            try:
                fixture.peers.command(100.0, parts)
            except ProtocolError as error:
                fixture.peers.refused(100.0, parts, error)


def test_a_refused_ready_without_an_envelope_is_not_answered():
    fixture = MajordomoFixture()
    error = ProtocolError("BAD_FRAME", "2 frames")
    for parts in ([WHO, C, b"Y"], [WHO, b"", b"", b"Y"], [WHO]):
        assert fixture.peers.refused(100.0, parts, error) == []
    assert len(fixture.peers.refused(100.0, [WHO, b"Y"], error)) == 1
    assert len(fixture.peers.refused(100.0, [WHO, b"", b"Y"], error)) == 1


# The broker's reactions


class MajordomoFixture:
    """The second dialect of a dispatcher whose effects become the frames that would be sent."""

    def __init__(self):
        policy = Policy(heartbeat_s=0.25, lease_s=1.5, soft_s=20.0, hard_s=40.0, timeout_s=60.0, retries=3)
        self.now = 100.0
        self.core = Dispatcher(7, policy, Backoff(0.5, 60.0, lambda: 0.5), self.now)
        self.dialect = Majordomo(self.core, 7.5, LIMIT)
        self.peers = Dialects(self.core, self.dialect, lambda: ID, lambda *_: None)

    def sent(self, effects):
        """Return what goes out, without empty messages."""
        messages = [effect for effect in effects if isinstance(effect, ToClient | ToWorker)]
        return [parts for message in messages for parts in self.peers.encode(message.identity, message.message)]

    def worker(self, *rest, who=WHO):
        parts = [who, W, *rest]
        try:
            return self.sent(self.peers.command(self.now, parts))
        except ProtocolError as error:
            return [error.code, *self.sent(self.peers.refused(self.now, parts, error))]

    def client(self, *body, service=b"echo", who=b"c"):
        address, [request], _ = self.peers.requests([who, C, b"\1", service, *body])
        return self.sent(self.core.request(self.now, address, request))

    def pass_time(self, seconds):
        self.now += seconds
        return self.sent(self.core.advance(self.now))

    def workers(self):
        return [worker.service for worker in self.core.roster]


@pytest.fixture
def fixture():
    return MajordomoFixture()


HEARD, GONE = [WHO, W, b"\5"], [WHO, W, b"\6"]
GIVE = [WHO, W, b"\2", GIVEN, b"", b"hello"]


def test_a_worker_gets_one_request_at_a_time_and_is_ready_again_after_its_final(fixture):
    assert fixture.worker(b"\1", b"echo") == [HEARD]
    assert fixture.client(b"hello") == [GIVE]
    assert fixture.worker(b"\3", GIVEN, b"", b"a", b"b") == [[b"c", C, b"\2", b"echo", b"a", b"b"]]
    assert fixture.worker(b"\4", GIVEN, b"", b"bye") == [[b"c", C, b"\3", b"echo", b"bye"]]
    assert fixture.client(b"hello") == [GIVE]
    assert fixture.core.roster.at(b"\4" + WHO).credit == 1


def test_parts_for_our_own_clients_are_numbered_within_an_attempt(fixture):
    fixture.worker(b"\1", b"echo")
    fixture.core.request(fixture.now, b"\0me", Request(ID, "echo", "", {"body": [b"x"]}))
    parts = [fixture.peers.command(fixture.now, [WHO, W, b"\3", GIVEN, b"", b"a"])[0].message for _ in range(2)]
    assert parts == [Part(ID, 1, [b"a"]), Part(ID, 2, [b"a"])]
    [end] = fixture.peers.command(fixture.now, [WHO, W, b"\4", GIVEN, b"", b"a"])[:1]
    assert end.message == Reply(ID, [b"a"])


def test_its_silence_is_tolerated_for_its_own_lease_and_any_command_renews_it(fixture):
    fixture.worker(b"\1", b"echo")
    fixture.client(b"hello")
    fixture.pass_time(7.0)
    fixture.worker(b"\3", GIVEN, b"", b"a")
    fixture.pass_time(7.0)
    assert fixture.worker(b"\5") == []
    assert fixture.pass_time(7.4) == [HEARD]
    assert fixture.workers() == ["echo"]
    fixture.pass_time(0.3)
    assert fixture.workers() == []
    assert fixture.core.tasks[ID].state.value == "queued"


@pytest.mark.parametrize(
    "unexpected",
    [
        [b"\1", b"echo"],
        [b"\4", ID + b"\0\0\0\2", b"", b"x"],
        [b"\3", b"somebody", b"", b"x"],
    ],
)
def test_an_unexpected_command_disconnects_and_nothing_more_goes_to_that_worker(fixture, unexpected):
    fixture.worker(b"\1", b"echo")
    fixture.client(b"hello")
    assert fixture.worker(*unexpected) == ["UNEXPECTED", GONE]
    assert fixture.worker(b"\5") == []
    assert fixture.worker(b"\4", GIVEN, b"", b"x") == []
    assert fixture.core.counters["late"] == 1
    assert fixture.pass_time(1.0) == []
    assert fixture.worker(b"\1", b"echo")[-1][:4] == [WHO, W, b"\2", ID + b"\0\0\0\2"]  # it starts again, and gets the task again


def test_a_worker_whose_answer_cannot_be_read_is_disconnected_since_the_task_would_hang_on_it(fixture):
    fixture.worker(b"\1", b"echo")
    fixture.worker(b"\1", b"echo", who=b"other")
    fixture.client(b"hello")
    assert fixture.worker(b"\4", GIVEN, b"") == ["BAD_FRAME", [b"other", W, b"\2", ID + b"\0\0\0\2", b"", b"hello"], GONE]


def test_a_strangers_bytes_are_refused_without_an_answer(fixture):
    assert fixture.worker(b"\x09") == ["BAD_KIND"]
    assert fixture.worker(b"\1", b"echo", b"more") == ["BAD_FRAME"]


@pytest.mark.parametrize("command", [[b"\5"], [b"\3", GIVEN, b"", b"x"], [b"\4", GIVEN, b"", b"x"]])
def test_an_unknown_worker_is_disconnected_so_that_it_registers(fixture, command):
    assert fixture.worker(*command) == [GONE]
    assert fixture.worker(b"\6") == []
    assert fixture.worker(b"\1", b"echo") == [HEARD]


def test_only_so_many_disconnected_workers_are_remembered(fixture):
    for number in range(REMEMBERED + 1):
        fixture.worker(b"\5", who=number.to_bytes(5, "big"))
    assert fixture.worker(b"\5", who=(1).to_bytes(5, "big")) == []
    assert fixture.worker(b"\5", who=bytes(5)) == [[bytes(5), W, b"\6"]]


def test_a_workers_disconnect_is_a_goodbye(fixture):
    fixture.worker(b"\1", b"echo")
    fixture.client(b"hello")
    assert fixture.worker(b"\6") == []
    assert fixture.workers() == []
    assert fixture.core.counters["lost_workers"] == 0
    assert fixture.worker(b"\1", b"echo", who=b"other")[-1][:4] == [b"other", W, b"\2", ID + b"\0\0\0\2"]


@pytest.mark.parametrize("service", [b"mmi.service", b"mmi.", b"hulak.ping"])
def test_a_worker_that_registers_a_service_of_the_brokers_is_disconnected(fixture, service):
    assert fixture.worker(b"\1", service) == ["NOT_YOURS", GONE]
    assert fixture.workers() == []


def test_a_worker_past_the_hard_limit_is_disconnected(fixture):
    fixture.worker(b"\1", b"echo")
    fixture.client(b"hello")
    for _ in range(6):
        fixture.pass_time(6.0)
        fixture.worker(b"\5")
    assert GONE in fixture.pass_time(4.1)
    assert fixture.worker(b"\5") == []


def test_a_retired_worker_is_disconnected_when_it_holds_nothing(fixture):
    fixture.worker(b"\1", b"echo")
    fixture.client(b"hello")
    [name] = [worker.name for worker in fixture.core.roster]
    assert fixture.sent(fixture.core.retire(name, "an operator asked for it")) == []
    assert fixture.worker(b"\5") == []
    assert fixture.worker(b"\4", GIVEN, b"", b"bye") == [[b"c", C, b"\3", b"echo", b"bye"], GONE]
    assert fixture.workers() == []


def test_all_workers_of_the_dialect_are_disconnected_when_the_broker_stops(fixture):
    fixture.worker(b"\1", b"echo")
    assert fixture.sent(fixture.dialect.farewell()) == [GONE]
    assert fixture.peers.encode(b"\4" + WHO, Retire("x")) == []  # it is registered still: it may be at work


def test_the_broker_answers_which_services_there_are(fixture):
    def ask(service, *body):
        _, [request], _ = fixture.peers.requests([b"c", C, b"\1", service, *body])
        return fixture.dialect.inform(request, {"hulak.ping"})

    fixture.worker(b"\1", b"echo")
    assert ask(b"mmi.service", b"echo") == b"200"
    assert ask(b"mmi.service", b"hulak.ping") == b"200"
    assert ask(b"mmi.service", b"ech") == b"404"
    assert ask(b"mmi.service", b"\xff") == b"404"
    assert ask(b"mmi.workers", b"echo") == b"501"

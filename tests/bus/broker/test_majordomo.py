"""The broker's reactions to Majordomo's frames."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from majordomo_fixture import GIVEN, ID, SENDER, C, MajordomoFixture, W

from hulak.bus.broker.majordomo import REMEMBERED
from hulak.bus.errors import ProtocolError
from hulak.bus.wire import mdp
from hulak.bus.wire.messages import Part, Reply, Request, Retire


@pytest.fixture
def fixture():
    return MajordomoFixture()


HEARTBEAT, GONE = [SENDER, W, b"\5"], [SENDER, W, b"\6"]
GIVE = [SENDER, W, b"\2", GIVEN, b"", b"hello"]


def test_a_worker_gets_one_request_at_a_time_and_is_ready_again_after_its_final(fixture):
    assert fixture.worker(b"\1", b"echo") == [HEARTBEAT]
    assert fixture.client(b"hello") == [GIVE]
    assert fixture.worker(b"\3", GIVEN, b"", b"a", b"b") == [[b"c", C, b"\2", b"echo", b"a", b"b"]]
    assert fixture.worker(b"\4", GIVEN, b"", b"bye") == [[b"c", C, b"\3", b"echo", b"bye"]]
    assert fixture.client(b"hello") == [GIVE]
    assert fixture.core.roster.at(b"\4" + SENDER).credit == 1


def test_parts_for_our_own_clients_are_numbered_within_an_attempt(fixture):
    fixture.worker(b"\1", b"echo")
    fixture.core.request(fixture.now, b"\0me", Request(ID, "echo", "", {"body": [b"x"]}))
    parts = [fixture.peers.command(fixture.now, [SENDER, W, b"\3", GIVEN, b"", b"a"])[0].message for _ in range(2)]
    assert parts == [Part(ID, 1, [b"a"]), Part(ID, 2, [b"a"])]
    [end] = fixture.peers.command(fixture.now, [SENDER, W, b"\4", GIVEN, b"", b"a"])[:1]
    assert end.message == Reply(ID, [b"a"])


def test_its_silence_is_tolerated_for_its_own_lease_and_any_command_renews_it(fixture):
    fixture.worker(b"\1", b"echo")
    fixture.client(b"hello")
    fixture.pass_time(7.0)
    fixture.worker(b"\3", GIVEN, b"", b"a")
    fixture.pass_time(7.0)
    assert fixture.worker(b"\5") == []
    assert fixture.pass_time(7.4) == [HEARTBEAT]
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
    assert fixture.worker(b"\1", b"echo")[-1][:4] == [
        SENDER,
        W,
        b"\2",
        ID + b"\0\0\0\2",
    ]  # it starts again, and gets the task again


def test_a_worker_whose_answer_cannot_be_read_is_disconnected_since_the_task_would_hang_on_it(fixture):
    fixture.worker(b"\1", b"echo")
    fixture.worker(b"\1", b"echo", sender=b"other")
    fixture.client(b"hello")
    assert fixture.worker(b"\4", GIVEN, b"") == ["BAD_FRAME", [b"other", W, b"\2", ID + b"\0\0\0\2", b"", b"hello"], GONE]


def test_bytes_of_an_unknown_peer_are_refused_without_an_answer(fixture):
    assert fixture.worker(b"\x09") == ["BAD_KIND"]
    assert fixture.worker(b"\1", b"echo", b"more") == ["BAD_FRAME"]


@pytest.mark.parametrize("command", [[b"\5"], [b"\3", GIVEN, b"", b"x"], [b"\4", GIVEN, b"", b"x"]])
def test_an_unknown_worker_is_disconnected_so_that_it_registers(fixture, command):
    assert fixture.worker(*command) == [GONE]
    assert fixture.worker(b"\6") == []
    assert fixture.worker(b"\1", b"echo") == [HEARTBEAT]


def test_only_so_many_disconnected_workers_are_remembered(fixture):
    for number in range(REMEMBERED + 1):
        fixture.worker(b"\5", sender=number.to_bytes(5, "big"))
    assert fixture.worker(b"\5", sender=(1).to_bytes(5, "big")) == []
    assert fixture.worker(b"\5", sender=bytes(5)) == [[bytes(5), W, b"\6"]]


def test_a_workers_disconnect_is_a_goodbye(fixture):
    fixture.worker(b"\1", b"echo")
    fixture.client(b"hello")
    assert fixture.worker(b"\6") == []
    assert fixture.workers() == []
    assert fixture.core.counters["lost_workers"] == 0
    assert fixture.worker(b"\1", b"echo", sender=b"other")[-1][:4] == [b"other", W, b"\2", ID + b"\0\0\0\2"]


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
    assert fixture.sent(fixture.dialect.disconnect_all()) == [GONE]
    assert fixture.peers.encode(b"\4" + SENDER, Retire("x")) == []  # it is registered still: it may be at work


def test_the_broker_answers_which_services_there_are(fixture):
    def ask(service, *body):
        _, [request], _ = fixture.peers.requests([b"c", C, b"\1", service, *body])
        return fixture.dialect.inform(request, {"hulak.ping"}, lambda service: service in may_see)

    may_see = set()
    fixture.worker(b"\1", b"echo")
    assert ask(b"mmi.service", b"echo") == b"404"
    may_see.add("echo")
    assert ask(b"mmi.service", b"echo") == b"200"
    assert ask(b"mmi.service", b"hulak.ping") == b"200"
    assert ask(b"mmi.service", b"ech") == b"404"
    assert ask(b"mmi.service", b"\xff") == b"404"
    assert ask(b"mmi.workers", b"echo") == b"501"


# Any frames


@given(
    st.lists(
        st.sampled_from([b"", C, W, *map(bytes, ([byte] for byte in range(8))), GIVEN, b"echo", b"\xff"]) | st.binary(),
        max_size=9,
    )
)
def test_whatever_frames_come_they_are_read_or_refused(rest):
    fixture = MajordomoFixture()
    for dialect in (C, W):
        for parts in ([SENDER, dialect, *rest], [SENDER, b"", dialect, *rest], [SENDER, *rest, b""]):
            try:
                address, [request], _ = fixture.peers.requests(parts)
                assert isinstance(request, Request)
                assert mdp.of_majordomo(address) == mdp.is_dialect(parts, C)
            except ProtocolError as error:
                fixture.peers.unread(parts, error)
            try:
                fixture.peers.command(100.0, parts)
            except ProtocolError as error:
                fixture.peers.refused(100.0, parts, error)


def test_a_refused_ready_without_an_envelope_is_not_answered():
    fixture = MajordomoFixture()
    error = ProtocolError("BAD_FRAME", "2 frames")
    for parts in ([SENDER, C, b"Y"], [SENDER, b"", b"", b"Y"], [SENDER]):
        assert fixture.peers.refused(100.0, parts, error) == []
    assert len(fixture.peers.refused(100.0, [SENDER, b"Y"], error)) == 1
    assert len(fixture.peers.refused(100.0, [SENDER, b"", b"Y"], error)) == 1

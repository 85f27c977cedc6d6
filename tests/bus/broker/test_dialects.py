"""Who is spoken with how: single messages, several in a frame, with and without an empty frame in front."""

import msgpack
import pytest

from hulak.bus.backoff import Backoff
from hulak.bus.broker.dialects import Dialects
from hulak.bus.broker.majordomo import Majordomo
from hulak.bus.core.effects import ToClient, ToWorker
from hulak.bus.core.tasks.dispatcher import Dispatcher
from hulak.bus.core.tasks.policy import Policy
from hulak.bus.errors import ProtocolError
from hulak.bus.wire import batch_frames, codec, mdp
from hulak.bus.wire.messages import BrokerHeartbeat, Ready, Reply, Request, Result, Task, WorkerHeartbeat


def request(number):
    return Request(number.to_bytes(16), "sums", "add", {"n": number}, {"timeout_ms": 5000})


def result(number):
    return Result(number.to_bytes(16), 1, True, number)


REQUESTS = batch_frames.encode([request(1), request(2)])[0]
TASKS = [Task(number.to_bytes(16), 1, "add", {"n": number}, 60_000, 75_000) for number in (1, 2)]
WRONG = b"\x91\x01"  # an array of one number, where a message should be


class DialectsFixture:
    def __init__(self):
        self.core = Dispatcher(7, Policy(), Backoff(0.5, 60.0, lambda: 0.5), 100.0)
        self.rejected = []
        self.dialects = Dialects(
            self.core, Majordomo(self.core, 7.5, 1 << 20), lambda: bytes(16), lambda *told: self.rejected.append(told)
        )

    def worker(self, identity=b"w", **info):
        self.dialects.command(100.0, [identity, codec.encode(Ready("sums", identity.decode(), 8, (), info))])

    def sent(self, effects):
        told = [one for one in effects if isinstance(one, ToClient | ToWorker)]
        return [parts for one in told for parts in self.dialects.encode(one.identity, one.message)]


@pytest.fixture
def fixture():
    return DialectsFixture()


@pytest.mark.parametrize("envelope", [[], [b""]], ids=["plain", "envelope"])
def test_who_sends_several_requests_gets_several_replies_and_errors_alone(fixture, envelope):
    address, requests, unread = fixture.dialects.requests([b"c", *envelope, REQUESTS])
    assert (requests, unread) == ([request(1), request(2)], [])
    replies = [Reply(one.id, 5) for one in requests]
    assert fixture.dialects.encode(address, replies) == [[b"c", *envelope, batch_frames.encode(replies)[0]]]
    assert fixture.dialects.encode(address, replies[0]) == [[b"c", *envelope, codec.encode(replies[0])]]


@pytest.mark.parametrize("envelope", [[], [b""]], ids=["plain", "envelope"])
def test_who_sends_single_requests_gets_single_replies(fixture, envelope):
    address, [one], _ = fixture.dialects.requests([b"c", *envelope, codec.encode(request(1))])
    replies = [Reply(one.id, 5), Reply(one.id, 6)]
    assert fixture.dialects.encode(address, replies) == [[b"c", *envelope, codec.encode(reply)] for reply in replies]


def test_one_request_among_several_that_cannot_be_read_is_answered_by_itself(fixture):
    frame = b"q" + codec.array_header(3) + codec.encode(request(1))[1:] + WRONG + codec.encode(request(2))[1:]
    _, requests, [(parts, error)] = fixture.dialects.requests([b"c", frame])
    assert requests == [request(1), request(2)]
    assert (parts, error.code) == ([b"c", b"Q" + WRONG], "BAD_BODY")
    [answer] = fixture.dialects.unread(parts, error)
    assert (answer.identity, answer.message.id, answer.message.code) == (b"\0c", None, "BAD_BODY")


def test_what_is_no_array_of_requests_is_refused_as_a_whole(fixture):
    with pytest.raises(ProtocolError):
        fixture.dialects.requests([b"c", b"q\xc0"])


def test_a_worker_gets_several_tasks_in_a_frame_only_if_it_said_so(fixture):
    fixture.worker(b"one", several=True)
    fixture.worker(b"other")
    fixture.worker(b"odd", several="yes")
    assert fixture.dialects.encode(b"\0one", TASKS) == [[b"one", batch_frames.encode(TASKS)[0]]]
    for plain in (b"other", b"odd", b"unknown"):
        assert fixture.dialects.encode(b"\0" + plain, TASKS) == [[plain, codec.encode(task)] for task in TASKS]


def test_several_results_end_their_tasks_and_one_that_is_wrong_is_told_of(fixture):
    fixture.worker(b"w", several=True)
    address, requests, _ = fixture.dialects.requests([b"c", REQUESTS])
    assert fixture.sent(fixture.core.requests(100.0, address, requests)) == [[b"w", batch_frames.encode(TASKS)[0]]]
    frame = b"r" + codec.array_header(3) + codec.encode(result(1))[1:] + WRONG + codec.encode(result(2))[1:]
    answered = fixture.sent(fixture.dialects.command(100.1, [b"w", frame]))
    assert answered == [[b"c", batch_frames.encode([Reply((1).to_bytes(16), 1), Reply((2).to_bytes(16), 2)])[0]]]
    assert [(identity, error.code) for identity, error in fixture.rejected] == [(b"w", "BAD_BODY")]


def test_several_results_of_a_stranger_are_answered_as_one_would_be(fixture):
    effects = fixture.dialects.command(100.0, [b"x", batch_frames.encode([result(1), result(2)])[0]])
    assert effects == [ToWorker(b"\0x", BrokerHeartbeat(7, known=False))]


def test_majordomo_gets_what_goes_out_together_one_by_one(fixture):
    fixture.dialects.command(100.0, [b"m", mdp.WORKER, mdp.READY, b"sums"])
    identity = next(iter(fixture.core.roster)).identity
    assert len(fixture.dialects.encode(identity, TASKS)) == 2


@pytest.mark.parametrize("as_several", [False, True])
def test_a_result_that_cannot_be_read_ends_its_attempt_for_good(fixture, as_several):
    fixture.worker(b"w", several=True)
    fixture.core.request(100.0, b"\0c", request(1))
    body = b"\x94\xc4\x10" + request(1).id + b"\x01\xc3\xa3\xed\xa0\x80"  # its value is a text that is no UTF-8
    if as_several:  # where the bytes of each are found before they are read
        body = b"\x94\xc4\x10" + request(1).id + b"\x01\x05\xc0"
    effects = fixture.dialects.command(100.0, [b"w", b"r\x91" + body if as_several else b"R" + body])
    [told] = [one for one in effects if isinstance(one, ToClient)]
    assert (told.message.id, told.message.code) == (request(1).id, "BAD_BODY")
    assert [error.code for _, error in fixture.rejected] == ["BAD_BODY"]
    assert fixture.core.tasks == {}
    assert [one for one in fixture.dialects.command(100.0, [b"w", b"R" + body]) if isinstance(one, ToClient)] == []


@pytest.mark.parametrize("envelope", [[], [b""]], ids=["plain", "envelope"])
def test_a_ready_that_is_refused_is_answered_and_other_refused_messages_are_not(fixture, envelope):
    for frame, answered in ((b"Y\x91\x01", True), (b"H\x91\x01", False), (b"?", False)):
        parts = [b"w", *envelope, frame]
        with pytest.raises(ProtocolError) as caught:
            fixture.dialects.command(100.0, parts)
        told = fixture.sent(fixture.dialects.refused(100.0, parts, caught.value))
        assert len(told) == answered
        if told:
            error = codec.decode_to_worker(told[0][-1])
            assert (told[0][:-1], error.id, error.code) == ([b"w", *envelope], None, "BAD_BODY")
    assert fixture.dialects.refused(100.0, [b"w", b"", b"", b"Y"], caught.value) == []


def test_an_empty_array_is_an_empty_map_and_the_other_way_round():
    target = b"\xa4sums\xa3add"
    asked = codec.decode_from_client(b"Q\x95\xc4\x10" + bytes(16) + target + b"\x90\x90")
    assert asked == Request(bytes(16), "sums", "add", {}, {})
    assert batch_frames.read_requests(b"q\x91\x95\xc4\x10" + bytes(16) + target + b"\x90\x90") == ([asked], [])
    assert codec.decode_from_worker(b"Y\x95\xa4sums\xa1w\x01\x80\x90") == Ready("sums", "w", 1, (), {})
    assert codec.decode_from_worker(b"H\x92\x80\x90") == WorkerHeartbeat((), {})
    for wrong in (b"Q\x95\xc4\x10" + bytes(16) + target + b"\x91\x01\x80", b"Q\x95\xc4\x10" + bytes(16) + target + b"\x80\xc0"):
        with pytest.raises(ProtocolError):
            codec.decode_from_client(wrong)


@pytest.mark.parametrize("attempt", [None, True, 1.0, -1, "1", [1]])
def test_a_result_that_cannot_be_read_ends_no_attempt_that_it_does_not_name(attempt):
    fixture = DialectsFixture()
    fixture.core.ready(100.0, b"\0w", Ready("sums", "sums/1", 4))
    fixture.core.request(100.0, b"\0c", request(1))
    for task in (1, 2):  # one that the worker holds, and one that it does not
        frame = Result.KIND + msgpack.packb([task.to_bytes(16), attempt, "not a truth value", 1])
        assert fixture.dialects.command(100.0, [b"w", frame]) == []
    assert fixture.core.roster.at(b"\0w").held == {(1).to_bytes(16): 1}
    assert len(fixture.rejected) == 2

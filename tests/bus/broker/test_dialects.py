"""The dialects of peers: single messages and batches, with and without an empty frame in front."""

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
            self.core, Majordomo(self.core, 7.5, 1 << 20), lambda: bytes(16), lambda *rejection: self.rejected.append(rejection)
        )

    def worker(self, identity=b"w", **info):
        self.dialects.command(100.0, [identity, codec.encode(Ready("sums", identity.decode(), 8, (), info))])

    def sent(self, effects):
        messages = [effect for effect in effects if isinstance(effect, ToClient | ToWorker)]
        return [parts for effect in messages for parts in self.dialects.encode(effect.identity, effect.message)]


@pytest.fixture
def fixture():
    return DialectsFixture()


@pytest.mark.parametrize("envelope", [[], [b""]], ids=["plain", "envelope"])
def test_a_client_that_sends_a_batch_gets_replies_in_a_batch_and_errors_alone(fixture, envelope):
    address, requests, unread = fixture.dialects.requests([b"c", *envelope, REQUESTS])
    assert (requests, unread) == ([request(1), request(2)], [])
    replies = [Reply(single.id, 5) for single in requests]
    assert fixture.dialects.encode(address, replies) == [[b"c", *envelope, batch_frames.encode(replies)[0]]]
    assert fixture.dialects.encode(address, replies[0]) == [[b"c", *envelope, codec.encode(replies[0])]]


@pytest.mark.parametrize("envelope", [[], [b""]], ids=["plain", "envelope"])
def test_a_client_that_sends_single_requests_gets_single_replies(fixture, envelope):
    address, [single], _ = fixture.dialects.requests([b"c", *envelope, codec.encode(request(1))])
    replies = [Reply(single.id, 5), Reply(single.id, 6)]
    assert fixture.dialects.encode(address, replies) == [[b"c", *envelope, codec.encode(reply)] for reply in replies]


def test_a_malformed_request_in_a_batch_is_answered_by_itself(fixture):
    frame = b"q" + codec.array_header(3) + codec.encode(request(1))[1:] + WRONG + codec.encode(request(2))[1:]
    _, requests, [(parts, error)] = fixture.dialects.requests([b"c", frame])
    assert requests == [request(1), request(2)]
    assert (parts, error.code) == ([b"c", b"Q" + WRONG], "BAD_BODY")
    [answer] = fixture.dialects.unread(parts, error)
    assert (answer.identity, answer.message.id, answer.message.code) == (b"\0c", None, "BAD_BODY")


def test_a_frame_that_is_no_array_of_requests_is_refused_as_a_whole(fixture):
    with pytest.raises(ProtocolError):
        fixture.dialects.requests([b"c", b"q\xc0"])


def test_a_worker_gets_tasks_in_batches_only_if_it_accepts_them(fixture):
    fixture.worker(b"one", several=True)
    fixture.worker(b"other")
    fixture.worker(b"odd", several="yes")
    assert fixture.dialects.encode(b"\0one", TASKS) == [[b"one", batch_frames.encode(TASKS)[0]]]
    for plain in (b"other", b"odd", b"unknown"):
        assert fixture.dialects.encode(b"\0" + plain, TASKS) == [[plain, codec.encode(task)] for task in TASKS]


def test_results_in_a_batch_end_their_tasks_and_a_malformed_one_is_reported(fixture):
    fixture.worker(b"w", several=True)
    address, requests, _ = fixture.dialects.requests([b"c", REQUESTS])
    assert fixture.sent(fixture.core.requests(100.0, address, requests)) == [[b"w", batch_frames.encode(TASKS)[0]]]
    frame = b"r" + codec.array_header(3) + codec.encode(result(1))[1:] + WRONG + codec.encode(result(2))[1:]
    answered = fixture.sent(fixture.dialects.command(100.1, [b"w", frame]))
    assert answered == [[b"c", batch_frames.encode([Reply((1).to_bytes(16), 1), Reply((2).to_bytes(16), 2)])[0]]]
    assert [(identity, error.code) for identity, error in fixture.rejected] == [(b"w", "BAD_BODY")]


def test_a_batch_of_results_of_an_unregistered_worker_is_answered_like_a_single_one(fixture):
    effects = fixture.dialects.command(100.0, [b"x", batch_frames.encode([result(1), result(2)])[0]])
    assert effects == [ToWorker(b"\0x", BrokerHeartbeat(7, known=False))]


def test_majordomo_peers_get_the_messages_of_a_batch_one_by_one(fixture):
    fixture.dialects.command(100.0, [b"m", mdp.WORKER, mdp.READY, b"sums"])
    identity = next(iter(fixture.core.roster)).identity
    assert len(fixture.dialects.encode(identity, TASKS)) == 2


@pytest.mark.parametrize("as_several", [False, True])
def test_a_malformed_result_ends_its_attempt_for_good(fixture, as_several):
    fixture.worker(b"w", several=True)
    fixture.core.request(100.0, b"\0c", request(1))
    body = b"\x94\xc4\x10" + request(1).id + b"\x01\xc3\xa3\xed\xa0\x80"  # its value is a text that is no UTF-8
    if as_several:  # where the bytes of each are found before they are read
        body = b"\x94\xc4\x10" + request(1).id + b"\x01\x05\xc0"
    effects = fixture.dialects.command(100.0, [b"w", b"r\x91" + body if as_several else b"R" + body])
    [answer] = [effect for effect in effects if isinstance(effect, ToClient)]
    assert (answer.message.id, answer.message.code) == (request(1).id, "BAD_BODY")
    assert [error.code for _, error in fixture.rejected] == ["BAD_BODY"]
    assert fixture.core.tasks == {}
    assert [effect for effect in fixture.dialects.command(100.0, [b"w", b"R" + body]) if isinstance(effect, ToClient)] == []


@pytest.mark.parametrize("envelope", [[], [b""]], ids=["plain", "envelope"])
def test_a_ready_that_is_refused_is_answered_and_other_refused_messages_are_not(fixture, envelope):
    for frame, answered in ((b"Y\x91\x01", True), (b"H\x91\x01", False), (b"?", False)):
        parts = [b"w", *envelope, frame]
        with pytest.raises(ProtocolError) as caught:
            fixture.dialects.command(100.0, parts)
        answers = fixture.sent(fixture.dialects.refused(100.0, parts, caught.value))
        assert len(answers) == answered
        if answers:
            error = codec.decode_to_worker(answers[0][-1])
            assert (answers[0][:-1], error.id, error.code) == ([b"w", *envelope], None, "BAD_BODY")
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
def test_a_malformed_result_does_not_end_another_attempt(attempt):
    fixture = DialectsFixture()
    fixture.core.ready(100.0, b"\0w", Ready("sums", "sums/1", 4))
    fixture.core.request(100.0, b"\0c", request(1))
    for task in (1, 2):  # the worker holds the first, and not the second
        frame = Result.KIND + msgpack.packb([task.to_bytes(16), attempt, "not a truth value", 1])
        assert fixture.dialects.command(100.0, [b"w", frame]) == []
    assert fixture.core.roster.at(b"\0w").held == {(1).to_bytes(16): 1}
    assert len(fixture.rejected) == 2

"""The calls of one connection: matching of replies, repeats, and expiry; time is a number."""

import math

import pytest

from hulak.bus.errors import BusError, BusTimeout, TaskFailed
from hulak.bus.process.requests import draw_ids
from hulak.bus.wire import batch_frames, codec
from hulak.bus.wire.messages import ID_BYTES, Error, Part, Reply, Request
from hulak.clients.calls.future import Future
from hulak.clients.calls.pending import GRACE_S, PendingCalls, kind_of, parts_of

NEW_ID = draw_ids()


class Waits:
    """A client whose waiting does what the test says."""

    def __init__(self, pending, then=lambda: None):
        self.pending, self.then = pending, then

    def wait_for(self, future, deadline):
        del future, deadline
        self.then()

    def give_up(self, future):
        self.pending.forget(future)


@pytest.fixture
def pending():
    return PendingCalls("tcp://127.0.0.1:1")


def begin(pending, now=100.0, timeout_s=60.0, then=lambda: None, on_part=None, on_restart=None):
    call_id = NEW_ID()
    frame = kind_of("noop", "noop", timeout_s).encode(call_id, {"n": 1})
    future = Future(
        call_id, frame, "noop noop", timeout_s, parts_of(on_part, on_restart), Waits(pending, then), now + timeout_s + GRACE_S
    )
    pending.add(future)
    return future


def answer(pending, message):
    return pending.take(codec.encode(message))


def test_answers_find_their_calls_in_whatever_order_they_come(pending):
    futures = [begin(pending) for _ in range(3)]
    for number in (2, 0, 1):
        assert answer(pending, Reply(futures[number].id, number))
    assert [future.result() for future in futures] == [0, 1, 2]
    assert len(pending) == 0


def test_several_answers_come_in_one_frame_and_each_ends_its_call(pending):
    futures = [begin(pending) for _ in range(3)]
    first, second, third = (b"\xc4\x10" + future.id for future in futures)
    assert pending.take(b"r\x92\x92" + third + b"\x03\x92" + first + b"\xa3one") == 2
    assert pending.take(b"r\x90") == 0
    assert (futures[0].result(), futures[1].done(), futures[2].result()) == ("one", False, 3)
    assert pending.take(b"r\x91\x92" + second + b"\xc0") == 1
    assert len(pending) == 0


def test_several_answers_are_taken_in_their_order(pending):
    values = []
    futures = [begin(pending) for _ in range(20)]
    for future in futures:
        future.add_done_callback(lambda item: values.append(item.result()))
    replies = [Reply(future.id, number) for number, future in enumerate(futures)][::-1]
    (frame,) = batch_frames.encode(replies)
    assert pending.take(frame) == 20
    assert values == list(range(20))[::-1]


def test_a_batch_may_contain_answers_to_expired_calls(pending):
    first, second, third = (begin(pending) for _ in range(3))
    second.cancel()
    (frame,) = batch_frames.encode([Reply(first.id, 1), Reply(second.id, 2), Reply(third.id, 3), Reply(bytes(16), 4)])
    assert pending.take(frame) == 2
    assert pending.take(frame) == 0
    assert (first.result(), second.cancelled(), third.result()) == (1, True, 3)


def test_a_bad_answer_among_good_ones_is_raised_after_the_good_ones_were_handled(pending):
    first, second = begin(pending), begin(pending)
    good = [b"\x92\xc4\x10" + future.id + b"\x07" for future in (first, second)]
    with pytest.raises(BusError, match="malformed") as caught:
        pending.take(b"r\x93" + good[0] + b"\x92\x05\x05" + good[1])
    assert caught.value.code == "BAD_ID"
    assert (first.result(), second.result()) == (7, 7)
    with pytest.raises(BusError, match="malformed"):
        pending.take(b"r\x05")


def test_a_callback_may_begin_calls_while_several_answers_are_taken(pending):
    futures, more = [begin(pending) for _ in range(3)], []
    for future in futures:
        future.add_done_callback(lambda _: more.append(begin(pending)))
    (frame,) = batch_frames.encode([Reply(future.id, None) for future in futures])
    assert pending.take(frame) == 3
    assert list(pending.under_way.values()) == more


def test_a_request_is_encoded_as_any_other_message():
    for args in ({}, {"n": 5}, {"text": "x" * 300, "list": [1, None]}):
        for options in ({}, {"retries": 0, "share": True}, {"priority": 2}):
            values = kind_of("noop", "ä" * 40, 2.5, **options).encode(bytes(range(16)), args)
            assert values == codec.encode(Request(bytes(range(16)), "noop", "ä" * 40, args, {"timeout_ms": 2500, **options}))
    values = kind_of("hulak.stats").encode(bytes(16), None)
    assert values == codec.encode(Request(bytes(16), "hulak.stats", "", {}, {}))


def test_parts_come_before_the_end_and_end_nothing(pending):
    values = []
    future = begin(pending, on_part=values.append)
    assert not answer(pending, Part(future.id, 1, "a"))
    assert not future.done()
    answer(pending, Reply(future.id, "b"))
    assert (values, future.result()) == (["a"], "b")


def test_parts_that_come_again_from_the_start_replace_the_earlier_ones(pending):
    values = []
    future = begin(pending, on_part=values.append, on_restart=values.clear)
    for number, value in ((1, "a"), (2, "b"), (1, "a"), (2, "b"), (3, "c")):
        answer(pending, Part(future.id, number, value))
    answer(pending, Reply(future.id, None))
    assert (values, future.result()) == (["a", "b", "c"], None)


@pytest.mark.parametrize(
    ("code", "details", "kind"),
    [("EXPIRED", {"attempts": 1}, BusTimeout), ("BROKEN", {"attempts": 1}, TaskFailed), ("BUSY", {}, BusError)],
)
def test_an_error_is_raised_as_what_it_is(pending, code, details, kind):
    future = begin(pending)
    answer(pending, Error(future.id, code, "why", details))
    assert type(future.exception()) is kind
    with pytest.raises(kind, match="why"):
        future.result()


def test_a_call_ends_one_second_after_its_time_and_others_go_on(pending):
    long, short = begin(pending), begin(pending, timeout_s=2.0)
    assert pending.next_due() == 103.0
    pending.end_expired(102.9)
    assert not short.done()
    pending.end_expired(103.0)
    assert isinstance(short.exception(), BusTimeout)
    assert "noop noop" in str(short.exception())
    assert "within 2 s" in str(short.exception())
    assert not long.done()
    assert pending.next_due() == 161.0
    assert not answer(pending, Reply(short.id, "too late"))


def test_calls_end_in_the_order_of_their_times_however_they_began(pending):
    ended = []
    for began in range(50):
        for timeout_s in (3.0, 0.1, 7.0):
            future = begin(pending, now=100 + began / 10, timeout_s=timeout_s)
            future.add_done_callback(lambda item: ended.append(item.due))
    dues = sorted(call.due for call in pending.under_way.values())
    now = 100.0
    while len(pending):
        assert now <= pending.next_due()
        now = pending.next_due()
        pending.end_expired(now)
        assert ended == [due for due in dues if due <= now]
    assert ended == dues


def test_what_is_remembered_of_times_is_of_living_calls(pending):
    for number in range(10_000):
        answer(pending, Reply(begin(pending, now=100 + number / 100).id, None))
        pending.end_expired(100 + number / 100)
    assert len(pending._soon) == 0
    assert pending.next_due() == math.inf


def test_nothing_is_due_when_nothing_is_under_way(pending):
    future = begin(pending)
    answer(pending, Reply(future.id, None))
    assert pending.next_due() == math.inf


def test_a_future_that_is_not_done_raises_a_timeout_and_stays_valid(pending):
    future = begin(pending)
    with pytest.raises(BusTimeout, match="the call continues"):
        future.result(0.5)
    answer(pending, Reply(future.id, "here"))
    assert future.result(0.5) == "here"


def test_waiting_takes_in_what_comes(pending):
    future = begin(pending, then=lambda: answer(pending, Reply(future.id, 7)))
    assert future.result() == 7


def test_a_cancelled_call_is_forgotten_and_its_answer_thrown_away(pending):
    future = begin(pending)
    assert future.cancel()
    assert future.cancelled()
    assert future.done()
    assert not answer(pending, Reply(future.id, "too late"))
    with pytest.raises(BusError, match="cancelled by its caller"):
        future.result()


def test_a_call_that_has_its_answer_cannot_be_cancelled(pending):
    future = begin(pending)
    answer(pending, Reply(future.id, 1))
    assert not future.cancel()
    assert future.result() == 1


def test_callbacks_are_called_once_each_and_an_exception_of_one_does_not_affect_the_others(pending, caplog):
    values = []
    future = begin(pending)
    future.add_done_callback(lambda item: values.append(item.result()))
    future.add_done_callback(lambda _: 1 / 0)
    future.add_done_callback(lambda item: values.append(item.result()))
    answer(pending, Reply(future.id, 1))
    future.add_done_callback(lambda _: values.append("at once"))
    assert values == [1, 1, "at once"]
    assert "a callback of noop noop failed" in caplog.text


@pytest.mark.parametrize("end", [lambda pending: pending.end_expired(1000.0), lambda pending: pending.close()])
def test_a_callback_may_give_up_a_call_that_would_end_next(pending, end):
    first, second, values = begin(pending), begin(pending), []
    first.add_done_callback(lambda _: second.cancel())
    second.add_done_callback(lambda item: values.append(item.exception().code))
    end(pending)
    assert values == ["CANCELLED"]


def test_answers_that_come_too_late_are_counted(pending):
    future = begin(pending)
    future.cancel()
    answer(pending, Reply(future.id, 1))
    answer(pending, Error(future.id, "BUSY", "x"))
    assert pending.strays == 2


def test_closing_ends_what_is_under_way(pending):
    future = begin(pending)
    pending.close()
    assert future.exception().code == "CLOSED"


def test_an_answer_without_an_id_is_an_error_of_the_connection(pending):
    begin(pending)
    with pytest.raises(BusError, match="no sense") as caught:
        answer(pending, Error(None, "BAD_BODY", "no sense"))
    assert caught.value.code == "BAD_BODY"
    with pytest.raises(BusError, match="malformed"):
        pending.take(b"?")


# Too large


def test_arguments_that_no_frame_can_hold_are_refused_before_anything_is_sent(pending):
    kind = kind_of("noop", "noop", 60.0)
    room = len(kind.encode(bytes(ID_BYTES), {"d": bytes(60_000)})) + codec.ENVELOPE_BYTES
    assert len(kind.encode(bytes(ID_BYTES), {"d": bytes(60_000)}, room)) == room - codec.ENVELOPE_BYTES
    with pytest.raises(BusError, match=r"noop noop have 60007 bytes.*max_message_bytes") as refused:
        kind.encode(bytes(ID_BYTES), {"d": bytes(60_001)}, room)
    assert refused.value.code == "TOO_LARGE"
    assert len(pending) == 0

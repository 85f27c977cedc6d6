"""The calls of one connection: what answers what, what is sent again, and what is over; time is a number."""

import math

import pytest

from bus import frames
from bus.errors import BusError, BusTimeout, TaskFailed
from bus.messages import ID_BYTES, Error, Part, Reply
from clients.calls import IDS, Book, sort_of
from clients.future import Future


class Waits:
    """A client whose waiting does what the test says."""

    def __init__(self, book, then=lambda: None):
        self.book, self.then = book, then

    def wait_for(self, future, deadline):
        del future, deadline
        self.then()

    def give_up(self, future):
        self.book.forget(future)


@pytest.fixture
def book():
    return Book("tcp://127.0.0.1:1")


def begin(book, now=100.0, timeout_s=60.0, then=lambda: None, on_part=None):
    call_id = book.new_id()
    frame = sort_of("noop", "noop", timeout_s).encode(call_id, {"n": 1})
    future = Future(call_id, frame, "noop noop", timeout_s, on_part, Waits(book, then))
    book.add(future, now)
    return future


def answer(book, message):
    return book.take(frames.encode(message))


def test_answers_find_their_calls_in_whatever_order_they_come(book):
    futures = [begin(book) for _ in range(3)]
    for number in (2, 0, 1):
        assert answer(book, Reply(futures[number].id, number))
    assert [future.result() for future in futures] == [0, 1, 2]
    assert len(book) == 0


def test_ids_never_repeat(book):
    drawn = {book.new_id() for _ in range(3 * IDS)}
    assert len(drawn) == 3 * IDS
    assert {len(one) for one in drawn} == {ID_BYTES}


def test_parts_come_before_the_end_and_end_nothing(book):
    told = []
    future = begin(book, on_part=told.append)
    assert not answer(book, Part(future.id, 1, "a"))
    assert not future.done()
    answer(book, Reply(future.id, "b"))
    assert (told, future.result()) == (["a"], "b")


@pytest.mark.parametrize(
    ("code", "details", "kind"),
    [("EXPIRED", {"attempts": 1}, BusTimeout), ("BROKEN", {"attempts": 1}, TaskFailed), ("BUSY", {}, BusError)],
)
def test_an_error_is_raised_as_what_it_is(book, code, details, kind):
    future = begin(book)
    answer(book, Error(future.id, code, "why", details))
    assert type(future.exception()) is kind
    with pytest.raises(kind, match="why"):
        future.result()


def test_a_call_ends_one_second_after_its_time_and_others_go_on(book):
    long, short = begin(book), begin(book, timeout_s=2.0)
    assert book.next_due() == 103.0
    book.expire(102.9)
    assert not short.done()
    book.expire(103.0)
    assert isinstance(short.exception(), BusTimeout)
    assert "noop noop" in str(short.exception())
    assert "within 2 s" in str(short.exception())
    assert not long.done()
    assert book.next_due() == 161.0
    assert not answer(book, Reply(short.id, "too late"))


def test_nothing_is_due_when_nothing_is_under_way(book):
    future = begin(book)
    answer(book, Reply(future.id, None))
    assert book.next_due() == math.inf


def test_a_future_that_is_not_there_yet_says_so_and_goes_on(book):
    future = begin(book)
    with pytest.raises(BusTimeout, match="the call goes on"):
        future.result(0.5)
    answer(book, Reply(future.id, "here"))
    assert future.result(0.5) == "here"


def test_waiting_takes_in_what_comes(book):
    future = begin(book, then=lambda: answer(book, Reply(future.id, 7)))
    assert future.result() == 7


def test_a_cancelled_call_is_forgotten_and_its_answer_thrown_away(book):
    future = begin(book)
    assert future.cancel()
    assert future.cancelled()
    assert future.done()
    assert not answer(book, Reply(future.id, "too late"))
    with pytest.raises(BusError, match="cancelled by its caller"):
        future.result()


def test_a_call_that_has_its_answer_cannot_be_cancelled(book):
    future = begin(book)
    answer(book, Reply(future.id, 1))
    assert not future.cancel()
    assert future.result() == 1


def test_callbacks_are_called_once_each_and_what_one_raises_harms_nobody(book, caplog):
    told = []
    future = begin(book)
    future.add_done_callback(lambda one: told.append(one.result()))
    future.add_done_callback(lambda _: 1 / 0)
    future.add_done_callback(lambda one: told.append(one.result()))
    answer(book, Reply(future.id, 1))
    future.add_done_callback(lambda _: told.append("at once"))
    assert told == [1, 1, "at once"]
    assert "a callback of noop noop failed" in caplog.text


def test_closing_ends_what_is_under_way(book):
    future = begin(book)
    book.close()
    assert future.exception().code == "CLOSED"


def test_an_answer_without_an_id_is_an_error_of_the_connection(book):
    begin(book)
    with pytest.raises(BusError, match="no sense") as caught:
        answer(book, Error(None, "BAD_BODY", "no sense"))
    assert caught.value.code == "BAD_BODY"
    with pytest.raises(BusError, match="not understood"):
        book.take(b"?")

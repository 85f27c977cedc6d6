"""Batches of calls, and that they do not wait for the caller's next method: `BusClient` and a fake frontend."""

import gc
import math
import threading

import msgpack
import pytest
from fake_frontend import FakeBroker
from waiting import eventually

from hulak.bus.process.requests import draw_ids
from hulak.bus.process.settings import Settings
from hulak.clients.calls.client import BusClient
from hulak.clients.calls.future import Future
from hulak.clients.calls.pending import PendingCalls, kind_of
from hulak.clients.calls.send_buffer import BUNDLE_CALLS, SendBuffer

NEW_ID = draw_ids()
NOOP = kind_of("noop", "noop")
WITHIN_S = 10


@pytest.fixture
def pending():
    return PendingCalls("tcp://127.0.0.1:1")


def begin(pending, send_buffer, count):
    calls = []
    for number in range(count):
        call_id = NEW_ID()
        calls.append(Future(call_id, NOOP.encode(call_id, {"n": number}), NOOP.named, 60.0, None, pending, 161.0))
        pending.add(calls[-1])
    send_buffer.calls.extend(calls)
    return calls


class Link:
    """A link that accepts a number of frames."""

    def __init__(self, room=math.inf):
        self.room, self.sent = room, []

    def send(self, frame):
        if len(self.sent) >= self.room:
            return False
        self.sent.append(frame)
        return True

    def ids(self):
        """Return the ids of the requests that were sent, in order."""
        numbers = []
        for frame in self.sent:
            body = msgpack.unpackb(frame[1:])
            numbers += [number[0] for number in body] if frame[:1] == b"q" else [body[0]]
        return numbers


def test_a_frame_of_several_is_an_array_of_what_follows_the_kind_of_each(pending):
    send_buffer, link = SendBuffer(), Link()
    first, second = begin(pending, send_buffer, 2)
    first.id, second.id = bytes(16), b"\1" * 16
    first.frame, second.frame = (NOOP.encode(call.id, {}) for call in (first, second))
    assert send_buffer.flush(link.send)
    options = b"\x81\xaatimeout_ms\xcd\xea\x60"
    assert link.sent == [
        b"q\x92"
        b"\x95\xc4\x10"
        + bytes(16)
        + b"\xa4noop\xa4noop\x80"
        + options
        + b"\x95\xc4\x10"
        + b"\1" * 16
        + b"\xa4noop\xa4noop\x80"
        + options
    ]
    assert send_buffer.first() is None


def test_what_gathers_is_sent_in_order_at_most_so_many_in_a_frame(pending):
    send_buffer, link = SendBuffer(), Link()
    calls = begin(pending, send_buffer, 2 * BUNDLE_CALLS + 1)
    assert send_buffer.flush(link.send)
    assert [frame[:1] for frame in link.sent] == [b"q", b"q", b"Q"]
    assert link.ids() == [call.id for call in calls]


def test_what_there_is_no_room_for_stays_and_is_sent_once(pending):
    send_buffer, link = SendBuffer(), Link(room=1)
    calls = begin(pending, send_buffer, 3 * BUNDLE_CALLS)
    for _ in range(3):
        assert not send_buffer.flush(link.send)
    assert len(link.sent) == 1
    link.room = math.inf
    assert send_buffer.flush(link.send)
    assert link.ids() == [call.id for call in calls]


def test_what_has_ended_before_it_was_sent_is_not_sent(pending):
    send_buffer, link = SendBuffer(), Link()
    first, second, third = begin(pending, send_buffer, 3)
    pending.end_expired(100.0)
    second.settle(None, None)
    assert send_buffer.flush(link.send)
    assert link.ids() == [first.id, third.id]


def test_after_a_reconnection_each_call_is_sent_again_and_none_twice(pending):
    send_buffer, link = SendBuffer(), Link(room=1)
    calls = begin(pending, send_buffer, 3 * BUNDLE_CALLS)
    assert not send_buffer.flush(link.send)
    pending.forget(calls[0])
    link = Link()
    send_buffer.begin_again(pending.under_way.values())
    assert send_buffer.flush(link.send)
    assert link.ids() == [call.id for call in calls[1:]]


# The client


@pytest.fixture
def lazy(monkeypatch):
    """Stop the flusher from sending."""
    monkeypatch.setattr("hulak.clients.calls.send_buffer.SOON_S", 1000.0)


class Narrow(Link):
    """A link that gets room for one more frame at each wait for room."""

    refused = False

    def poll(self, wait_ms, *, for_room=False):
        assert wait_ms
        assert for_room
        self.room += 1
        return False, False

    def readable(self):
        return False

    def close(self):
        pass


def test_the_client_waits_for_room(tmp_path, lazy):
    with BusClient(Settings(), tmp_path) as client:
        client._link = link = Narrow(room=0)
        calls = submit(client, *range(4 * BUNDLE_CALLS))
        assert link.ids() == [call.id for call in calls]
        assert link.room == 4


@pytest.fixture
def broker():
    with FakeBroker() as broker:
        yield broker


@pytest.fixture
def client(broker, tmp_path):
    with BusClient(broker.settings, tmp_path) as client:
        yield client


def flushers():
    return [thread for thread in threading.enumerate() if thread.name == "flusher"]


def submit(client, *numbers):
    return [client.submit("noop", "noop", {"n": number}) for number in numbers]


def test_the_first_is_sent_at_once_and_those_behind_it_together(broker, client, lazy):
    futures = submit(client, *range(BUNDLE_CALLS + 3))
    requests = broker.receive() + broker.receive()
    assert broker.sizes == [1, BUNDLE_CALLS]
    assert [request.args["n"] for request in requests] == list(range(BUNDLE_CALLS + 1))
    assert not broker.router.poll(0)
    broker.answer(requests[1:])
    eventually(client._link.readable, within_s=WITHIN_S)
    assert futures[1].result() == 2  # it is here already: nothing has to be waited for, and more may gather
    assert not broker.router.poll(0)
    broker.answer(requests[:1])
    client.poll()  # sends the others, as waiting would
    broker.answer(broker.receive())
    assert broker.sizes == [1, BUNDLE_CALLS, 2]
    assert [future.result() for future in futures] == [2 * number for number in range(BUNDLE_CALLS + 3)]


def test_gathered_calls_are_sent_without_another_call(broker, client):
    submit(client, 0, 1, 2)
    assert [request.args["n"] for request in broker.receive_all(3)] == [0, 1, 2]
    submit(client, 3)
    assert [request.args["n"] for request in broker.receive_all(1)] == [3]


def test_it_leaves_as_well_after_the_flusher_has_slept(broker, client):
    submit(client, 0, 1)
    broker.receive_all(2)
    assert eventually(lambda: client._flusher.is_idle, within_s=WITHIN_S)
    submit(client, 2)
    assert [request.args["n"] for request in broker.receive_all(1)] == [2]


def test_polling_sends_what_has_gathered(broker, client, lazy):
    submit(client, 0, 1, 2)
    client.poll()
    broker.receive_all(3)
    assert broker.sizes == [1, 2]


def test_a_call_sends_what_has_gathered_before_it(broker, client, lazy):
    submit(client, 0, 1)
    (first,) = broker.receive()
    thread = threading.Thread(target=lambda: broker.answer([first, *broker.receive()]))
    thread.start()
    assert client.call("noop", "noop", {"n": 2}) == 4
    thread.join()
    assert broker.sizes == [1, 2]


def test_map_sends_several_at_a_time(broker, client):
    with broker.serving():
        assert list(client.map("noop", "noop", ({"n": n} for n in range(300)))) == list(range(0, 600, 2))
    assert broker.sizes[:4] == [BUNDLE_CALLS] * 3 + [100 - 3 * BUNDLE_CALLS]
    assert max(broker.sizes) == BUNDLE_CALLS
    assert not flushers()


def test_calls_one_at_a_time_need_no_flusher(broker, client):
    with broker.serving():
        assert [client.call("noop", "noop", {"n": n}) for n in range(5)] == [0, 2, 4, 6, 8]
        assert client.submit("noop", "noop", {"n": 5}).result() == 10
    assert not flushers()


def test_closing_ends_the_flusher_and_the_calls_that_have_gathered(client, lazy):
    futures = submit(client, 0, 1)
    assert flushers()
    client.close()
    assert not flushers()
    assert [future.exception().code for future in futures] == ["CLOSED", "CLOSED"]


def test_the_flusher_ends_with_a_client_that_was_not_closed(broker, tmp_path):
    client = BusClient(broker.settings, tmp_path)
    submit(client, 0, 1)
    broker.receive_all(2)
    assert flushers()
    del client

    def ended():
        gc.collect()  # its futures know their client
        return not flushers()

    assert eventually(ended, within_s=WITHIN_S)


def test_callbacks_may_submit_and_wait_and_what_they_submit_is_sent(broker, client):
    values = []

    def again(future):
        if future.result() < 200:
            client.submit("noop", "noop", {"n": future.result()}).add_done_callback(again)
        else:
            values.append((future.result(), client.call("noop", "noop", {"n": 1})))

    with broker.serving():
        for future in submit(client, *range(1, 41)):
            future.add_done_callback(again)
        while len(values) < 40:
            client.poll(1.0)
    assert {waited for _, waited in values} == {2}


def test_each_call_is_sent_again_when_the_connection_has_come_back(broker, client):
    futures = submit(client, *range(40))
    before = broker.receive_all(40)
    broker.answer(before[:10])
    assert [future.result() for future in futures[:10]] == list(range(0, 20, 2))
    broker.close()
    with FakeBroker(broker.port) as other:
        eventually(lambda: client.poll(0.1) or other.router.poll(0), within_s=WITHIN_S)
        again = other.receive_all(30)
        assert [request.id for request in again] == [request.id for request in before[10:]]
        assert other.sizes == [30]
        other.answer(again)
        assert [future.result() for future in futures[10:]] == list(range(20, 80, 2))

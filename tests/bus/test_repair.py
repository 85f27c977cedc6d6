"""The requests for missed messages: a real ROUTER on ipc, and the bytes of PROTOCOL.md section 7.3."""

import shutil
import tempfile
import time
from pathlib import Path

import pytest
import zmq
from local_bus import free_ports
from waiting import eventually

from hulak.bus.process.settings import BrokerSettings, Settings
from hulak.bus.subscriber.replay_requests import AGAIN_S, OtherEpoch, ReplayEnded, ReplayRequests, ReplayRows, TooOld
from hulak.bus.subscriber.sequence_tracker import Ask

WITHIN_S = 10
HEAD = b"Q\x95\xc4\x10"
BEHIND_ID = b"\xachulak.replay\xa0\x83\xa5topic\xabtick.EURUSD\xa4from\x08\xa2to\x09\x80"


class ReplayBroker:
    """The broker's end of the connection: a ROUTER at the address where a subscriber searches for it."""

    def __init__(self):
        self.home = Path(tempfile.mkdtemp(prefix="hulak-", dir="/tmp"))
        (self.home / "run").mkdir()
        self.context = zmq.Context()
        self.router = None
        broker = BrokerSettings(frontend=f"tcp://127.0.0.1:{free_ports(1)[0]}")
        self.replay_requests = ReplayRequests(self.context, Settings(broker=broker), self.home)

    def open(self):
        self.router = self.context.socket(zmq.ROUTER)
        self.router.linger = 0
        self.router.bind(f"ipc://{self.home}/run/frontend.ipc")

    def close(self):
        self.router.close()

    def end(self):
        self.context.destroy(linger=0)
        shutil.rmtree(self.home)

    def asked(self):
        """Receive one request; returns the client's identity, the request's id, and the other fields."""
        eventually(lambda: self.replay_requests.ask_again() or self.router.poll(0), within_s=WITHIN_S)
        identity, frame = self.router.recv_multipart()
        assert frame[:4] == HEAD
        return identity, frame[4:20], frame[20:]

    def answers(self, count=1):
        received = []
        eventually(lambda: received.extend(self.replay_requests.answers()) or len(received) >= count, within_s=WITHIN_S)
        return received

    def hurry(self):
        """Advance to the time at which requests are sent again."""
        self.replay_requests._channel.pending.received(0.0)
        self.replay_requests.ask_again()


@pytest.fixture
def closed():
    replay_broker = ReplayBroker()
    yield replay_broker
    replay_broker.end()


@pytest.fixture
def replay_broker(closed):
    closed.open()
    return closed


def part(request_id, number=1, rows=b"\x91\x92\xcd\x03\x2c\xc4\x03abc"):
    return b"P\x93\xc4\x10" + request_id + bytes([number]) + rows


def reply(request_id, following=b"\xc0"):
    return b"R\x92\xc4\x10" + request_id + b"\x83\xa5count\x02\xa4next" + following + b"\xa7missing\x90"


def error(request_id, code, details=b"\x80"):
    return b"E\x94\xc4\x10" + request_id + bytes([0xA0 | len(code)]) + code + b"\xa1x" + details


def test_without_a_request_there_is_no_connection(replay_broker):
    assert replay_broker.replay_requests.socket is None
    assert (list(replay_broker.replay_requests.answers()), replay_broker.replay_requests.next_due()) == ([], None)


def test_missed_messages_are_requested_with_the_bytes_of_the_protocol(replay_broker):
    replay_broker.replay_requests.ask("tick.EURUSD", Ask(8, 9))
    identity, request_id, rest = replay_broker.asked()
    assert rest == BEHIND_ID
    replay_broker.router.send_multipart([identity, part(request_id)])
    replay_broker.router.send_multipart([identity, part(request_id, 2)])
    replay_broker.router.send_multipart([identity, reply(request_id)])
    rows = ReplayRows("tick.EURUSD", [[812, b"abc"]])
    assert replay_broker.answers(3) == [rows, rows, ReplayEnded("tick.EURUSD", None)]
    assert replay_broker.replay_requests.next_due() is None


def test_the_number_at_which_the_broker_continues_is_returned(replay_broker):
    replay_broker.replay_requests.ask("tick.EURUSD", Ask(8, 9))
    identity, request_id, _ = replay_broker.asked()
    replay_broker.router.send_multipart([identity, reply(request_id, b"\x09")])
    assert replay_broker.answers() == [ReplayEnded("tick.EURUSD", 9)]


def test_a_request_that_is_too_old_is_reported(replay_broker):
    replay_broker.replay_requests.ask("tick.EURUSD", Ask(8, 9))
    identity, request_id, _ = replay_broker.asked()
    replay_broker.router.send_multipart([identity, error(request_id, b"TOO_OLD", b"\x81\xa6oldest\x07")])
    assert replay_broker.answers() == [TooOld("tick.EURUSD", 7)]
    assert replay_broker.replay_requests.next_due() is None


def test_a_topic_that_the_broker_does_not_know_has_nothing_more(replay_broker):
    replay_broker.replay_requests.ask("tick.EURUSD", Ask(8, 9))
    identity, request_id, _ = replay_broker.asked()
    replay_broker.router.send_multipart([identity, error(request_id, b"UNKNOWN_TOPIC")])
    assert replay_broker.answers() == [ReplayEnded("tick.EURUSD", None)]


def test_a_busy_broker_is_asked_again_later(replay_broker):
    replay_broker.replay_requests.ask("tick.EURUSD", Ask(8, 9))
    identity, request_id, _ = replay_broker.asked()
    replay_broker.router.send_multipart([identity, error(request_id, b"BUSY")])
    soon = AGAIN_S / 2
    eventually(
        lambda: (
            list(replay_broker.replay_requests.answers()) or replay_broker.replay_requests.next_due() < time.monotonic() + soon
        ),
        within_s=WITHIN_S,
    )
    assert replay_broker.asked()[2] == BEHIND_ID


def test_any_message_delays_that_all_requests_are_sent_again(replay_broker):
    """The broker runs a connection's replays in their order: the silence of one of them means nothing."""
    replay_broker.replay_requests.ask("tick.EURUSD", Ask(8, 9))
    replay_broker.replay_requests.ask("tick.USDJPY", Ask(8, 9))
    (identity, request_id, _), _ = replay_broker.asked(), replay_broker.asked()
    replay_broker.replay_requests._channel.pending.received(0.0)
    replay_broker.router.send_multipart([identity, part(request_id, rows=b"\x90")])
    eventually(
        lambda: list(replay_broker.replay_requests.answers()) or replay_broker.replay_requests.next_due() > time.monotonic(),
        within_s=WITHIN_S,
    )
    replay_broker.replay_requests.ask_again()
    assert replay_broker.router.poll(50) == 0
    assert replay_broker.replay_requests.next_due() > AGAIN_S


def test_the_epoch_of_the_number_before_is_part_of_the_request(replay_broker):
    replay_broker.replay_requests.ask("tick.EURUSD*", Ask(8, 9), epoch=7)
    identity, request_id, rest = replay_broker.asked()
    assert rest == b"\xachulak.replay\xa0\x84\xa5topic\xactick.EURUSD*\xa4from\x08\xa2to\x09\xa5epoch\x07\x80"
    replay_broker.router.send_multipart([identity, error(request_id, b"OTHER_EPOCH")])
    assert replay_broker.answers() == [OtherEpoch("tick.EURUSD*")]
    assert not replay_broker.replay_requests.busy


def test_a_request_without_an_answer_is_repeated_under_another_id_and_late_answers_are_ignored(replay_broker):
    replay_broker.replay_requests.ask("tick.EURUSD", Ask(8, 9))
    identity, first, _ = replay_broker.asked()
    replay_broker.hurry()
    _, second, rest = replay_broker.asked()
    assert (first != second, rest) == (True, BEHIND_ID)
    replay_broker.router.send_multipart([identity, part(first)])
    replay_broker.router.send_multipart([identity, reply(first)])
    replay_broker.router.send_multipart([identity, reply(second)])
    assert replay_broker.answers() == [ReplayEnded("tick.EURUSD", None)]


def test_a_new_request_for_a_topic_replaces_the_one_before(replay_broker):
    replay_broker.replay_requests.ask("tick.EURUSD", Ask(1, 2))
    asked = [replay_broker.asked()]
    replay_broker.replay_requests.ask("tick.USDJPY", Ask(5, 6))
    replay_broker.replay_requests.ask("tick.EURUSD", Ask(8, 9))
    asked += [replay_broker.asked(), replay_broker.asked()]
    for identity, request_id, _ in asked:
        replay_broker.router.send_multipart([identity, reply(request_id)])
    assert replay_broker.answers(2) == [ReplayEnded("tick.USDJPY", None), ReplayEnded("tick.EURUSD", None)]


def test_a_request_waits_for_a_broker_that_does_not_run_yet(closed):
    closed.replay_requests.ask("tick.EURUSD", Ask(8, 9))
    assert (closed.replay_requests.socket, closed.replay_requests.next_due() is not None) == (None, True)
    closed.open()
    assert closed.asked()[2] == BEHIND_ID


def test_a_restarted_broker_gets_all_requests_again_at_once(replay_broker):
    replay_broker.replay_requests.ask("tick.EURUSD", Ask(8, 9))
    _, first, _ = replay_broker.asked()
    replay_broker.close()
    replay_broker.open()
    identity, second, rest = replay_broker.asked()
    assert (rest, second != first) == (BEHIND_ID, True)
    replay_broker.router.send_multipart([identity, reply(second)])
    assert replay_broker.answers() == [ReplayEnded("tick.EURUSD", None)]


@pytest.mark.parametrize("bytes_", [b"", b"?", b"R", b"R\x92\xc4\x10", b"R\x92\xc4\x0412345\xc0", b"P\x91\x01"])
def test_a_malformed_answer_is_ignored(replay_broker, bytes_):
    replay_broker.replay_requests.ask("tick.EURUSD", Ask(8, 9))
    identity, request_id, _ = replay_broker.asked()
    replay_broker.router.send_multipart([identity, bytes_])
    replay_broker.router.send_multipart([identity, reply(request_id)])
    assert replay_broker.answers() == [ReplayEnded("tick.EURUSD", None)]

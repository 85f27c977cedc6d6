"""One connection for requests: a real ROUTER on ipc and TCP, in the place of the broker's frontend."""

import shutil
import tempfile
from pathlib import Path

import pytest
import zmq
from fake_frontend import OPEN
from local_bus import free_ports
from waiting import eventually

from hulak.bus.process import requests
from hulak.bus.process.requests import RequestChannel, draw_ids
from hulak.bus.process.settings import BrokerSettings, Settings
from hulak.bus.wire import codec
from hulak.bus.wire.messages import ID_BYTES, Error, Part, Reply

WITHIN_S = 10


class Frontend:
    """A ROUTER at the address where a channel searches for the broker, and the channel."""

    def __init__(self):
        self.home = Path(tempfile.mkdtemp(prefix="hulak-", dir="/tmp"))
        (self.home / "run").mkdir()
        self.tcp = f"tcp://127.0.0.1:{free_ports(1)[0]}"
        self.ipc = f"ipc://{self.home}/run/frontend.ipc"
        self.context = zmq.Context()
        self.channel = self.make()

    def make(self, **options):
        return RequestChannel(
            self.context, Settings(broker=BrokerSettings(frontend=self.tcp), security=OPEN), self.home, **options
        )

    def open(self, where):
        self.router = self.context.socket(zmq.ROUTER)
        self.router.linger = 0
        self.router.bind(where)

    def end(self):
        self.channel.close()
        self.context.destroy(linger=0)
        shutil.rmtree(self.home)

    def receive(self):
        """Receive one request; returns the client's identity, and the request."""
        eventually(lambda: self.channel.step() or self.router.poll(0), within_s=WITHIN_S)
        identity, frame = self.router.recv_multipart()
        return identity, codec.decode_from_client(frame)

    def send(self, identity, *messages):
        for message in messages:
            self.router.send_multipart([identity, codec.encode(message)])

    def answers(self, count=1):
        received = []
        eventually(lambda: received.extend(self.channel.answers()) or len(received) >= count, within_s=WITHIN_S)
        return received


@pytest.fixture
def frontend():
    frontend = Frontend()
    yield frontend
    frontend.end()


def test_a_request_waits_for_a_broker_that_does_not_run_yet_and_is_sent_once(frontend):
    request = frontend.channel.ask("hulak.stats", {"a": 1}, about="mine")
    assert frontend.channel.socket is None
    frontend.open(frontend.ipc)
    identity, received = frontend.receive()
    assert (received.id, received.service, received.args) == (request.id, "hulak.stats", {"a": 1})
    frontend.send(identity, Part(request.id, 1, "some"), Reply(request.id, "all"))
    assert frontend.answers(2) == [(request, Part(request.id, 1, "some")), (request, Reply(request.id, "all"))]
    frontend.channel.step()
    assert (request.about, len(frontend.channel.pending), frontend.router.poll(50)) == ("mine", 0, 0)


def test_a_request_that_cannot_be_sent_now_is_not_kept(frontend):
    assert frontend.channel.ask_now("hulak.report", {}) is None
    assert len(frontend.channel.pending) == 0
    frontend.open(frontend.ipc)
    request = eventually(lambda: frontend.channel.ask_now("hulak.report", {"n": 2}), within_s=WITHIN_S)
    assert frontend.receive()[1].id == request.id


def test_a_request_that_was_to_be_sent_now_is_not_sent_to_a_later_broker(frontend):
    frontend.open(frontend.ipc)
    eventually(lambda: frontend.channel.ask_now("hulak.report", {"n": 1}), within_s=WITHIN_S)
    frontend.receive()
    frontend.router.close()
    frontend.open(frontend.ipc)
    eventually(lambda: frontend.channel.ask_now("hulak.report", {"n": 2}) and frontend.router.poll(0), within_s=WITHIN_S)
    assert frontend.receive()[1].args == {"n": 2}  # the first that comes


def test_late_and_foreign_answers_are_skipped_and_a_malformed_one_is_an_error(frontend):
    frontend.open(frontend.ipc)
    forgotten, request = (frontend.channel.ask("hulak.stats", {}) for _ in range(2))
    frontend.channel.forget(forgotten)
    identity, _ = frontend.receive()
    frontend.send(identity, Reply(forgotten.id, 1), Error(None, "BAD_BODY", "x"))
    for frame in (b"?", b""):
        frontend.router.send_multipart([identity, frame])
    frontend.router.send_multipart([identity, b"", codec.encode(Reply(request.id, 2))])  # as Majordomo has them
    first, second, third, last = frontend.answers(4)
    assert first == (None, Error(None, "BAD_BODY", "x"))
    assert [(answered, "is not understood" in message.text) for answered, message in (second, third)] == [(None, True)] * 2
    assert last == (request, Reply(request.id, 2))
    assert frontend.channel.pending.strays == 1


@pytest.mark.parametrize("new_ids", [False, True])
def test_requests_are_sent_again_to_a_restarted_broker(frontend, new_ids):
    frontend.channel = frontend.make(new_ids=new_ids)
    frontend.open(frontend.ipc)
    request = frontend.channel.ask("hulak.stats", {})
    _, first = frontend.receive()
    frontend.router.close()
    frontend.open(frontend.ipc)
    identity, second = frontend.receive()
    assert ((second.id != first.id), second.service) == (new_ids, "hulak.stats")
    frontend.send(identity, Reply(second.id, 7))
    assert frontend.answers() == [(request, Reply(second.id, 7))]


def test_a_broker_without_its_socket_file_is_found_by_tcp(frontend, monkeypatch):
    monkeypatch.setattr(requests, "SEARCH_ELSEWHERE_S", 0.05)
    frontend.open(frontend.ipc)
    request = frontend.channel.ask("hulak.stats", {})
    frontend.receive()
    before = frontend.channel.socket
    frontend.router.close()
    frontend.open(frontend.tcp)
    identity, second = frontend.receive()
    assert (second.id, before.closed, frontend.channel.socket.closed) == (request.id, True, False)
    frontend.send(identity, Reply(second.id, 7))
    assert frontend.answers() == [(request, Reply(second.id, 7))]


def test_a_request_can_be_repeated_after_its_answer(frontend):
    frontend.open(frontend.ipc)
    request = frontend.channel.ask("hulak.stats", {})
    identity, received = frontend.receive()
    frontend.send(identity, Error(received.id, "BUSY", "x"))
    assert frontend.answers()[0][0] is request
    frontend.channel.repeat(request, 0.01)
    assert frontend.receive()[1].id == request.id


def test_a_request_without_an_answer_expires_in_time(frontend):
    frontend.open(frontend.ipc)
    request = frontend.channel.ask("hulak.stats", {}, timeout_s=0.01)
    assert frontend.channel.next_due() <= request.due
    assert eventually(frontend.channel.step, within_s=WITHIN_S) == [request]
    assert frontend.channel.next_due() == float("inf")


def test_ids_never_repeat():
    new_id = draw_ids()
    drawn = {new_id() for _ in range(3 * requests.IDS)}
    assert len(drawn) == 3 * requests.IDS
    assert {len(id_) for id_ in drawn} == {ID_BYTES}

"""One request to the broker's own services: a ROUTER in the place of its frontend."""

import os
import threading

import pytest
from fake_frontend import FakeBroker
from local_bus import free_ports

from hulak.bus.errors import BusError, BusTimeout
from hulak.bus.process.settings import BrokerSettings, Settings
from hulak.bus.wire import codec
from hulak.bus.wire.messages import Error, Part, Reply
from hulak.workers.runtime.broker_request import BrokerRequester

WITHIN_S = 10


class Stopped:
    """In the place of `Stop`, which takes the process's signals."""

    def __init__(self):
        self.asked = False
        self.reader, self.writer = os.pipe()

    def close(self):
        os.close(self.reader)
        os.close(self.writer)


@pytest.fixture
def stop():
    stop = Stopped()
    yield stop
    stop.close()


@pytest.fixture
def broker():
    with FakeBroker() as broker:
        yield broker


@pytest.fixture
def requester(broker, tmp_path, stop):
    requester = BrokerRequester(broker.settings, tmp_path, stop)
    yield requester
    requester.close()


def meanwhile(work):
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def answering(broker, *messages):
    """Answer the next request, whose id each message takes."""

    def work():
        (request,) = broker.receive()
        for message in messages:
            broker.router.send_multipart([broker.client, codec.encode(message(request.id))])

    return meanwhile(work)


def test_a_request_gives_the_value_of_its_reply(broker, requester):
    for value in (1, 2):
        answers = answering(broker, lambda id_: Part(id_, 1, 0), lambda id_, value=value: Reply(id_, {"n": value}))
        assert requester.ask("hulak.stats", {"a": 1}, timeout_s=WITHIN_S) == {"n": value}
        answers.join()


def test_a_refusal_is_raised_as_what_it_is(broker, requester):
    answers = answering(broker, lambda id_: Error(id_, "UNKNOWN_WORKER", "no such worker", {"worker": "a"}))
    with pytest.raises(BusError, match="no such worker") as refused:
        requester.ask("hulak.retire", timeout_s=WITHIN_S)
    assert (refused.value.code, refused.value.details) == ("UNKNOWN_WORKER", {"worker": "a"})
    answers.join()


def test_an_answer_to_the_request_before_is_not_taken_for_that_to_the_next(broker, requester):
    with pytest.raises(BusTimeout, match=r"no answer to hulak\.stats"):
        requester.ask("hulak.stats", timeout_s=0.1)
    late = broker.receive()[0].id
    answers = answering(broker, lambda _: Reply(late, "late"), lambda id_: Reply(id_, "mine"))
    assert requester.ask("hulak.stats", timeout_s=WITHIN_S) == "mine"
    answers.join()


def test_without_a_broker_no_caller_waits(tmp_path, stop):
    settings = Settings(broker=BrokerSettings(frontend=f"tcp://127.0.0.1:{free_ports(1)[0]}"))
    requester = BrokerRequester(settings, tmp_path, stop)
    with pytest.raises(BusTimeout, match=f"no broker answers at {tmp_path}/run/frontend.ipc"):
        requester.ask("hulak.stats", timeout_s=3600)
    requester.close()


def test_a_signal_ends_the_waiting(broker, requester, stop):
    def work():
        broker.receive()
        stop.asked = True
        os.write(stop.writer, b"!")

    asked = meanwhile(work)
    with pytest.raises(BusTimeout):
        requester.ask("hulak.stats", timeout_s=3600)
    asked.join()

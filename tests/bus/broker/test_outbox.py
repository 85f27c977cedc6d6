"""Messages sent together: in order, unreachable workers returned and unreachable clients counted; over real sockets."""

import pytest
import structlog
import zmq

from hulak.bus.broker.bug_guard import BugGuard
from hulak.bus.broker.outbox import Outbox, joined
from hulak.bus.core.effects import LogLine, ToClient, ToWorker
from hulak.bus.process import sockets
from hulak.bus.wire import codec
from hulak.bus.wire.messages import BrokerHeartbeat, Error, Reply, Task


class Counts:
    unanswered = 0


class NativePeers:
    """All peers speak Hulak's dialect."""

    def encode(self, address, message):
        return [[address[1:], codec.encode(single)] for single in (message if isinstance(message, list) else [message])]


@pytest.fixture
def made():
    context = zmq.Context()
    routers = [sockets.make(context, zmq.ROUTER, router_mandatory=1) for _ in range(2)]
    dealers = [sockets.make(context, zmq.DEALER, identity=b"peer") for _ in range(2)]
    for number, (router, dealer) in enumerate(zip(routers, dealers, strict=True)):
        router.bind(f"inproc://{number}")
        dealer.connect(f"inproc://{number}")
        dealer.send(b"here")
        assert router.poll(5000)
        assert sockets.receive(router)[0] == [b"peer", b"here"]
    counts = Counts()
    yield Outbox(*routers, NativePeers(), counts, BugGuard(structlog.get_logger())), dealers, counts
    context.destroy(linger=0)


def reply(number):
    return ToClient(b"\0peer", Reply(bytes(16), number))


def test_nothing_is_sent_before_the_flush_and_then_all_in_order(made):
    outbox, (client, worker), _ = made
    for number in range(3):
        assert outbox.put([reply(number), ToWorker(b"\0peer", BrokerHeartbeat(number, known=True))]) == []
    assert not client.poll(0)
    assert outbox.flush() == []
    assert [codec.decode_to_client(client.recv()).value for _ in range(3)] == [0, 1, 2]
    assert [codec.decode_to_worker(worker.recv()).epoch for _ in range(3)] == [0, 1, 2]
    assert outbox.flush() == []
    assert not client.poll(0)


def test_an_unreachable_worker_is_returned_a_client_counted_and_the_others_get_their_messages(made):
    outbox, (client, _), counts = made
    line = LogLine("something happened")
    gone = [ToWorker(b"\0gone", BrokerHeartbeat(1, known=True)), ToClient(b"\0gone", Reply(bytes(16), 1))]
    assert outbox.put([*gone, line, reply(2)]) == [line]
    assert outbox.flush() == [(b"\0gone", "its connection is gone")]
    assert (counts.unanswered, outbox.unreached) == (1, {b"\0gone"})
    assert codec.decode_to_client(client.recv()).value == 2


def test_replies_to_one_client_and_tasks_for_one_worker_are_joined_up_to_another_message():
    def to(peer, *numbers):
        replies = [Reply(bytes(16), number) for number in numbers]
        return ToClient(peer, replies if len(numbers) > 1 else replies[0])

    def work(peer, *numbers):
        tasks = [Task(bytes(16), number, "", {}, 1, 1) for number in numbers]
        return ToWorker(peer, tasks if len(numbers) > 1 else tasks[0])

    error, line = ToClient(b"a", Error(bytes(16), "BUSY", "")), LogLine("x")
    beat = ToWorker(b"a", BrokerHeartbeat(1, known=True))
    effects = [to(b"a", 1), work(b"a", 1), line, to(b"b", 2, 3), to(b"a", 4), error, to(b"a", 5), work(b"a", 2, 3), beat]
    last = [to(b"b", 6), work(b"a", 4), to(b"a", 7, 8)]
    before = repr(effects)
    assert joined([*effects, *last]) == [
        ToClient(b"a", [Reply(bytes(16), 1), Reply(bytes(16), 4)]),
        work(b"a", 1, 2, 3),
        line,
        to(b"b", 2, 3, 6),
        error,
        to(b"a", 5, 7, 8),
        beat,
        ToWorker(b"a", [Task(bytes(16), 4, "", {}, 1, 1)]),
    ]
    assert repr(effects) == before  # an effect is a value

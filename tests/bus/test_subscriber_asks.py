"""The requests of a subscriber while answers to the former request are still on their way."""

from types import SimpleNamespace

from hulak.bus.subscriber.events import subscription
from hulak.bus.subscriber.frame_receiver import FrameReceiver
from hulak.bus.subscriber.frame_router import FrameRouter
from hulak.bus.subscriber.replay_requests import ReplayEnded, ReplayRows
from hulak.bus.subscriber.sequence_tracker import Chunk, Gap
from hulak.bus.subscriber.sinks import EventSink
from hulak.bus.wire.codec import encode_publication, pack, pack_tick
from hulak.bus.wire.messages import Stamp, Tick

BEFORE, AFTER = 5, 9  # epochs
KNOWN, JOURNAL, NEWEST, PART = 3686, 1208, 3764, 926


class Broker:
    """Answers requests like a broker whose journal ends at JOURNAL under the former epoch, and continues under the next one."""

    def __init__(self):
        self.asked = []
        self.answer = None  # the answer on its way

    @property
    def busy(self):
        return self.answer is not None

    def ask(self, topic, ask):
        self.asked.append((ask.first, ask.last))
        numbers = range(ask.first, min(ask.last, NEWEST) + 1)
        parts = [ReplayRows(topic, [row(number) for number in numbers[at : at + PART]]) for at in range(0, len(numbers), PART)]
        self.answer = iter([*parts, ReplayEnded(topic, None)])

    def answers(self):
        while self.answer is not None:  # of the newest request only, which the ids ensure
            row = next(self.answer, None)
            if row is None:
                self.answer = None
                return
            yield row

    def ask_again(self):
        pass


def row(number):
    epoch = BEFORE if number <= JOURNAL else AFTER
    body = pack_tick(Tick("X", float(number), number + 0.5, epoch, "test"))
    return [number, encode_publication(b"tick.X", Stamp(epoch, number, 5), body)]


def test_parts_for_a_replaced_request_are_not_taken_for_the_answer_to_the_next():
    receiver = FrameReceiver.__new__(FrameReceiver)
    sink = EventSink()
    router = receiver.router = FrameRouter([subscription("ticks")], sink, lossless=True, hold=10_000)
    broker = receiver._replay_requests = Broker()
    receiver._note = SimpleNamespace(update=lambda **_: None)
    bodies = [{"bid": number} for number in range(2000, KNOWN + 1)]
    router._follow("ticks", Chunk(BEFORE, 2000, bodies, 5))
    sink.items.clear()
    router.take([encode_publication(b"ticks", Stamp(AFTER, NEWEST + 1, 5), pack([]))])
    receiver._ask()
    while broker.busy:
        receiver._repair()
    given = [event.stamp.sequence for event in sink.items]
    assert given == list(range(JOURNAL + 1, NEWEST + 1)), "all that the new epoch used again, and what it went on with"
    assert [gap for _, gap in router.gaps] == [
        Gap(JOURNAL + 1, KNOWN, f"the broker began epoch {AFTER} without them, and uses them again")
    ]
    assert router.trackers["ticks"].lost == 0
    assert broker.asked == [(KNOWN + 1 - 64, NEWEST), (KNOWN + 1 - 1024, NEWEST), (1, NEWEST)]

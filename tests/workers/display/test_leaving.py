"""A display worker that leaves: its last checkpoints are written before the broker gives its displays to others."""

from types import SimpleNamespace

import pytest
import structlog
from display_worker_fixture import made
from local_bus import NeverStops

from hulak.bus.process.settings import Settings
from hulak.bus.subscriber.events import Event
from hulak.bus.subscriber.sequence_tracker import Chunk
from hulak.bus.wire import codec
from hulak.bus.wire.messages import Goodbye, Retire, Stamp
from hulak.workers.display import checkpoint
from hulak.workers.display.worker import TOPIC, DisplayWorker
from hulak.workers.services import make_session

DISPLAYS = ("gold-0", "gold-1", "gold-2")


def rows(version, worker):
    row = {"symbol": "GOLD", "token": version, "init": {}, "from": 1, "worker": worker}
    body = {"version": version, "rows": [{"display": display, **row} for display in DISPLAYS]}
    return Event(TOPIC, Stamp(1, version, 0), None, body)


class FakeBroker:
    """A worker's dealer, and what its subscriber receives. It answers at once: on a GOODBYE another worker gets the displays."""

    def __init__(self, folder):
        self.folder = folder
        self.frames, self.events, self.chunks = [], [rows(1, "me")], []
        self.position = 1
        self.upto = {}  # of the checkpoints that the other worker finds when it gets the displays
        self.on_receive = bool

    def poll(self, _):
        return bool(self.frames)

    def recv_multipart(self):
        return [b"", self.frames.pop(0)]

    def send(self, frame, _):
        if isinstance(codec.decode_from_worker(frame), Goodbye):
            self.upto = {path.name: checkpoint.decode(path.read_bytes()).upto for path in self.folder.iterdir()}
            self.events.append(rows(2, "another"))
            self.tick()

    def tick(self):
        self.chunks.append(Chunk(1, self.position, [made("GOLD", self.position)], 1))
        self.position += 1

    def receive(self):
        self.on_receive()
        chunks, self.chunks = self.chunks, []
        events, self.events = self.events, []
        return chunks, events


@pytest.fixture
def worker(tmp_path):
    settings, stop = Settings(), NeverStops()
    worker = DisplayWorker(settings, tmp_path, make_session(settings, "display", 1, "me"), stop, structlog.get_logger())
    broker = worker.dealer = FakeBroker(tmp_path / "displays")
    worker.subscriber = SimpleNamespace(poll=broker.receive, position=1, last_sequence=lambda _: 0, counters=dict)
    worker.link = SimpleNamespace(ready=False, poll=bool, answers=lambda *_: None)
    worker.backfills = SimpleNamespace(begin=lambda now, _: begin(worker.display_set, now), step=lambda *_: None)
    worker._poll = lambda: None
    yield worker
    worker.member.stop()
    worker.context.term()
    for end in (stop.reader, stop.writer):
        end.close()


def begin(display_set, now):
    """Make the states; the journal has nothing for them."""
    while display_set.building.prepare(now):
        pass
    assert display_set.start(now) is None


def stop(worker):
    worker.stop.asked = True


def retire(worker):
    worker.dealer.frames.append(codec.encode(Retire("there is another")))


@pytest.mark.parametrize("leave", [stop, retire])
def test_the_last_checkpoints_are_written_before_the_displays_are_given_to_another_worker(worker, leave):
    broker = worker.dealer
    worker._iterate()
    broker.tick()
    broker.tick()
    worker._iterate()
    broker.tick()  # not received: the other worker folds it
    leave(worker)
    worker._iterate()
    assert broker.upto == dict.fromkeys((f"{display}.ckpt" for display in DISPLAYS), 2)
    assert worker.exit.code == 0
    assert (set(worker.display_set.held), worker.display_set.version) == (set(DISPLAYS), 1)  # nothing after the GOODBYE


def test_a_worker_that_is_stopped_between_two_chunks_leaves_the_second_one_to_others(worker):
    broker = worker.dealer
    worker._iterate()
    broker.tick()
    broker.tick()

    def on_receive():
        stop(worker)
        worker.session.next_beat = 0.0  # due between the two

    broker.on_receive = on_receive
    worker._iterate()
    assert broker.upto == dict.fromkeys((f"{display}.ckpt" for display in DISPLAYS), 1)
    assert worker.exit.code == 0
    assert worker.display_set.position == 2

"""The ticks of another site as a numbered feed."""

import random
from bisect import bisect_right

import pytest

from hulak.bus.core.journal.record_format import decode_tick
from hulak.bus.core.ticks.intake import Intake
from hulak.bus.core.ticks.tick_bodies import check_body
from hulak.bus.core.ticks.topic_logs import TopicLogs
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import encode_publication, pack, unpack
from hulak.bus.wire.messages import Stamp
from hulak.clients.bridge.incoming import NumberedFrames, Reader, SiteDelivery, instance_of, renamed
from hulak.clients.bridge.spans import Span


def frame(topic, body):
    return encode_publication(topic.encode(), Stamp(5, 3, 77), pack(body))


# Names


@pytest.mark.parametrize(
    ("topic", "body", "expected"),
    [
        ("tick.EURUSD", {"symbol": "EURUSD", "bid": 1.5}, {"symbol": "a.EURUSD", "bid": 1.5}),
        ("tick.EURUSD", {"bid": 1.5, "symbol": "EURUSD"}, {"bid": 1.5, "symbol": "a.EURUSD"}),
        ("tick.EURUSD", {"bid": 1.5}, {"bid": 1.5}),
        ("tick.kraken.X", {"symbol": "kraken.X"}, {"symbol": "a.kraken.X"}),
        ("tick." + "X" * 30, {"symbol": "X" * 30, "n": [1]}, {"symbol": "a." + "X" * 30, "n": [1]}),
        ("tick." + "X" * 100, {"symbol": "X" * 100}, {"symbol": "a." + "X" * 100}),
        ("trade.np.NABIL", {"security": "NABIL"}, {"security": "NABIL"}),
        ("market.NEPSE", {"market": "NEPSE"}, {"market": "NEPSE"}),
    ],
)
def test_the_name_of_the_site_stands_before_the_name_and_the_broker_takes_the_body(topic, body, expected):
    family, _, name = topic.partition(".")
    new, packed, time_ns = renamed("a", frame(topic, body))
    assert (new.decode(), time_ns) == (f"{family}.a.{name}", 77)
    assert list(unpack(packed).items()) == list(expected.items())
    check_body(new.decode(), packed)


def test_a_body_keeps_its_other_bytes():
    packed = b"\x82\xa6symbol\xa1X\xa1n\xcf\x00\x00\x00\x00\x00\x00\x00\x01"  # a number written longer than needed
    _, body, _ = renamed("a", encode_publication(b"tick.X", Stamp(5, 3, 77), packed))
    assert body == b"\x82\xa6symbol\xa3a.X\xa1n\xcf\x00\x00\x00\x00\x00\x00\x00\x01"


def test_a_name_that_becomes_too_long_is_refused():
    with pytest.raises(ProtocolError, match="at most 128"):
        renamed("a", frame("tick." + "X" * 123, {"symbol": "X" * 123}))


@pytest.mark.parametrize("body", [b"\xc1", b"\x93\x01\x02\x03", b"\x81\xa6symbol"])
def test_a_body_that_cannot_be_read_is_refused(body):
    with pytest.raises(ProtocolError):
        renamed("a", encode_publication(b"tick.X", Stamp(5, 3, 77), body))


def test_an_instance_is_the_same_at_each_start_and_another_one_for_each_site_and_epoch():
    assert instance_of("a", 1795350204956) == 8384958238639547526
    instances = {instance_of(site, epoch) for site in ("a", "b", "c") for epoch in range(100)}
    assert len(instances) == 300
    assert all(1 <= instance < 1 << 64 for instance in instances)


# Frames with numbers


def test_only_frames_without_a_number_between_them_are_sent_together():
    kept = NumberedFrames(100)
    for number in (3, 4, 7, 8):
        kept.put(number, b"%d" % number)
    assert kept.since(2) == [b"3", b"4"]
    assert kept.since(3) == [b"4"]
    assert kept.since(2, 1) == [b"3"]
    assert kept.since(4) == kept.since(1) == []
    assert kept.since(6) == [b"7", b"8"]
    assert (kept.oldest, kept.last, len(kept)) == (3, 8, 4)


def test_a_broker_may_confirm_what_a_former_start_sent():
    kept = NumberedFrames(100)
    kept.confirm(50)
    assert (kept.safe, kept.last, kept.oldest, len(kept)) == (50, 50, 51, 0)


# Spans of a stream


def test_spans_that_follow_each_other_have_no_gap_and_others_have_the_numbers_between():
    reader = Reader("a")
    assert reader.gap(Span(5, 100, 110, 0, [])) is None  # the first that is read
    reader.take(Span(5, 100, 110, 0, []))
    assert reader.gap(Span(5, 111, 112, 0, [])) is None
    assert reader.gap(Span(5, 105, 112, 0, [])) is None
    assert reader.gap(Span(5, 113, 120, 0, [])) == (111, 112)
    assert reader.gap(Span(6, 113, 120, 0, [])) == (111, 112)
    assert reader.gap(Span(6, 90, 120, 0, [])) is None  # used again
    reader.take(Span(5, 101, 105, 0, []))
    assert reader.last == 110
    reader.take(Span(6, 90, 95, 0, []))
    assert (reader.epoch, reader.last) == (6, 95)


# With the broker's intake


class Wire:
    """A delivery and the broker's intake, with frames and answers that may be lost or late."""

    def __init__(self, seed, instances=None):
        self.draw = random.Random(seed)
        self.now = 0.0
        self.intake = Intake(TopicLogs(1, 1000), lambda error: None, max_bytes=10_000)
        self.arrived = []
        self.delivery = None

    def start(self):
        """Start the bridge: it knows nothing."""
        self.delivery = SiteDelivery("a", 5, 10_000)
        self.ask()
        return self.delivery

    def ask(self, hurried=False):
        link = self.delivery
        link.hurried = hurried
        args, asked = link.ask(), link.asked()
        source = self.intake.open(args["instance"], args["oldest"], self.now)
        link.answered(1, source.last, source.safe, asked)

    def turn(self, lost=0.0):
        self.now += 0.25
        frames = self.delivery.waiting(50)
        self.delivery.sent += len(frames)
        kept = [frame for frame in frames if self.draw.random() >= lost]
        result = self.intake.turn(kept, self.now, 10**9)
        self.arrived += [decode_tick(record)[3] for record in result.batch.records]
        self.intake.journalled(result.instances)


def numbers_of(wire):
    return [float(unpack(frame[frame.index(b"\0") + 25 :])["n"]) for frame in wire.arrived]


def topic_and_body(number):
    return b"tick.a.X", pack({"symbol": "a.X", "n": number})


@pytest.mark.parametrize("seed", range(20))
def test_every_tick_arrives_once_in_order_over_losses_restarts_and_numbers_that_are_left_out(seed):
    wire = Wire(seed)
    link, draw = wire.start(), random.Random(seed)
    numbers = sorted(draw.sample(range(1, 900), 500)) if seed % 2 else list(range(1, 501))
    at = 0
    for _ in range(3000):
        if draw.random() < 0.01:  # the bridge is killed, and reads the stream again from a place before
            link = wire.start()
            at = draw.randrange(bisect_right(numbers, link.taken) + 1)
        for number in numbers[at : at + 10]:
            link.put(number, *topic_and_body(number), 0)
        at = min(len(numbers), at + 10)
        wire.turn(lost=0.05)
        wire.ask(hurried=draw.random() < 0.7)
        if at == len(numbers) and not len(link.unconfirmed):
            break
    assert numbers_of(wire) == numbers


def test_a_broker_that_has_lost_what_it_had_is_noticed_and_nothing_is_left_out():
    wire = Wire(1)
    link = wire.start()
    for number in range(1, 11):
        link.put(number, *topic_and_body(number), 0)
    wire.turn()
    wire.ask()
    assert link.unconfirmed.safe == 10
    source = wire.intake.sources[link.instance]
    source.last = source.safe = 4  # after a power cut
    assert link.ask() == {"instance": link.instance, "oldest": 1}
    wire.ask()
    assert link.fell_back
    assert wire.intake.sources[link.instance].last == 4


def test_answers_in_a_hurry_show_no_loss():
    wire = Wire(1)
    link = wire.start()
    for number in range(1, 4):
        link.put(number, *topic_and_body(number), 0)
    link.sent = 3  # on their way
    for _ in range(20):
        wire.ask(hurried=True)
    assert (link.sent, link.resent) == (3, 0)
    for _ in range(4):
        wire.ask()
    assert (link.sent, link.resent) == (0, 3)

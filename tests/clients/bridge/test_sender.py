"""The bridge's way out, with a stream and a journal in memory: fencing, epochs, losses."""

import asyncio
import contextlib
from types import SimpleNamespace

import pytest
from nats.js.errors import APIError

from hulak.bus.errors import BusError
from hulak.bus.process.settings import BridgeSettings
from hulak.bus.wire.codec import encode_publication
from hulak.bus.wire.messages import Stamp
from hulak.clients.bridge import sender as module
from hulak.clients.bridge import spans
from hulak.clients.bridge.journal_source import JournalSource, OtherEpoch, TooOld
from hulak.clients.bridge.sender import Sender
from hulak.clients.bridge.stream import Stored

WITHIN_S = 10


class MemoryStream:
    """A stream that refuses what does not follow its last message, as JetStream does."""

    def __init__(self):
        self.client = SimpleNamespace(max_payload=1 << 20)
        self.name = "HULAK_A"
        self.messages = []
        self.lose_next = 0  # acknowledgements

    async def make(self, settings):
        """It is there."""

    async def state(self):
        return SimpleNamespace(messages=len(self.messages), last_seq=len(self.messages), first_seq=1)

    async def get(self, sequence):
        subject, body, headers = self.messages[sequence - 1]
        return Stored(sequence, subject, headers, body)

    async def publish(self, subject, body, headers):
        await asyncio.sleep(0)
        if int(headers[spans.EXPECTED]) != len(self.messages):
            raise APIError(code=400, err_code=10071, description=f"wrong last sequence: {len(self.messages)}")
        self.messages.append((subject, body, headers))
        if self.lose_next:
            self.lose_next -= 1
            raise TimeoutError
        return SimpleNamespace(seq=len(self.messages))

    def numbers(self):
        """Return (epoch, number) of all ticks, in order."""
        decoded = [spans.decode("a", subject, headers, body) for subject, body, headers in self.messages]
        return [(span.epoch, number) for span in decoded for number, _ in span.rows]


class MemoryJournal(JournalSource):
    """A journal: the epoch of each number from `first` on."""

    def __init__(self, epochs, first=1):
        self.epochs, self.first = list(epochs), first

    async def read(self, after):
        await asyncio.sleep(0)
        there = dict(enumerate(self.epochs, self.first))
        if after.epoch and after.number and (epoch := there.get(max(after.number, self.first), 0)) != after.epoch:
            raise OtherEpoch(epoch)
        if after.number + 1 < self.first:
            raise TooOld(self.first)
        rows = [number for number in there if number > after.number][:100]
        return [(number, encode_publication(b"tick.X", Stamp(there[number], number, 5), b"\x80")) for number in rows]

    async def newest(self):
        return self.first + len(self.epochs) - 1


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "AGAIN_S", 0.002)
    monkeypatch.setattr(module, "SILENT_S", 0.05)
    monkeypatch.setattr(module, "MOST_WAIT_S", 0.005)


def sender(stream, journal, **settings):
    log = SimpleNamespace(info=lambda *_, **__: None, warning=lambda *_, **__: None)
    return Sender(BridgeSettings(site="a", **settings), stream, journal, log)


def run_until(condition, *senders):
    """Run senders until a condition is true."""

    async def main():
        tasks = [asyncio.ensure_future(each.run()) for each in senders]
        try:
            async with asyncio.timeout(WITHIN_S):
                while not condition():
                    await asyncio.sleep(0.001)
                    assert not any(task.done() for task in tasks), tasks
        finally:
            for task in tasks:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    asyncio.run(main())


def test_the_journal_goes_out_and_a_restarted_bridge_goes_on_behind_the_last_message():
    stream, journal = MemoryStream(), MemoryJournal([1] * 250)
    run_until(lambda: len(stream.numbers()) == 250, sender(stream, journal))
    journal.epochs += [1] * 50
    run_until(lambda: len(stream.numbers()) == 300, sender(stream, journal))
    assert stream.numbers() == [(1, number) for number in range(1, 301)]


def test_a_lost_acknowledgement_stores_nothing_twice():
    stream, journal = MemoryStream(), MemoryJournal([1] * 500)
    stream.lose_next = 3
    bridge = sender(stream, journal, messages="tick")
    run_until(lambda: len(stream.numbers()) == 500 and bridge.stored.number == 500, bridge)
    assert stream.numbers() == [(1, number) for number in range(1, 501)]
    assert 1 <= bridge.failures <= 3


def test_messages_that_the_stream_has_lost_are_sent_again():
    stream, journal = MemoryStream(), MemoryJournal([1] * 300)
    bridge = sender(stream, journal, messages="tick")
    run_until(lambda: bridge.stored.number == 300, bridge)
    del stream.messages[200:]
    journal.epochs += [1] * 10
    run_until(lambda: bridge.stored.number == 310, bridge)
    assert stream.numbers() == [(1, number) for number in range(1, 311)]


def test_numbers_that_are_used_again_under_a_larger_epoch_go_out_again():
    stream = MemoryStream()
    run_until(lambda: len(stream.numbers()) == 200, sender(stream, MemoryJournal([1] * 150 + [4] * 50)))
    after_power_cut = MemoryJournal([1] * 150 + [4] * 20 + [9] * 60)
    run_until(lambda: len(stream.numbers()) == 260, sender(stream, after_power_cut))
    assert stream.numbers()[200:] == [(9, number) for number in range(171, 231)]


def test_a_larger_epoch_that_uses_no_number_again_only_goes_on():
    stream = MemoryStream()
    run_until(lambda: len(stream.numbers()) == 100, sender(stream, MemoryJournal([1] * 100)))
    run_until(lambda: len(stream.numbers()) == 130, sender(stream, MemoryJournal([1] * 100 + [7] * 30)))
    assert stream.numbers() == [(1, number) for number in range(1, 101)] + [(7, number) for number in range(101, 131)]


def test_a_larger_epoch_whose_first_numbers_have_left_the_journal_goes_on_with_those_that_are_there():
    stream = MemoryStream()
    run_until(lambda: len(stream.numbers()) == 120, sender(stream, MemoryJournal([3] * 120)))
    run_until(lambda: len(stream.numbers()) == 170, sender(stream, MemoryJournal([6] * 50, first=101)))
    assert stream.numbers()[120:] == [(6, number) for number in range(101, 151)]


def test_the_journal_of_another_broker_is_not_mixed_in():
    stream = MemoryStream()
    run_until(lambda: len(stream.numbers()) == 100, sender(stream, MemoryJournal([5] * 100)))
    other = sender(stream, MemoryJournal([2] * 150))
    run_until(lambda: other.state.name == "failing", other)
    assert "is that of another broker" in other.state.why
    assert len(stream.numbers()) == 100


def test_a_journal_that_ends_before_the_stream_waits_with_the_reason():
    stream = MemoryStream()
    run_until(lambda: len(stream.numbers()) == 100, sender(stream, MemoryJournal([5] * 100)))
    journal = MemoryJournal([5] * 90)
    bridge = sender(stream, journal)
    run_until(lambda: bridge.state.name == "failing", bridge)
    assert "which this journal has not" in bridge.state.why
    journal.epochs += [8] * 30  # the restarted broker has ticks again
    run_until(lambda: len(stream.numbers()) == 130, bridge)
    assert stream.numbers()[100:] == [(8, number) for number in range(91, 121)]


def test_ticks_that_have_left_the_journal_are_missing_by_number():
    stream = MemoryStream()
    run_until(lambda: len(stream.numbers()) == 100, sender(stream, MemoryJournal([1] * 100)))
    bridge = sender(stream, MemoryJournal([1] * 50, first=151))
    run_until(lambda: len(stream.numbers()) == 150, bridge)
    assert bridge.values()["missing_ranges"] == [[101, 150]]
    assert spans.decode_position(stream.messages[-1][2]).first == 151


@pytest.mark.parametrize(("start", "count"), [("oldest", 100), ("now", 0)])
def test_an_empty_stream_begins_at_the_place_of_the_setting(start, count):
    stream, journal = MemoryStream(), MemoryJournal([1] * 100)
    bridge = sender(stream, journal, start=start)

    def more():
        if bridge.state.name == "sending" and len(stream.numbers()) == count and len(journal.epochs) == 100:
            journal.epochs += [1] * 5
        return stream.numbers()[-5:] == [(1, number) for number in range(101, 106)]

    run_until(more, bridge)
    assert len(stream.numbers()) == count + 5


def test_of_two_bridges_one_stands_by_and_takes_over_when_the_other_is_silent():
    stream, journal = MemoryStream(), MemoryJournal([1] * 100)
    first = sender(stream, journal)
    run_until(lambda: first.stored.number == 100, first)
    second = sender(stream, journal)
    run_until(lambda: second.state.name == "sending", second)
    journal.epochs += [1] * 50
    run_until(lambda: second.stored.number == 150, second)
    journal.epochs += [1] * 50
    run_until(lambda: first.state.name == "standing by", first)
    run_until(lambda: first.stored.number == 200, first)  # the second bridge is gone
    assert stream.numbers() == [(1, number) for number in range(1, 201)]
    assert len({headers[spans.BRIDGE] for _, _, headers in stream.messages}) == 2


def test_a_message_of_someone_else_in_the_stream_is_refused_with_its_sequence():
    stream = MemoryStream()
    stream.messages.append(("hulak.a.ticks", b"hello", None))
    bridge = sender(stream, MemoryJournal([1] * 10))
    run_until(lambda: bridge.state.name == "failing", bridge)
    assert "message of stream HULAK_A, 1, is not the bridge's" in bridge.state.why


def test_a_broker_that_is_away_is_waited_for():
    class Away(MemoryJournal):
        away = True

        async def read(self, after):
            if self.away:
                raise BusError("TIMEOUT", "no answer")
            return await super().read(after)

    stream, journal = MemoryStream(), Away([1] * 10)
    bridge = sender(stream, journal)
    run_until(lambda: bridge.failures > 3, bridge)
    assert "no answer" in bridge.state.why
    journal.away = False
    run_until(lambda: len(stream.numbers()) == 10, bridge)


@pytest.mark.parametrize("count", [1, 2, 7, 500])
def test_the_first_number_of_a_larger_epoch_is_found_by_halves(count):
    for change in range(1, count + 2):
        journal = MemoryJournal([3] * (change - 1) + [6] * (count + 1 - change))
        expected = change if change <= count else None
        assert asyncio.run(journal.first_after(3, count)) == expected

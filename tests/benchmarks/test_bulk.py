"""A journal made in bulk is one that a broker goes on with: whole, numbered without a hole, of the size that was asked for."""

import time

from benchmarks import bulk
from hulak.bus.broker.storage.journal import Journal
from hulak.bus.core.journal.record_format import Record, scan
from hulak.bus.process.settings import JournalSettings, Settings
from hulak.bus.wire.codec import decode_publication, unpack

SIZE = 600_000
SMALL = Settings(journal=JournalSettings(segment_bytes=65_536))


def ticks_of(home):
    """Read all segments: number, topic, and what the body says."""
    ticks = []
    for path in sorted((home / "journal").glob("*.hj")):
        records = list(scan(path.read_bytes()))
        assert all(isinstance(record, Record) for record in records)
        for record in records[1:]:
            number, _, _, frame = record.tick()
            publication = decode_publication(frame)
            ticks.append((number, publication.topic, unpack(publication.body)))
    return ticks


def test_ticks_are_numbered_without_a_hole_and_the_rare_symbol_is_at_its_stated_numbers(tmp_path):
    made = bulk.fill(tmp_path, SMALL, SIZE, rare_every=1000)
    ticks = ticks_of(tmp_path)
    assert [number for number, _, _ in ticks] == list(range(1, made.ticks + 1))
    assert [number for number, topic, _ in ticks if topic == "tick.RARE"] == made.rare == list(range(1, made.ticks + 1, 1000))
    assert all(topic == f"tick.{body['symbol']}" and body["bid"] == number for number, topic, body in ticks)
    assert len({topic for _, topic, _ in ticks}) == 29
    assert SIZE <= made.size < 1.2 * SIZE


def test_a_journal_that_is_there_is_gone_on_with(tmp_path):
    first = bulk.fill(tmp_path, SMALL, SIZE)
    second = bulk.fill(tmp_path, SMALL, SIZE, symbols=100)
    assert second.ticks > first.ticks
    assert [number for number, _, _ in ticks_of(tmp_path)] == list(range(1, second.ticks + 1))
    journal = Journal(tmp_path / "journal", SMALL.journal, "another boot", time.time_ns)
    recovered = journal.open(0.0)
    journal.close()
    assert (recovered.state.ticks, recovered.why_new_epoch) == (second.ticks, "")

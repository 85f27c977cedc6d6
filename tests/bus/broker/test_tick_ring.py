"""The broker's ring: made, off, impossible; and what it tells of itself."""

import pytest
import structlog
from ring_fixture import Turns, drained
from structlog.testing import capture_logs

from hulak.bus.broker.tick_ring import TickRing
from hulak.bus.process import futex, ring_file
from hulak.bus.subscriber.ring_reader import RingReader
from hulak.bus.wire.ring_format import HEADER_BYTES

LOG = structlog.get_logger()
BYTES = 1 << 16


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Make a home, and a folder in the place of /dev/shm."""
    (tmp_path / "shm").mkdir()
    (tmp_path / "home" / "run").mkdir(parents=True)
    monkeypatch.setattr(ring_file, "SHARED_MEMORY", tmp_path / "shm")
    return tmp_path / "home"


def test_ticks_and_heartbeats_are_written_and_a_reader_begins_at_its_place(home):
    ring, turns = TickRing.make(BYTES, 7, home, LOG), Turns()
    ring.write_ticks(turns.turn("EURUSD").rows)
    place = ring.place()
    memory, terms = ring_file.open_ring(place["path"], place["id"])
    reader = RingReader(memory, terms.capacity, place["head"], [b"ticks\0", b"heartbeat\0"])
    [*_, ticks] = (turn := turns.turn("EURUSD", "USDJPY")).messages
    ring.write_ticks(turn.rows)
    ring.write(beat := turns.topics.heartbeat(5))
    assert drained(reader) == [ticks, beat]
    written = memory[128:136]
    stats = {"path": place["path"], "bytes": BYTES, "written": int.from_bytes(written, "little"), "records": 3, "too_large": 0}
    assert (ring.stats(), place["bytes"]) == (stats, BYTES)
    ring.write(b"x" * BYTES)
    assert ring.stats() == {**stats, "too_large": 1}
    ring.close()
    assert list((home.parent / "shm").iterdir()) == []


def test_the_ring_of_a_killed_broker_is_removed_at_the_next_start(home):
    path = home.parent / "shm" / f"hulak-{5:016x}.ring"
    path.write_bytes(bytes(HEADER_BYTES))
    with capture_logs() as logs:
        ring = TickRing.make(BYTES, 7, home, LOG)
    assert [entry["path"] for entry in logs if entry["event"] == "ring of a killed broker removed"] == [str(path)]
    assert [str(path) for path in (home.parent / "shm").iterdir()] == [ring.place()["path"]]
    ring.close()


def test_without_shared_memory_it_is_in_the_home_folder(home):
    (home.parent / "shm").rmdir()
    ring = TickRing.make(BYTES, 7, home, LOG)
    assert [str(path) for path in (home / "run").iterdir()] == [ring.place()["path"]]
    ring.close()


def test_with_a_size_of_0_there_is_none(home):
    assert TickRing.make(0, 7, home, LOG) is None


def test_on_another_machine_there_is_none(home, monkeypatch):
    monkeypatch.setattr(futex, "missing", lambda: "it needs Linux on x86-64")
    assert TickRing.make(BYTES, 7, home, LOG) is None


def test_where_no_file_can_be_made_there_is_none_and_the_log_has_the_reason(home):
    (home / "run").rmdir()
    (home.parent / "shm").rmdir()
    with capture_logs() as logs:
        assert TickRing.make(BYTES, 7, home, LOG) is None
    assert [entry["event"] for entry in logs] == ["no ring: all subscribers use sockets"]

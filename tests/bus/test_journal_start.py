"""With any files in the journal's folder, a broker starts: no number is used twice under one epoch, undamaged ticks are kept.

Lives of one home folder, one after another: ticks, disks that fail, kills; between them files are cut, flipped, zeroed, doubled,
deleted or come from elsewhere, and clocks and boots change as they like. Random, from seeds.
"""

import errno
import os
import random
import shutil
import struct
import zlib

import pytest
from journal_fixture import Disk, JournalFixture, killed

from hulak.bus.broker.storage.segment_file import read_head
from hulak.bus.core.journal.record_format import SNAPSHOT, TICK, Record, scan
from hulak.bus.core.journal.segment_names import name_of, numbers_in
from hulak.bus.wire.codec import NUL, STAMP, pack

SEEDS = range(20)
LIVES = 6
SETTINGS = {"segment_bytes": 4096, "max_hours": 36.0}
SYMBOLS = ("EURUSD", "USDJPY", "RARE")


class Home:
    """One home folder, and all ticks that were ever published from it."""

    def __init__(self, root, seed):
        self.folder = root / "journal"
        self.draw = random.Random(seed)
        self.numbers, self.sequences = {}, {}  # (epoch, number) and (epoch, topic, sequence) -> frame
        self.newest_epoch = 0
        self.ours = set()  # names of the segments that were written here
        self.boot, self.boottime_s, self.now_ns = "boot-0", 1000.0, 10**18
        self.closed = False
        self.foreign = foreign_segments(root / "elsewhere" / "journal")

    def live(self, monkeypatch):
        """Start, check the journal, publish, and end in one of the possible ways."""
        expected = self.undamaged()
        fixture = JournalFixture(self.folder, self.boot, self.now_ns, self.boottime_s, **SETTINGS)
        assert fixture.journal.degraded == ""
        self.check(fixture, expected)
        with monkeypatch.context() as patch:
            disk = Disk(patch, fixture.journal)
            for _ in range(self.draw.randrange(8)):
                disk.error = self.draw.choice([0, 0, 0, errno.ENOSPC, errno.EROFS])
                fixture.write(self.draw.randrange(1, 60), SYMBOLS[: self.draw.randrange(1, 4)])
                fixture.beat(self.draw.choice([0.25, 1.0, 3.0]))
            if self.draw.random() < 0.7 and fixture.journal.degraded:
                disk.error = 0
                fixture.comes_back()
                fixture.write(5, SYMBOLS)
        self.ours |= {segment.path.name for segment in fixture.journal.segments}
        self.published(fixture)
        self.closed = self.draw.random() < 0.4
        if self.closed:
            fixture.journal.close()
        else:
            fixture.beat(1.0)  # else the note need not know yet what is in the newest segment
            killed(fixture)
        self.boottime_s, self.now_ns = fixture.boottime_s, fixture.now_ns

    def published(self, fixture):
        for number, frame in fixture.published:
            key = frame[: frame.index(NUL) + 1]
            epoch, sequence, _ = STAMP.unpack_from(frame, len(key))
            assert epoch >= self.newest_epoch, "subscribers pass over what has a smaller epoch"
            self.newest_epoch = epoch
            assert self.numbers.setdefault((epoch, number), frame) == frame, "a number was used twice"
            assert self.sequences.setdefault((epoch, key, sequence), frame) == frame, "a sequence was used twice"

    def check(self, fixture, expected):
        """Compare the ticks that can be read with the undamaged ones, and with all that were ever published."""
        readable = set()
        for segment in fixture.journal.segments:
            readable |= ticks_in(segment.path.read_bytes()[: segment.size])
        assert expected <= readable
        known = {(number, frame) for (_, number), frame in self.numbers.items()}
        assert readable <= known, "every tick served was published here"
        ticks = [segment.ticks for segment in fixture.journal.segments]
        assert ticks == sorted(ticks)

    def undamaged(self):
        """Collect all whole ticks of the segments that were written here."""
        ticks = set()
        for name in self.ours:
            path = self.folder / name
            if path.is_file():
                ticks |= ticks_in(path.read_bytes())
        return ticks

    # Damage to the folder between two lives

    def mishaps(self):
        kinds = [self.stray, self.cut, self.flip, self.zero, self.double, self.noise, self.from_elsewhere, self.gone]
        for _ in range(self.draw.randrange(4)):
            self.draw.choice(kinds)()
        if not any(read_head(self.folder / name) for name in self.ours):
            for path in self.foreign:  # where nothing but these is left, they are taken for a journal that was moved here
                (self.folder / path.name).unlink(missing_ok=True)
        if self.draw.random() < 0.3:
            self.boot, self.boottime_s = f"boot-{self.draw.random()}", self.draw.uniform(0, 500)
        self.boottime_s += self.draw.uniform(0, 60)
        self.now_ns = max(10**17, self.now_ns + int(self.draw.choice([0, 0, 30, -86_400, 172_800, 10**7]) * 1e9))

    def one(self):
        """Return one of this home's segments; None if there is none."""
        paths = sorted(path for path in self.folder.iterdir() if path.name in self.ours)
        return self.draw.choice(paths) if paths else None

    def fresh(self, name):
        """Return the name of a file that does not exist; None if it does."""
        path = self.folder / name
        if path.exists() or path.is_symlink():
            return None
        self.ours.discard(name)
        return path

    def stray(self):
        name = self.draw.choice(
            [
                "backup.hj",
                "lost+found",
                "._" + name_of(1, 0),
                name_of(1, 0) + "~",
                "0000000900-x.hj",
                name_of(1, 0) + " (copy).hj",
            ]
        )
        path = self.folder / self.draw.choice([name, name_of(self.draw.randrange(1, 99), self.draw.randrange(900))])
        match self.draw.randrange(4):
            case _ if path.exists() or path.is_symlink():
                pass
            case 0:
                path.mkdir()
            case 1:
                path.symlink_to(self.folder / "nowhere")
            case 2:
                os.mkfifo(path)
            case _:
                path.write_bytes(self.draw.randbytes(self.draw.randrange(300)))

    def cut(self):
        path = self.one()
        if path is None:
            return
        data = path.read_bytes()
        borders = {entry.end for entry in scan(data)}
        places = [place for place in range(len(data)) if place not in borders]  # a cut between two is for the note to know
        if places:
            os.truncate(path, self.draw.choice(places))

    def flip(self):
        path = self.one()
        if path is not None and path.stat().st_size:
            data = bytearray(path.read_bytes())
            data[self.draw.randrange(len(data))] ^= 1 << self.draw.randrange(8)
            path.write_bytes(data)

    def zero(self):
        path = self.one()
        if path is not None:
            path.write_bytes(bytes(path.stat().st_size))

    def double(self):
        path = self.one()
        if path is None:
            return
        serial, ticks = numbers_in(path.name)
        copy = self.fresh(name_of(self.draw.randrange(serial + 1, serial + 30), self.draw.choice([ticks, ticks, ticks + 7])))
        if copy is not None:
            shutil.copy(path, copy)

    def noise(self):
        path = self.fresh(name_of(self.draw.randrange(1, 120), self.draw.randrange(3000)))
        later = pack({"version": 2, "anything": "else"})
        if path is not None:
            path.write_bytes(self.draw.choice([self.draw.randbytes(5000), b"", b"HJ" * 900, snapshot_record(later)]))

    def from_elsewhere(self):
        path = self.draw.choice(self.foreign)
        copy = self.fresh(path.name)
        if copy is not None:
            shutil.copy(path, copy)

    def gone(self):
        path = self.one()
        if path is not None and (self.closed or path.name != max(self.ours)):
            path.unlink()


def snapshot_record(payload):
    """Return a whole head with another payload."""
    rest = struct.pack(">BBI", SNAPSHOT, 0, len(payload)) + payload
    return struct.pack(">HI", 0x484A, zlib.crc32(rest)) + rest


def foreign_segments(folder):
    folder.parent.mkdir()
    fixture = JournalFixture(folder, "boot-9", **SETTINGS)
    for _ in range(3):
        fixture.write(70)
        fixture.beat()
    fixture.journal.close()
    return sorted(folder.glob("*.hj"))


def ticks_in(data):
    return {(entry.tick()[0], entry.tick()[3]) for entry in scan(data) if isinstance(entry, Record) and entry.kind == TICK}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_home_survives_any_damage(tmp_path, monkeypatch, seed):
    home = Home(tmp_path, seed)
    for _ in range(LIVES):
        home.live(monkeypatch)
        home.mishaps()
    home.live(monkeypatch)

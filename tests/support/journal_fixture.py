"""A journal without a broker: clocks that are set, and the topics that a broker would have."""

import os

from msgspec.structs import replace
from request_arguments import read_wanted
from waiting import eventually

from hulak.bus.broker.storage.journal import Journal
from hulak.bus.broker.storage.journal_reader import JournalReader
from hulak.bus.core.journal.record_format import Batch, Snapshot, decode_tick, encode_tick
from hulak.bus.core.journal.segment_index import TopicOrdinals
from hulak.bus.core.ticks.topic_logs import TopicLogs
from hulak.bus.process.settings import JournalSettings
from hulak.bus.wire.codec import decode_publication, encode_publication, pack
from hulak.bus.wire.messages import Stamp

HOUR_NS = 3600 * 10**9


class JournalFixture:
    """A journal in a folder, clocks that are set, and the topics that a broker would have."""

    def __init__(self, folder, boot="boot-1", now_ns=10**18, boottime_s=1000.0, **settings):
        self.now_ns, self.boottime_s = now_ns, boottime_s
        flags = folder.parent / "flags"
        flags.mkdir(exist_ok=True)
        clocks = (boot, lambda: self.now_ns, lambda: self.boottime_s)
        self.journal = Journal(folder, JournalSettings(**settings), *clocks, [flags])
        self.recovered = self.journal.open(0.0)
        self.topics = TopicLogs(self.recovered.state.epoch, 1000, self.journal.ordinals)
        state = self.recovered.state
        self.topics.restore(state.topics.values(), state.ticks, state.ended, state.floor)
        self.seconds = 0.0
        self.published = []  # (number in the one order, frame)
        self.instance, self.running = 5, self.recovered.state.sources.get(5, 0)

    def write(self, count, symbols=("EURUSD", "USDJPY"), turn=4):
        """Write ticks in turns of a few; false if one was not journalled."""
        well = True
        for first in range(0, count, turn):
            records, ordinals = [], []
            self.now_ns += 1000
            for at in range(first, min(count, first + turn)):
                key = f"tick.{symbols[at % len(symbols)]}".encode()
                log = self.topics.log(key + b"\0")
                log.sequence += 1
                self.topics.ticks += 1
                self.running += 1
                stamp = Stamp(self.topics.epoch, log.sequence, self.now_ns)
                log.frame = encode_publication(key, stamp, pack({"bid": self.topics.ticks}))
                records.append(encode_tick(self.topics.ticks, self.instance, self.running, log.frame))
                ordinals.append(log.ordinal)
            batch = Batch(records, ordinals, self.topics.ticks, self.topics.epoch, self.now_ns)
            if not self.journal.append(batch, self.seconds):
                well = False
                self.hold(batch)
            self.published += [(number, frame) for number, *_, frame in map(decode_tick, batch.records)]
        return well

    def hold(self, batch):
        """Do as a broker does with what the journal did not take: it is published under the journal's present epoch."""
        self.topics.epoch = self.journal.epoch
        again = []
        for *numbers, frame in map(decode_tick, batch.records):
            message = decode_publication(frame)
            stamp = Stamp(self.topics.epoch, message.stamp.sequence, message.stamp.time_ns)
            frame = encode_publication(message.topic.encode(), stamp, message.body)
            self.topics.logs[frame[: frame.index(b"\0") + 1]].frame = frame
            again.append(encode_tick(*numbers, frame))
        batch.records, batch.epoch = again, self.topics.epoch
        self.journal.hold(batch)

    def state(self):
        topics = self.topics
        frames = {key: log.frame for key, log in topics.logs.items() if log.frame}
        state = Snapshot(topics.epoch, self.journal.boot, self.now_ns, topics.ticks, frames, {5: self.running})
        return replace(state, ended=dict(topics.ended), floor=topics.floor)

    def remove(self, *symbols):
        """Do as a broker does that lets topics go."""
        removed, ordinals = self.topics.remove([f"tick.{symbol}\0".encode() for symbol in symbols]), TopicOrdinals()
        assert self.journal.begin_renumbered(self.state(), ordinals, self.seconds)
        self.topics.renumber(ordinals)
        return removed

    def beat(self, seconds=1.0):
        self.seconds += seconds
        self.boottime_s += seconds
        back = self.journal.beat(self.seconds, self.state)
        self.topics.epoch = self.journal.epoch
        return back

    def comes_back(self, within_s=30):
        """Beat until the journal is live again, which its thread has a part in."""
        eventually(lambda: self.beat(0.25), within_s=within_s)
        assert self.journal.degraded == ""

    def replay(self, **args):
        """Read all that is wanted, in as many requests as it takes; rows, and the last summary with all that is missing."""
        library, rows, missing = JournalReader(self.journal), [], []
        args = {"topic": "ticks", **{name.removesuffix("_"): value for name, value in args.items()}}
        while True:
            replay = library.begin(read_wanted(args), self.topics)
            while not replay.ended:
                rows += replay.step(library) or []
            summary = replay.summary()
            missing += summary["missing"]
            if summary["next"] is None:
                library.close()
                summary["missing"] = missing
                return [[number, decode_publication(frame)] for number, frame in rows], summary
            args["from"] = summary["next"]


def killed(fixture):
    """End a journal as `kill -9` does: nothing is said, nothing is synced."""
    fixture.journal._sync_thread.end()
    if fixture.journal._fd >= 0:  # a degraded journal may have no segment open
        os.close(fixture.journal._fd)
    fixture.journal._fd = -1


class Disk:
    """The result of writes, in place of the real disk."""

    def __init__(self, monkeypatch, journal):
        self.error = 0
        self.only = None  # inode of a file that is broken alone
        self.monkeypatch = monkeypatch
        for name in ("write", "ftruncate", "fsync", "fdatasync", "pwrite"):
            self._fail(name, getattr(os, name))
        self._fail_to_open(os.open, str(journal.folder))

    def _fail(self, name, real):
        def call(fd, *args):
            if self.error and self.only in (None, os.fstat(fd).st_ino):
                raise OSError(self.error, os.strerror(self.error))
            return real(fd, *args)

        self.monkeypatch.setattr(os, name, call)

    def _fail_to_open(self, real, folder):
        def call(path, flags, *args, **kwargs):
            if self.error and self.only is None and str(path).startswith(folder) and flags & (os.O_WRONLY | os.O_RDWR):
                raise OSError(self.error, os.strerror(self.error))
            return real(path, flags, *args, **kwargs)

        self.monkeypatch.setattr(os, "open", call)


def newest(folder):
    """Return the path of the newest segment."""
    return max(folder.glob("*.hj"))

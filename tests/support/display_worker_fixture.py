"""A worker's set of displays without a process: journal and publisher as lists, and a state that keeps what it was given."""

from typing import ClassVar

from hulak.bus.backoff import Backoff
from hulak.bus.subscriber.sequence_tracker import Ask
from hulak.bus.wire import codec
from hulak.bus.wire.messages import Stamp, Tick
from hulak.workers.display.display_set import DisplaySet
from hulak.workers.display.managed_display import Phase
from hulak.workers.display.quantities.state import DisplayConfig


class Kept:
    """A state that keeps the bids of its ticks; it fails at those in `fails_at`, as often as is said there."""

    fails_at: ClassVar = {}

    def __init__(self, symbol, init, config):
        self.symbol, self.day_init, self.config = symbol, init, config
        self.bids = []

    def fold(self, bid, ask, at_ms, timestamp, until_ms, source):
        if self.fails_at.get(bid, 0) > 0:
            self.fails_at[bid] -= 1
            raise ZeroDivisionError(f"at {bid}")
        self.bids.append(bid)

    def configure(self, config):
        self.config = config

    def snapshot(self):
        return {"bids": len(self.bids)}

    def dump(self):
        return {"bids": list(self.bids), "config": self.config.dump()}

    def restore(self, dump):
        self.bids, self.config = dump["bids"], DisplayConfig(**dump["config"])


class CheckpointDisk:
    """Checkpoints in a dict, which outlives display sets."""

    def __init__(self):
        self.files = {}
        self.takes = True

    def load(self, display):
        return self.files.get(display)

    def save(self, display, data):
        if self.takes:
            self.files[display] = data
        return self.takes

    def drop(self, displays):
        for display in displays:
            self.files.pop(display, None)

    def sweep(self, known):
        self.drop(set(self.files) - set(known))


class DisplayWorkerFixture:
    """One display set named `me`, and everything around it; the bid of each tick is its number."""

    def __init__(self, *, make=Kept, hold=1000, config=None, delay=0.0):
        self.make, self.hold, self.delay = make, hold, delay
        self.journal = []  # symbols; tick 1 is the first
        self.epochs = [(1, 1)]  # first number and epoch, ascending
        self.oldest = 1
        self.now = 100.0
        self.configs = {}  # of single displays
        self.config = config or DisplayConfig()
        self.sent = []  # (display, token, running number, state)
        self.takes = True  # the broker takes states
        self.notes = []
        self.rows = {}
        self.version = 0
        self.disk = CheckpointDisk()
        self.clock = iter(range(10**9)).__next__
        self.start()

    def start(self):
        """Begin with a new display set, as a worker that takes over does."""
        self.given = len(self.journal) + 1  # number of the tick that comes live next
        self.replays = []  # [round, numbers left, ask]
        backoff = Backoff(1.0, 8.0, lambda: self.delay)
        how = (self._config_of, backoff, self.clock, self._note, self.disk, self.now, self.make, self.hold)
        self.display_set = DisplaySet("me", *how)
        self.display_set.position = self.given

    def _config_of(self, display):
        config = self.configs.get(display, self.config)
        if isinstance(config, Exception):
            raise config
        return config

    def _note(self, event, facts):
        self.notes.append(facts)

    def publish(self, now=None):
        """Send what is due at `now`, as the worker does."""
        now = self.now if now is None else now
        self._send(self.display_set.schedule.due(now), now)

    def take(self, *ticks_and_time):
        """Pass live ticks, the arguments of `DisplaySet.take`, and publish the states that are due at each."""
        self._send(self.display_set.take(*ticks_and_time), self.now)

    def _send(self, due, now):
        for held in due:
            frame = self.display_set.publication(held, 0, now, 0)
            if frame is not None and self.takes:
                message = codec.decode_publication(frame)
                self.sent.append((held.id, message.stamp.epoch, message.stamp.sequence, codec.unpack(message.body)))
                self.display_set.schedule.sent(held, now, 0)
            elif frame is not None:
                self.display_set.schedule.unsent(held, now)

    # The broker

    def tick(self, *symbols):
        self.journal += symbols

    def give(self, count=None):
        """Pass live ticks, in one chunk."""
        upto = len(self.journal) if count is None else min(len(self.journal), self.given - 1 + count)
        ticks = [made(self.journal[number - 1], number) for number in range(self.given, upto + 1)]
        first, self.given = self.given, upto + 1
        if ticks:
            self.take(self.epoch_of(upto), first, ticks, 1, self.now)

    def epoch_of(self, number):
        return ([0] + [epoch for first, epoch in self.epochs if first <= number])[-1]

    def lose(self, symbols, epoch):
        """Become a broker that lost its last ticks, and gives their numbers again under another epoch."""
        self.journal, self.replays = list(symbols), []
        self.epochs = [entry for entry in self.epochs if entry[0] <= len(symbols)] + [(len(symbols) + 1, epoch)]

    def assign(self, display, symbol="X", worker="me", token=None, first=1, init=None):
        former = self.rows.get(display, {"token": 0})
        self.rows[display] = {
            "display": display,
            "symbol": symbol,
            "init": init or {},
            "from": first,
            "worker": worker,
            "token": token or former["token"] + 1,
        }
        self.publish_rows()

    def publish_rows(self):
        self.version += 1
        self.display_set.reconcile({"version": self.version, "rows": list(self.rows.values())}, self.now)

    def begin(self):
        """Begin waiting displays; their requests to the journal wait for `answer`."""
        while self.display_set.building.prepare(self.now):
            pass
        while (made := self.display_set.start(self.now)) is not None:
            self.replays.append([made, [], made.ask()])

    def answer(self, rows=10**9, *, cut=10**9):
        """Let each replay go on by some rows; one request gives `cut` rows at most."""
        for replay in list(self.replays):
            made, rest, ask = replay
            if made is not self.display_set.building.backfills.get(made.symbol):
                continue
            if isinstance(ask, Ask):
                if not self._accepts(replay):
                    continue
                numbers = range(ask.first, min(ask.last, len(self.journal)) + 1)
                replay[1] = rest = [number for number in numbers if self.journal[number - 1] == made.symbol][:cut]
                replay[2] = ask.last
            slice_, replay[1] = rest[:rows], rest[rows:]
            self.display_set.rows(made, [[number, self.frame(number)] for number in slice_], self.now)
            if not replay[1]:
                last = slice_[-1] if slice_ else made.upto
                self._ended(replay, last + 1 if last < replay[2] else None)
        backfills = self.display_set.building.backfills
        self.replays = [replay for replay in self.replays if replay[0] is backfills.get(replay[0].symbol)]

    def _accepts(self, replay):
        made, _, ask = replay
        if ask.first < self.oldest:
            replay[2] = made.too_old(self.oldest)
            if replay[2] is None:
                self._ended(replay, None)
            return False
        if made.epoch and (ask.first - 1 > len(self.journal) or made.epoch != self.epoch_of(ask.first - 1)):
            self.display_set.other_epoch(made, self.now)
            return False
        return True

    def _ended(self, replay, further):
        made = replay[0]
        if made is not self.display_set.building.backfills.get(made.symbol):
            return
        replay[2] = made.ended(further, self.display_set.position)
        if replay[2] is None:
            self.display_set.finish(made, self.now)

    def frame(self, number):
        symbol = self.journal[number - 1]
        body = codec.pack_tick(made(symbol, number))
        return codec.encode_publication(codec.tick_topic(symbol), Stamp(self.epoch_of(number), number, 1), body)

    def write_down(self):
        """Write the checkpoints of all changed displays."""
        display_set = self.display_set
        for held in display_set.checkpoints.unwritten(display_set.held.values(), display_set.place):
            display_set.checkpoints.write(held, self.now)

    def take_over(self):
        """Let another worker have all displays."""
        self.start()
        self.publish_rows()

    def settle(self):
        """Let everything that is under way end, ticks included."""
        for _ in range(1000):
            self.give()
            self.now += 10.0
            self.begin()
            self.answer()
            if not self.replays and all(held.phase is Phase.LIVE for held in self.display_set.held.values()):
                return
        raise AssertionError(f"never live: {self.display_set.held}")

    def wanted(self, display):
        """List the bids that a display must have been given."""
        row = self.rows[display]
        ticks = enumerate(self.journal, 1)
        return [float(number) for number, symbol in ticks if symbol == row["symbol"] and number >= row["from"]]

    def check(self):
        """Every display has each of its ticks once, in order."""
        assigned = {display for display, row in self.rows.items() if row["worker"] == "me"}
        assert set(self.display_set.held) == assigned
        for display in assigned:
            held, wanted = self.display_set.held[display], self.wanted(display)
            assert held.state.bids == wanted, display
            assert held.number == (wanted[-1] if wanted else 0)
            assert held.received_ns == held.number * 1000


def made(symbol, number):
    return Tick(symbol, float(number), number + 0.5, number, "test", (), number * 1000)

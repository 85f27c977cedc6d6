"""A broker, its journal and a bad line in front of one replica: random events, and the invariants of the output."""

import random

from hulak.bus.subscriber.sequence_tracker import Ask, Chunk, Gap, SequenceTracker, TrackerState

STEPS = 150
MUCH = 10_000  # turns until it must have caught up
EVENTS = {
    "publish": 60,
    "lose": 8,
    "double": 6,
    "deliver": 50,
    "beat": 10,
    "serve": 30,
    "answer": 40,
    "ask again": 4,
    "too old": 1,
    "hole": 1,
    "restart": 3,
    "new epoch": 3,
    "degrade": 2,
    "recover": 4,
}


class ReplicaWorld:
    """One topic from its broker to its subscriber.

    Args:
        seed: of everything that happens.
        events: how often what happens; zero leaves it out.
        hold: of the replica; drawn if None.
    """

    def __init__(self, seed, events=None, hold=None):
        self.draw = random.Random(seed)
        self.events = EVENTS if events is None else events
        self.hold = hold or self.draw.choice((3, 10, 1000))
        self.tracker = SequenceTracker(self.hold)
        self.epoch = 1
        self.truth = {}  # number -> epoch, of what is in the journal or, behind a hole, was
        self.last = 0
        self.oldest = 1
        self.holes = set()
        self.waiting = None  # numbers that were published and are not in the journal yet; None: it is live
        self.line = []  # published messages that have not arrived
        self.sent = []  # chunks, to be doubled
        self.ask = None  # the pending request of the subscriber
        self.answers = []
        self.given = []
        self.gaps = []
        self.joined = 0  # the number it began with

    # Events

    def happen(self, what):
        getattr(self, what.replace(" ", "_"))()

    def publish(self):
        count = self.draw.choice((1, 1, 1, 2, 5, 200 if self.draw.random() < 0.05 else 1))
        first = self.last + 1
        self.last += count
        for number in range(first, self.last + 1):
            self.truth[number] = self.epoch
            if self.waiting is not None:
                self.waiting.add(number)
        chunk = Chunk(self.epoch, first, [(self.epoch, number) for number in range(first, self.last + 1)])
        self.line.append(chunk)
        self.sent = [*self.sent[-5:], chunk]

    def lose(self):
        for _ in range(self.draw.randrange(1, 8)):
            if self.line:
                del self.line[self.draw.randrange(len(self.line))]

    def double(self):
        """A message comes again, as the last value does when the subscriber has connected again."""
        if self.sent:
            self.line.append(self.draw.choice(self.sent))

    def beat(self):
        if self.last:
            self.line.append((self.epoch, self.last))

    def deliver(self):
        for _ in range(min(len(self.line), self.draw.randrange(1, 6))):
            message = self.line.pop(0)
            if isinstance(message, Chunk):
                self.joined = self.joined or message.first
                self.take(self.short_way(message) or self.tracker.live(message))
            else:
                self.take(self.tracker.heartbeat(*message))

    def short_way(self, chunk):
        """Handle the next message of a topic without a gap, like `bus.subscriber.frame_router`."""
        tracker = self.tracker
        if tracker.state is not TrackerState.LIVE or (chunk.epoch, chunk.first) != (tracker.epoch, tracker.expected):
            return None
        tracker.expected = chunk.behind
        return [chunk]

    def serve(self):
        """The broker answers what is asked, as much as one reply may have."""
        if self.ask is None or self.answers:
            return
        first, last = self.ask.first, min(self.ask.last, self.last)
        if first < self.oldest:
            self.answers.append(("too old", self.oldest))
            return
        numbers = [number for number in range(first, last + 1) if number not in self.holes | (self.waiting or set())]
        most = self.draw.choice((3, 50, 1000))
        rows = [Chunk(self.truth[number], number, [(self.truth[number], number)]) for number in numbers[:most]]
        while rows:
            cut = self.draw.randrange(1, 20)
            self.answers.append(("rows", rows[:cut]))
            rows = rows[cut:]
        self.answers.append(("ended", numbers[most] if len(numbers) > most else None))

    def answer(self):
        if not self.answers:
            return
        kind, value = self.answers.pop(0)
        if kind == "rows":
            self.take(self.tracker.replayed(value))
            return
        self.ask = None
        self.take(self.tracker.too_old(value) if kind == "too old" else self.tracker.replay_ended(value))

    def ask_again(self):
        """No answer for long: the same is asked once more, and answered from its beginning."""
        self.answers.clear()

    def too_old(self):
        self.oldest = max(self.oldest, self.draw.randrange(1, self.last + 2))

    def hole(self):
        if self.last:
            first = self.draw.randrange(1, self.last + 1)
            self.holes.update(range(first, first + self.draw.randrange(1, 5)))

    def restart(self):
        """Kill the broker; messages on the line stay, pending replies are lost."""
        self.answers.clear()

    def new_epoch(self):
        """It comes back without the end of its journal, and uses those numbers again."""
        self.answers.clear()
        self.epoch += 1
        behind = self.draw.choice((0, 1, 3, 20, 100, 5000))
        self.last = max(self.oldest - 1, min(self.last - behind, *(number - 1 for number in self.waiting or {self.last + 1})))
        self.waiting = None
        self.truth = {number: epoch for number, epoch in self.truth.items() if number <= self.last}
        self.holes = {number for number in self.holes if number <= self.last}

    def degrade(self):
        """The journal cannot be written: numbers go on under another epoch, and wait."""
        if self.waiting is None:
            self.epoch += 1
            self.waiting = set()

    def recover(self):
        self.waiting = None

    # Output

    def take(self, out):
        for output in out:
            if isinstance(output, Ask):
                assert 1 <= output.first <= output.last, output
                self.ask, self.answers = output, []
            elif isinstance(output, Gap):
                assert output.first <= output.last, output
                self.gaps.append(output)
            else:
                assert output.items, "an empty chunk goes out"
                assert [number for _, number in output.items] == list(range(output.first, output.behind))
                for item in output.items:
                    assert not self.given or item > self.given[-1], f"{item} behind {self.given[-1]}"
                    self.given.append(item)
        assert self.tracker.held_items <= self.hold
        assert self.tracker.state is not TrackerState.REPAIRING or self.ask is not None, self.tracker

    # The whole

    def run(self):
        """Let things happen, then let all flow again: it must catch up."""
        kinds, weights = list(self.events), list(self.events.values())
        for _ in range(STEPS):
            self.happen(self.draw.choices(kinds, weights)[0])
        self.recover()
        self.publish()  # it cannot be lost: from here on nothing is
        for _ in range(MUCH):
            if not self.line and self.ask is None:
                break
            self.happen(self.draw.choice(("deliver", "serve", "answer")))
        self.beat()
        for _ in range(MUCH):
            if not self.line and self.ask is None:
                break
            self.happen(self.draw.choice(("deliver", "serve", "answer")))
        self.check()

    def check(self):
        tracker = self.tracker
        assert tracker.state is TrackerState.LIVE, tracker
        assert tracker.expected == self.last + 1, (tracker.expected, self.last)
        reported = {number for gap in self.gaps for number in range(gap.first, gap.last + 1)}
        given = set(self.given)
        assert len(given) == len(self.given)
        whole = not any(map(self.events.get, ("hole", "too old", "degrade")))
        for number in range(max(self.joined, self.oldest), self.last + 1):
            if (self.truth[number], number) not in given:
                assert not whole, f"{number} of epoch {self.truth[number]} is in the journal and was not given out"
                assert number in reported, f"{number} of epoch {self.truth[number]} was neither delivered nor reported"

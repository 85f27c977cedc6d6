"""Feeds' real links and the broker's real intake on a simulated network with a virtual clock, as in `walk_world`.

Frames of one connection arrive in order, but some are lost and some come twice; the broker is restarted, with what its
journal held or, where that was lost, with nothing and another epoch; a subscriber of everything writes down what it gets.
Every tick's own running number is by how many ms its `timestamp` is later than the first time there is.
"""

import heapq
import random
from collections import defaultdict

import msgpack

from hulak.bus.core.ticks.intake import Intake, Source
from hulak.bus.core.ticks.topic_logs import TopicLogs
from hulak.bus.wire.codec import decode_publication
from hulak.bus.wire.messages import FIRST_MS, Tick
from hulak.clients.feeds.delivery import Delivery

FAULTS_S, ASK_S = 6.0, 0.25
SYMBOLS = ("EURUSD", "EURUSDX", "NABIL", "X")


class SimFeed:
    """One feed: its link, its connection to the collector and the one to the frontend."""

    def __init__(self, world, instance, link):
        self.world = world
        self.link = link(instance, 100_000)
        self.ticks_at = self.asks_at = self.answers_at = 0.0  # when the last message of each connection arrives
        self.ask()

    def post(self):
        for _ in range(self.world.random.choice((1, 1, 3, 30))):
            symbol = self.world.random.choice(SYMBOLS)
            number = self.link.unconfirmed.last + 1
            self.link.post(Tick(symbol, 1.0, 1.5, FIRST_MS + number, f"feed-{self.link.instance}"), number)
        self.push(self.world.random.choice((0, 1, 5, 1000)))

    def push(self, most):
        if self.link.opened:
            for frame in self.link.waiting(most):
                self.link.sent += 1
                self.world.carry(self, frame)

    def ask(self):
        self.push(1000)
        args = self.link.ask()
        self.asks_at = max(self.asks_at, self.world.now + self.world.delay_s())
        self.world.at(self.asks_at, self.world.opened, self, args, self.link.asked(), self.world.life)
        self.world.at(self.world.now + ASK_S, self.ask)

    def answered(self, epoch, taken, safe, asked):
        self.link.answered(epoch, taken, safe, asked)
        kept = self.link.unconfirmed
        assert kept.oldest - 1 <= self.link.sent <= kept.last, "it has sent what it does not keep, or what it never had"


class FeedWorld:
    """Feeds, a broker, a subscriber, driven by one seed."""

    def __init__(self, seed, link=Delivery, intake=Intake):
        self.random = random.Random(seed)
        self.kind, self.journal = intake, self.random.random() < 0.5
        self.now, self.count, self.events, self.calm = 0.0, 0, [], False
        self.epoch, self.life, self.up, self.arrived = 0, 0, False, []
        self.taken = defaultdict(list)  # (epoch, feed) -> running numbers in the order of publication
        self.topics_seen = defaultdict(list)  # (epoch, topic) -> sequences
        self.all_seen = defaultdict(int)  # epoch -> ticks got under the topic `ticks`
        self.opened_at = {}  # (epoch, feed) -> what it could still send, when it asked first
        self.start_broker()
        self.feeds = [SimFeed(self, instance, link) for instance in range(1, self.random.randint(2, 4))]

    def at(self, when, what, *arguments):
        self.count += 1
        heapq.heappush(self.events, (when, self.count, what, arguments))

    def delay_s(self):
        return self.random.random() * (0.01 if self.calm or self.random.random() < 0.9 else 0.7)

    def run(self):
        """Post with faults, then without; then all must be there."""
        for _ in range(self.random.randint(10, 60)):
            self.at(self.random.random() * FAULTS_S, self.random.choice(self.feeds).post)
        for _ in range(self.random.choice((0, 0, 1, 2))):
            self.at(self.random.random() * FAULTS_S, self.restart_broker)
        self.at(FAULTS_S, self.be_calm)
        while self.events and self.events[0][0] <= FAULTS_S + 4.0:
            self.now, _, what, arguments = heapq.heappop(self.events)
            what(*arguments)
        self.check_end()

    def be_calm(self):
        self.calm = True
        if not self.up:
            self.start_broker()

    # The broker

    def start_broker(self):
        before = (self.topics, self.intake) if self.epoch and self.journal else None
        self.epoch, self.up, self.arrived, self.life = self.epoch + (before is None), True, [], self.life + 1
        self.topics = TopicLogs(self.epoch, 100)
        self.intake = self.kind(self.topics, self.refused, max_bytes=1000)
        if before is not None:
            self.topics.restore([log.frame for log in before[0].logs.values() if log.sequence], before[0].ticks)
            self.intake.sources = {key: Source(key, source.last, source.last) for key, source in before[1].sources.items()}
        self.topics.subscribe(b"")

    def refused(self, error):
        raise AssertionError(f"a good tick was refused: {error}")

    def restart_broker(self):
        self.up = False
        self.at(self.now + self.random.random(), lambda: self.up or self.start_broker())

    def opened(self, feed, args, asked, life):
        if self.up and life == self.life:
            source, epoch = self.intake.open(**args, now=self.now), self.epoch
            taken, safe = source.last, source.safe
            self.opened_at.setdefault((epoch, feed.link.instance), args["oldest"])
            feed.answers_at = max(feed.answers_at, self.now + self.delay_s())
            self.at(feed.answers_at, lambda: life == self.life and feed.answered(epoch, taken, safe, asked))

    def carry(self, feed, frame):
        """Send a frame to the collector: late, lost or twice."""
        fate = 0.5 if self.calm else self.random.random()
        feed.ticks_at = max(feed.ticks_at, self.now + self.delay_s())
        for _ in range(0 if fate < 0.03 else 2 if fate > 0.97 else 1):
            self.at(feed.ticks_at, self.arrive, frame, self.life)

    def arrive(self, frame, life):
        if self.up and life == self.life:
            self.arrived.append(frame)
            self.at(self.now + self.random.choice((0.0, 0.0, 0.05)), self.turn)

    def turn(self):
        frames, self.arrived = self.arrived, []
        if frames and self.up:
            turn = self.intake.turn(frames, self.now, int(self.now * 1e9) + 1)
            self.at(self.now + self.random.choice((0.0, 0.0, 0.1)), self.intake.journalled, turn.instances)
            for message in turn.messages:
                self.subscriber_got(message)

    # The subscriber

    def subscriber_got(self, message):
        publication = decode_publication(message)
        epoch, sequence = publication.stamp.epoch, publication.stamp.sequence
        assert epoch == self.epoch
        if publication.topic == "ticks":
            assert sequence == self.all_seen[epoch] + 1, "a gap in the one global order"
            bodies = msgpack.unpackb(publication.body)
            self.all_seen[epoch] += len(bodies)
            for body in bodies:
                self.take(body)
            return
        seen = self.topics_seen[epoch, publication.topic]
        assert sequence == len(seen) + 1, f"{publication.topic} has number {sequence}, wanted {len(seen) + 1}"
        seen.append(msgpack.unpackb(publication.body))

    def take(self, body):
        feed = int(body["source"].removeprefix("feed-"))
        numbers = self.taken[self.epoch, feed]
        wanted = numbers[-1] + 1 if numbers else self.opened_at[self.epoch, feed]
        number = body["timestamp"] - FIRST_MS
        assert number == wanted, f"feed {feed}: tick {number} was taken, wanted {wanted}"
        numbers.append(number)

    def check_end(self):
        for feed in self.feeds:
            link, instance = feed.link, feed.link.instance
            ever = set()
            for (_, key), numbers in self.taken.items():
                ever |= set(numbers) if key == instance else set()
            assert ever == set(range(1, link.unconfirmed.last + 1)), f"feed {instance} lost ticks"
            assert (len(link.unconfirmed), link.backlog) == (0, 0), f"feed {instance} has unconfirmed ticks"
        for epoch, count in self.all_seen.items():
            singles = sum(len(seen) for (key, _), seen in self.topics_seen.items() if key == epoch)
            assert singles == count, "`ticks` and the symbols have different messages"

"""A journal made of plain numbers, its live messages, and a subscriber that reads both; without sockets."""

from hulak.bus.subscriber.events import subscription
from hulak.bus.subscriber.frame_router import FrameRouter
from hulak.bus.subscriber.history_cursor import HistoryCursor, HistoryStage
from hulak.bus.subscriber.history_start import Start, StartKind
from hulak.bus.subscriber.replay_requests import OtherEpoch, ReplayEnded, ReplayRows, TooOld
from hulak.bus.subscriber.sinks import EventSink
from hulak.bus.wire import codec
from hulak.bus.wire.codec import NUL, STAMP

S = 1_000_000_000


def frame(topic, epoch, number, body, time_ns=S):
    return topic.encode() + NUL + STAMP.pack(epoch, number, time_ns) + codec.pack(body)


class Market:
    """A broker's journal and its live messages."""

    def __init__(self, leg=4):
        self.rows, self.epoch, self.sequences, self.leg, self.oldest = [], 1, {}, leg, 1
        self.listeners = []

    def tick(self, *symbols):
        first, bodies = len(self.rows) + 1, []
        for symbol in symbols:
            topic, body = f"tick.{symbol}", {"symbol": symbol, "bid": len(self.rows) + 1.0}
            self.sequences[topic] = self.sequences.get(topic, 0) + 1
            row = frame(topic, self.epoch, self.sequences[topic], body, (len(self.rows) + 1) * S)
            self.rows.append((topic, row))
            bodies.append(body)
            for listener in self.listeners:
                listener.published(topic, row)
        for listener in self.listeners:
            listener.published("ticks", frame("ticks", self.epoch, first, bodies))

    def cut(self, number, epoch):
        """Lose the ticks from a number on, as a power cut does."""
        for topic, _ in self.rows[number - 1 :]:
            self.sequences[topic] -= 1
        del self.rows[number - 1 :]
        self.epoch = epoch

    def replay(self, args):
        """Answer a request of section 7.3."""
        topics = args.get("topics") or [args["topic"]]
        if "topic" in args:  # its own sequences
            of_topic = list(enumerate([row for topic, row in self.rows if topic == topics[0]], 1))
            asked = [row for number, row in of_topic if number == args["from"]]
            numbers = [number for number, (_, row) in enumerate(self.rows, 1) if row in asked]
            return [*([ReplayRows("history", [[numbers[0], asked[0]]])] if asked else []), ReplayEnded("history", None)]
        first = max(1, args.get("from", 1))
        if args.get("epoch") and (first - 1 > len(self.rows) or self._epoch(first - 1) != args["epoch"]):
            return [OtherEpoch("history")]
        if first < self.oldest and not args.get("since_ns"):
            return [TooOld("history", self.oldest, oldest_ns=self.oldest * S)]
        rows = []
        for number, (topic, row) in enumerate(self.rows, 1):
            wanted = any(name in ("ticks", topic) or (name[-1] == "*" and topic.startswith(name[:-1])) for name in topics)
            if not wanted or number < max(first, self.oldest) or number > args.get("to", number):
                continue
            if number * S < args.get("since_ns", 0):
                continue
            if len(rows) == self.leg:
                return [ReplayRows("history", rows), ReplayEnded("history", number)]
            rows.append([number, row])
        return [*([ReplayRows("history", rows)] if rows else []), ReplayEnded("history", None)]

    def _epoch(self, number):
        row = self.rows[number - 1][1]
        return STAMP.unpack_from(row, row.index(NUL) + 1)[0]


class Reader:
    """A subscriber with a history, and what it was given."""

    def __init__(self, market, *topics, hold_bytes=100_000, **start):
        self.market, self.sink = market, EventSink()
        self.keys = [subscription(topic) for topic in topics]
        self.router = FrameRouter(self.keys, self.sink, lossless=True, hold=1000, gap_events=True)
        [(kind, value)] = [(kind, value) for kind, value in start.items() if kind != "epoch"]
        self.cursor = HistoryCursor(
            self.router, Start(StartKind[kind], value, start.get("epoch", 0), kind), hold_bytes=hold_bytes
        )
        self.join()

    def join(self):
        market = self.market
        market.listeners.append(self)
        for topic, number in market.sequences.items():  # last values come before the hello
            if any(f"{topic}\0".encode().startswith(key) for key in self.keys):
                self.receive(frame(topic, market.epoch, number, {}))
        if b"ticks\0" in self.keys:
            self.receive(frame("ticks", market.epoch, len(market.rows) + 1, []))
        self.receive(frame("hulak.hello", market.epoch, 1, {"protocol": 1}))
        self.receive(frame("heartbeat", market.epoch, 1, {"ticks": len(market.rows), "topics": {}}))

    def rest(self, known=(0, 0)):
        """End the live connection; all ticks up to the known number, whose epoch comes with it, were delivered."""
        self.market.listeners.remove(self)
        self.router.rest()
        if self.cursor.stage is HistoryStage.LIVE:
            self.cursor = self.cursor.again(known)
        else:
            self.cursor.rest()

    def published(self, topic, published):
        if any(f"{topic}\0".encode().startswith(key) for key in self.keys):
            self.receive(published)

    def receive(self, published):
        if self.cursor.stage is HistoryStage.LIVE:
            self.router.take([published])
        else:
            self.cursor.hold([published])

    def step(self):
        """Exchange one request and its answers; subscribe again at the end of the journal."""
        if self.cursor.at_end and self not in self.market.listeners:
            self.join()
        args, self.cursor.args = self.cursor.args, None
        for answer in self.market.replay(args):
            self.cursor.take(answer)
            if self.cursor.args is not None:
                break
        if self.cursor.ready:
            self.cursor.hand_over()
            while self.cursor.give_held():
                pass

    def run(self):
        for _ in range(1000):
            if self.cursor.stage is HistoryStage.LIVE or self.cursor.error is not None:
                return self
            self.step()
        raise AssertionError("it does not end")

    def seen(self):
        return [(event.topic, event.stamp.epoch, event.stamp.sequence) for event in self.sink.items]

    def numbers(self, topic="ticks"):
        return [event.stamp.sequence for event in self.sink.items if event.topic == topic]


def market_of(count, *symbols, **how):
    market = Market(**how)
    for at in range(count):
        market.tick(symbols[at % len(symbols)])
    return market

"""The rules for subscribers, as data: messages published and lost, answers to replays, lines wanted. Pure."""

from dataclasses import dataclass, field

from hulak.bus.wire.messages import FIRST_MS
from hulak.clients.conform.control import EPOCH
from hulak.clients.conform.rule import Rule

TOPIC = "tick.EURUSD"


@dataclass(frozen=True)
class Publish:
    """A message of the fake broker; a tick of `TOPIC` is also journalled."""

    sequence: int
    epoch: int = EPOCH
    topic: str = TOPIC
    lost: bool = False  # numbered and journalled, but never published
    more: dict[str, object] = field(default_factory=dict)  # further keys of the body

    def body(self) -> dict[str, object]:
        """Return the keys of its body: the bid tells messages with the same number of two epochs apart."""
        bid = self.sequence % 1000 + (self.epoch - EPOCH) / 2
        symbol = self.topic.removeprefix("tick.")
        return {"symbol": symbol, "bid": bid, "ask": bid + 0.25, "timestamp": FIRST_MS, "source": "conform", **self.more}

    def line(self) -> tuple[int, object, object]:
        """Return what a subscriber has to print of it."""
        body = self.body()
        return self.sequence, body["bid"], body["ask"]


@dataclass(frozen=True)
class Raw:
    """A frame as it is."""

    frame: bytes


@dataclass(frozen=True)
class BrokerRestarts:
    """The broker is killed as soon as the program has printed this number of lines, and is started again."""

    printed: int


Step = Publish | Raw | BrokerRestarts


@dataclass(frozen=True)
class SubscriberRule(Rule):
    """A rule, and its scenario."""

    steps: tuple[Step, ...] = ()
    wanted: tuple[Publish, ...] = ()  # to be printed, in order
    before: tuple[Publish, ...] = ()  # published before the program subscribed: it gets the last one at once
    rows: int = 1000  # in the answer to one replay at most
    silent: int = 0  # number of replays that get no answer
    busy: int = 0  # number of replays that get the ERROR BUSY
    foreign: bool = False  # answers with other ids come first
    oldest: int = 1  # the journal's first number


def ticks(*sequences: int, epoch: int = EPOCH, lost: bool = False) -> tuple[Publish, ...]:
    """Return ticks of these numbers."""
    return tuple(Publish(sequence, epoch, lost=lost) for sequence in sequences)


ODD = {"flags": ["crossed", "new"], "n": 2**64 - 1, "least": -(2**63), "blob": bytes(300), "deep": {"bid": [{}, None, True]}}
OTHER = Publish(9, topic="tick.EURUSDX", more={"symbol": "EURUSDX"})
GOLDEN = bytes.fromhex(  # of section 3.1
    "7469636b2e45555255534400000001a20336121c0000000000000001179bffd372c5eb5085a673796d626f6ca6455552555344a3626964cb3ff15ee7"
    "8183f91ea361736bcb3ff15f06f6944674a974696d657374616d70cf0000018c197b6ad2a6736f75726365a762696e616e6365"
)
GOLDEN_TICK = Publish(1, more={"bid": 1.08567, "ask": 1.0857})
GAP = (*ticks(1), *ticks(2, 3, lost=True), *ticks(4))
LATER = EPOCH + 1

SUBSCRIBER_RULES = (
    SubscriberRule(
        "in-order", "3.1", "Ticks are printed as they are published, in order.", steps=ticks(1, 2, 3), wanted=ticks(1, 2, 3)
    ),
    SubscriberRule("golden-tick", "3.1", "The golden frame of a tick is read.", steps=(Raw(GOLDEN),), wanted=(GOLDEN_TICK,)),
    SubscriberRule(
        "large-numbers",
        "3.2",
        "Sequences are unsigned numbers of 64 bits.",
        steps=ticks(2**40, 2**40 + 1),
        wanted=ticks(2**40, 2**40 + 1),
    ),
    SubscriberRule(
        "unknown-keys",
        "3.3",
        "Unknown keys of a tick are ignored, whatever their values are.",
        steps=(Publish(1, more=ODD), *ticks(2)),
        wanted=ticks(1, 2),
    ),
    SubscriberRule(
        "exact-topic",
        "3.6",
        "A subscription to tick.EURUSD prints nothing of tick.EURUSDX.",
        steps=(OTHER, *ticks(1), OTHER, *ticks(2)),
        wanted=ticks(1, 2),
    ),
    SubscriberRule(
        "last-value",
        "3.6",
        "The topic's last message comes with the subscription, and is printed first.",
        before=ticks(1, 2, 3),
        steps=ticks(4, 5),
        wanted=ticks(3, 4, 5),
    ),
    SubscriberRule(
        "duplicates",
        "3.2",
        "A number that was printed is not printed again.",
        steps=(*ticks(1, 2), *ticks(2, 1), *ticks(3)),
        wanted=ticks(1, 2, 3),
    ),
    SubscriberRule(
        "gap",
        "7.3",
        "Missed ticks are requested with hulak.replay, and printed before later ones.",
        steps=(*GAP, *ticks(5)),
        wanted=ticks(1, 2, 3, 4, 5),
    ),
    SubscriberRule(
        "replay-next",
        "7.3",
        "A replay whose REPLY has `next` is continued there.",
        steps=(*ticks(1), *ticks(*range(2, 8), lost=True), *ticks(8)),
        wanted=ticks(*range(1, 9)),
        rows=2,
    ),
    SubscriberRule(
        "replay-foreign",
        "4.1",
        "Answers with the id of another request are ignored.",
        steps=GAP,
        wanted=ticks(1, 2, 3, 4),
        foreign=True,
    ),
    SubscriberRule(
        "replay-busy",
        "7.3",
        "A replay that was refused with BUSY is requested again.",
        steps=GAP,
        wanted=ticks(1, 2, 3, 4),
        busy=1,
    ),
    SubscriberRule(
        "replay-silent",
        "7.3",
        "A replay without any answer is requested again after some seconds.",
        steps=GAP,
        wanted=ticks(1, 2, 3, 4),
        silent=1,
    ),
    SubscriberRule(
        "too-old",
        "7.3",
        "After TOO_OLD the subscriber continues with the oldest tick that is there.",
        steps=(*ticks(1), *ticks(2, 3, 4, 5, lost=True), *ticks(6)),
        wanted=ticks(1, 4, 5, 6),
        oldest=4,
    ),
    SubscriberRule(
        "heartbeat",
        "3.8",
        "A lost last tick is revealed by the numbers in `heartbeat`.",
        steps=(*ticks(1, 2), *ticks(3, lost=True)),
        wanted=ticks(1, 2, 3),
    ),
    SubscriberRule(
        "epoch-continues",
        "3.2",
        "A larger epoch whose sequence continues is no gap.",
        steps=(*ticks(1, 2), *ticks(3, 4, epoch=LATER)),
        wanted=(*ticks(1, 2), *ticks(3, 4, epoch=LATER)),
    ),
    SubscriberRule(
        "epoch-reuses",
        "3.2",
        "Numbers that a larger epoch uses again are other messages, and are printed.",
        steps=(*ticks(1, 2, 3), *ticks(3, 4, epoch=LATER)),
        wanted=(*ticks(1, 2, 3), *ticks(3, 4, epoch=LATER)),
    ),
    SubscriberRule(
        "epoch-backwards",
        "3.2",
        "After a larger epoch, numbers before the expected one that are used again are replayed too.",
        steps=(*ticks(1, 2, 3, 4), *ticks(2, 3, 4, 5, epoch=LATER, lost=True), *ticks(6, epoch=LATER)),
        wanted=(*ticks(1, 2, 3, 4), *ticks(2, 3, 4, 5, 6, epoch=LATER)),
    ),
    SubscriberRule(
        "restart",
        "2",
        "After a restart of the broker every tick comes, also those published until the program subscribed again.",
        steps=(*ticks(1, 2), BrokerRestarts(2), *ticks(3, 4, lost=True), *ticks(5)),
        wanted=ticks(1, 2, 3, 4, 5),
    ),
)

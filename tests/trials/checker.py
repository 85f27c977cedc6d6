"""The offline checker: the logs of all programs against the guarantees (PROTOCOL.md sections 3.2 to 3.9). Pure.

A feed logs `attempt` (its ticks in the order of their running numbers) and `confirmed` (up to which number the broker has them
for good). A subscriber logs `joined`, `received`, `gap` (messages reported as lost) and `counters`. The bid of a tick counts the
ticks of its symbol, so that each tick is unique. Times are seconds of the machine's monotonic clock.
"""

from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise


@dataclass
class Feed:
    """The ticks of a feed: running number and time of each, and the last confirmed number."""

    attempts: dict = field(default_factory=dict)  # (symbol, bid) -> (running number, time)
    confirmed: int = 0


@dataclass
class Reader:
    """The findings in one subscriber's log."""

    name: str
    received: int = 0
    lost: list = field(default_factory=list)  # (symbol, bid) that were confirmed, and never came
    gaps: list = field(default_factory=list)  # (topic, from, to) without an explanation
    disorder: list = field(default_factory=list)  # (topic, sequence or bid before, sequence or bid)
    duplicates: list = field(default_factory=list)  # (symbol, bid)
    reported: int = 0  # messages that the subscriber itself said were lost
    counters: dict = field(default_factory=dict)
    fresh: list = field(default_factory=list)  # (attempted, received) of ticks, as they came


def read_feed(events):
    """Read a feed's log."""
    feed = Feed()
    for event in events:
        if event["event"] == "attempt":
            feed.attempts[event["symbol"], event["bid"]] = (len(feed.attempts) + 1, event["time"])
        elif event["event"] == "confirmed":
            feed.confirmed = max(feed.confirmed, event["upto"])
    return feed


def read_subscriber(name, events, feed):
    """Read a lossless subscriber's log, and hold it against the feed's."""
    reader, joined, topics = Reader(name), None, ()
    last, seen, newest, reported = {}, Counter(), Counter(), {}
    for event in events:
        match event["event"]:
            case "joined":
                joined, topics = event["time"], event["topics"]
            case "gap":
                reported.setdefault(event["topic"], []).append((event["first"], event["last"]))
                reader.reported += event["last"] - event["first"] + 1
            case "counters":
                reader.counters = event["counters"]
            case "received":
                _follow_number(reader, event, last, reported)
                _follow_tick(reader, event, seen, newest)
                attempt = feed.attempts.get((event["symbol"], event["bid"]))
                if attempt:
                    reader.fresh.append((attempt[1], event["time"]))
    reader.duplicates = [tick for tick, times in seen.items() if times > 1]
    if joined is None:
        raise ValueError(f"{name} has never joined")
    for tick, (number, time) in feed.attempts.items():
        if number <= feed.confirmed and time > joined and tick not in seen and covers(topics, tick[0]):
            reader.lost.append(tick)
    return reader


def _follow_tick(reader, event, seen, newest):
    """Follow the ticks of one symbol by their bids."""
    symbol, bid = event["symbol"], event["bid"]
    seen[symbol, bid] += 1
    if seen[symbol, bid] == 1 and bid < newest[symbol]:
        reader.disorder.append((symbol, newest[symbol], bid))
    newest[symbol] = max(newest[symbol], bid)


def _follow_number(reader, event, last, reported):
    """Follow the sequence of one topic."""
    reader.received += 1
    topic, epoch, sequence = event["topic"], event["epoch"], event["sequence"]
    before = last.get(topic)
    last[topic] = (epoch, sequence)
    if before is None or sequence == before[1] + 1:
        return
    if (epoch, sequence) <= before:
        reader.disorder.append((topic, before[1], sequence))
    elif epoch == before[0]:
        missed = set(range(before[1] + 1, sequence))
        for first, until in reported.get(topic, ()):
            missed.difference_update(range(first, until + 1))
        if missed:
            reader.gaps.append((topic, min(missed), max(missed)))


def covers(topics, symbol):
    """Return whether one of these subscriptions has a symbol's ticks."""
    return any(topic in ("ticks", "tick.", f"tick.{symbol}") for topic in topics)


@dataclass
class Report:
    """The sums over all logs."""

    attempted: int
    confirmed: int
    received: int
    lost: int
    gaps: int
    disorder: int
    duplicates: int
    reported: int
    examples: list

    def clean(self):
        """Return whether every guarantee was kept."""
        return not (self.lost or self.gaps or self.disorder or self.duplicates)

    def __str__(self):
        return (
            f"attempted {self.attempted:,}, confirmed {self.confirmed:,}, received {self.received:,}; confirmed ticks lost "
            f"{self.lost}, gaps unexplained {self.gaps}, out of order {self.disorder}, duplicates {self.duplicates}, "
            f"reported as lost {self.reported}" + "".join(f"\n  {example}" for example in self.examples)
        )


def report(feed, readers):
    """Add up."""
    rows_by_kind = {"lost": [], "gaps": [], "disorder": [], "duplicates": []}
    for reader in readers:
        for kind, rows in rows_by_kind.items():
            rows += [(reader.name, kind, entry) for entry in getattr(reader, kind)]
    examples = [entry for rows in rows_by_kind.values() for entry in rows[:5]]
    counts = {kind: len(rows) for kind, rows in rows_by_kind.items()}
    received, reported = sum(entry.received for entry in readers), sum(entry.reported for entry in readers)
    return Report(len(feed.attempts), feed.confirmed, received, **counts, reported=reported, examples=examples)


def recoveries(kills, readers):
    """Return, for each kill of the broker, after how long every reader had a tick that was attempted after it.

    A kill that came before the readers had got over the one before is counted together with it.
    Returns:
        seconds, one pair for each time it was served again: since the last kill before that, and since the first one of its row.
    """
    again_s, first = [], None
    for kill, following in pairwise([*sorted(kills), float("inf")]):
        first = kill if first is None else first
        served = max(_first_behind(reader.fresh, kill) for reader in readers)
        if served < following:
            again_s.append((served - kill, served - first))
            first = None
    return again_s


def _first_behind(fresh, moment):
    return min((received for attempted, received in fresh[_from(fresh, moment) :] if attempted > moment), default=float("inf"))


def _from(fresh, moment):
    """Skip what was received before the moment; `fresh` is in the order of receipt."""
    return bisect_right(fresh, moment, key=lambda pair: pair[1])


def latencies(readers, since, until):
    """List, sorted, how long ticks took that were attempted within these moments, in ms."""
    pairs = ((attempted, received) for reader in readers for attempted, received in reader.fresh if since <= attempted < until)
    return sorted((received - attempted) * 1000 for attempted, received in pairs)


def quantile(values, part):
    """Take a quantile of sorted values; not a number where there are none."""
    return values[min(len(values) - 1, int(len(values) * part))] if values else float("nan")


def slope(points):
    """Fit a line through (x, y) by least squares; its y per x."""
    count = len(points)
    mean_x, mean_y = sum(x for x, _ in points) / count, sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0

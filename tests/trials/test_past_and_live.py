"""Subscribers begin in the past at random times and go on live, and are killed, while the broker is killed too."""

import random
import signal
import threading
import time
from itertools import pairwise

import pytest
from stage import FOUND, Stage
from waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]
SEED = 20261130
RATE = 2000
SYMBOLS = 28
AT_ONCE = 4
LIVE_TICKS = 500  # of each subscription, after the mark
BEFORE = 1000  # ticks, when the first one joins
JUST_NS = 1_000_000  # times of the journal are rounded
JOINS_S = 30
CALM_S = 90  # on a busy machine
SOME = [f"tick.SYM{at:02d}" for at in range(0, SYMBOLS, 3)]
TOPICS = {"ticks": ["ticks"], "prefix": ["tick."], "some": SOME}


class Join:
    """One subscription that begins in the past, and what it was given."""

    def __init__(self, kind, start):
        self.kind, self.start = kind, start
        self.ticks = []
        self.mark = None  # how many ticks came before `live`
        self.counters = None
        self.began = None  # the subscription began between these two times, ns

    def run(self, stage):
        asked, deadline = time.time_ns(), time.monotonic() + JOINS_S
        with stage.subscriber(*TOPICS[self.kind], **self.start) as subscriber:
            while self.mark is None or len(self.ticks) < self.mark + LIVE_TICKS:
                assert time.monotonic() < deadline, f"{self}: {len(self.ticks)} ticks, live after {self.mark}"
                event = subscriber.poll(0.2)
                if event is None:
                    continue
                self.began = self.began or (asked, time.time_ns())
                if event.topic == "live":
                    self.mark = len(self.ticks)
                else:
                    body, stamp = event.body, event.stamp
                    self.ticks.append((event.topic, stamp.sequence, body["symbol"], body["bid"], stamp.time_ns))
            self.counters = subscriber.counters()

    def __str__(self):
        return f"{self.kind} {self.start}"


def draw(chance):
    """Draw a beginning."""
    kind = chance.choice(list(TOPICS))
    start = chance.choice(
        [
            {"since": -chance.uniform(0.1, 20)},
            {"since": "oldest"},
            {"from_sequence": chance.randint(1, BEFORE)},
            {"last": chance.randint(1, 5000)},
        ]
    )
    return Join(kind, start)


def join_all(stage, joins, chance):
    """Run the joins, several at once, at random moments; returns what failed."""
    faults, places = [], threading.Semaphore(AT_ONCE)

    def one(join):
        try:
            join.run(stage)
        except BaseException as error:  # noqa: BLE001 - the test fails with it
            faults.append((str(join), error))
        finally:
            places.release()

    threads = []
    for join in joins:
        places.acquire()
        threads.append(threading.Thread(target=one, args=(join,)))
        threads[-1].start()
        time.sleep(chance.uniform(0, 0.2))
    for thread in threads:
        thread.join(2 * JOINS_S)
    return faults


def faults_of(join, everything):
    """Compare what a subscription was given with the whole journal: {(symbol, bid): (number, time_ns)}."""
    wanted = {topic.removeprefix("tick.") for topic in SOME} if join.kind == "some" else None
    numbers = [everything[symbol, bid][0] for _, _, symbol, bid, _ in join.ticks]
    first, last = min(numbers), max(numbers)
    whole = [number for (symbol, _), (number, _) in everything.items() if wanted is None or symbol in wanted]
    if join.kind == "ticks":
        assert [sequence for _, sequence, _, _, _ in join.ticks] == numbers
        ordered = numbers == sorted(numbers)
    else:  # the order of one topic; live messages of several may come one by one
        by_topic = {}
        for topic, sequence, _, bid, _ in join.ticks:
            assert sequence == bid, "the feed counts"
            by_topic.setdefault(topic, []).append(sequence)
        ordered = all(later == earlier + 1 for each in by_topic.values() for earlier, later in pairwise(each))
    between = {number for number in whole if first <= number <= last}
    # at its end a prefix may have been given a later tick of one topic before an earlier one of another
    edge = SYMBOLS if join.kind != "ticks" else 0
    missing = [number for number in between - set(numbers) if number <= last - edge]
    return {"missing": len(missing), "twice": len(numbers) - len(set(numbers)), "out of order": int(not ordered)}, first


def begins_right(join, first, everything):
    """Check the first tick against the beginning that was asked for."""
    wanted = {topic.removeprefix("tick.") for topic in SOME} if join.kind == "some" else None
    of_it = sorted((number, at) for (symbol, _), (number, at) in everything.items() if wanted is None or symbol in wanted)
    [(how, value)] = join.start.items()
    before = [at for number, at in of_it if number < first]
    match how:
        case "since" if value == "oldest":
            return not before
        case "since":
            earliest_ns, latest_ns = (at_ns + int(value * 1e9) for at_ns in join.began)
            return max(before, default=0) <= latest_ns and dict(of_it)[first] >= earliest_ns - JUST_NS
        case "from_sequence":
            return first >= value and all(number < value for number, _ in of_it if number < first)
        case _:
            return join.mark >= value or not before


def read_all(stage):
    """Return the journal: (symbol, bid) -> (number, time_ns)."""
    result = {}
    with stage.subscriber("ticks", since="oldest") as subscriber:
        while (event := subscriber.poll(10)) is not None and event.topic != "live":
            result[event.body["symbol"], event.body["bid"]] = (event.stamp.sequence, event.stamp.time_ns)
    return result


def kill_brokers(stage, kills, over_s, chance):
    """Kill the broker at random moments, and start it again at once."""
    moments = sorted(chance.uniform(0, over_s) for _ in range(kills))
    began = time.monotonic()
    for moment in moments:
        time.sleep(max(0.0, began + moment - time.monotonic()))
        stage.broker.kill()
        stage.broker.wait()
        stage.broker = stage.start("-m", "hulak.bus")


def test_joins_in_the_past_miss_nothing_and_get_nothing_twice(tmp_path, long, record_figure):
    """Full: 100 joins, 5 kills of the broker; short: 8 and 1. 2,000 ticks/s over 28 symbols."""
    count, kills, over_s = (100, 5, 40) if long else (8, 1, 2)
    chance = random.Random(SEED)
    with Stage(tmp_path) as stage:
        stage.broker = stage.start_broker()
        stage.start_feed(RATE)
        eventually(lambda: stage.stats()["ticks"]["taken"] > BEFORE, within_s=CALM_S)
        killer = threading.Thread(target=kill_brokers, args=(stage, kills, over_s, random.Random(SEED + 1)))
        killer.start()
        joins = [draw(chance) for _ in range(count)]
        faults = join_all(stage, joins, chance)
        killer.join(2 * JOINS_S + over_s)
        stage.calm(CALM_S)
        stage.end()
        everything = read_all(stage)
    assert faults == []
    assert sorted(number for number, _ in everything.values()) == list(range(1, len(everything) + 1))
    total = dict.fromkeys(("missing", "twice", "out of order"), 0)
    for join in joins:
        faulty, first = faults_of(join, everything)
        assert begins_right(join, first, everything), str(join)
        assert join.counters["lost"] == 0
        total = {key: total[key] + faulty[key] for key in total}
    ticks = sum(len(join.ticks) for join in joins)
    record_figure(f"past and live: {count} joins at {RATE}/s, {kills} kills of the broker, {ticks:,} ticks; {total}")
    assert not any(total.values())


def logged(path):
    return [int(line) for line in path.read_bytes().split(b"\n")[:-1]]


def test_a_killed_subscriber_goes_on_where_it_was(tmp_path, long, record_figure):
    """Full: 50 kills of each of two subscribers, 5 of the broker; short: 4 and 1. 2,000 ticks/s."""
    kills, of_broker = (50, 5) if long else (4, 1)
    chance = random.Random(SEED)
    logs = {kind: tmp_path / f"{kind}.log" for kind in ("name", "number")}
    with Stage(tmp_path) as stage:
        stage.broker = stage.start_broker()
        stage.start_feed(RATE)
        for kill in range(kills):
            readers = [stage.start("-m", "trial_named", path, kind, **FOUND) for kind, path in logs.items()]
            sizes = [path.stat().st_size if path.exists() else 0 for path in logs.values()]
            eventually(lambda sizes=sizes: _grown(logs, sizes), within_s=CALM_S)
            if kill % (kills // of_broker) == 1:
                stage.broker.kill()
                stage.broker.wait()
                stage.broker = stage.start("-m", "hulak.bus")
            time.sleep(chance.uniform(0, 0.3))
            for reader in readers:
                reader.send_signal(signal.SIGKILL)
                reader.wait()
        stage.calm(CALM_S)
        stage.end()
        newest = max(number for number, _ in read_all(stage).values())
        readers = [stage.start("-m", "trial_named", path, kind, **FOUND) for kind, path in logs.items()]
        eventually(lambda: all(logged(path)[-1] == newest for path in logs.values()), within_s=CALM_S)
        for reader in readers:
            reader.kill()
            reader.wait()
    everything = list(range(1, newest + 1))
    by_name, by_number = (logged(path) for path in logs.values())
    seen, kept = 0, []
    for number in by_name:
        if number > seen:  # drops what was seen, by its number
            kept.append(number)
            seen = number
    record_figure(
        f"named: {kills} kills, {newest:,} ticks, {len(by_name) - len(kept):,} came again; by number {len(by_number):,}"
    )
    assert kept == everything
    assert by_number == everything


def _grown(logs, sizes):
    return all(path.exists() and path.stat().st_size > size for path, size in zip(logs.values(), sizes, strict=True))

"""The journal's disk is read-only, broken or full for a while, with and without a kill meanwhile: nothing confirmed is lost.

Two feeds, so that after a kill their ticks come in another order than before: a message published under a number must never come
again under that number with another content, whatever the journal could not note down.
"""

import itertools
import signal
import time

import bare
import pytest
from checker import Feed, read_subscriber
from contents import judge_replay, symbol_of
from faults import Faults
from load import Recording, Ticks
from stage import Stage, lines
from verdicts import assert_reported, assert_well
from waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]
SYMBOLS = 5
WITHIN_S = 30
SHORT = (("read-only", True), ("broken", False))


def journal(stage):
    return stage.stats()["journal"]


def rest_of(feeds, seconds):
    """Let the feeds post for some more seconds."""
    wanted = [(feed, feed.posted + feed.rate * seconds) for feed in feeds]
    eventually(lambda: all(feed.goes_on() and feed.posted > upto for feed, upto in wanted), within_s=WITHIN_S + seconds)


def start_broker(stage, faults):
    """Start a broker with the sick disk; other processes have a healthy one."""
    with stage.having(faults.variables):
        stage.broker = stage.start_broker()


def test_confirmed_ticks_survive_a_failing_disk_and_no_number_has_two_contents(tmp_path, long, record_figure):
    """Full: each fault with and without a kill, twice, 4 s each; short: two of them, half a second each."""
    cases = list(itertools.product(("read-only", "broken", "full"), (True, False))) * 2 if long else SHORT
    failing_s = 4 if long else 0.5
    faults, epochs, lost = Faults(tmp_path), [], []
    with Stage(tmp_path, **{"journal.segment_bytes": 65_536}) as stage:
        start_broker(stage, faults)
        stage.start_subscribers(["ticks"], ["tick."], ["tick.A00", "tick.B01"])
        with (
            Recording(stage.addresses) as recording,
            Ticks(stage.addresses, "a", 300, SYMBOLS) as first,
            Ticks(stage.addresses, "b", 200, SYMBOLS) as two,
        ):
            feeds = (first, two)
            rest_of(feeds, 0.5)
            for state, killed in cases:
                epochs.append(stage.client_call("hulak.ping")["epoch"])
                faults.disk(state)
                eventually(lambda: journal(stage)["state"] == "degraded", within_s=WITHIN_S)
                rest_of(feeds, failing_s)
                assert_reported(stage, "journal is degraded")
                if killed:
                    stage.broker.kill()
                    stage.broker.wait()
                    faults.disk("well")
                    start_broker(stage, faults)
                else:
                    faults.disk("well")
                eventually(lambda: journal(stage)["state"] == "live", within_s=WITHIN_S)
                rest_of(feeds, 0.5)
                lost.append(journal(stage)["lost"])
            first.end()
            two.end()
            asker = bare.Asker(stage.addresses["frontend"])
            rows, missing = asker.replay()
            asker.close()
            for group in stage.groups:
                group.send_signal(signal.SIGTERM)
                assert group.wait(WITHIN_S) == 0, group.log.read_text()[-2000:]
        assert_well(stage)
    posted = {feed.name: feed.posted for feed in feeds}
    feed = feed_of(posted)
    readers = [read_subscriber(name, lines(path), feed) for name, path in stage.logs.items()]
    record_figure(
        f"sick disk: {len(cases)} times, {sum(posted.values()):,} ticks, {len(recording.seen):,} seen under {len(set(epochs))} "
        f"epochs, {len(recording.conflicts)} numbers with two contents; subscribers: {[reader.counters for reader in readers]}"
    )
    assert judge_replay(rows, {feed.name: feed.safe for feed in feeds}) == []
    assert recording.conflicts == []
    assert (missing, sum(lost)) == ([], 0)
    assert epochs == sorted(epochs)
    for reader in readers:
        assert (reader.lost, reader.gaps) == ([], []), reader.name
        assert len(reader.duplicates) <= reader.reported, reader.name


def feed_of(posted):
    """Write the logs of the feeds for the checker; all readers had joined before."""
    ticks = [(symbol_of(name, number, SYMBOLS), number) for name, upto in posted.items() for number in range(1, upto + 1)]
    return Feed({tick: (at, time.monotonic()) for at, tick in enumerate(ticks, 1)}, len(ticks))

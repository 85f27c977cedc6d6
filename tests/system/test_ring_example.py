"""The reader of the ring in C, clients/examples/ring.c, against a real broker."""

import subprocess

import pytest
from c_program import compiled_c
from local_bus import LocalBus
from unnumbered_feed import UnnumberedFeed
from waiting import eventually

from hulak.bus.process import futex

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(300),  # seconds; the first run installs libzmq's headers
    pytest.mark.skipif(futex.missing() is not None, reason=str(futex.missing())),
]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return compiled_c("ring", tmp_path_factory.mktemp("example"))


class RingReader:
    """The program, running; and its output."""

    def __init__(self, local_bus, program, count):
        self.out, self.err = local_bus.home / "ring.out", local_bus.home / "ring.err"
        words = [*program, local_bus.addresses["publisher"], "tick.EURUSD", str(count)]
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(words, stdout=out, stderr=err)
        self.process.log = self.err
        local_bus.processes.append(self.process)

    def ticks(self):
        """Return the ticks that it has printed: [(sequence, bid, ask)]."""
        return [
            (int(sequence), float(bid), float(ask)) for sequence, bid, ask in map(str.split, self.out.read_text().splitlines())
        ]


def prices_of(sequences):
    """Return the ticks that the feed posts to the second of two symbols."""
    return [(number, 2.0 * number, 2 * number + 0.5) for number in sequences]


def subscribed(local_bus):
    """Wait until the program has the broker's hello."""
    eventually(lambda: local_bus.stats()["ticks"]["subscriptions"] == 1, within_s=60)


def test_it_prints_the_topics_ticks_over_many_turns_of_the_ring_and_a_killed_broker(program):
    with LocalBus(**{"broker.ring_bytes": 1 << 17}) as local_bus:  # room for the largest turn of this test
        broker = local_bus.start_broker()
        with UnnumberedFeed(local_bus) as feed:
            reader = RingReader(local_bus, program, 2500)
            subscribed(local_bus)
            for last in range(100, 1600, 100):
                feed.post(100, "EURUSDX", "EURUSD")
                eventually(lambda last=last: len(reader.ticks()) == last, within_s=60)
            ring = local_bus.stats()["ring"]
            assert ring["written"] > 2 * ring["bytes"]
            broker.kill()
            broker.wait()
            local_bus.start_broker()
            subscribed(local_bus)
            for last in range(1600, 2600, 100):
                feed.post(100, "EURUSDX", "EURUSD")
                eventually(lambda last=last: len(reader.ticks()) == last, within_s=60)
            eventually(lambda: reader.process.poll() is not None, within_s=60)
        assert (reader.process.returncode, reader.err.read_text()) == (0, "")
        assert reader.ticks() == prices_of(range(1, 2501))


def test_it_ends_with_an_error_where_there_is_no_ring(program):
    with LocalBus(**{"broker.ring_bytes": 0}) as local_bus:
        local_bus.start_broker()
        reader = RingReader(local_bus, program, 1)
        assert eventually(lambda: reader.process.poll() is not None, within_s=30)
        assert (reader.process.returncode, reader.err.read_text()) == (1, "the broker has no ring\n")

"""One of 20 subscribers is revoked, again and again: it gets nothing more within a second, and the others miss nothing."""

import time

import pytest
import zmq
from key_home import KeyHome, feed_of, tick
from load import Thread
from local_bus import LocalBus
from waiting import eventually

from hulak.bus.process import key_files
from hulak.bus.wire import codec
from hulak.bus.wire.codec import STAMP
from hulak.bus.wire.names import HELLO, TICKS

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]
SUBSCRIBERS = 20
RATE = 1000
ENDS_WITHIN_S, SHORT_ENDS_WITHIN_S = 1.0, 15.0  # the short form shares the machine with other tests
SILENT_S = 1.0  # without a tick, while the others get some: it gets nothing more
WITHIN_S = 60


class Feed(Thread):
    """Posts ticks at a rate, as the broker's owner."""

    def __init__(self, home):
        self.home, self.posted = home, 0
        super().__init__()

    def work(self):
        feed = feed_of(self.home)
        frames = [tick(f"tick.SYM{number:02d}") for number in range(28)]
        began = time.monotonic()
        while not self.stopping:
            while self.posted < (time.monotonic() - began) * RATE:
                feed.send(frames[self.posted % len(frames)])
                self.posted += 1
            self.rest(0.002)


class Readers(Thread):
    """Reads all subscribers' sockets: the number of the next tick of each, the ticks that it missed, and its last time.

    A subscriber is replaced by putting a key into `joining`; the sockets are used in this thread only.
    """

    def __init__(self, home, keys):
        self.home = home
        self.joining = dict(enumerate(keys))
        self.next, self.missed, self.last = {}, dict.fromkeys(range(len(keys)), 0), {}
        super().__init__()

    def work(self):
        poller, sockets = zmq.Poller(), {}
        while not self.stopping:
            for at, key in list(self.joining.items()):
                if at in sockets:
                    poller.unregister(sockets[at])
                    sockets[at].close()
                self.next.pop(at, None)
                sockets[at] = self.home.connect(zmq.SUB, "publisher", key, rcvhwm=0)
                for topic in (TICKS, HELLO):
                    sockets[at].subscribe(topic)
                poller.register(sockets[at], zmq.POLLIN)
                del self.joining[at]
            ready = dict(poller.poll(20))
            for at, socket in sockets.items():
                if socket in ready:
                    self.read(at, socket)

    def read(self, at, socket):
        """Read all that is there."""
        while socket.poll(0):
            frame = socket.recv()
            if not frame.startswith(TICKS):
                continue
            self.last[at] = time.monotonic()
            first, count = STAMP.unpack_from(frame, len(TICKS))[1], len(codec.unpack(frame[len(TICKS) + STAMP.size :]))
            self.missed[at] += first - self.next.get(at, first)
            self.next[at] = first + count

    def silent_s(self, at):
        """Return for how many seconds the others have had ticks, and this one none."""
        return max(self.last.values()) - self.last[at]

    def live(self):
        """Return whether each subscriber has received ticks."""
        return self.goes_on() and not self.joining and len(self.next) == SUBSCRIBERS


def test_a_revoked_subscriber_gets_nothing_more_within_a_second_and_the_others_miss_nothing(long, record_figure):
    """Full: 50 revocations; short: 3."""
    rounds = 50 if long else 3
    slowest_s, serial = 0.0, SUBSCRIBERS
    with LocalBus() as bus, KeyHome(bus) as home:
        keys = [home.add(f"reader{number}", "subscribe:ticks") for number in range(SUBSCRIBERS)]
        broker = bus.start_broker()
        with Readers(home, keys) as readers, Feed(home) as feed:
            eventually(readers.live, within_s=WITHIN_S)
            for number in range(rounds):
                at = number % SUBSCRIBERS
                key_files.remove_authorised_key(bus.home, keys[at].name)  # the broker finds it by itself
                revoked = time.monotonic()
                until = feed.posted + 2 * RATE
                eventually(
                    lambda until=until, at=at: (
                        readers.goes_on() and feed.goes_on() and feed.posted >= until and readers.silent_s(at) > SILENT_S
                    ),
                    within_s=WITHIN_S,
                )
                slowest_s = max(slowest_s, readers.last[at] - revoked)
                assert readers.last[at] - revoked <= (ENDS_WITHIN_S if long else SHORT_ENDS_WITHIN_S)
                serial += 1
                keys[at] = home.add(f"reader{serial}", "subscribe:ticks")
                home.reload()
                readers.joining[at] = keys[at]
                eventually(readers.live, within_s=WITHIN_S)
            eventually(lambda: min(readers.next.values()) > feed.posted - RATE, within_s=WITHIN_S)
        stats = bus.stats()
        assert readers.missed == dict.fromkeys(range(SUBSCRIBERS), 0)
        assert broker.poll() is None
        assert (stats["internal"]["total"], stats["security"]["authorised"]) == (0, SUBSCRIBERS)
    record_figure(
        f"{rounds} revocations, 1 of {SUBSCRIBERS} at {RATE} ticks/s: the last tick after {slowest_s * 1000:.0f} ms at most"
    )

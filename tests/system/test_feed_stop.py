"""A stopped feed loses no tick, and the feed after it neither repeats nor loses one."""

import os
import signal

import pytest
from local_bus import LocalBus
from waiting import eventually

from hulak.bus.wire.messages import FIRST_MS
from hulak.clients.history import History

pytestmark = pytest.mark.system
TICKS = 3000


@pytest.fixture
def local_bus():
    with LocalBus() as local_bus:
        yield local_bus


def write(local_bus, name, first):
    path = local_bus.home / name
    path.write_text("".join(f"{FIRST_MS + number},{number}.5,{number}.75\n" for number in range(first, first + TICKS)))
    return path


def prices(local_bus):
    with local_bus.client() as client:
        return [event.body["bid"] for event in History(client, "tick.EURUSD")]


def test_a_feed_that_is_stopped_while_the_broker_hangs_still_delivers_the_ticks_that_it_has_read(local_bus):
    broker = local_bus.start_broker()
    feed = local_bus.hulak("feed", "--file", write(local_bus, "a.csv", 1), "--symbol", "EURUSD", "--speed", "1", "--live")
    eventually(lambda: local_bus.stats()["ticks"]["taken"] > 300, within_s=60)
    os.kill(broker.pid, signal.SIGSTOP)
    feed.send_signal(signal.SIGTERM)
    os.kill(broker.pid, signal.SIGCONT)
    assert feed.wait(30) in (0, 1)
    posted = [line for line in feed.log.read_text().splitlines() if '"feed stopped"' in line]
    assert '"unconfirmed": 0' in posted[0]
    posted_prices = prices(local_bus)
    assert posted_prices == [number + 0.5 for number in range(1, len(posted_prices) + 1)]
    assert f'"posted": {len(posted_prices)}' in posted[0]


def test_a_feed_that_follows_another_has_another_instance_and_no_tick_is_lost_or_duplicated(local_bus):
    local_bus.start_broker()
    for name, first in (("a.csv", 1), ("b.csv", TICKS + 1)):
        feed = local_bus.hulak("feed", "--file", write(local_bus, name, first), "--symbol", "EURUSD", "--speed", "max", "--live")
        assert feed.wait(30) == 0, feed.log.read_text()
    assert prices(local_bus) == [number + 0.5 for number in range(1, 2 * TICKS + 1)]

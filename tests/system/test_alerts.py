"""Alerts with real processes: each fires once, whatever is killed."""

import signal

import pytest
from local_bus import LocalBus
from waiting import eventually

from hulak import Feed
from hulak.clients.history import History

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]


@pytest.fixture
def bus():
    with LocalBus() as bus:
        bus.broker = bus.start_broker()
        yield bus


def ask(bus, service, **args):
    with bus.client() as client:
        return client.call(f"hulak.alert.{service}", "", args, timeout_s=20)


def evaluated(bus):
    return eventually(lambda: (answer := ask(bus, "list"))["evaluated"] and answer, within_s=60)


def firings(bus):
    with bus.client() as client:
        events = History(client, "alert.", timeout_s=20)
        return [(event.body["alert"], event.body["symbol"], event.body["fired"]) for event in events]


def test_each_alert_fires_once_over_kills_of_the_evaluator_and_of_the_broker(bus):
    assert ask(bus, "list")["why"] == "`hulak derive` is not running"
    ask(bus, "add", name="high", symbol="EURUSD", on="price", above=1.5)
    ask(bus, "add", name="each", symbol="EUR*", on="price", above=1.2, repeat=True, rearm=0.1)
    derive = bus.hulak("derive")
    with Feed("v", settings=bus.settings, home=bus.home, timeout_s=60) as feed:

        def post(*prices):
            for price in prices:
                feed.post("EURUSD", price, price)
            feed.flush()

        def until(*rows):
            eventually(lambda: len(firings(bus)) >= len(rows), within_s=60)
            assert sorted(firings(bus)) == sorted(rows)

        post(1.0)
        evaluated(bus)
        post(1.6, 1.0)
        first = [("each", "EURUSD", 1), ("high", "EURUSD", 1)]
        until(*first)
        derive.send_signal(signal.SIGKILL)
        derive.wait(30)
        post(1.6, 1.0, 1.6, 1.0)  # while none are evaluated
        derive = bus.hulak("derive")
        expected = [*first, ("each", "EURUSD", 2), ("each", "EURUSD", 3)]
        until(*expected)
        bus.broker.send_signal(signal.SIGKILL)
        bus.broker.wait(30)
        bus.broker = bus.start_broker()
        post(1.6)
        expected.append(("each", "EURUSD", 4))
        until(*expected)
    rows = {row["name"]: row for row in evaluated(bus)["alerts"]}
    assert rows["high"]["last"]["value"] == 1.6
    assert (rows["high"]["firings"], rows["each"]["firings"]) == (1, 4)
    with bus.client() as client:
        body = rows["high"]["last"]
        tick = next(iter(History(client, "ticks", first=body["number"], last=body["number"], timeout_s=20)))
        assert (tick.body["bid"], tick.stamp.epoch) == (1.6, body["epoch"])
    (bus.home / "derive.ckpt").unlink()
    derive.send_signal(signal.SIGKILL)
    derive.wait(30)
    bus.hulak("derive")
    with Feed("v", settings=bus.settings, home=bus.home, timeout_s=60) as feed:
        feed.post("EURUSD", 1.6, 1.6)
        feed.flush()
        evaluated(bus)
    assert sorted(firings(bus)) == sorted(expected)

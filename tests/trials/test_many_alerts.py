"""1,000 alerts on 500 symbols: the CPU time of their evaluation, and that none is missed or fires twice."""

import time

import psutil
import pytest
from local_bus import LocalBus
from waiting import eventually

from hulak.bus.wire import codec
from hulak.clients.feed import Feed
from hulak.clients.history import History

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]
SYMBOLS = [f"S{number:03d}" for number in range(500)]
TURN_S = 0.01
MOST_SHARE = 0.35  # of a core, at 2,000 ticks a second; judged with --long only


def definitions(count):
    """Return alerts on prices and spreads, two for each symbol; some repeat, with a distance."""
    for number in range(count):
        symbol, repeat = SYMBOLS[number % len(SYMBOLS)], number % 3 == 0
        head = {"name": f"a{number}", "symbol": symbol, "repeat": repeat}
        if number % 2:
            yield {**head, "on": "price", "side": "bid", "above": 1.0 + number % 50 / 1000, "rearm": 0.005 if repeat else 0.0}
        else:
            yield {**head, "on": "spread", "above": 0.0004 + number % 7 / 1e5}


def expected(alerts, ticks):
    """Compute the firings of journalled ticks (number, symbol, bid, ask), apart from the rules of the product."""
    fired = []
    for alert in alerts:
        off = False  # whether it has fired and was not off its limit since
        for number, symbol, bid, ask in ticks[alert["symbol"]]:
            value = bid if alert["on"] == "price" else ask - bid
            if value >= alert["above"] and not off:
                off = True
                fired.append((alert["name"], symbol, number))
                if not alert["repeat"]:
                    break
            elif off and value < alert["above"] - alert.get("rearm", 0.0):
                off = False
    return sorted(fired)


def journalled(client):
    """Yield the number in the global order and the message of the whole journal."""
    args = {"topic": "ticks"}
    while args.get("from", 1) is not None:
        rows = []
        answer = client.call("hulak.replay", "", args, timeout_s=20, on_part=rows.extend)
        yield from ((number, codec.decode_publication(frame)) for number, frame in rows)
        args["from"] = answer["next"]


def post(feed, per_s, seconds):
    """Post ticks of all symbols at a rate; return how many."""
    began, count = time.monotonic(), 0
    while (passed_s := time.monotonic() - began) < seconds:
        due = int(passed_s * per_s)
        for number in range(count, due):
            bid = round(0.97 + (number * 7919) % 90_000 / 1e6, 6)
            feed.post(SYMBOLS[number % len(SYMBOLS)], bid, round(bid + (number * 104_729) % 500 / 1e6, 6))
        count = max(count, due)
        time.sleep(TURN_S)
    return count


def test_every_alert_of_a_thousand_fires_once_at_the_tick_of_the_journal(long, record_figure):
    """Full: 60 s at 2,000 ticks a second with 1,000 alerts; short: 3 s at 500 with 100."""
    per_s, seconds, count = (2000, 60, 1000) if long else (500, 3, 100)
    alerts = list(definitions(count))
    with LocalBus() as local_bus:
        local_bus.start_broker()
        maker = psutil.Process(local_bus.hulak("derive").pid)
        with local_bus.client() as client, Feed("load", settings=local_bus.settings, home=local_bus.home, timeout_s=60) as feed:
            for alert in alerts:
                client.call("hulak.alert.add", "", alert, timeout_s=20)
            feed.post("START", 1.0, 1.0)
            feed.flush()

            def is_evaluated():
                return client.call("hulak.alert.list", "", {}, timeout_s=20)["evaluated"]

            eventually(is_evaluated, within_s=60, every_s=0.2)
            before, began = sum(maker.cpu_times()[:2]), time.monotonic()
            posted = post(feed, per_s, seconds)
            feed.flush()
            took_s, cpu_s = time.monotonic() - began, sum(maker.cpu_times()[:2]) - before
            ticks = {symbol: [] for symbol in SYMBOLS}
            for number, message in journalled(client):
                symbol = message.topic.removeprefix("tick.")
                if symbol in ticks:
                    body = codec.unpack(message.body)
                    ticks[symbol].append((number, symbol, body["bid"], body["ask"]))
            wanted = expected(alerts, ticks)

            def fired():
                bodies = (event.body for event in History(client, "alert.", timeout_s=20))
                return sorted((body["alert"], body["symbol"], body["number"]) for body in bodies)

            eventually(lambda: len(fired()) >= len(wanted), within_s=60, every_s=0.5)
            assert fired() == wanted
    assert sum(map(len, ticks.values())) == posted
    record_figure(
        f"{count} alerts: {posted / took_s:,.0f} ticks/s cost {cpu_s / took_s:.1%} of a core, {len(wanted)} firings, none missed"
    )
    assert not long or cpu_s / took_s < MOST_SHARE

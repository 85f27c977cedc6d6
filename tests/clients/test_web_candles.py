"""Candles in a real browser, with a real broker and gateway: older ones are read until the beginning of the journal."""

import time

import pytest
from browser import browser, opened, until
from local_bus import LocalBus
from unnumbered_feed import UnnumberedFeed
from waiting import eventually

from hulak.bus.errors import BusError
from hulak.bus.wire import codec
from hulak.bus.wire.messages import Tick
from hulak.clients.calls.client import BusClient
from hulak.clients.derive import journal_bars
from hulak.clients.derive.journal_bars import bars_before
from hulak.clients.gateway.journal_reads import older_bars

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]
WITHIN_S = 60
SECONDS, DAYS, OF_A_DAY = 9000, 4, 1200  # bars of 1 s; days, and unfinished messages of each
DAY_MS = 86_400_000
BEGIN = time.time_ns() // 1_000_000 // 1000 * 1000 - SECONDS * 1000
FIRST_DAY = BEGIN // DAY_MS * DAY_MS - DAYS * DAY_MS
STAMP = codec.decode_publication(codec.feed_frame("X", 0, 1, 1, b"\x80")).stamp
LEGEND = "document.querySelector('#symbol-legend').textContent"


def posted(feed, interval, start, length, price, revision=0, **more):
    sides = {"bid": [price] * 4, "ask": None, "mid": None} | more
    times = {"start": start, "end": start + length}
    body = {"symbol": "X", "interval": interval, **times, **sides, "ticks": 1, "final": True, "revision": revision}
    feed.socket.send(codec.encode_publication(f"bar.{interval}.X".encode(), STAMP, codec.pack(body)))


@pytest.fixture(scope="module")
def bus():
    with LocalBus() as local_bus:
        local_bus.start_broker()
        gateway = local_bus.hulak("gateway")
        eventually(lambda: "gateway started" in gateway.log.read_text(), within_s=WITHIN_S)
        with UnnumberedFeed(local_bus) as feed:
            tick = Tick("X", 1.0, 1.5, time.time_ns() // 1_000_000, "x")
            for at in range(SECONDS):
                posted(feed, "1s", BEGIN + at * 1000, 1000, 100.0 + at)
                if at == SECONDS // 2:
                    posted(feed, "1s", BEGIN + (at - 30) * 1000, 1000, 7.0, revision=1)
            for day in range(DAYS):
                for at in range(OF_A_DAY):
                    posted(feed, "1d", FIRST_DAY + day * DAY_MS, DAY_MS, day + at / OF_A_DAY)
            feed.socket.send(codec.encode_publication(b"tick.X", STAMP, codec.pack_tick(tick)))
            with BusClient(local_bus.settings, local_bus.home) as client:
                eventually(lambda: len(client.call("hulak.last", "", {"topic": "tick.X"})) == 1, within_s=WITHIN_S)
            yield local_bus


def pages(client, interval, before, **limits):
    """Return all bars before a sequence, and the number of pages."""
    rows, count = {}, 0
    while before is not None:
        page = bars_before(client, "X", interval, before, timeout_s=WITHIN_S, **limits)
        for bar in page.bars:
            rows.setdefault(bar["start"], bar)
        before, count = page.before, count + 1
    return rows, count


def test_pages_go_back_to_the_first_message_and_the_last_message_of_a_bar_counts(bus):
    with BusClient(bus.settings, bus.home) as client:
        rows, count = pages(client, "1s", SECONDS + 2, least=1000)
        assert (len(rows), count) == (SECONDS, 5)
        assert rows[BEGIN + (SECONDS // 2 - 30) * 1000]["bid"][0] == 7.0
        days, _ = pages(client, "1d", DAYS * OF_A_DAY + 1, least=1000)
        assert [days[start]["bid"][0] for start in sorted(days)] == [day + (OF_A_DAY - 1) / OF_A_DAY for day in range(DAYS)]
        assert bars_before(client, "X", "1s", 1, 10, WITHIN_S) == ([], None)
        answer = older_bars(client, "X", "1s", 3)
        assert answer == {"bars": [[BEGIN + at * 1000, *[100.0 + at] * 4, 1] for at in range(2)], "before": None}
        with pytest.raises(BusError) as caught:
            bars_before(client, "NOBODY", "1s", 100, 10, WITHIN_S)
        assert caught.value.code == "UNKNOWN_TOPIC"


def test_a_page_that_takes_too_long_ends_early_with_the_place_to_go_on(bus, monkeypatch):
    monkeypatch.setattr(journal_bars, "PAGE_S", 0.0)
    with BusClient(bus.settings, bus.home) as client:
        rows, count = pages(client, "1d", DAYS * OF_A_DAY + 1, least=1000)
        assert (len(rows), count) == (DAYS, 3)


class Old:
    """A broker whose journal begins at a sequence of the topic."""

    def __init__(self, oldest):
        self.oldest, self.asked = oldest, []

    def call(self, service, action, args, **ways):
        self.asked.append((args["from"], args["to"]))
        if args["from"] < self.oldest:
            error = BusError("TOO_OLD", "the journal begins later", {"oldest": self.oldest})
            raise error
        for number in range(args["from"], args["to"] + 1):
            times = {"start": FIRST_DAY + number * 1000, "end": FIRST_DAY + number * 1000 + 1000}
            body = {**times, "bid": [1.0] * 4, "ask": None, "mid": None, "ticks": 1, "final": True, "revision": 0}
            ways["on_part"]([[number, codec.encode_publication(b"bar.1s.X", STAMP, codec.pack(body))]])
        return {"missing": [], "next": None}


def test_pages_end_where_the_journal_begins():
    client = Old(700)
    page = bars_before(client, "X", "1s", 1000, 5000, WITHIN_S)
    assert (len(page.bars), page.before, client.asked) == (300, None, [(1, 999), (700, 999)])
    assert bars_before(Old(700), "X", "1s", 650, 5000, WITHIN_S) == ([], None)


def test_the_chart_goes_back_to_the_first_bar_of_the_journal(bus):
    first = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(BEGIN / 1000))
    with browser() as chrome, opened(chrome, f"{bus.settings.gateway.url}#/table") as (page, complaints):
        until(page, "document.querySelector('#quotes')?.ariaRowCount === '2'")
        page.locator("#quotes").press("Enter")
        page.locator(".intervals button", has_text="1s").press("Enter")
        until(page, f"{LEGEND}.includes('· 1 ticks')")
        chart = page.locator("dialog.symbol .chart")
        box = chart.bounding_box()

        def at_the_beginning():
            chart.press("Home")
            page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
            page.mouse.move(box["x"] + 3, box["y"] + 41)
            return page.evaluate(LEGEND).startswith(first)

        eventually(at_the_beginning, within_s=WITHIN_S, every_s=0.2)
        page.mouse.move(0, 0)
        chart.press("End")
        page.locator(".intervals button", has_text="1d").press("Enter")
        day = time.strftime("%Y-%m-%d", time.gmtime(FIRST_DAY / 1000))

        def the_first_day():
            for x in range(0, int(box["width"]) - 60, 8):
                page.mouse.move(box["x"] + x, box["y"] + 60)
                if page.evaluate(LEGEND).startswith(day):
                    return True
            return False

        eventually(the_first_day, within_s=WITHIN_S, every_s=0.2)
        assert complaints == []

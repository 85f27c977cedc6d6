"""The table of quotes in a real browser, with a real broker, gateway and feed: seen, and used with the keyboard."""

import signal
import time

import pytest
from axe import violations
from browser import browser, opened, until
from local_bus import LocalBus
from waiting import eventually

from hulak.clients.calls.client import BusClient
from hulak.clients.feed import Feed

pytestmark = [pytest.mark.system]
WITHIN_S = 30
SYMBOLS = 300
NAMES = """[...document.querySelectorAll('#quotes .row:not([hidden])')]
  .sort((one, other) => one.ariaRowIndex - other.ariaRowIndex)
  .map((row) => row.querySelector('.symbol span')?.textContent ?? row.textContent)"""
FITS = """(symbol) => {
  const name = document.querySelector('#quotes .row .symbol span');
  const whole = name.title === name.textContent;
  name.textContent = symbol;
  return whole && name.parentElement.scrollWidth <= name.parentElement.clientWidth;
}"""
SELECTED = "document.querySelector('#quotes [aria-selected=true] .symbol span')?.textContent"


def post(feed, move):
    """Post a tick of each symbol: `move` times -3 to 3 from its first price."""
    for number in range(SYMBOLS):
        bid = 100 + number + move * (number % 7 - 3)
        feed.post(f"S{number:03d}", bid, bid + 0.01 * (number % 5), timestamp=time.time_ns() // 1_000_000)
    feed.post("EURJPY", 163.279, 163.284)
    feed.flush(WITHIN_S)


@pytest.fixture(scope="module")
def served():
    """Yield the address of the table, and the feed of its symbols."""
    with LocalBus() as local_bus:
        local_bus.start_broker()
        gateway = local_bus.hulak("gateway")
        eventually(lambda: "gateway started" in gateway.log.read_text(), within_s=WITHIN_S)
        with Feed("mine", settings=local_bus.settings, home=local_bus.home, timeout_s=WITHIN_S) as feed:
            post(feed, 0)
            yield f"{local_bus.settings.gateway.url}#/table", feed, local_bus


@pytest.fixture(scope="module")
def chrome():
    with browser() as running:
        yield running


def full(page):
    until(page, f"document.querySelector('#quotes')?.ariaRowCount === '{SYMBOLS + 2}'")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_the_table_violates_no_rule_of_axe_and_fits_the_width(chrome, served, scheme, width):
    with opened(chrome, served[0], scheme=scheme, width=width, height=900) as (page, complaints):
        full(page)
        assert page.evaluate(FITS, "SENSITIVE")
        page.locator(".table .layouts input").fill("axe")
        page.locator(".table .layouts button", has_text="Keep layout").click()
        page.locator(".table .layouts output", has_text="kept as axe").wait_for(timeout=WITHIN_S * 1000)
        assert violations(page) == []
        page.locator("#quotes").press("Enter")
        until(page, "document.querySelector('dialog.symbol[open] dd')")
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert complaints == []


def test_the_table_is_sorted_filtered_pinned_and_opened_with_the_keyboard_and_the_layout_is_kept(chrome, served):
    with opened(chrome, served[0]) as (page, complaints):
        full(page)
        assert page.locator("#quotes .row").count() < 60
        assert page.evaluate(NAMES)[:3] == ["EURJPY", "S000", "S001"]
        page.locator("#quotes").focus()
        for key, symbol in (("ArrowDown", "S000"), ("End", "S299"), ("ArrowUp", "S298"), ("Home", "EURJPY")):
            page.keyboard.press(key)
            assert page.evaluate(SELECTED) == symbol
        page.keyboard.press("PageDown")
        page.keyboard.press("p")
        pinned = page.evaluate(SELECTED)
        until(page, f"({NAMES})[0] === '{pinned}'")
        post(served[1], 1)
        page.keyboard.press("/")
        page.keyboard.type("s %>2.5")
        page.locator("#quotes .heads .change button").press("Enter")
        until(page, f"({NAMES}).join() === '{pinned},S006,S013'")
        assert page.evaluate("document.querySelector('#quotes .heads .change').ariaSort") == "descending"
        page.locator("#quotes").focus()
        page.keyboard.press("End")
        page.keyboard.press("Enter")
        until(page, "document.querySelector('dialog.symbol[open] #symbol-title').textContent === 'S013'")
        assert "+2.65%" in page.locator("dialog.symbol dl").inner_text()
        page.locator("#symbol-legend").get_by_text("There are no bars of 1m of S013").wait_for(timeout=WITHIN_S * 1000)
        page.keyboard.press("Escape")
        until(page, "document.activeElement.id === 'quotes'")
        page.reload()
        until(page, f"({NAMES})[0] === '{pinned}' && document.querySelector('.table [type=search]').value === 's %>2.5'")
        assert complaints == []


OPTIONS = """[...document.querySelectorAll('.table .layouts optgroup')]
  .map((group) => [group.label, ...[...group.children].map((one) => one.text)].join())"""
MESSAGE = "document.querySelector('.table .layouts output').textContent"
SORTED = "document.querySelector('#quotes .heads [aria-sort=descending]')?.textContent"


def ask(local_bus, verb, **args):
    with BusClient(local_bus.settings, local_bus.home) as client:
        return client.call(f"hulak.layout.{verb}", "", args)


def test_a_layout_is_shared_with_another_browser_which_follows_its_changes(chrome, served):
    url, _, local_bus = served
    with opened(chrome, url) as (page, complaints), opened(chrome, url) as (other, _):
        full(page)
        full(other)
        page.locator("#quotes .heads .bid button").click()
        page.locator(".table .layouts input").fill("desk")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        until(page, f"{MESSAGE} === '✓ shared as desk'")
        assert page.evaluate(OPTIONS) == ["Shared,desk"]
        assert page.locator(".table .layouts select").input_value() == "shared:desk"
        until(other, f"({OPTIONS}).join() === 'Shared,desk'")
        other.locator(".table .layouts select").select_option("shared:desk")
        until(other, f"{SORTED} === 'Bid'")
        other.locator(".table .layouts button", has_text="Keep layout").click()
        until(other, f"({OPTIONS}).join(';') === 'In this browser,desk;Shared,desk'")
        other.locator(".table .layouts select").select_option("shared:desk")
        page.locator("#quotes .heads .ask button").click()
        page.locator(".table .layouts button", has_text="Share").click()
        until(other, f"{SORTED} === 'Ask'")
        assert "as version 2, by gateway" in other.evaluate(MESSAGE)
        document = ask(local_bus, "show", name="desk")["document"]
        assert (document["version"], document["view"], document["sort"]) == (1, "table", "ask")
        other.locator("#quotes .heads .last button").click()
        ask(local_bus, "put", name="desk", document={**document, "sort": "change"}, by="ada")
        until(other, f"{MESSAGE}.includes('by ada') && {SORTED} === 'Last'")
        page.locator(".table .layouts button", has_text="Remove").press("Enter")
        page.locator("#confirm-yes").press("Enter")
        until(page, f"{MESSAGE} === '✓ desk removed'")
        assert page.evaluate("document.activeElement.ariaLabel") == "Name of the layout"
        assert ask(local_bus, "list")["layouts"] == []
        assert complaints == []


def test_odd_layouts_of_the_broker_are_refused_with_a_message_and_the_table_stays(chrome, served):
    url, _, local_bus = served
    odd = {"newer": {"version": 9}, "wrong": {"columns": 7}, "empty": {}, "unknown": {"columns": ["nosuch"], "sort": "nosuch"}}
    for name, document in odd.items():
        ask(local_bus, "put", name=name, document={"version": 1, "view": "table", **document})
    try:
        with opened(chrome, url) as (page, complaints):
            full(page)
            until(page, f"({OPTIONS}).join() === 'Shared,empty,newer,unknown,wrong'")
            for name, text in (("newer", "a newer page made it"), ("wrong", "its columns must be an array")):
                page.locator(".table .layouts select").select_option(f"shared:{name}")
                until(page, f"{MESSAGE}.startsWith('{name} cannot be shown: {text}')")
            for name in ("empty", "unknown"):
                page.locator(".table .layouts select").select_option(f"shared:{name}")
                until(page, f"{MESSAGE} === ''")
            full(page)
            page.reload()
            full(page)
            assert complaints == []
    finally:
        for name in odd:
            ask(local_bus, "remove", name=name)


def test_while_the_broker_is_silent_the_empty_table_and_the_empty_cards_have_the_reason(chrome):
    none = "[...document.querySelectorAll('.empty:not([hidden])')].some((one) => one.checkVisibility() && one.textContent"
    with LocalBus() as local_bus:
        gateway = local_bus.hulak("gateway")
        eventually(lambda: "gateway started" in gateway.log.read_text(), within_s=WITHIN_S)
        for view in ("#/table", "#/displays"):
            with opened(chrome, f"{local_bus.settings.gateway.url}{view}") as (page, _):
                until(page, f"{none} === 'No data: no statistics from the broker yet.')")
        broker = local_bus.start_broker()
        with opened(chrome, f"{local_bus.settings.gateway.url}#/table") as (page, _):
            until(page, f"{none}.startsWith('No symbol ticks yet'))")
            broker.send_signal(signal.SIGSTOP)
            until(page, f"{none}.startsWith('No data: broker is silent: no sign of life for '))")

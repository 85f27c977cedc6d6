"""The table of quotes in a real browser, with a real broker, gateway and feed: seen, and used with the keyboard."""

import time

import pytest
from axe_playwright_python.base import AXE_FILE_PATH
from browser import browser, opened, until
from local_bus import LocalBus
from waiting import eventually

from hulak.clients.feed import Feed

pytestmark = [pytest.mark.system]
WITHIN_S = 30
SYMBOLS = 300
VIOLATIONS = "axe.run().then(({ violations }) => violations.map(({ id, nodes }) => [id, nodes[0].html]))"
NAMES = """[...document.querySelectorAll('#quotes .row:not([hidden])')]
  .sort((one, other) => one.ariaRowIndex - other.ariaRowIndex)
  .map((row) => row.querySelector('.symbol span')?.textContent ?? row.textContent)"""
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
            yield f"{local_bus.settings.gateway.url}#/table", feed


@pytest.fixture(scope="module")
def chrome():
    with browser() as running:
        yield running


def full(page):
    until(page, f"document.querySelector('#quotes')?.ariaRowCount === '{SYMBOLS + 2}'")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_the_table_violates_no_rule_of_axe_and_fits_the_width(chrome, served, scheme, width):
    with opened(chrome, served[0], scheme=scheme, width=width, height=900, bypass_csp=True) as (page, complaints):
        full(page)
        page.add_script_tag(path=str(AXE_FILE_PATH))
        assert page.evaluate(VIOLATIONS) == []
        page.locator("#quotes").press("Enter")
        until(page, "document.querySelector('dialog.symbol[open] dd')")
        assert page.evaluate(VIOLATIONS) == []
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

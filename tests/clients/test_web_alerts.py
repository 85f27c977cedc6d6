"""The views of alerts and of the exchange in a real browser: with the keyboard alone, in both themes, and by role."""

import pytest
from axe import violations
from browser import FakeGateway, browser, opened, until

pytestmark = [pytest.mark.system]
COUNT_NOTIFICATIONS = """
  globalThis.shown = [];
  globalThis.Notification = class {
    static permission = 'default';
    static async requestPermission() { return this.permission = 'granted'; }
    constructor(title, options) { globalThis.shown.push([title, options.body, options.silent]); }
  };
"""


@pytest.fixture(scope="module")
def chrome():
    with browser() as running:
        yield running


@pytest.fixture(scope="module")
def gateway():
    with FakeGateway("--displays", 3, "--rate", 20) as running:
        yield running


def shown(page, view):
    until(page, f"location.hash === '#/{view}' && !document.querySelector('#{view}').hidden")


def text(page, selector):
    return f"document.querySelector('{selector}').innerText"


def test_an_alert_is_added_turned_off_and_removed_with_the_keyboard_and_a_note_shows_that_it_fires(chrome, gateway):
    with opened(chrome, gateway.url, scheme="dark") as (page, complaints):
        page.add_init_script(COUNT_NOTIFICATIONS)
        page.reload()
        until(page, "!document.querySelector('#views').hidden")
        page.locator("#views a[href='#/alerts']").focus()
        page.keyboard.press("Enter")
        shown(page, "alerts")
        until(page, f"{text(page, '#alerts-evaluated')}.includes('hulak derive is not running')")
        page.locator("#alerts-fired").locator("xpath=..").get_by_text("Turn on").focus()
        page.keyboard.press("Enter")
        until(page, "Notification.permission === 'granted'")
        page.locator("#alert-symbol").focus()
        for key in ("eur/usd", "Tab", "Tab", "2.5", "Tab", "high", "Tab", "sell", "Tab", "Space", "Enter"):
            page.keyboard.press(key) if key[0].isupper() else page.keyboard.type(key)
        until(page, f"{text(page, '#alerts-rows')}.includes('mid at or above 2.5, each time')")
        until(page, f"{text(page, '#notices')}.includes('EURUSD: price 2.5, at or above 2.5')")
        until(page, f"{text(page, '#alerts-fired')}.includes('sell')")
        assert page.evaluate("shown") == [["Hulak: high", "EURUSD: price 2.5, at or above 2.5\nsell", True]]
        for name, after in (("Turn off high", "Turn on"), ("Remove high", "No alerts yet")):
            page.get_by_role("button", name=name).focus()
            page.keyboard.press("Enter")
            until(page, f"{text(page, '#alerts-rows')}.includes('{after}')")
        page.locator("#notices button").first.focus()
        page.keyboard.press("Enter")
        until(page, "document.querySelectorAll('#notices .notice').length === 0")
        assert complaints == []


def test_an_alert_that_fires_again_has_one_note_and_leaves_room_for_the_content(chrome, gateway):
    with opened(chrome, f"{gateway.url}#/alerts") as (page, complaints):
        shown(page, "alerts")
        for times in ("", ", 2 times", ", 3 times"):
            page.locator("#alert-symbol").fill("USDJPY")
            page.locator("#alert-value").fill("1")
            page.locator("#alert-name").fill("again")
            page.locator("#alert-name").press("Enter")
            until(page, f"{text(page, '#notices')}.includes(' UTC{times}\\n')")
        assert page.locator("#notices .notice").count() == 1
        room = "parseFloat(getComputedStyle(document.querySelector('main')).paddingBottom)"
        until(page, f"{room} > document.querySelector('#notices').offsetHeight")
        assert complaints == []


def test_the_exchange_is_shown_and_the_order_book_of_a_security_from_a_list(chrome, gateway):
    with opened(chrome, f"{gateway.url}#/market") as (page, complaints):
        shown(page, "market")
        until(page, f"{text(page, '#market-sectors')}.includes('▲ +0.38 %')")
        assert "hulak feed --venue nepse" in page.locator("#market-state").inner_text()
        assert "Rs 100.71 crore" in page.locator("#market-summary").inner_text()
        page.locator("#market-gainers button").first.focus()
        page.keyboard.press("Enter")
        until(page, f"{text(page, '#book')}.includes('496.60')")
        assert page.locator("#book-symbol").input_value() == "NABIL"
        assert complaints == []


def test_a_viewer_is_not_offered_what_it_may_not_do(chrome):
    with FakeGateway("--displays", 1, "--role", "view") as gateway, opened(chrome, f"{gateway.url}#/alerts") as (page, _):
        shown(page, "alerts")
        until(page, f"{text(page, '#alerts-rows')}.includes('No alerts yet')")
        assert not page.locator("#alert-form").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_no_view_violates_a_rule_of_axe(chrome, gateway, scheme, width):
    with opened(chrome, f"{gateway.url}#/alerts", scheme=scheme, width=width) as (page, _):
        shown(page, "alerts")
        page.locator("#alert-symbol").fill("USDJPY")
        page.locator("#alert-value").fill("1")
        page.locator("#alert-form button").click()
        until(
            page,
            "document.querySelector('#notices .notice') && document.querySelector('#alerts-fired td')",
        )
        assert violations(page) == []
        page.evaluate("location.hash = '#/market'")
        until(page, f"{text(page, '#market-sectors')}.includes('Banking')")
        page.locator("#market-gainers button").first.click()
        until(page, f"{text(page, '#book')}.includes('496.60')")
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

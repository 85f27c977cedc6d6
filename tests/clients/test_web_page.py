"""The page in a real browser, with a separate gateway, used with and without a mouse."""

import signal

import pytest
from axe import violations
from browser import FakeGateway, browser, opened, until

pytestmark = [pytest.mark.system]
DISPLAYS = 24
WITHIN_MS = 30_000

PIXELS = """() => [...document.querySelectorAll('#displays canvas')].map((canvas) => {
  const pixels = new Uint32Array(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.buffer);
  return new Set(pixels).size;
})"""
CUT = """[...document.querySelectorAll('.status *')]
  .filter((part) => part.clientWidth && part.scrollWidth > part.clientWidth + 1).map((part) => part.textContent)"""
TAKEN = "[...document.querySelectorAll('#feeds dt')].find((name) => name.textContent === 'taken').nextSibling.textContent"
CORNERS = "() => document.querySelector('#displays canvas').getContext('2d').getImageData(2, 2, 1, 1).data[0]"
COLOURS_OF_A_PICTURE = 12  # background, type, bars of both sides and their pale ones, lines; smoothing makes more


@pytest.fixture(scope="module")
def chrome():
    with browser() as running:
        yield running


@pytest.fixture(scope="module")
def gateway():
    with FakeGateway("--displays", DISPLAYS, "--rate", 400) as running:
        yield running


def live(page, displays=DISPLAYS):
    """Wait until that many displays are there and drawn."""
    wanted = f"window.hulak?.status().displays >= {displays} && window.hulak.latency().count > {displays}"
    until(page, wanted)


def focused(page):
    return page.evaluate("document.activeElement.dataset.display ?? document.activeElement.id")


def test_every_display_is_painted_and_the_browser_has_nothing_to_complain_of(chrome, gateway):
    with opened(chrome, gateway.url) as (page, complaints):
        live(page)
        assert page.locator("#displays canvas").count() == DISPLAYS
        until(page, f"({PIXELS})().every((colours) => colours >= {COLOURS_OF_A_PICTURE})")
        latency = page.evaluate("window.hulak.latency()")
        assert latency["fps"] > 0
        assert latency["p50"] <= latency["p99"] <= latency["max"]
        assert page.locator("#status").inner_text().startswith("● connected")
        for panel, word in (
            ("pool", "nepse_01/2001"),
            ("feeds", "no recent tick of AUDNZD"),
            ("processes", "display_0"),
        ):
            page.locator(f"#{panel}").get_by_text(word).first.wait_for(timeout=WITHIN_MS)
        labels = page.locator("#displays .card").evaluate_all("cards => cards.map((card) => card.ariaLabel)")
        assert all("volatility" in label for label in labels)
        assert complaints == []


def test_a_text_selected_in_a_panel_stays_selected_while_the_figures_change(chrome, gateway):
    with opened(chrome, gateway.url) as (page, complaints):
        live(page)
        page.locator("#processes").get_by_text("display_0").first.wait_for(timeout=WITHIN_MS)
        taken = page.evaluate(TAKEN)
        page.evaluate("getSelection().selectAllChildren(document.querySelector('#processes tbody th'))")
        name = page.evaluate("getSelection().toString()")
        until(page, f"({TAKEN}) !== {taken!r}")
        assert name
        assert page.evaluate("getSelection().toString()") == name
        assert complaints == []


def test_a_figure_of_a_card_is_explained_below_the_pointer_until_escape(chrome, gateway):
    with opened(chrome, gateway.url) as (page, _):
        live(page)
        card, hint = page.locator("#displays .card").first, page.locator("#hint")
        card.hover(position={"x": 14, "y": 16})
        hint.get_by_text("source: ").wait_for(timeout=WITHIN_MS)
        page.keyboard.press("Escape")
        until(page, "document.querySelector('#hint').hidden")
        card.hover(position={"x": 14, "y": 40})
        hint.get_by_text("big figure, pips and pipette; bid ").wait_for(timeout=WITHIN_MS)
        page.mouse.move(2, 2)
        until(page, "document.querySelector('#hint').hidden")
        assert "latency from the feed's receipt" in page.locator("#p99").locator("..").get_attribute("title")


def test_light_and_dark_differ_follow_the_system_and_a_toggle_that_is_remembered(chrome, gateway):
    with opened(chrome, gateway.url, scheme="light") as (page, _):
        live(page)
        light = until(page, f"({CORNERS})()")  # a canvas is black before it is drawn
        page.emulate_media(color_scheme="dark")
        until(page, f"({CORNERS})() < {light - 150}")
        page.locator("#theme").click()
        until(page, f"({CORNERS})() === {light}")
        page.reload()
        live(page)
        until(page, f"({CORNERS})() === {light}")  # not each display is drawn in the first frames


def test_everything_can_be_done_with_the_keyboard(chrome, gateway):
    with opened(chrome, gateway.url) as (page, _):
        live(page)
        ids = page.locator("#displays .card").evaluate_all("cards => cards.map((card) => card.dataset.display)")
        columns = page.evaluate("getComputedStyle(document.querySelector('#displays')).gridTemplateColumns.split(' ').length")
        page.locator("#add-symbol").focus()
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        assert focused(page) == ids[0]
        ways = {"ArrowRight": 1, "ArrowDown": 1 + columns, "ArrowLeft": columns, "ArrowUp": 0, "End": DISPLAYS - 1}
        for key, at in ways.items():
            page.keyboard.press(key)
            assert focused(page) == ids[at], key
        ring = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert ring == "solid"
        page.keyboard.press("Enter")
        assert page.locator("#detail").get_attribute("open") is not None
        assert ids[-1] in page.locator("#detail-title").inner_text()
        until(page, "document.querySelectorAll('#detail-figures dd').length > 15")
        page.keyboard.press("Escape")
        until(page, f"!document.querySelector('#detail').open && document.activeElement.dataset.display === '{ids[-1]}'")
        page.keyboard.press("Tab")
        assert not focused(page).endswith("-1"), "the grid is one stop of the tab order"


def test_the_card_with_the_focus_and_its_ring_are_whole_below_the_head(chrome, gateway):
    whole = """(() => {
      const card = document.activeElement.getBoundingClientRect();
      return card.top - 3 >= document.querySelector('.bar').offsetHeight && card.bottom + 3 <= innerHeight;
    })()"""
    with opened(chrome, gateway.url, height=600) as (page, _):
        live(page)
        page.locator("#displays .card").first.focus()
        for key in ("End", "ArrowUp", "ArrowUp", "ArrowUp", "ArrowDown", "ArrowDown", "ArrowDown"):
            page.keyboard.press(key)
            until(page, whole, within_s=10)


def test_every_view_is_reached_with_the_keyboard_and_the_content_by_the_first_link(chrome, gateway):
    with opened(chrome, gateway.url) as (page, complaints):
        live(page)
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        names = page.locator("#views a:not([hidden])").evaluate_all("links => links.map((link) => link.hash)")
        assert names == ["#/displays", "#/table", "#/market", "#/alerts", "#/config"]
        for name in names:
            page.keyboard.press("Tab")
            assert page.evaluate("document.activeElement.hash") == name
            page.keyboard.press("Enter")
            until(page, f"document.querySelector('#views [aria-current]').hash === '{name}'")
        page.locator(".skip").press("Enter")
        until(page, "document.activeElement.id === 'content'")
        assert page.evaluate("document.querySelector('#views [aria-current]').hash") == names[-1]
        assert complaints == []


@pytest.mark.parametrize("width", [1440, 390])
def test_a_problem_moves_nothing_on_a_desktop_is_whole_on_a_phone_and_all_are_shown_with_the_keyboard(chrome, gateway, width):
    with opened(chrome, gateway.url, width=width) as (page, complaints):
        live(page)
        height = "document.querySelector('.bar').offsetHeight"
        until(page, "document.querySelector('#health').textContent.includes('all is well')")
        before = page.evaluate(height)
        gateway.process.send_signal(signal.SIGUSR2)
        until(page, "document.querySelector('#health').textContent.includes('WARNING (3 problems)')")
        if width == 1440:
            assert page.evaluate(height) == before
            frozen = page.locator("#health .chip").nth(1)
            assert "nepse_00 is silent" in frozen.inner_text()
            assert frozen.bounding_box()["width"] > 130, "the second problem, which is what is frozen, is seen too"
        else:
            assert page.evaluate(CUT) == []
            last_line = "[...document.querySelectorAll('#health .chip')].at(-1).getBoundingClientRect().bottom"
            assert page.evaluate(f"document.querySelector('#health').getBoundingClientRect().bottom - {last_line}") < 4
        page.locator("#health").press("Enter")
        first, frozen, last = page.locator("#problems li").all_inner_texts()
        assert (first[:30], last) == ("▲ warning: tasks wait for serv", "▲ warning: 2 new dead letters; see hulak dead ls")
        assert frozen == "▲ warning: nepse_00 is silent: no sign of life for 2 s, it is frozen or dead"
        assert page.locator("#problems code").inner_text() == "hulak dead ls"
        page.locator("#health").press("Enter")
        assert page.locator("#problems").is_hidden()
        gateway.process.send_signal(signal.SIGUSR2)
        until(page, "document.querySelector('#health').disabled")
        assert complaints == []


def test_displays_come_and_go_from_the_page(chrome, gateway):
    with opened(chrome, gateway.url) as (page, _):
        live(page)
        page.locator("#add-symbol").fill("abcxyz")
        page.keyboard.press("Enter")
        card = page.locator("[data-display='abcxyz-1']")
        card.wait_for(timeout=WITHIN_MS)
        card.press("Enter")
        page.locator("#detail-remove").click()
        card.wait_for(state="detached", timeout=WITHIN_MS)
        until(page, "!document.querySelector('#detail').open")


def test_a_setting_is_changed_in_the_page_and_a_refusal_is_shown_with_its_reason(chrome, gateway):
    with opened(chrome, gateway.url) as (page, _):
        live(page)
        page.locator("#views a[href='#/config']").press("Enter")
        page.locator("#bridge-ways").get_by_text("ldn in").first.wait_for(timeout=WITHIN_MS)
        page.locator("#config-scope").select_option("kind:feed")
        page.locator("#config-key").fill("stale_s")
        page.locator("#config-help").get_by_text("data older than this is stale").wait_for(timeout=WITHIN_MS)
        page.locator("#config-value").fill("-3")
        page.keyboard.press("Enter")
        page.locator("#config-said").get_by_text("BAD_CONFIG: key stale_s is -3").wait_for(timeout=WITHIN_MS)
        page.locator("#config-value").fill("45")
        page.keyboard.press("Enter")
        page.locator("#config-values").get_by_text("45").wait_for(timeout=WITHIN_MS)
        page.locator("#config-applied").get_by_text("not yet: feed binance (3)").wait_for(timeout=WITHIN_MS)


def test_many_displays_are_searched_sorted_and_grouped_and_the_choice_is_kept(chrome):
    with FakeGateway("--displays", 26, "--rate", 200) as gateway, opened(chrome, gateway.url) as (page, complaints):
        live(page, 26)
        shown = "[...document.querySelectorAll('#displays li:not([hidden]) > .card')].map((card) => card.dataset.display)"
        page.locator("#order").select_option("change")
        page.locator("#group").select_option("currency")
        changes = (
            f"({shown}).map((id) => window.hulak.display(id)).map((state) => [state.symbol.slice(3), state.price / state.open])"
        )
        groups = page.locator("#displays .group h3").evaluate_all("heads => heads.map((head) => head.firstChild.data)")
        assert groups[:3] == ["AUD", "CAD", "CHF"]
        assert list(dict.fromkeys(currency for currency, _ in page.evaluate(changes) if "." not in currency)) == groups[:-1]
        page.locator("#find").fill("jpy")
        until(page, f"({shown}).length === 7")
        assert page.locator("#total").inner_text() == "7 of 26"
        for _ in range(6):  # order, group, layouts
            page.keyboard.press("Tab")
        assert focused(page) in page.evaluate(shown), "the first card that is shown is in the tab order"
        page.locator("#find").fill("nothing")
        assert page.locator("#none").is_visible()
        page.locator("#find").fill("eur")
        page.reload()
        live(page, 26)
        assert page.locator("#find").input_value() == "eur"
        page.locator("#find").fill("")
        until(page, f"document.querySelectorAll('#displays .group').length === {len(groups)}")
        assert complaints == []


@pytest.mark.parametrize(("scheme", "width"), [("light", 390), ("dark", 1600)])
def test_the_cards_with_groups_and_layouts_violate_no_rule_of_axe_and_fit_the_width(chrome, scheme, width):
    with (
        FakeGateway("--displays", 26, "--rate", 100) as gateway,
        opened(chrome, gateway.url, scheme=scheme, width=width) as (page, complaints),
    ):
        until(page, "window.hulak?.status().displays >= 26 && window.hulak.latency().count > 4")
        page.locator("#group").select_option("market")
        layouts = page.locator("#tools .layouts")
        layouts.locator("input").fill("axe")
        layouts.locator("button", has_text="Keep layout").press("Enter")
        layouts.locator("output", has_text="kept as axe").wait_for(timeout=WITHIN_MS)
        assert layouts.locator("select").input_value() == "own:axe"
        assert violations(page) == []
        page.locator("#displays .card").first.press("Enter")
        until(page, "document.querySelectorAll('#detail-figures dd').length > 15")
        assert violations(page) == []
        page.keyboard.press("Escape")
        layouts.locator("button", has_text="Remove").press("Enter")
        layouts.locator("output", has_text="axe removed").wait_for(timeout=WITHIN_MS)
        page.locator("#find").fill("nothing")
        page.locator("#none").wait_for(timeout=WITHIN_MS)
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert complaints == []


def test_candles_come_from_the_journal_go_on_live_and_are_reached_with_the_keyboard(chrome, gateway):
    with opened(chrome, gateway.url) as (page, complaints):
        live(page)
        card = page.locator("#displays .card").first
        card.press("Enter")
        page.locator("#detail-views button", has_text="5m").press("Enter")
        page.locator("#detail-legend").get_by_text("· 9 ticks").wait_for(timeout=WITHIN_MS)
        until(page, "document.querySelectorAll('#detail-chart canvas').length > 0")
        latest = page.locator("#detail-legend").inner_text()
        until(page, f"document.querySelector('#detail-legend').textContent !== {latest!r}")
        page.locator("#detail-chart").press("ArrowLeft")
        page.locator("#theme").evaluate("(button) => button.click()")
        page.locator("#detail-views button", has_text="picture").click()
        page.locator("#detail-picture canvas").wait_for(timeout=WITHIN_MS)
        assert page.locator("#detail-chart canvas").count() == 0
        page.keyboard.press("Escape")
        assert complaints == []


@pytest.mark.parametrize("width", [360, 412])
def test_a_phone_shows_it_without_scrolling_sideways(chrome, gateway, width):
    with opened(chrome, gateway.url, width=width, height=740, device_scale_factor=2) as (page, _):
        until(page, "window.hulak?.latency().count > 8")
        # a canvas has the screen's pixels, once its size is known
        until(page, "document.querySelector('canvas').width === 2 * document.querySelector('canvas').clientWidth")
        wide = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide[0] <= wide[1] == width
        drawn = page.evaluate("window.hulak.latency().painted")
        assert drawn < 30 * DISPLAYS, "displays outside the screen are not drawn"


def test_displays_without_ticks_show_their_age(chrome):
    with FakeGateway("--displays", 3, "--rate", 100, "--stale", 2) as gateway, opened(chrome, gateway.url) as (page, _):
        live(page, 3)
        gateway.process.send_signal(signal.SIGUSR1)
        page.locator("#status").get_by_text("data stale").wait_for(timeout=WITHIN_MS)
        assert page.locator(".card.late").count() == 3
        assert "stale, " in page.locator(".card").first.get_attribute("aria-label")
        gateway.process.send_signal(signal.SIGUSR1)
        until(page, "document.querySelectorAll('.card.late').length === 0")


def test_a_page_without_its_gateway_shows_it_and_reconnects_by_itself(chrome):
    with FakeGateway("--displays", 3, "--rate", 100) as gateway, opened(chrome, gateway.url) as (page, _):
        live(page, 3)
        gateway.kill()
        page.locator("#status").get_by_text("reconnecting").wait_for(timeout=WITHIN_MS)
        until(page, "document.querySelectorAll('.card.late').length === 3")
        assert "reconnecting" in page.locator("#announced").inner_text()
        assert "no connection" in page.locator(".card").first.get_attribute("aria-label")
        gateway.start(gateway.port)
        until(page, "window.hulak.status().state === 'connected' && window.hulak.status().late === 0")
        assert page.locator(".card").count() == 3

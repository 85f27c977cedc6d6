"""The page's login, in a real browser at a real gateway: with TLS, tokens and roles."""

import contextlib
import time

import pytest
from browser import browser, opened, until
from local_bus import LocalBus
from tls_files import TlsFiles
from waiting import eventually

from hulak.clients.gateway.tokens import Role, changing, file_of, load, make, write_private

pytestmark = [pytest.mark.system]
WITHIN_S = 30


@pytest.fixture(scope="module")
def chrome():
    with browser() as running:
        yield running


@pytest.fixture
def files(tmp_path):
    made = TlsFiles(tmp_path)
    made.write()
    return made


def add(home, name, role):
    """Make a token; returns its text."""
    text, token = make(name, role, time.time())
    with changing(home):
        write_private(file_of(home), load(home).plus(token).text(), home)
    return text


def revoke(home, name):
    with changing(home):
        write_private(file_of(home), load(home).minus(name).text(), home)


@contextlib.contextmanager
def gateway(files=None):
    """Start a gateway with a token of each role; yields the bus, the tokens and the page's address."""
    settings = {} if files is None else {f"gateway.{name}": value for name, value in files.settings().items()}
    with LocalBus(**settings) as local_bus:
        texts = {role: add(local_bus.home, f"the-{role}", role) for role in (Role.METRICS, Role.VIEW, Role.OPERATE)}
        process = local_bus.hulak("gateway")
        eventually(lambda: "gateway started" in process.log.read_text(), within_s=WITHIN_S)
        yield local_bus, texts, local_bus.settings.gateway.url


def log_in(page, text):
    until(page, "!document.querySelector('#login').hidden")
    page.locator("#login-token").fill(text)
    page.keyboard.press("Enter")


def shown(page, selector):
    return page.locator(selector).is_visible()


def state(page, wanted):
    until(page, f"window.hulak?.status().state === '{wanted}'")


def test_a_viewer_logs_in_is_offered_nothing_to_change_and_is_sent_away_when_revoked(chrome, files):
    with gateway(files) as (local_bus, texts, url), opened(chrome, url, ignore_https_errors=True) as (page, complaints):
        state(page, "refused")
        assert page.evaluate("document.activeElement.id") == "login-token"
        assert page.locator("#login-why").inner_text() == "A token is needed."
        assert not shown(page, "#displays-head")
        log_in(page, "hulak_wrong")
        page.locator("#login-said").get_by_text("wrong, revoked or expired").wait_for(timeout=WITHIN_S * 1000)
        log_in(page, "Ä")
        page.locator("#login-said").get_by_text("letters, digits").wait_for(timeout=WITHIN_S * 1000)
        log_in(page, texts[Role.METRICS])
        page.locator("#login-said").get_by_text("for monitoring only").wait_for(timeout=WITHIN_S * 1000)
        log_in(page, texts[Role.VIEW])
        state(page, "connected")
        assert shown(page, "#displays-head")
        assert not any(shown(page, form) for form in ("#login", "#add"))
        page.locator("#views a[href='#/config']").click()
        until(page, "document.querySelector('#config-version').offsetParent !== null")
        assert not any(shown(page, part) for part in ("#config-form", "#keys"))
        page.locator("#views a[href='#/processes']").click()
        until(page, "document.querySelector('#workers').offsetParent !== null")
        assert not any(shown(page, part) for part in ("#scale-form", "#log"))
        (cookie,) = page.context.cookies()
        assert cookie["name"] == f"__Host-hulak-{local_bus.settings.gateway.port}"
        assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, True, "Strict")
        assert texts[Role.VIEW] not in cookie["value"]
        assert page.evaluate("document.cookie") == ""
        page.reload()
        state(page, "connected")
        revoke(local_bus.home, "the-view")
        state(page, "refused")
        assert "revoked" in page.locator("#login-why").inner_text()
        log_in(page, texts[Role.OPERATE])
        state(page, "connected")
        page.locator("#views a[href='#/config']").click()
        page.locator("#config-form").wait_for(timeout=WITHIN_S * 1000)
        page.locator("#views a[href='#/displays']").click()
        page.locator("#add").wait_for(timeout=WITHIN_S * 1000)  # the address changes first, and then the view
        assert page.locator("#logout").get_attribute("title") == "the-operate, with the role operate"
        page.locator("#logout").click()
        state(page, "refused")
        assert page.context.cookies() == []
        refused = [text for text in complaints if "401" not in text]  # the browser notes the two wrong tokens
        assert refused == []


def test_the_owner_needs_no_token_until_there_is_one_for_the_page(chrome):
    with LocalBus() as local_bus:
        process = local_bus.hulak("gateway")
        eventually(lambda: "gateway started" in process.log.read_text(), within_s=WITHIN_S)
        with opened(chrome, local_bus.settings.gateway.url) as (page, complaints):
            state(page, "connected")
            assert not shown(page, "#logout")
            text = add(local_bus.home, "desk", Role.OPERATE)
            state(page, "refused")
            log_in(page, text)
            state(page, "connected")
            assert complaints == []

"""The views of operators in a real browser, with a real broker, gateway and worker: seen, and used with the keyboard."""

import pytest
from axe import violations
from browser import ROOT, browser, opened, until
from local_bus import LocalBus
from waiting import eventually

from hulak.clients.live_config import LiveConfig

pytestmark = [pytest.mark.system]
WITHIN_S = 30
WITHIN_MS = 30_000
SERVICE = "sleepy"
CUT = """[...document.querySelectorAll('.scroll, dialog[open] .sheet')]
  .filter((part) => part.scrollWidth > part.clientWidth).map((part) => part.innerText)"""
VIEWS = ("displays", "tasks", "charts", "processes", "config")


@pytest.fixture(scope="module")
def bus():
    with LocalBus() as local_bus:
        (local_bus.home / "log").mkdir(parents=True, exist_ok=True)
        line = '{"event": "broker started", "level": "info", "timestamp": "2026-11-30T04:17:13Z", "version": "1"}\n'
        (local_bus.home / "log" / "broker.log").write_text(line + line.replace("info", "error").replace("started", "failed"))
        local_bus.start_broker()
        local_bus.start(ROOT / "tests" / "support" / "sleepy_worker.py")
        process = local_bus.hulak("gateway")
        eventually(lambda: "gateway started" in process.log.read_text(), within_s=WITHIN_S)
        with local_bus.client() as client:
            for _ in range(3):
                client.post(SERVICE, "sleep", {"odd": 1}, retries=0)
            client.post(SERVICE, "sleep", {"seconds": 0})
            config = LiveConfig(client, by="test")
            config.set("global", {"log_level": "debug"})
            config.set("global", {"log_level": "warning"}, note="too much of it")
            client.schedule(SERVICE, "sleep", {"seconds": 0}, cron="5 15 * * *", name="nightly")
            eventually(lambda: len(client.list_tasks(state="failed")) == 3, within_s=WITHIN_S)
        yield local_bus


@pytest.fixture(scope="module")
def chrome():
    with browser() as running:
        yield running


def shown(page, view):
    """Go to a view by its link, with the keyboard."""
    until(page, "window.hulak?.status().state === 'connected' && !document.querySelector('#views').hidden")
    page.locator(f"#views a[href='#/{view}']").press("Enter")
    until(page, f"document.querySelector('#views [aria-current]').hash === '#/{view}'")


READY = {
    "displays": "document.querySelector('#processes table')",
    "tasks": "document.querySelectorAll('#tasks-list tbody tr').length >= 3",
    "charts": "document.querySelectorAll('#charts-list .legend-list li').length > 4",
    "processes": "document.querySelector('#workers table') && document.querySelectorAll('#log-lines .line').length >= 2",
    "config": "document.querySelectorAll('#history-list tbody tr').length >= 2 && document.querySelector('#schedules table')",
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_view_violates_a_rule_of_axe(chrome, bus, scheme):
    with opened(chrome, bus.settings.gateway.url, scheme=scheme) as (page, complaints):
        for view in VIEWS:
            shown(page, view)
            if view == "tasks":
                page.locator("#tasks-state").select_option("failed")
            until(page, READY[view])
            assert violations(page) == [], view
        shown(page, "tasks")
        page.locator("#tasks-list button.link").first.press("Enter")
        page.locator("#task-blocks").get_by_text("KeyError").first.wait_for(timeout=WITHIN_MS)
        assert violations(page) == []
        assert complaints == []


def test_no_part_of_a_view_is_cut_on_a_phone(chrome, bus):
    with opened(chrome, bus.settings.gateway.url, width=390, height=844) as (page, complaints):
        for view in VIEWS:
            shown(page, view)
            if view == "tasks":
                page.locator("#tasks-state").select_option("failed")
            until(page, READY[view])
            assert page.evaluate(CUT) == [], view
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, view
        shown(page, "tasks")
        page.locator("#tasks-list button.link").first.press("Enter")
        page.locator("#task-blocks").get_by_text("KeyError").first.wait_for(timeout=WITHIN_MS)
        assert page.evaluate(CUT) == []
        assert complaints == []


def test_an_empty_list_of_tasks_has_its_reason_and_a_key_without_a_value_has_a_hint(chrome, bus):
    with opened(chrome, bus.settings.gateway.url) as (page, _):
        shown(page, "tasks")
        page.locator("#tasks-list").get_by_text("No posted task waits or runs.").wait_for(timeout=WITHIN_MS)
        page.locator("#tasks-state").select_option("running")
        page.locator("#tasks-list").get_by_text("No task is running.").wait_for(timeout=WITHIN_MS)
        shown(page, "config")
        page.locator("#config-help").get_by_text("the keys of this scope: ").wait_for(timeout=WITHIN_MS)
        page.locator("#config-key").press_sequentially("level")
        page.locator("#config-help").get_by_text("do you mean log_level?").wait_for(timeout=WITHIN_MS)


def test_a_task_is_cancelled_and_dead_letters_are_seen_retried_and_dropped_with_the_keyboard(chrome, bus):
    with bus.client() as client, opened(chrome, bus.settings.gateway.url) as (page, complaints):
        waiting = client.post("nobody", "a", {"n": 1})
        shown(page, "tasks")
        cancel = page.locator(f"#tasks-list [data-key='cancel-{waiting}']")
        cancel.wait_for(timeout=WITHIN_MS)
        cancel.press("Enter")
        page.locator("#tasks-said").get_by_text("is cancelled").wait_for(timeout=WITHIN_MS)
        assert client.show_task(waiting)["state"] == "cancelled"

        page.locator("#tasks-state").select_option("failed")
        dead = [bytes(row["task"]).hex() for row in client.list_tasks(state="failed")]
        page.locator(f"[data-key='show-{dead[0]}']").press("Enter")
        blocks = page.locator("#task-blocks")
        blocks.get_by_text("Traceback (most recent call last)").wait_for(timeout=WITHIN_MS)
        assert '"odd": 1' in blocks.inner_text()
        assert "KeyError: 'seconds'" in blocks.inner_text()
        page.keyboard.press("Escape")
        until(page, f"document.activeElement.dataset.key === 'show-{dead[0]}'")
        page.locator(f"#tasks-list [data-key='retry-{dead[0]}']").press("Enter")
        page.locator("#tasks-said").get_by_text("posted again").wait_for(timeout=WITHIN_MS)
        eventually(lambda: len(client.list_tasks(state="failed")) == 4, within_s=WITHIN_S)

        page.locator(f"#tasks-list [data-key='mark-{dead[1]}']").press("Space")
        page.locator("#tasks-many button", has_text="Drop 1 selected").press("Enter")
        assert page.locator("#confirm-text").inner_text() == f"Delete 1 dead letter of {SERVICE}?"
        page.keyboard.press("Escape")
        assert len(client.list_tasks(state="failed")) == 4
        page.locator(f"#tasks-list [data-key='mark-{dead[1]}']").press("Space")
        until(page, "document.querySelectorAll('#tasks-list tbody tr').length === 4")
        page.locator("#tasks-many button", has_text="Drop all 4 shown").press("Enter")
        assert page.locator("#confirm-text").inner_text() == f"Delete 4 dead letters of {SERVICE}?"
        page.locator("#confirm-yes").press("Enter")
        page.locator("#tasks-said").get_by_text("4 deleted").wait_for(timeout=WITHIN_MS)
        assert client.list_tasks(state="failed") == []
        assert complaints == []


def test_a_version_is_compared_and_reverted_and_a_schedule_paused(chrome, bus):
    with bus.client() as client, opened(chrome, bus.settings.gateway.url) as (page, complaints):
        shown(page, "config")
        until(page, READY["config"])
        page.locator("[data-key='compare-1']").press("Enter")
        page.locator("#diff").get_by_text("warning").wait_for(timeout=WITHIN_MS)
        assert page.locator("#diff tbody tr").inner_text().split() == ["global", "log_level", "debug", "warning"]
        page.locator("[data-key='revert-1']").press("Enter")
        page.locator("#confirm-yes").press("Enter")
        page.locator("#history-said").get_by_text("version 3 has the values of version 1").wait_for(timeout=WITHIN_MS)
        assert client.call("hulak.config.get")["scopes"] == {"global": {"log_level": "debug"}}
        page.locator("[data-key='pause-nightly']").press("Enter")
        page.locator("[data-key='resume-nightly']").wait_for(timeout=WITHIN_MS)
        assert complaints == []


def test_figures_are_charted_with_a_cursor_and_the_log_is_filtered_and_a_worker_drained(chrome, bus):
    with opened(chrome, bus.settings.gateway.url) as (page, complaints):
        shown(page, "charts")
        until(page, READY["charts"])
        page.locator("#charts-cursor").press("Home")
        assert "UTC" in page.locator("#charts-time").inner_text()
        queue = "document.querySelector('section[aria-label=\"Tasks in the queue\"] .legend-list').textContent"
        until(page, f"!{queue}.includes('queued 0')")
        page.locator("#charts-cursor").press("Escape")
        until(page, f"{queue}.includes('queued 0')")
        shown(page, "processes")
        until(page, READY["processes"])
        page.locator("#log-level").select_option("error")
        page.locator("#log-text").fill("failed")
        until(page, "document.querySelectorAll('#log-lines .line').length === 1")
        page.locator("[data-key^='drain-sleepy']").press("Enter")
        page.locator("#confirm-yes").press("Enter")
        page.locator("#workers-said").get_by_text("is draining").wait_for(timeout=WITHIN_MS)
        eventually(lambda: bus.stats()["workers"] == [], within_s=WITHIN_S)
        assert complaints == []

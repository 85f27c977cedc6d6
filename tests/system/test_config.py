"""The live configuration with real processes: applied, late processes named, and kept over freezes, kills and late starts."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import structlog
from local_bus import LocalBus
from waiting import eventually

from hulak.bus.errors import BusError
from hulak.bus.process import log
from hulak.bus.process.member import STOP_S, Member
from hulak.clients.displays.client import DisplayClient
from hulak.clients.live_config import LiveConfig

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
WITHIN_S = 20
QUIET = structlog.wrap_logger(None, wrapper_class=structlog.make_filtering_bound_logger(50))


@pytest.fixture(autouse=True)
def put_back():
    yield
    log.set_level("info")


@pytest.fixture
def local_bus():
    with LocalBus() as local_bus:
        local_bus.start_broker()
        yield local_bus


def command(local_bus, *words):
    environment = {**os.environ, **local_bus.variables}
    return subprocess.run(
        [sys.executable, "-m", "hulak", "config", *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )


def applied(local_bus):
    """Return the version that each process applies, by its name."""
    with local_bus.client() as client:
        return {row["name"]: row["version"] for row in client.call("hulak.config.applied", timeout_s=5)}


def change(local_bus, scope="kind:nepse", **values):
    with local_bus.client() as client:
        return LiveConfig(client, by="a test").set(scope, values)["version"]


def test_a_frozen_worker_is_named_and_applies_the_new_version_when_it_thaws(local_bus):
    workers = {name: local_bus.hulak("worker", "nepse", "--name", name) for name in ("ram", "sita")}
    feed = local_bus.hulak("feed", "--venue", "json", "--name", "gita", "--url", "ws://127.0.0.1:9/json")
    eventually(lambda: set(applied(local_bus)) == {"ram", "sita", "gita"}, within_s=WITHIN_S)

    done = command(local_bus, "set", "kind:nepse", "rate_per_s=1.5", "--wait", "20")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("version 1: applied by 3 of 3 in ")

    workers["sita"].send_signal(signal.SIGSTOP)
    done = command(local_bus, "set", "log_level=debug", "--wait", "8", "--json")  # for the two others
    report = json.loads(done.stdout)
    assert (done.returncode, report["version"], report["processes"], report["applied"]) == (1, 2, 3, 2)
    assert [(row["kind"], row["name"], row["pid"], row["version"]) for row in report["late"]] == [
        ("nepse", "sita", workers["sita"].pid, 1)
    ]
    done = command(local_bus, "set", "kind:nepse", "cache_s=0", "--wait", "0")
    assert (done.returncode, "; not yet by " in done.stdout, "nepse sita" in done.stdout) == (1, True, True)

    workers["sita"].send_signal(signal.SIGCONT)
    eventually(lambda: applied(local_bus)["sita"] == 3, within_s=WITHIN_S)
    # The level was debug in all of them, and each version was sent to them; the frozen one applied the newest only.
    eventually(lambda: '"version": 3' in workers["sita"].log.read_text(), within_s=WITHIN_S)
    assert '"version": 2' not in workers["sita"].log.read_text()
    assert '"version": 2' in workers["ram"].log.read_text()

    for process in (*workers.values(), feed):
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, process.log.read_text()
    eventually(lambda: applied(local_bus) == {}, within_s=9)  # each has reported that it leaves: else it is kept for 10 s


def test_a_frozen_display_worker_is_named_and_its_display_follows_when_it_thaws_and_survives_restarts():
    with LocalBus(**{"task.lease_s": 0.6}) as local_bus, DisplayClient(local_bus.settings, local_bus.home) as displays:
        broker = local_bus.start_broker()
        worker = local_bus.hulak("worker", "display", "--name", "d0")
        eventually(lambda: "d0" in applied(local_bus), within_s=WITHIN_S)
        displays.create_worker_for_symbol("EURUSD", "gita", init={"price": 1.1})
        displays.wait_until_live("gita")

        worker.send_signal(signal.SIGSTOP)
        done = command(local_bus, "set", "kind:display", "price_bucket_multiplier=2", "--wait", "0.5")
        assert done.returncode == 1
        assert "applied by 0 of 1 in " in done.stdout, done.stdout
        assert f"not yet by display d0 (pid {worker.pid}, last report " in done.stdout
        assert displays.state("gita")["config_version"] == 0
        worker.send_signal(signal.SIGCONT)
        eventually(lambda: applied(local_bus) == {"d0": 1}, within_s=WITHIN_S)
        shown = eventually(
            lambda: [state for state in [displays.state("gita")] if state["config_version"] == 1], within_s=WITHIN_S
        )
        assert shown[0]["profile"]["bucket"] == 2e-05

        assert command(local_bus, "set", "display:gita", "price_bucket_multiplier=5").returncode == 0  # goes before the kind's
        for process in (worker, broker):
            process.kill()
            process.wait(30)
        local_bus.start_broker()
        local_bus.hulak("worker", "display", "--name", "d1")
        eventually(lambda: applied(local_bus).get("d1") == 2, within_s=WITHIN_S)
        eventually(
            lambda: (displays.state("gita") or {"profile": {"bucket": 0}})["profile"]["bucket"] == 5e-05, within_s=WITHIN_S
        )

        assert displays.remove_display("gita")
        with local_bus.client() as client:
            remaining = {"kind:display": {"price_bucket_multiplier": 2.0}}  # a display's own values go just behind it
            eventually(lambda: LiveConfig(client).get()["scopes"] == remaining, within_s=WITHIN_S)


def test_commands_show_and_undo(local_bus):
    assert command(local_bus, "set", "kind:display", "show_flash=true", "flash_threshold=2").stdout.startswith(
        "version 1: applied by 0 of 0"
    )
    done = command(local_bus, "set", "display:eurusd-1", "flash_threshold=0.5", "--note", "lively")
    assert (done.returncode, "display 'eurusd-1' is unknown" in done.stderr) == (0, True)
    rows = json.loads(command(local_bus, "get", "display:eurusd-1", "--json").stdout)["rows"]
    assert {row["key"]: (row["value"], row["from"]) for row in rows if row["from"] != "default"} == {
        "flash_threshold": (0.5, "display:eurusd-1"),
        "show_flash": (True, "kind:display"),
    }
    lines = command(local_bus, "get").stdout.splitlines()
    assert lines[0] == "scope\tkey\tvalue\tfrom\tdefault\tunit\thelp"
    assert "kind:display\tshow_flash\ttrue\tkind:display\tfalse\t-\twhether moves flash" in lines
    assert command(local_bus, "diff").stdout.splitlines() == [
        "from version 1 to 2: 1 change",
        "  display:eurusd-1 flash_threshold: unset -> 0.5",
    ]
    assert command(local_bus, "unset", "display:eurusd-1", "flash_threshold").returncode == 0
    assert command(local_bus, "revert", "2").returncode == 0
    assert json.loads(command(local_bus, "diff", "2", "4", "--json").stdout) == {"from": 2, "to": 4, "changes": []}
    lines = command(local_bus, "history", "--limit", "2").stdout.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["version", "4", "3"]
    assert lines[1].endswith("display:eurusd-1 flash_threshold: unset -> 0.5\tas in version 2")

    refused = command(local_bus, "set", "kind:nepse", "rate_per_s=fast", "--json")
    assert refused.returncode == 1
    assert json.loads(refused.stdout)["error"]["code"] == "BAD_CONFIG"
    with pytest.raises(BusError, match="rate_per_s is 0 ") as caught:  # the broker looks itself
        change(local_bus, rate_per_s=0)
    assert caught.value.code == "BAD_CONFIG"
    assert command(local_bus, "set", "kind:nepse").returncode == 2
    assert command(local_bus, "set", "rate_per_s").returncode == 2


def test_a_member_tolerates_a_late_broker_and_a_killed_one():
    with LocalBus() as local_bus:
        seen = []
        settings = local_bus.settings
        with Member(
            settings, local_bus.home, QUIET, kind="nepse", name="early", apply=seen.append, collect=lambda: {"x": 1}
        ) as member:
            assert member.live["rate_per_s"] == settings.nepse.rate_per_s
            first = local_bus.start_broker()
            eventually(lambda: applied(local_bus) == {"early": 0}, within_s=WITHIN_S)
            assert change(local_bus, rate_per_s=4) == 1
            eventually(lambda: applied(local_bus) == {"early": 1}, within_s=WITHIN_S)
            assert (member.live["rate_per_s"], seen[-1]["scopes"]) == (4.0, {"kind:nepse": {"rate_per_s": 4.0}})

            first.kill()
            first.wait(30)
            local_bus.start_broker()
            eventually(lambda: applied(local_bus) == {"early": 1}, within_s=WITHIN_S)  # an acknowledged version is kept
            assert change(local_bus, rate_per_s=5) == 2
            eventually(lambda: applied(local_bus) == {"early": 2}, within_s=WITHIN_S)
            assert [document["version"] for document in seen] == [1, 2]

            with Member(settings, local_bus.home, QUIET, kind="display", name="late") as late:
                eventually(lambda: late.version == 2, within_s=WITHIN_S)  # a late joiner gets the document
                change(local_bus, "display:x", show_flash=True)
                eventually(lambda: late.display("x")["show_flash"] is True, within_s=WITHIN_S)
                assert late.display("y")["show_flash"] is False
            eventually(lambda: "late" not in applied(local_bus), within_s=9)

            member.beat()
            member.report_now()
            (row,) = eventually(lambda: [row for row in local_bus.stats()["processes"] if "loop_age_s" in row], within_s=WITHIN_S)
            assert (row["kind"], row["name"], row["pid"], row["config_version"], row["x"]) == (
                "nepse",
                "early",
                os.getpid(),
                3,
                1,
            )
            assert row["rss_bytes"] > 1e6
            assert row["uptime_s"] >= row["loop_age_s"] >= 0
        eventually(lambda: applied(local_bus) == {}, within_s=9)


def test_a_process_that_cannot_apply_a_version_does_not_report_it(local_bus):
    def fail(document):
        if document["version"] == 1:
            raise ValueError("no")

    def collect():
        raise ValueError("neither")

    with (
        Member(local_bus.settings, local_bus.home, QUIET, kind="worker", name="broken", apply=fail, collect=collect) as broken,
        Member(local_bus.settings, local_bus.home, QUIET, kind="worker", name="slow", deferred=True) as slow,
    ):
        eventually(lambda: len(applied(local_bus)) == 2, within_s=WITHIN_S)
        change(local_bus, rate_per_s=4)
        eventually(lambda: broken.document["version"] == slow.document["version"] == 1, within_s=WITHIN_S)
        slow.report_now()
        assert applied(local_bus) == {"broken": 0, "slow": 0}
        slow.applied(1)
        eventually(lambda: applied(local_bus) == {"broken": 0, "slow": 1}, within_s=WITHIN_S)
        change(local_bus, rate_per_s=5)
        eventually(lambda: applied(local_bus) == {"broken": 2, "slow": 1}, within_s=WITHIN_S)


def test_a_member_does_not_delay_an_end():
    with LocalBus() as local_bus:  # and no broker
        started = [Member(local_bus.settings, local_bus.home, QUIET, kind="worker", name=str(number)) for number in range(3)]
        started[0].stop()  # never started
        for member in started[1:]:
            member.start()
        before = time.monotonic()
        for member in started[1:]:
            member.stop()
            member.stop()
        assert time.monotonic() - before < 2 * STOP_S  # else without limit, or both as long as they may
        assert not [thread for thread in threading.enumerate() if thread.name == "member"]
        words = "import structlog; from pathlib import Path; from hulak.bus.process import load_settings, member; home = Path(); "
        words += "member.Member(load_settings.load(home), home, structlog.get_logger(), kind='worker', name='x').start()"
        assert local_bus.start("-c", words).wait(WITHIN_S) == 0  # a process that forgets to stop it ends all the same

"""The whole path, by the command line alone: ticks of a day and NEPSE tasks, through real processes."""

import json
import os
import signal
import subprocess
import threading

import pytest
import venue_messages
from local_bus import LocalBus, lines_of
from tick_days import OANDA, write_day
from venue_thread import VenueThread
from waiting import eventually

from hulak.clients.feeds.files.registry import read_ticks
from hulak.sim.nepse.server import serve
from hulak.sim.recording import load_recording

pytestmark = pytest.mark.system
TICKS = 30_000  # the first of a day; whole days are a trial, test_days_of_ticks.py


@pytest.fixture
def local_bus():
    with LocalBus() as local_bus:
        local_bus.start_broker()
        yield local_bus


def start_sub(local_bus, prefix, *more):
    """Start `hulak sub --json`, and wait until the broker has its first subscription: that to the topics."""
    before = local_bus.stats()["ticks"]["subscriptions"]
    sub = local_bus.hulak("sub", prefix, "--json", *more, out=subprocess.PIPE)
    eventually(lambda: local_bus.stats()["ticks"]["subscriptions"] > before, within_s=60)
    return sub


@pytest.mark.timeout(180)
def test_a_third_of_a_day_reaches_two_subscribers_whole_in_order_and_exact(local_bus, tmp_path):
    day = write_day(tmp_path, OANDA, TICKS)
    subs = [start_sub(local_bus, "tick.EURUSD", "--count", TICKS) for _ in range(2)]
    received = [[], []]
    readers = [
        threading.Thread(target=lambda sub=sub, into=into: into.extend(lines_of(sub)))
        for sub, into in zip(subs, received, strict=True)
    ]
    for reader in readers:
        reader.start()
    feed = local_bus.hulak("feed", "--file", day, "--speed", "max", "--live", "--json", out=subprocess.PIPE)
    assert feed.wait(120) == 0, feed.log.read_text()
    for reader in readers:
        reader.join(60)
    wanted = [(tick.bid, tick.ask, tick.timestamp) for tick in read_ticks(day)]
    assert len(wanted) == TICKS
    for sub, lines in zip(subs, received, strict=True):
        assert sub.wait(20) == 0
        assert [line["sequence"] for line in lines] == list(range(1, TICKS + 1))
        assert [(line["bid"], line["ask"], line["timestamp"]) for line in lines] == wanted
        assert {(line["topic"], line["symbol"]) for line in lines} == {("tick.EURUSD", "EURUSD")}


def test_binances_messages_of_a_recording_come_out_as_ticks(local_bus, tmp_path):
    recording = load_recording(venue_messages.write_recording(tmp_path / "binance.txt", venue_messages.binance()), speed=None)
    wanted = []
    for recorded in recording.messages:
        message = json.loads(recorded.text)
        if message["stream"].endswith("@bookTicker"):
            data = message["data"]
            wanted.append((data["s"], float(data["b"]), float(data["a"])))
    assert len(wanted) == 84
    sub = start_sub(local_bus, "tick.", "--count", len(wanted))
    with VenueThread(source=recording) as venue:
        local_bus.hulak("feed", "--venue", "binance", "--url", venue.url("/stream"))
        lines = list(lines_of(sub))
    assert [(line["symbol"], line["bid"], line["ask"]) for line in lines] == wanted


def test_the_task_of_a_worker_that_is_killed_is_finished_by_another_and_its_caller_gets_one_answer(local_bus):
    with serve(delay_s=0.7) as exchange:
        workers = {
            worker.pid: worker
            for worker in (local_bus.hulak("worker", "nepse", HULAK_NEPSE__BASE_URL=exchange.url) for _ in range(2))
        }
        eventually(lambda: len(local_bus.stats()["workers"]) == 2, within_s=60)
        caller = local_bus.hulak("nepse", "market-status", "--json", out=subprocess.PIPE)
        busy = eventually(lambda: [worker for worker in local_bus.stats()["workers"] if worker["state"] == "busy"], within_s=60)
        os.kill(busy[0]["pid"], signal.SIGKILL)
        answer, _ = caller.communicate(timeout=30)
        assert caller.returncode == 0, caller.log.read_text()
        assert json.loads(answer)["isOpen"] == "OPEN"
        tasks = local_bus.stats()["tasks"]
        assert (tasks["done"], tasks["retried"], tasks["lost_workers"]) == (1, 1, 1)
        [other] = local_bus.stats()["workers"]
        assert other["pid"] in workers
        assert other["pid"] != busy[0]["pid"]


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("access-token", {"access_token", "age_s", "expires_in_s"}),
        ("post-payload-id", {"payload_id", "access_token"}),
        ("post-payload-id-floor-sheet", {"payload_id", "access_token"}),
        ("symbol-id-map", {"NABIL"}),
        ("market-status", {"isOpen", "asOf", "id"}),
        ("market-id", {"market_id"}),
        ("salts", {"salts"}),
    ],
)
def test_each_nepse_command_answers_with_its_fields(busy_post, name, fields):
    local_bus, _ = busy_post
    asked = local_bus.hulak("nepse", name, "--json", out=subprocess.PIPE)
    answer, _ = asked.communicate(timeout=30)
    assert asked.returncode == 0, asked.log.read_text()
    assert json.loads(answer).keys() >= fields


def test_the_security_brief_is_what_the_exchange_lists(busy_post):
    local_bus, exchange = busy_post
    asked = local_bus.hulak("nepse", "security-brief", "--json", out=subprocess.PIPE)
    answer, _ = asked.communicate(timeout=30)
    rows = json.loads(answer)
    assert {"id": 131, "symbol": "NABIL"}.items() <= rows[0].items()
    assert len(rows) == len({row["id"] for row in rows}) > 80
    assert exchange.by_path["/api/nots/security"] >= 1


@pytest.fixture(scope="module")
def busy_post():
    with LocalBus() as local_bus, serve() as exchange:
        local_bus.start_broker()
        local_bus.start("-m", "hulak.workers", "nepse", HULAK_NEPSE__BASE_URL=exchange.url, HULAK_NEPSE__RATE_PER_S="50")
        eventually(lambda: local_bus.stats()["workers"], within_s=60)
        yield local_bus, exchange


def test_without_a_broker_a_command_names_the_address_and_the_remedy():
    with LocalBus() as local_bus:
        asked = local_bus.hulak("nepse", "market-status", "--timeout", "0.3")
        assert asked.wait(20) == 3
        output = asked.log.read_text()
    assert local_bus.addresses["frontend"] in output
    assert "hulak up" in output
    assert "Traceback" not in output

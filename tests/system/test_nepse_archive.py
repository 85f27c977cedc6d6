"""`hulak nepse archive` over a real broker, a real worker and a simulated exchange: whole files, also after a kill."""

import csv
import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from local_bus import LocalBus
from waiting import eventually

from hulak.sim.nepse.server import serve

pytestmark = pytest.mark.system
SHEET = "/api/nots/nepse-data/floorsheet"
PAGES, CONTRACTS = 6, 3000
DAY_S = 86_400.0  # the exchange is a day behind: its last session was over long ago, as the archiver wants it, at each hour


@pytest.fixture(scope="module")
def post():
    with LocalBus() as local_bus, serve(hours="closed", trades_per_day=CONTRACTS, clock_offset_s=-DAY_S) as exchange:
        local_bus.start_broker()
        local_bus.start("-m", "hulak.workers", "nepse", HULAK_NEPSE__BASE_URL=exchange.url, HULAK_NEPSE__RATE_PER_S="8")
        eventually(lambda: local_bus.stats()["workers"], within_s=60)
        yield local_bus, exchange


def ask(local_bus, *words):
    """Run a command; returns its exit code and what it printed."""
    process = local_bus.hulak("nepse", *words, out=subprocess.PIPE)
    printed, _ = process.communicate(timeout=60)
    return process.returncode, printed.decode()


def sheet_visits(exchange):
    return sum(visit.path == SHEET for visit in exchange.visits.log)


def test_a_killed_run_goes_on_where_it_was_and_the_next_one_asks_nothing(post, tmp_path):
    local_bus, exchange = post
    before = sheet_visits(exchange)
    killed = local_bus.hulak("nepse", "archive", "--into", tmp_path, "--kinds", "floor-sheet", out=subprocess.DEVNULL)

    def pages():
        parts = list(tmp_path.glob("floor-sheet/.*.part"))
        return parts[0].read_bytes().count(b"\n") if parts else 0

    read = eventually(pages, within_s=60)
    killed.kill()
    killed.wait(30)
    assert list(tmp_path.glob("floor-sheet/[0-9]*")) == [], "no half of a file"
    code, printed = ask(local_bus, "archive", "--into", tmp_path, "--json")
    assert code == 0, printed
    answer = json.loads(printed)
    assert answer["counts"]["archived"] == len(answer["outcomes"]) == 3
    by_kind = {outcome["kind"]: outcome for outcome in answer["outcomes"]}
    assert by_kind["floor-sheet"]["rows"] == CONTRACTS
    assert by_kind["indices"]["rows"] == 17
    assert [outcome["notes"] for outcome in answer["outcomes"]] == [[], [], []], "all sums are those of the session"
    with Path(by_kind["floor-sheet"]["files"][0]).open(encoding="utf-8", newline="") as file:
        contracts = [int(row["contractId"]) for row in csv.DictReader(file)]
    assert contracts == sorted(set(contracts))
    assert len(contracts) == CONTRACTS
    assert sheet_visits(exchange) - before <= PAGES + 1, f"of {PAGES} pages {read} were there; one was under way"
    visits = sheet_visits(exchange)
    code, printed = ask(local_bus, "archive", "--into", tmp_path)
    assert (code, sheet_visits(exchange)) == (0, visits), printed
    assert printed.endswith(f"{tmp_path}: 3 there already\n")


def test_sessions_that_are_missing_and_sessions_to_come_have_different_exit_codes(post, tmp_path):
    local_bus, _ = post
    code, printed = ask(
        local_bus, "archive", "--into", tmp_path, "--kinds", "today-price", "--since", "2020-01-01", "--until", "2020-02-01"
    )
    assert code == 4
    assert printed.startswith("2020-01-01 to 2020-02-01 missing for good: the exchange serves the sessions since ")
    tomorrow = (datetime.now(UTC) + timedelta(2)).date()
    code, printed = ask(local_bus, "archive", "--into", tmp_path, "--day", str(tomorrow))
    assert code == 1
    assert f"{tomorrow} not yet: " in printed
    code, printed = ask(local_bus, "archive", "--into", tmp_path, "--kinds", "prices")
    assert (code, printed) == (2, "")


def test_a_result_that_is_written_to_files_names_them(post, tmp_path):
    local_bus, _ = post
    path = tmp_path / "top.csv"
    code, printed = ask(local_bus, "top-turnover", "--csv", path)
    assert (code, printed) == (0, f"10 rows in {path}\n")
    code, printed = ask(local_bus, "top-turnover", "--csv", path, "--json")
    assert (code, json.loads(printed)) == (0, {"rows": 10, "files": [str(path)]})


def test_the_archiver_archives_the_last_session_and_ends_at_once_with_a_signal(post, tmp_path):
    local_bus, _ = post
    archiver = local_bus.hulak("nepse", "archiver", "--into", tmp_path)
    eventually(lambda: len(list(tmp_path.glob("*/*.csv"))) == 3, within_s=60)
    archiver.terminate()
    assert archiver.wait(30) == 0, archiver.log.read_text()
    assert archiver.log.read_text().count('"event": "archived"') == 3

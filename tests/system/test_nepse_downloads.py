"""Files of the exchange through the pool: whole, or not there, for programs and on the command line."""

import asyncio
import hashlib
import json
import subprocess
import time

import pytest
from local_bus import LocalBus
from waiting import eventually

from hulak.bus.errors import TaskFailed
from hulak.clients.nepse.async_client import AsyncNepseClient
from hulak.clients.nepse.client import NepseClient
from hulak.sim.nepse.exchange import nepal_date, previous_session
from hulak.sim.nepse.request_gate import Reply
from hulak.sim.nepse.server import serve

pytestmark = pytest.mark.system
LARGE = b"%PDF-1.4\n" + bytes(range(256)) * 80_000 + b"%%EOF\n"  # 20 MB, above the largest frame
PATH = "/api/nots/news/notice/fetchFiles/"


@pytest.fixture(scope="module")
def post():
    with LocalBus() as local_bus, serve(hours="closed") as exchange:
        local_bus.start_broker()
        local_bus.start("-m", "hulak.workers", "nepse", HULAK_NEPSE__BASE_URL=exchange.url, HULAK_NEPSE__RATE_PER_S="100")
        eventually(lambda: local_bus.stats()["workers"], within_s=60)
        yield local_bus, exchange


def notice():
    return f"notice-{nepal_date(time.time()).toordinal() - 1}.pdf"


def run(local_bus, *words):
    asked = local_bus.hulak("nepse", *words, out=subprocess.PIPE)
    out, _ = asked.communicate(timeout=30)
    return asked.returncode, out.decode(), asked.log.read_text()


def test_a_file_above_the_size_of_a_frame_arrives_whole_and_others_are_answered_meanwhile(post, tmp_path):
    local_bus, exchange = post
    exchange.plan(f"{PATH}large.pdf", Reply(200, LARGE, "application/pdf"), times=2)
    checksum = hashlib.sha256(LARGE).hexdigest()
    with NepseClient(local_bus.settings, local_bus.home, timeout_s=30) as nepse:
        saved = nepse.get_notice_file("large.pdf", tmp_path / "sync.pdf")
    assert (saved["size"], saved["type"], saved["sha256"]) == (len(LARGE), "application/pdf", checksum)

    async def ask():
        async with AsyncNepseClient(local_bus.settings, local_bus.home, timeout_s=30) as nepse:
            saving = asyncio.create_task(nepse.get_notice_file("large.pdf", tmp_path / "async.pdf"))
            assert (await nepse.get_stats())["totalWorkers"] == 1
            return await saving

    assert asyncio.run(ask())["sha256"] == checksum
    for name in ("sync.pdf", "async.pdf"):
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == checksum


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply(200, b"<html>Not here</html>", "text/html"), "NOT_A_FILE"),
        (Reply(200, b'{"error": "no"}'), "NOT_A_FILE"),
        (Reply(404, b"{}"), "NOT_FOUND"),
        (Reply(500, b"Searched Date is not valid.", "text/plain"), "NO_SUCH_DAY"),
    ],
    ids=["page", "error", "404", "day"],
)
def test_what_is_no_file_is_refused_and_a_file_that_was_there_is_kept(post, tmp_path, reply, code):
    local_bus, exchange = post
    before = tmp_path / "notice.pdf"
    before.write_bytes(b"before")
    name = f"{reply.status}-{len(reply.body)}.pdf"
    exchange.plan(PATH + name, reply, times=4)
    with NepseClient(local_bus.settings, local_bus.home, timeout_s=30) as nepse, pytest.raises(TaskFailed) as caught:
        nepse.get_notice_file(name, before)
    assert caught.value.code == code
    assert before.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [before]


def test_another_attempt_replaces_what_came_before(post, tmp_path):
    local_bus, exchange = post
    exchange.plan(f"{PATH}{notice()}", Reply(200, b"", cut=True))
    with NepseClient(local_bus.settings, local_bus.home, timeout_s=30) as nepse:
        nepse.get_notice_file(notice(), tmp_path / "a.pdf")
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF-")


def test_commands_save_files_and_print_their_types(post, tmp_path):
    local_bus, _ = post
    target = tmp_path / "a.pdf"
    code, out, log = run(local_bus, "notice-file", notice(), "--output", target)
    assert (code, out, log) == (0, f"{target}: {target.stat().st_size} bytes, application/pdf\n", "")
    day = previous_session(nepal_date(time.time()))
    code, out, _ = run(local_bus, "day-export", day.isoformat(), "--output", tmp_path / "day.csv", "--json")
    assert code == 0
    assert json.loads(out)["type"] == "text/csv"
    assert (tmp_path / "day.csv").read_text().count("\n") == 81
    assert run(local_bus, "day-export", "2026-11-28", "--output", tmp_path / "no.csv") == (0, "none: no file is written\n", "")
    assert not (tmp_path / "no.csv").exists()


@pytest.mark.parametrize("option", ["--output", "--csv", "--parquet"])
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_asked(tmp_path, option):
    with LocalBus() as local_bus:
        words = ["notice-file", "a.pdf"] if option == "--output" else ["summary"]
        code, out, log = run(local_bus, *words, option, tmp_path / "none" / "a.pdf", "--timeout", "1")
        assert (code, out) == (2, "")
        assert f"must be in a folder that exists: '{tmp_path}/none' does not" in log

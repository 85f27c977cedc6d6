"""The log as the page reads it: the ends of files of the folder, filtered."""

import json
import os

import pytest

from hulak.bus.errors import BusError
from hulak.clients.gateway import log_files
from hulak.clients.gateway.log_files import LogFilter, read_log

ALL = LogFilter(None, "debug", "", 100)


def line(event, second, level="info", **fields):
    stamp = f"2026-11-30T04:17:{second:02}.500000Z"
    return json.dumps({"process": "x", **fields, "event": event, "level": level, "timestamp": stamp}) + "\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "broker.log").write_text(line("broker started", 1) + line("store failed", 3, "error", why="disk full"))
    (tmp_path / "feed.log").write_text("plain words\n" + line("feed connected", 2, feed="EUR") + "Traceback\n  boom\n")
    (tmp_path / "broker.out").write_text("not a log\n")
    return tmp_path


def events(answer):
    return [row["event"] for row in answer["lines"]]


def test_lines_of_all_processes_are_in_the_order_of_time_and_a_traceback_stays_with_its_line(folder):
    answer = read_log(folder, ALL)
    assert answer["processes"] == ["broker", "feed"]
    assert events(answer) == ["plain words", "broker started", "feed connected", "Traceback", "  boom", "store failed"]
    assert answer["lines"][-1] == {
        "at_ms": 1796012223500.0,
        "level": "error",
        "process": "broker",
        "event": "store failed",
        "text": "why=disk full",
    }
    assert not answer["cut"]


def test_lines_are_filtered_by_process_level_and_text(folder):
    assert events(read_log(folder, LogFilter("feed", "debug", "eur", 100))) == ["feed connected"]
    assert events(read_log(folder, LogFilter(None, "warning", "", 100))) == ["plain words", "Traceback", "  boom", "store failed"]
    answer = read_log(folder, LogFilter(None, "debug", "", 2))
    assert (events(answer), answer["cut"]) == (["  boom", "store failed"], True)


def test_only_the_end_of_a_long_file_is_read_and_from_a_whole_line_on(folder, monkeypatch):
    monkeypatch.setattr(log_files, "SHARE_BYTES", 300)
    (folder / "feed.log").write_text("".join(line(f"event {number}", number % 60) for number in range(1000)))
    answer = read_log(folder, ALL)
    assert answer["cut"]
    assert [event for event in events(answer) if event.startswith("event")] == ["event 998", "event 999"]


@pytest.mark.parametrize("name", ["../broker", "/etc/passwd", "broker.log", "broker.out", "nothing", "linked"])
def test_a_name_that_is_no_log_of_the_folder_is_refused(folder, name):
    (folder / "linked.log").symlink_to("/etc/passwd")
    with pytest.raises(BusError, match="known are broker, feed") as error:
        read_log(folder, LogFilter(name, "debug", "", 10))
    assert error.value.code == "UNKNOWN_PROCESS"


def test_without_files_there_are_no_lines_and_odd_lines_stay_lines(tmp_path):
    assert read_log(tmp_path / "none", ALL) == {"processes": [], "lines": [], "cut": False}
    (tmp_path / "x.log").write_bytes(b'\xff\xfe\n{"event": 5, "timestamp": "never", "level": []}\n[1]\n' + b"[" * 5000 + b"\n\n")
    rows = read_log(tmp_path, ALL)["lines"]
    assert len(rows) == 4
    assert (rows[1]["event"], rows[1]["at_ms"]) == ("5", None)
    assert len(rows[3]["event"]) == 2000


def test_a_file_whose_name_cannot_be_sent_is_left_out(folder):
    for name in (b"\xff.log", b"a\n.log"):
        (folder / os.fsdecode(name)).write_text("hidden\n")
    assert read_log(folder, ALL)["processes"] == ["broker", "feed"]

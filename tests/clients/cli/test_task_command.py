"""`hulak task` and `hulak dead`: their output, from rows alone."""

import io
import sys
from pathlib import Path

import click
import pytest

from hulak.clients.cli import table
from hulak.clients.cli.command import Call
from hulak.clients.cli.task import HEADS, Argument, PartPrinter
from hulak.clients.cli.task import readable as readable_row
from hulak.clients.cli.task_text import readable

TASK = "0123456789abcdef0123456789abcdef"
ROW = {"task": bytes.fromhex(TASK), "service": "nepse", "action": "x", "state": "failed", "attempt": 7}
ROW |= {"posted_ns": 10**18, "ended_ns": 10**18 + 10**9}


def test_a_dead_letter_reads_well_and_numbers_its_attempts():
    error = {
        "code": "BLOCKED",
        "text": "403",
        "details": {"attempts": 7, "troubles": ["w1: BLOCKED: 403", "w2: BLOCKED: 403"], "status": 403},
    }
    row = readable({**ROW, "expires_ns": None, "ended_ns": 10**18 + 10**9, "trouble": "", "kept": True, "error": error}, TASK)
    assert row["task"] == TASK
    assert row["posted"].startswith("2001-09-")
    assert row["ended"] > row["posted"]
    assert row["expires"] is None
    assert (row["code"], row["text"], row["details"]) == ("BLOCKED", "403", {"status": 403})
    assert (row["attempt 6"], row["attempt 7"]) == ("w1: BLOCKED: 403", "w2: BLOCKED: 403")
    assert not [name for name in row if name.endswith("_ns")]


def test_a_dead_letter_that_was_posted_again_shows_it():
    again = {"retried_as": b"\x07" * 16, "trouble": ""}
    assert readable({**ROW, **again}, TASK)["retried as"] == readable_row({**ROW, **again})["retried as"] == "07" * 16
    never = {"retried_as": None, "trouble": ""}
    assert (readable({**ROW, **never}, TASK)["retried as"], readable_row({**ROW, **never})["retried as"]) == (None, "")


def test_a_dead_letter_without_a_stored_answer_still_shows_its_reason():
    row = readable({**ROW, "trouble": "w1: CRASHED: no", "kept": False}, TASK)
    assert row["text"] == "w1: CRASHED: no"


def test_a_task_shows_its_arguments_its_attempts_with_their_times_and_the_traceback_last():
    runs = [
        {"attempt": 1, "worker": "w1", "after_s": 0.25, "run_s": None, "trouble": "it was silent"},
        {"attempt": 2, "worker": "w2", "after_s": 2.0, "run_s": 1.5, "trouble": "CRASHED: no"},
    ]
    error = {"code": "CRASHED", "text": "no", "details": {"attempts": 2, "troubles": [], "traceback": "Traceback\n"}}
    whole = {**ROW, "trouble": "", "args": {"n": 1}, "args_bytes": 4, "answer_bytes": 9, "running_s": None}
    row = readable({**whole, "runs": runs, "kept": True, "error": error}, TASK)
    assert row["arguments"] == {"n": 1}
    assert row["run of attempt 1"] == "lost on w1, begun after 0.25 s"
    assert row["run of attempt 2"] == "1.5 s on w2, begun after 2 s"
    assert (row["traceback"], "details" in row) == ("Traceback", False)
    running = {**whole, "state": "running", "ended_ns": None, "args": None, "args_bytes": 200_000, "running_s": 12.0, "runs": []}
    row = readable(running, TASK)
    assert (row["arguments"], row["running for"], "code" in row) == ("200000 bytes, not shown", "12 s", False)


def test_an_id_is_in_one_piece_on_a_narrow_terminal(monkeypatch):
    out = io.StringIO()
    out.isatty = lambda: True
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setenv("COLUMNS", "90")
    table.show(
        HEADS, [[TASK, "nepse", "market-depth", "failed", 1, "2026-11-22 16:51:18", "nepse_00/22463", "a long story " * 9]]
    )
    assert TASK in out.getvalue()


def test_what_comes_before_the_end_of_a_task_is_printed_as_it_comes(capsys):
    parts = PartPrinter(Call(Path(), None, False, None))
    parts.show(1)
    assert (parts.count, capsys.readouterr().out) == (1, "value\n1\n")
    parts = PartPrinter(Call(Path(), None, True, None))
    parts.show({"n": 1})
    assert capsys.readouterr().out == '{"part":{"n":1}}\n'


def test_an_argument_is_json_or_else_text_and_no_object_has_a_name_twice():
    assert [Argument()(text) for text in ('a={"n":[1]}', "a=NABIL", "a=")] == [("a", {"n": [1]}), ("a", "NABIL"), ("a", "")]
    with pytest.raises(click.BadParameter, match="name 'n' is there twice"):
        Argument()('a={"n":1,"n":2}')

"""`hulak sub`: the line of each message, and the end."""

import json
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from hulak.bus.errors import BusTimeout
from hulak.bus.subscriber.events import Event
from hulak.bus.wire.codec import pack
from hulak.bus.wire.messages import Stamp
from hulak.clients.cli import cli
from hulak.clients.cli.sub import Interrupt, LineOutput, as_json, as_text, follow, symbol_hint

STAMP = Stamp(7, 3, 1_700_000_000_123_000_000)
TICK = {"symbol": "EURUSD", "bid": 1.1, "ask": 1.2, "timestamp": 5, "source": "x"}


class Few:
    """Has these messages, then none."""

    def __init__(self, *events):
        self.events = list(events)

    def poll(self, timeout_s):
        return self.events.pop(0) if self.events else None


def event(body=TICK, sequence=3):
    return Event("tick.EURUSD", Stamp(7, sequence, STAMP.time_ns), pack(body))


def test_a_message_is_one_object_with_stamp_and_the_body_s_fields():
    head = {"topic": "tick.EURUSD", "epoch": 7, "sequence": 3, "time_ns": STAMP.time_ns}
    assert json.loads(as_json(event())) == head | TICK
    assert json.loads(as_json(event([1, b"\x01\x02"]))) == head | {"body": [1, "0102"]}


def test_the_body_of_an_own_topic_is_one_field_and_its_place_in_ticks_is_named():
    own = Event("app.signals", STAMP, pack({"sequence": 99, "side": "buy"}))
    assert json.loads(as_json(own))["body"] == {"sequence": 99, "side": "buy"}
    assert json.loads(as_json(own))["sequence"] == 3
    assert as_text(own).endswith("app.signals #3 sequence=99 side=buy")
    assert as_text(Event("ticks", STAMP, pack({}))).endswith("ticks #3 (a message of an own topic)")


def test_a_body_cannot_hide_the_stamp():
    message = json.loads(as_json(event({"sequence": 99, "topic": "x", "bid": 1.5})))
    assert (message["sequence"], message["topic"], message["bid"]) == (3, "tick.EURUSD", 1.5)


def test_for_people_a_message_is_time_topic_number_and_fields(monkeypatch):
    monkeypatch.setenv("TZ", "NPT-5:45")
    time.tzset()
    text = as_text(event({"bid": 1.5, "symbol": "EURUSD"}))
    monkeypatch.undo()
    time.tzset()
    assert text == "2023-11-15 03:58:20.123+05:45 tick.EURUSD #3 bid=1.5 symbol=EURUSD"


def test_the_state_of_a_market_is_in_words(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    body = {"market": "nepse", "state": "closed", "as_of": 1_777_022_100_000, "next_opening": 1_777_266_900_000, "timestamp": 7}
    texts = [as_text(Event("market.nepse", STAMP, pack(body | more))) for more in ({}, {"as_of": None, "next_opening": 1 << 60})]
    monkeypatch.undo()
    time.tzset()
    shown = [text.partition(" market.nepse ")[2].partition(" ")[2] for text in texts]
    assert shown == [
        "nepse is closed, newest data 2026-04-24 09:15:00+00:00, next opening 2026-04-27 05:15:00+00:00",
        "nepse is closed",
    ]


def test_a_symbol_without_its_topic_gets_a_hint_and_no_other_topic_does():
    assert symbol_hint("NABIL") == "the ticks of a symbol are on 'tick.NABIL'"
    assert [symbol_hint(topic) for topic in ("", "t", "ticks", "stats", "tick*", "tick.NABIL", "market", "app.x")] == [""] * 8


def test_it_ends_after_the_count_and_writes_all_of_it(capsys):
    lines = LineOutput()
    follow(Few(*(event(sequence=at) for at in range(10))), lines, as_json, Interrupt(), 4, None)
    lines.flush()
    assert [json.loads(line)["sequence"] for line in capsys.readouterr().out.splitlines()] == [0, 1, 2, 3]


def test_it_writes_what_it_has_when_nothing_more_comes_and_gives_up_after_the_timeout(capsys):
    with pytest.raises(BusTimeout, match=r"no message for 0.01 s, after 1 messages"):
        follow(Few(event()), LineOutput(), as_json, Interrupt(), None, 0.01)
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_a_sigterm_ends_the_process_when_the_buffered_lines_are_written():
    program = """
import os, signal
from hulak.clients.cli.sub import Interrupt, LineOutput
lines = LineOutput()
with Interrupt() as interrupted:
    lines.add("buffered")
    os.kill(os.getpid(), signal.SIGTERM)
    assert interrupted.requested
    lines.flush()
print("not reached")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGTERM, "buffered\n", "")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--since", "soon"], "'soon' is not a time, must be such as"),
        (["--since", "2200-01-01"], "which is later than now"),
        (["--since", "1h", "--last", "3"], "exclude each other"),
        (["--speed", "2"], "need --since, --from or --last"),
        (["--name", "x"], "need --since, --from or --last"),
        (["--since", "1h", "--speed", "0"], "0.0 is not in the range x>0"),
    ],
)
def test_a_wrong_beginning_is_a_usage_error(words, text):
    result = CliRunner().invoke(cli, ["sub", "ticks", *words])
    assert result.exit_code == 2
    assert text in result.output

"""The lines of `hulak up` without a terminal, and what a service manager has to restart; plain numbers for time."""

import pytest
from up_snapshots import STATS, row, snapshot

from hulak.clients.cli.live_model import LiveModel, Process
from hulak.clients.cli.up_changes import HANGS_S, Changes, broker_starts, hangs


def texts(changes):
    return [change.text for change in changes]


def test_what_does_not_change_makes_no_line_and_a_process_that_is_replaced_makes_one():
    changes = Changes()
    assert [texts(changes.update(snapshot(at), at)) for at in (100.0, 101.0, 110.0)] == [[], [], []]
    assert texts(changes.update(snapshot(111.0, nepse_00=("starting", 901)), 111.0)) == []
    assert texts(changes.update(snapshot(114.0, nepse_00=("running", 901)), 114.0)) == ["nepse_00 runs as process 901"]
    assert texts(changes.update(snapshot(115.0, nepse_00=("running", 901)), 115.0)) == []


def test_a_process_that_fails_is_named_once_and_again_when_supervisord_gives_it_up():
    changes = Changes()
    changes.update(snapshot(100.0), 100.0)
    seen = []
    for at, state in ((101.0, "backoff"), (102.0, "backoff"), (103.0, "starting"), (104.0, "backoff"), (105.0, "fatal")):
        seen += [change.text for change in changes.update(snapshot(at, nepse_00=(state, 0)), at) if "in state" in change.text]
    assert [text.rpartition(" ")[2] for text in seen] == ["backoff", "backoff", "fatal"]


def test_a_finding_makes_a_line_when_it_lasts_and_another_one_when_it_is_over():
    changes = Changes()
    degraded = {**STATS, "journal": {"state": "degraded"}}
    assert changes.update(snapshot(100.0), 100.0) == []
    assert changes.update(snapshot(101.0, degraded), 101.0) == []
    assert changes.update(snapshot(102.0), 102.0) == []  # it lasted for a second
    changes.update(snapshot(110.0), 110.0)
    changes.update(snapshot(111.0, degraded), 111.0)
    (line,) = changes.update(snapshot(114.0, degraded), 114.0)
    assert (line.level.name, line.text.split(":")[0]) == ("CRITICAL", "CRITICAL")
    assert changes.update(snapshot(120.0, degraded), 120.0) == []
    changes.update(snapshot(121.0), 121.0)
    (line,) = changes.update(snapshot(126.0), 126.0)
    assert line.text.startswith("over: ")
    assert line.text.endswith("; all is well")


def test_a_supervisord_that_does_not_answer_makes_no_line_for_its_processes():
    changes, model = Changes(), LiveModel(0.0)
    changes.update(snapshot(100.0), 100.0)
    model.add_stats(STATS, 101.0)
    model.add_processes([Process("supervisord", "running", 5, 1)], [], 101.0)
    assert changes.update(model.snapshot(101.0), 101.0) == []
    assert changes.update(snapshot(102.0), 102.0) == []


@pytest.mark.parametrize(
    ("silent_s", "broker", "text"),
    [
        (HANGS_S - 1, ("running", 7), ""),
        (HANGS_S + 1, ("running", 7), "the broker, process 7, has published no statistics for 31 s"),
        (HANGS_S + 1, ("running", 8), ""),  # another one, which reads its journal
        (HANGS_S + 1, ("fatal", 0), ""),  # supervisord has it
    ],
)
def test_a_broker_hangs_only_if_it_is_silent_and_the_same_as_before(silent_s, broker, text):
    model = LiveModel(0.0)
    model.add_stats(STATS, 100.0)
    now = 100.0 + silent_s
    model.add_processes([Process("broker", *broker, 1)], [row("broker", *broker)], now)
    assert hangs(model.snapshot(now)) == text


def test_a_supervisord_hangs_after_its_time_without_an_answer():
    model = LiveModel(0.0)
    model.add_processes([Process("broker", "running", 7, 1)], [row("broker", "running", 7)], 100.0)
    model.add_processes([], [], 120.0)
    assert hangs(model.snapshot(100.0 + HANGS_S - 1)) == ""
    assert hangs(model.snapshot(100.0 + HANGS_S)) == "supervisord has not answered for 30 s"


def test_a_broker_starts_until_its_first_statistics():
    assert broker_starts(snapshot(1.0, None))
    assert not broker_starts(snapshot(1.0, None, broker=("fatal", 0)))
    assert not broker_starts(snapshot(1.0))

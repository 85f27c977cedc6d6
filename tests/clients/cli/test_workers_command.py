"""`hulak workers`: the rows of the broker and of supervisord, joined."""

import pytest
from click.testing import CliRunner

from hulak.bus.errors import BusError
from hulak.clients.cli import cli
from hulak.clients.cli.workers import cells, named, rows_of, scaling_of, scaling_text, successor


def worker(name, slot="", pid=0, **more):
    counts = {"held": 0, "done": 2, "failed": 1, "age_s": 9.0, "rss_bytes": 5_000_000}
    return {"name": name, "service": "nepse", "state": "ready", "slot": slot, "pid": pid, **counts, **more}


def slot(name, state, pid=0, group="nepse"):
    return {"name": name, "group": group, "state": state, "pid": pid, "uptime_s": 0}


def stats(*workers, **scaler):
    processes = [{"kind": "scaler", "name": "scaler", "pid": 1, "pools": {"nepse": scaler}}] if scaler else []
    return {"workers": list(workers), "scaling": {"nepse": {"workers": "auto", "queued": 2}}, "processes": processes}


def test_a_worker_is_listed_with_the_state_of_its_slot():
    rows = rows_of(
        stats(worker("nepse_01/8", "nepse_01", 8), worker("nepse_00/5", "nepse_00", 5), worker("mine")),
        [slot("broker", "running", 1, "broker"), slot("nepse_00", "running", 6), slot("nepse_01", "running", 8)],
    )
    assert [(row["name"], row["slot"], row["supervisor"]) for row in rows] == [
        (None, "nepse_00", "running"),
        ("nepse_00/5", "nepse_00", None),  # of a process that supervisord has no more
        ("nepse_01/8", "nepse_01", "running"),
        ("mine", None, None),
    ]


@pytest.mark.parametrize(("state", "shown"), [("fatal", True), ("backoff", True), ("stopped", False), ("exited", False)])
def test_slots_without_a_worker_show_if_they_are_in_use(state, shown):
    assert bool(rows_of(stats(), [slot("nepse_00", state)])) == shown


def test_cells_stand_under_their_heads_and_what_is_not_known_is_none():
    (row,) = rows_of(stats(worker("nepse_00/5", "nepse_00", 5)), [slot("nepse_00", "running", 5)])
    assert cells(row) == ["nepse_00/5", "ready", 0, 2, 1, "5 MB", "9 s", "running"]
    (row,) = rows_of(stats(), [slot("nepse_00", "fatal")])
    assert cells(row) == ["nepse_00", None, None, None, None, "-", None, "fatal"]


def test_the_sentence_has_the_target_and_its_origin():
    scaling = scaling_of(stats(wanted=3, live=2, least=1, most=5))["nepse"]
    assert scaling == {"workers": "auto", "queued": 2, "wanted": 3, "live": 2, "least": 1, "most": 5}
    assert scaling_text("nepse", scaling) == "nepse: automatic, 3 wanted, 2 tasks wait for a worker"
    alone = scaling_of(stats())["nepse"]
    assert scaling_text("nepse", {**alone, "workers": 4}) == "nepse: 4 by hand, no scaler runs, 2 tasks wait for a worker"


@pytest.mark.parametrize(
    ("after", "new"),
    [
        ([worker("a"), worker("b")], None),
        ([worker("a", state="retiring"), worker("b"), worker("c")], None),
        ([worker("b")], None),
        ([worker("b"), worker("c", service="chess")], None),
        ([worker("b"), worker("c", state="retiring")], None),
        ([worker("b"), worker("c")], "c"),
        ([worker("c"), worker("d")], "d"),  # b was killed meanwhile
    ],
)
def test_a_successor_is_there_when_the_old_one_is_gone_and_as_many_serve_as_before(after, new):
    assert successor("a", [worker("a"), worker("b"), worker("x", service="chess")], after) == new


def workers(*names):
    return [{"name": name, "service": name.partition("_")[0]} for name in names]


@pytest.mark.parametrize(
    ("wanted", "name"),
    [("nepse_00/7", "nepse_00/7"), ("nepse_00", "nepse_00/7"), ("mine", "mine"), ("display_01", "display_01/9")],
)
def test_a_worker_has_its_name_or_its_slot(wanted, name):
    assert named(workers("nepse_00/7", "display_01/9", "mine"), wanted)["name"] == name


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ("nepse_00/8", "worker 'nepse_00/8' is unknown; `hulak workers` lists the names; did you mean 'nepse_00/7'?"),
        ("nespe_00", "did you mean 'nepse_00'?"),
        ("nepse", "did you mean 'nepse_00/7'?"),
        ("gateway", "worker 'gateway' is unknown; `hulak workers` lists the names"),
        ("sums", "2 workers are named 'sums': sums/3, sums/4; give one of these names"),
    ],
)
def test_a_name_of_no_worker_or_of_several_is_refused_with_the_nearest(wanted, text):
    with pytest.raises(BusError) as caught:
        named(workers("nepse_00/7", "sums/3", "sums/4"), wanted)
    assert str(caught.value).endswith(text)
    assert caught.value.code == "UNKNOWN_WORKER"


def test_help_of_the_group_is_the_groups():
    result = CliRunner().invoke(cli, ["workers", "--help"])
    assert result.exit_code == 0
    for name in ("ls", "drain", "restart"):
        assert f"\n  {name} " in result.stdout

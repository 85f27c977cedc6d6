"""When a process that supervisord gave up is tried again, with plain numbers for time."""

import json

import pytest
import structlog
from structlog.testing import capture_logs

from hulak.bus.backoff import Backoff
from hulak.workers.revival import HEALED_S, Failure, Revival, full_name
from hulak.workers.revival_file import RevivalFile

T = 1_000_000.0  # seconds of the wall clock
FEED = "feed:feed"


def row(state, uptime_s=0, name="feed", group="feed"):
    return {"name": name, "group": group, "state": state, "uptime_s": uptime_s}


def revival(random=lambda: 1.0):
    return Revival(Backoff(60.0, 900.0, random))


def attempts(revival, until_s, state="fatal", start=T):
    """Poll each second, and make every attempt that is due; return when they were made."""
    made = []
    for now in range(until_s):
        if revival.observe(start + now, [row(state)]).due:
            revival.tried(FEED)
            made.append(now)
    return made


def test_the_delay_doubles_with_each_attempt_up_to_the_cap():
    made = attempts(revival(), 5000)
    gaps = [later - earlier for earlier, later in zip([0, *made], made, strict=False)]
    assert gaps[:5] == [60, 121, 241, 481, 901]  # an attempt is seen to have failed at the next poll
    assert set(gaps[5:]) == {901}


@pytest.mark.parametrize(("random", "first"), [(0.0, 30), (0.5, 45), (0.999, 60)])
def test_the_jitter_makes_a_delay_at_most_half_as_long(random, first):
    assert attempts(revival(lambda: random), 100)[0] == first


def test_only_fatal_is_tried_again_and_what_an_operator_stopped_is_left_alone():
    for state in ("backoff", "starting", "running", "stopped", "stopping", "exited", "unknown"):
        assert attempts(revival(), 5000, state) == []
    failing = revival()
    assert attempts(failing, 50) == []
    assert failing.observe(T + 50, [row("stopped")]).due == ()
    assert failing.failures == {}


def test_an_operators_stop_after_an_attempt_ends_the_attempts():
    failing = revival()
    assert len(attempts(failing, 100)) == 1
    failing.observe(T + 100, [row("starting")])
    failing.observe(T + 101, [row("stopped")])
    assert attempts(failing, 1000, "stopped", T + 102) == []


def test_each_failure_and_the_recovery_are_named_once():
    failing = revival()
    assert failing.observe(T, [row("fatal")]).failed == (FEED,)
    assert failing.observe(T + 1, [row("fatal")]).failed == ()
    failing.observe(T + 60, [row("fatal")])
    failing.tried(FEED)
    assert failing.observe(T + 61, [row("backoff")]) == failing.observe(T + 62, [row("starting")])
    assert failing.observe(T + 90, [row("fatal")]).failed == (FEED,)
    assert failing.failures[FEED] == Failure(1, T + 90 + 120)
    failing.tried(FEED)
    assert failing.observe(T + 220, [row("running", HEALED_S - 1)]).healed == ()
    assert failing.failures[FEED].tries == 2, "it may end again at once"
    assert failing.observe(T + 221, [row("running", HEALED_S)]).healed == (FEED,)
    assert failing.failures == {}


def test_an_attempt_that_had_no_effect_is_repeated_after_the_next_delay():
    failing = revival()
    failing.observe(T, [row("fatal")])
    failing.tried(FEED)
    failing.observe(T + 1, [row("fatal")])
    assert failing.failures[FEED].next_at == T + 1 + 120


def test_processes_are_independent_and_one_that_was_removed_is_forgotten():
    failing = revival()
    slots = [row("fatal", name=f"sums_{number:02d}", group="sums") for number in range(2)]
    assert failing.observe(T, slots).failed == ("sums:sums_00", "sums:sums_01")
    assert failing.observe(T + 60, slots).due == ("sums:sums_00", "sums:sums_01")
    failing.tried("sums:sums_01")
    assert failing.observe(T + 61, slots[:1]).due == ("sums:sums_00",), "stays due until it is tried"
    assert list(failing.failures) == ["sums:sums_00"] == [full_name(slots[0])]


@pytest.mark.parametrize("jump_s", [-1e6, 1e6])
def test_a_clock_that_jumps_makes_no_delay_longer_than_its_ceiling(jump_s):
    failing = revival()
    failing.observe(T, [row("fatal")])
    failing.observe(T + jump_s, [row("fatal")])
    assert failing.observe(T + jump_s + 60, [row("fatal")]).due == (FEED,)


# Its own restart


def restarted(folder, failing=None):
    """Return a revival as after a start in this home; write the failures of the former one first."""
    log = structlog.get_logger()
    (folder / "run").mkdir(exist_ok=True)
    if failing is not None:
        RevivalFile(failing, folder, log).write()
    other = revival()
    RevivalFile(other, folder, log).read()
    return other


def test_a_restarted_scaler_continues_with_the_same_delays(tmp_path):
    failing = revival()
    attempts(failing, 300)
    other = restarted(tmp_path, failing)
    assert other.failures == failing.failures == {FEED: Failure(2, T + 182 + 240)}
    assert (tmp_path / "run" / "revivals.json").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["revivals.json"]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"x": 5}', '{"x": {"tries": -1}}', '{"x": {"tries": 1, "next_at": NaN}}', "[" * 100_000, '"\\ud800"'],
)
def test_a_damaged_file_costs_the_delays_only(tmp_path, text):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "revivals.json").write_text(text)
    with capture_logs() as logged:
        other = restarted(tmp_path)
    assert other.failures == {}
    assert [line["event"] for line in logged] == ["failures not read"]


def test_the_file_is_written_when_something_has_changed_and_an_error_is_logged_once(tmp_path):
    failing = revival()
    failing.observe(T, [row("fatal")])
    file = RevivalFile(failing, tmp_path, structlog.get_logger())
    with capture_logs() as logged:
        file.write()
        file.write()
    assert [line["event"] for line in logged] == ["failures not written"]
    (tmp_path / "run").mkdir()
    file.write()
    assert json.loads(file.path.read_text()) == {FEED: {"tries": 0, "next_at": T + 60}}
    file.path.unlink()
    file.write()
    assert not file.path.exists()

"""Schedules in the store: each due time is one task, however often the broker stops, and whatever its clock shows."""

import pytest
from schedule_fixture import ScheduleFixture, utc

from hulak.bus.broker.storage import schedule_posts, schedule_rows
from hulak.bus.broker.storage.schedule_posts import run_id
from hulak.bus.core.security.callers import Caller, Refusals
from hulak.bus.wire.roles import Rights, parse_roles

DAYS = {"zone": "Asia/Kathmandu", "weekdays": [1, 2, 3, 4, 5], "closed": ["2026-12-01"], "first": "2026-01-01"}


@pytest.fixture
def begin(tmp_path):
    """Start the service; again: as after a kill."""
    made = []

    def start(now="2026-11-30T09:00", **bounds):
        for former in made:
            former.close()
        made.append(ScheduleFixture(tmp_path, now, **bounds))
        return made[-1]

    yield start
    for fixture in made:
        fixture.close()


def caller(roles):
    return Caller("1", "alice", Rights(parse_roles([roles])), Refusals(lambda *_: None, lambda: 0.0), "frontend", None)


def test_a_run_is_a_posted_task_whose_id_is_of_the_due_time(begin):
    bus = begin()
    added = bus.add(cron="5 15 * * 1-5", zone="Asia/Kathmandu", args={"n": 5}, retries=7)
    assert (added["new"], added["state"], added["next_ns"]) == (True, "active", utc("2026-11-30T09:20") * 10**9)
    bus.go_to("2026-11-30T09:19:59")
    assert bus.tasks() == []
    bus.go_to("2026-11-30T09:20:00")
    (task,) = bus.tasks()
    assert task == run_id(added["schedule"], utc("2026-11-30T09:20"))
    row = bus.ask("result", task=task)
    assert (row["service"], row["action"], row["retries"], row["state"]) == ("s", "a", 7, "queued")
    shown = bus.show()
    assert (bytes(shown["last_task"]), shown["last_state"], shown["runs_posted"]) == (task, "queued", 1)
    assert (shown["args"], shown["next_ns"]) == ({"n": 5}, utc("2026-12-01T09:20") * 10**9)
    assert task in bus.dispatcher.tasks


def test_a_repeated_request_and_the_same_values_under_one_name_are_one_schedule(begin):
    bus = begin()
    first = bus.ask("schedule.add", b"i" * 16, service="s", every_s=60)
    again = bus.ask("schedule.add", b"i" * 16, service="s", every_s=60)
    assert (first["new"], again["new"], first["schedule"], first["name"]) == (True, False, again["schedule"], "69696969")
    assert bus.add(every_s=60)["new"]
    assert not bus.add(every_s=60)["new"]
    assert bus.add(every_s=61) == "BAD_ARGUMENT"
    assert len(bus.ask("schedule.list")) == 2


def test_a_restart_posts_no_run_again_and_loses_none(begin):
    bus = begin()
    bus.add(every_s=60, missed="all", overlap=True)
    bus.go_to("2026-11-30T09:01")
    for minute in range(1, 6):  # each broker finds the run of the last minute, and one more
        bus = begin(f"2026-11-30T09:{minute:02d}:30")
        bus.go_to(f"2026-11-30T09:{minute + 1:02d}:00")
    tasks = bus.tasks()
    assert len(tasks) == len(set(tasks)) == 6
    assert bus.show()["runs_posted"] == 6
    assert set(bus.dispatcher.tasks) == set(tasks)


@pytest.mark.parametrize(
    ("missed", "counts"),
    [("skip", (0, 59, 0)), ("once", (1, 58, 0)), ("all", (1, 0, 0))],  # 09:01 to 09:59
)
def test_runs_that_were_missed_are_handled_by_the_policy(begin, missed, counts):
    """The broker was stopped for an hour, and comes back half an hour after the last due time."""
    begin().add(cron="0-59 9 * * *", missed=missed)
    bus = begin("2026-11-30T10:30")
    bus.go_to("2026-11-30T10:30")
    shown = bus.show()
    assert tuple(shown[f"runs_{name}"] for name in ("posted", "missed", "skipped")) == counts


def test_with_all_missed_runs_follow_each_other(begin):
    begin().add(every_s=60, missed="all")
    bus = begin("2026-11-30T09:05:30")
    for count in range(1, 6):
        bus.go_to(bus.wall_s + 1)
        assert len(bus.tasks()) == count
        bus.go_to(bus.wall_s + 1)
        assert len(bus.tasks()) == count, "the former run has not ended"
        bus.work(bus.tasks()[-1])
    bus.go_to(bus.wall_s + 1)
    assert bus.tasks() == [run_id(bus.show()["schedule"], utc("2026-11-30T09:00") + 60 * at) for at in range(1, 6)]


def test_a_run_that_would_overlap_is_skipped_and_counted(begin):
    bus = begin()
    bus.add(every_s=60)
    bus.go_to("2026-11-30T09:01")
    bus.go_to("2026-11-30T09:02")
    shown = bus.show()
    assert (shown["runs_posted"], shown["runs_skipped"], len(bus.tasks())) == (1, 1, 1)
    bus.work(bus.tasks()[0])
    bus.go_to("2026-11-30T09:03")
    assert (bus.show()["runs_posted"], len(bus.tasks())) == (2, 2)


def test_a_clock_that_is_set_back_runs_no_due_time_twice_and_stops_nothing(begin):
    bus = begin()
    bus.add(every_s=60, overlap=True)
    bus.go_to("2036-01-01T00:00:30")  # ten years ahead: the newest one is run
    bus.go_to("2026-11-30T09:00:20")  # right again
    assert bus.show()["next_ns"] == utc("2026-11-30T09:01") * 10**9
    for _ in range(3):
        bus.go_to("2026-11-30T09:01:00")
        bus.go_to("2026-11-30T09:00:59")
    bus.go_to("2026-11-30T09:02:00")
    schedule = bus.show()["schedule"]
    due = ["2036-01-01T00:00", "2026-11-30T09:01", "2026-11-30T09:02"]
    assert bus.tasks() == [run_id(schedule, utc(text)) for text in due]


def test_what_a_clock_that_was_ahead_had_ended_goes_on_when_it_is_right_again(begin):
    bus = begin()
    bus.ask("calendar.set", name="nepse", last="2026-12-31", **DAYS)
    bus.add(name="until", every_s=60, until="2026-12-24T00:00", overlap=True)
    bus.add(name="days", cron="* * * * *", calendar="nepse", overlap=True)
    bus.go_to("2036-01-01T00:00")
    assert {row["name"]: (row["state"], row["next_ns"]) for row in bus.ask("schedule.list")} == {
        "until": ("ended", None),
        "days": ("active", None),
    }
    bus.go_to("2026-11-30T09:00:10")
    assert {row["name"]: (row["state"], row["next_ns"]) for row in bus.ask("schedule.list")} == {
        name: ("active", utc("2026-11-30T09:01") * 10**9) for name in ("until", "days")
    }


def test_a_schedule_ends_after_its_runs_its_time_or_its_moment(begin):
    bus = begin()
    bus.add(name="twice", every_s=60, runs=2, overlap=True)
    bus.add(name="until", every_s=60, until="09:03", overlap=True)
    bus.add(name="once", at="09:01")
    for minute in range(1, 6):
        bus.go_to(f"2026-11-30T09:{minute:02d}")
    rows = {row["name"]: row for row in bus.ask("schedule.list")}
    assert {name: (row["state"], row["runs_posted"]) for name, row in rows.items()} == {
        "twice": ("ended", 2),
        "until": ("ended", 3),
        "once": ("ended", 1),
    }
    assert rows["twice"]["why"] == "it has had its 2 runs"
    bus.age_s = 86_401.0
    bus.schedules._overview_at = 0.0
    bus.go_to("2026-12-01T09:10")
    assert bus.ask("schedule.list") == []


def test_an_ended_schedule_of_the_name_is_replaced(begin):
    bus = begin()
    first = bus.add(at="09:01")
    bus.go_to("2026-11-30T09:01")
    assert bus.show()["state"] == "ended"
    assert bus.add(at="09:01")["schedule"] != first["schedule"]
    assert bus.show()["next_ns"] == utc("2026-12-01T09:01") * 10**9


def test_a_paused_schedule_does_not_run_and_leaves_out_what_was_due(begin):
    bus = begin()
    bus.add(every_s=60, missed="all", overlap=True)
    assert bus.ask("schedule.pause", name="n")["state"] == "paused"
    bus.go_to("2026-11-30T09:10:30")
    resumed = bus.ask("schedule.resume", name="n")
    assert (resumed["state"], resumed["next_ns"]) == ("active", utc("2026-11-30T09:11") * 10**9)
    bus.go_to("2026-11-30T09:11")
    assert len(bus.tasks()) == 1
    assert bus.ask("schedule.remove", name="n") is True
    bus.go_to("2026-11-30T09:20")
    assert len(bus.tasks()) == 1
    for service in ("pause", "resume", "remove", "run"):
        assert bus.ask(f"schedule.{service}", name="n") == "UNKNOWN_SCHEDULE"
    assert bus.ask("schedule.list", name="n") == "UNKNOWN_SCHEDULE"


def test_a_run_that_is_asked_for_is_one_more_task(begin):
    bus = begin()
    bus.add(every_s=3600, args={"n": 1})
    posted = bus.ask("schedule.run", b"r" * 16, name="n")
    assert posted == {"task": b"r" * 16, "state": "queued", "new": True}
    assert not bus.ask("schedule.run", b"r" * 16, name="n")["new"]
    assert (bytes(bus.show()["last_task"]), bus.show()["runs_posted"]) == (b"r" * 16, 0)


def test_trading_days_decide_and_after_the_last_one_the_schedule_waits_visibly(begin):
    bus = begin()
    assert bus.add(cron="5 15 * * *", calendar="nepse") == "UNKNOWN_CALENDAR"
    assert bus.ask("calendar.set", name="nepse", last="2026-12-02", **DAYS) == {
        "calendar": "nepse",
        "first": "2026-01-01",
        "last": "2026-12-02",
    }
    assert bus.add(cron="5 15 * * *", calendar="nepse")["zone"] == "Asia/Kathmandu"
    bus.go_to("2026-11-30T09:20")
    assert bus.show()["next_ns"] == utc("2026-12-02T09:20") * 10**9  # the first of December is a holiday
    bus.work(bus.tasks()[-1])
    bus.go_to("2026-12-02T09:20")
    bus.work(bus.tasks()[-1])
    bus.schedules._overview_at = 0.0
    bus.go_to("2026-12-05T09:20")
    shown = bus.show()
    assert (shown["next_ns"], shown["state"], len(bus.tasks())) == (None, "active", 2)
    assert shown["why"] == "calendar nepse is known until 2026-12-02: set it again"
    assert bus.schedules.stats()["late"] == ["n"]
    bus.ask("calendar.set", name="nepse", last="2027-12-31", **DAYS)
    bus.go_to("2026-12-05T09:20")
    assert (bus.show()["why"], len(bus.tasks())) == ("", 3), "of the days that were missed, one run"
    assert bus.ask("calendar.remove", name="nepse") == "BAD_ARGUMENT"
    assert [row["last"] for row in bus.ask("calendar.list")] == ["2027-12-31"]
    bus.ask("schedule.remove", name="n")
    assert bus.ask("calendar.remove", name="nepse") == {"calendar": "nepse"}
    assert bus.ask("calendar.remove", name="nepse") == "UNKNOWN_CALENDAR"


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ({}, "argument at is missing, must be a local time"),
        ({"cron": "0 0 * * *", "every_s": 5}, "argument cron stands alone"),
        ({"cron": "61 0 * * *"}, "argument cron is '61 0 * * *': Bad minute"),
        ({"cron": "0 0 * *"}, "must be the five fields"),
        ({"every_s": 0}, "argument every_s is 0, must be a whole number from 1 to"),
        ({"at": "25:00"}, "argument at is '25:00'"),
        ({"at": "2026-11-30T08:59"}, "argument at is '2026-11-30T08:59', which is over"),
        ({"at": "15:05+05:45"}, "argument at is '15:05+05:45', must be a local time without a zone"),
        ({"at": "10:00", "until": "2026-11-30T09:30"}, "it would never run"),
        ({"cron": "0 0 * * *", "zone": "Asia/Katmandoo"}, "no time zone that the broker's machine knows"),
        ({"cron": "0 0 * * *", "zone": "America"}, "no time zone that the broker's machine knows"),
        ({"cron": "0 0 * * *", "zone": "../etc/passwd"}, "no time zone that the broker's machine knows"),
        ({"every_s": 5, "missed": "none"}, "must be one of skip, once, all"),
        ({"every_s": 5, "args": {"n": "x" * 17_000}}, "must have at most 16384"),
        ({"every_s": 5, "name": "a b"}, "argument name is 'a b', must be 1 to 64 letters"),
        ({"every_s": 5, "service": "hulak.ping"}, "the name of a service of workers"),
    ],
)
def test_a_wrong_schedule_is_refused_by_the_name_of_what_is_wrong(begin, args, text):
    bus = begin()
    assert bus.add(**args) == "BAD_ARGUMENT"
    assert text in bus.text
    assert bus.ask("schedule.list") == []


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ({"last": "2025-12-31"}, "argument last is '2025-12-31'"),
        ({"last": "2026-02-30"}, "'2026-02-30' is no date"),
        ({"last": "2099-01-01"}, "at most 3660 days later"),
        ({"last": "2026-12-31", "weekdays": [0]}, "argument weekdays"),
        ({"last": "2026-12-31", "zone": "Nowhere"}, "no time zone"),
    ],
)
def test_a_wrong_calendar_is_refused(begin, args, text):
    bus = begin()
    assert bus.ask("calendar.set", **{"name": "nepse", **DAYS, **args}) == "BAD_ARGUMENT"
    assert text in bus.text


def test_the_number_of_schedules_is_bounded_and_a_key_leaves_room(begin, monkeypatch):
    monkeypatch.setattr(schedule_rows, "MOST", 3)
    monkeypatch.setattr(schedule_rows, "SHARE", 1)
    bus = begin()
    bus.caller = caller("submit:s")
    assert bus.add(name="a", every_s=60)["owner"] == "alice"
    assert bus.add(name="b", every_s=60) == "BUSY"
    bus.caller = None
    assert [bus.add(name=name, every_s=60) == "BUSY" for name in "bcd"] == [False, False, True]


def test_a_key_sees_and_changes_the_schedules_of_its_services(begin):
    bus = begin()
    bus.add(name="own", every_s=60)
    bus.add(name="other", service="t", every_s=60)
    bus.caller = caller("submit:s")
    assert [row["name"] for row in bus.ask("schedule.list")] == ["own"]
    assert bus.ask("schedule.pause", name="own")["state"] == "paused"
    for service in ("pause", "resume", "remove", "run"):
        assert bus.ask(f"schedule.{service}", name="other") == "FORBIDDEN"
    bus.caller = caller("read")
    assert len(bus.ask("schedule.list")) == 2
    bus.caller = caller("control")
    assert bus.ask("schedule.remove", name="other") is True


def test_runs_wait_for_room_and_are_not_lost(begin):
    bus = begin(max_tasks=2)
    for name in "abc":
        bus.add(name=name, every_s=60, runs=1)
    bus.wall_s = utc("2026-11-30T09:01")
    for _ in range(3):
        bus.carry_out(bus.schedules.run(0.0))
        bus.settle()
    assert len(bus.tasks()) == 2
    bus.work(bus.tasks()[0])
    bus.go_to("2026-11-30T09:01:05")
    assert len(bus.tasks()) == 3


def test_a_store_that_fails_posts_nothing_and_the_runs_stay_due(begin, monkeypatch):
    bus = begin()
    bus.add(every_s=60)
    bus.wall_s = utc("2026-11-30T09:01")
    with monkeypatch.context() as patched:
        patched.setattr(schedule_posts.DuePosts, "post", lambda self: 1 / 0)
        bus.carry_out(bus.schedules.run(0.0))
        bus.settle()
    assert (bus.tasks(), bus.show()["runs_posted"]) == ([], 0)
    bus.carry_out(bus.schedules.run(0.0))
    bus.settle()
    assert len(bus.tasks()) == 1


def test_failed_runs_are_counted_until_one_is_done(begin):
    bus = begin()
    bus.add(every_s=60, retries=0)
    for minute in range(1, 4):
        bus.go_to(f"2026-11-30T09:{minute:02d}")
        bus.work(bus.tasks()[-1], ["NO", "it failed", False], done=False)
    bus.schedules._overview_at = 0.0
    bus.go_to("2026-11-30T09:03:30")
    assert (bus.show()["failures"], bus.schedules.stats()["failing"]) == (3, ["n"])
    bus.go_to("2026-11-30T09:04")
    bus.work(bus.tasks()[-1])
    bus.go_to("2026-11-30T09:05")
    assert bus.show()["failures"] == 0


def test_an_unreadable_row_stops_no_other(begin):
    bus = begin()
    bus.add(name="bad", every_s=60)
    bus.add(name="good", every_s=60)
    bus.database.now(lambda connection: connection.execute("UPDATE schedules SET definition = x'c1' WHERE name = 'bad'"))
    bus.go_to("2026-11-30T09:01")
    assert len(bus.tasks()) == 1
    shown = bus.show("bad")
    assert (shown["next_ns"], bool(shown["why"])) == (None, True)


def test_jitter_delays_each_run_of_a_schedule_alike(begin):
    bus = begin()
    added = bus.ask("schedule.add", b"j" * 16, service="s", name="n", every_s=60, jitter_s=30, overlap=True)
    delay_s = schedule_rows.delay_of(b"j" * 16, 30)
    assert 0 < delay_s < 30
    assert added["next_ns"] == (utc("2026-11-30T09:01") + delay_s) * 10**9
    bus.go_to("2026-11-30T09:00")
    bus.go_to(utc("2026-11-30T09:01") + delay_s - 1)
    assert bus.tasks() == []
    bus.go_to(utc("2026-11-30T09:01") + delay_s)
    bus.go_to(utc("2026-11-30T09:02") + delay_s)
    assert bus.tasks() == [run_id(b"j" * 16, utc("2026-11-30T09:00") + 60 * minute) for minute in (1, 2)]
    assert len(bus.tasks()) == 2


def test_two_hundred_schedules_of_one_moment_are_posted_in_several_transactions(begin, monkeypatch):
    monkeypatch.setattr(schedule_posts, "MOST_ROWS", 30)
    monkeypatch.setattr(schedule_posts, "MOST_RUNS", 20)
    bus = begin()
    for number in range(200):
        bus.add(name=f"n{number}", at="09:01")
    bus.go_to("2026-11-30T09:01")
    assert len(set(bus.tasks())) == 200
    assert bus.schedules.stats()["posted"] == 200


def test_a_transaction_ends_after_its_time_and_the_next_one_goes_on(begin, monkeypatch):
    monkeypatch.setattr(schedule_posts, "MOST_S", -1.0)
    bus = begin()
    for number in range(5):
        bus.add(name=f"n{number}", at="09:01")
    bus.go_to("2026-11-30T09:01")
    assert len(bus.tasks()) == 5

"""The archiver over simulated days: it archives each session once, asks nothing at night, and tries again after a failure."""

from datetime import timedelta

import pytest
from fake_exchange import DAY, FakeExchange

from hulak.bus.errors import TaskFailed
from hulak.clients.feeds.nepse.market_clock import moment_s
from hulak.clients.nepse.archive.daily import LONGEST_RETRY_S, RETRY_S, SETTLES_S, ArchiveSchedule, DailyArchive

CLOSE = 15 * 3600
STATUS = {"isOpen": "CLOSE", "asOf": f"{DAY}T15:00:00"}


class Log:
    def __init__(self):
        self.events = []

    def __getattr__(self, level):
        return lambda event, **values: self.events.append((level, event, values))


class World:
    """A clock, which the archiver's sleep moves, and an exchange that opens on the days of `sessions`."""

    def __init__(self, folder, sessions):
        self.now_s = moment_s(DAY, 9 * 3600)
        self.sessions = sessions
        self.exchange = FakeExchange()
        self.log = Log()
        self.asked_at = []
        self.archiver = DailyArchive(folder, self.ask, self.log, lambda: self.now_s, self.sleep)

    def ask(self, action, args):
        over = [day for day in self.sessions if moment_s(day, CLOSE) <= self.now_s]
        running = [day for day in self.sessions if moment_s(day, 11 * 3600) <= self.now_s < moment_s(day, CLOSE)]
        before = DAY - timedelta(1)
        self.exchange.is_open = "OPEN" if running else "CLOSE"
        self.exchange.as_of = f"{running[0]}T12:00:00.5" if running else f"{over[-1] if over else before}T15:00:00"
        self.exchange.days = self.exchange.history_days = [before, *over]
        newest = running[0] if running else self.exchange.days[-1]
        for row in self.exchange.contracts:
            row["businessDate"] = str(newest)
        self.asked_at.append((self.now_s, action))
        return self.exchange(action, args)

    def sleep(self, seconds):
        assert seconds > 0
        self.now_s += seconds

    def until(self, end_s):
        while self.now_s < end_s:
            left_s = self.archiver.schedule.due_s - self.now_s
            if left_s > 0:
                self.sleep(min(left_s, end_s - self.now_s))
            else:
                self.archiver.step()

    def archived(self):
        return [(values["day"], values["kind"]) for _, event, values in self.log.events if event == "archived"]


def test_each_session_is_archived_a_quarter_of_an_hour_after_its_close_and_on_no_other_day(tmp_path):
    sessions = [DAY, DAY + timedelta(4)]
    world = World(tmp_path, sessions)
    world.until(moment_s(DAY, 23 * 3600))
    first = [str(DAY - timedelta(1))] * 3 + [str(DAY)] * 3
    assert [day for day, _ in world.archived()] == first
    last = max(at for at, action in world.asked_at if action == "floor-sheet")
    assert moment_s(DAY, CLOSE) + SETTLES_S <= last <= moment_s(DAY, CLOSE) + SETTLES_S + 60
    evening = len(world.asked_at)
    world.until(moment_s(DAY + timedelta(1), 10 * 3600))
    assert len(world.asked_at) == evening, "nothing is asked at night"
    world.until(moment_s(DAY + timedelta(2), 0))
    assert [action for _, action in world.asked_at[evening:]] == ["market-status", "holidays", *["market-status"] * 2]
    day_off = len(world.asked_at)
    world.until(moment_s(DAY + timedelta(4), 0))
    assert len(world.asked_at) - day_off == 4, "and nothing on the listed holiday"
    world.until(moment_s(DAY + timedelta(5), 0))
    assert [day for day, _ in world.archived()] == [*first, *[str(sessions[1])] * 3]


def test_a_run_that_failed_is_repeated_and_what_is_missing_for_good_is_logged_as_an_error(tmp_path):
    world = World(tmp_path, [DAY, DAY + timedelta(4)])
    world.exchange.fails = {("floor-sheet", 2): TaskFailed("UPSTREAM", "not now", retryable=True)}
    world.until(moment_s(DAY, 20 * 3600))
    assert ("warning", "not archived") in {(level, event) for level, event, _ in world.log.events}
    world.exchange.fails = {}
    world.until(moment_s(DAY, 23 * 3600))
    assert (str(DAY), "floor-sheet") in world.archived()
    world.exchange.fails = {("floor-sheet", 1): TaskFailed("UPSTREAM", "not now", retryable=True)}
    world.until(moment_s(DAY + timedelta(4), 23 * 3600))
    world.sessions.append(DAY + timedelta(5))
    world.until(moment_s(DAY + timedelta(5), 12 * 3600))
    world.exchange.fails = {}
    world.until(moment_s(DAY + timedelta(5), 23 * 3600))
    gone = [values["why"] for level, event, values in world.log.events if (level, event) == ("error", "not archived")]
    assert [why.partition("; ")[2].partition(" contracts")[0] for why in gone] == ["6 of 8", "3 of 8", "3 of 8"]
    assert ["the next session has begun" in why for why in gone] == [False, True, False]
    assert (str(DAY + timedelta(5)), "floor-sheet") in world.archived()


def test_a_session_that_is_halted_is_not_archived_before_its_closing_hour():
    schedule, now_s = ArchiveSchedule(), moment_s(DAY, 12 * 3600)
    schedule.answered({"isOpen": "OPEN", "asOf": f"{DAY}T11:50:00"}, now_s)
    schedule.answered({"isOpen": "CLOSE", "asOf": f"{DAY}T12:00:00"}, now_s)
    assert not schedule.archives(moment_s(DAY, CLOSE) + SETTLES_S - 1)
    assert schedule.archives(moment_s(DAY, CLOSE) + SETTLES_S)


def test_the_schedule_archives_a_session_once_and_waits_longer_after_each_failure():
    schedule, now_s = ArchiveSchedule(), moment_s(DAY, CLOSE + 60)
    assert schedule.due_s == 0
    schedule.answered(STATUS, now_s)
    assert not schedule.archives(now_s)
    now_s = schedule.due_s
    assert now_s == moment_s(DAY, CLOSE) + SETTLES_S
    waits = []
    for _ in range(6):
        assert schedule.archives(now_s)
        schedule.archived(now_s, complete=False)
        waits.append(schedule.due_s - now_s)
        now_s = schedule.due_s
    assert waits == pytest.approx([RETRY_S * 2**at for at in range(4)] + [LONGEST_RETRY_S] * 2)
    schedule.archived(now_s, complete=True)
    schedule.answered(STATUS, now_s)
    assert not schedule.archives(now_s + 1e6)


def test_without_workers_the_archiver_asks_again_later(tmp_path):
    world = World(tmp_path, [DAY])
    world.exchange.fails = {("market-status", None): TaskFailed("UPSTREAM", "not now")}
    world.until(world.now_s + 60)
    assert 2 <= len(world.asked_at) <= 5
    world.exchange.fails = {}
    world.until(moment_s(DAY, 23 * 3600))
    assert (str(DAY), "floor-sheet") in world.archived()

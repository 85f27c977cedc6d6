"""A real database in a folder, and jobs for it; a day, an hour and a second are those of `moment`."""

from functools import partial

from waiting import eventually

from hulak.bus.broker.storage import task_rows, unfinished_tasks
from hulak.bus.broker.storage.database import Database
from hulak.bus.broker.storage.unfinished_tasks import MemoryRoom
from hulak.bus.core.tasks.moments import Moment
from hulak.bus.core.tasks.posted import Posting
from hulak.bus.wire.codec import pack
from hulak.bus.wire.messages import Error, Reply

NOW_NS = 10**18
DAY_S = 86400.0
ALL = MemoryRoom(1_000_000, 1 << 40)


def moment(later_s=0.0, *, age_s=None, boot="", boot_s=1000.0):
    """The moment some seconds after the test's beginning."""
    aged = 50.0 + later_s if age_s is None else age_s
    return Moment(100.0 + later_s, NOW_NS + int(later_s * 1e9), aged, boot, boot_s + later_s)


class DatabaseFixture:
    """A store, with the results of its jobs."""

    def __init__(self, folder, now=None):
        self.database = Database(folder)
        self.database.open()
        self.found = None
        self.database.load(partial(unfinished_tasks.read, after=0, room=ALL, moment=now or moment(), grace_s=1.5), self.take)
        self.database.start()
        self.given = []

    def take(self, batch, why):
        assert not why
        self.found = batch

    def do(self, *jobs):
        """Queue jobs together, and wait until all have finished; returns (value, why) of each."""
        self.given.clear()
        for job in jobs:
            self.database.put(job, lambda value, why: self.given.append((value, why)))
        eventually(lambda: self.database.finished() or len(self.given) == len(jobs), within_s=30, every_s=0.001)
        return list(self.given)


def posting(number, key=None, expires_s=float("inf"), retries=3):
    return Posting(number.to_bytes(16, "big"), key, "nepse", "x", pack({"n": number}), retries, expires_s)


def insert(number, later_s=0.0, *, at=None, **how):
    return partial(task_rows.post, posting=posting(number, **how), moment=at or moment(later_s), keep_s=DAY_S)


def end(number, state="done", message=None, later_s=0.0):
    answer = Reply(task(number), 5) if message is None else message
    return partial(task_rows.ended, task=task(number), state=state, attempt=1, message=answer, moment=moment(later_s))


def failed(number, later_s=0.0):
    return end(number, "failed", Error(task(number), "BLOCKED", "403", {"attempts": 4}), later_s)


def row(number):
    return partial(task_rows.read, task=task(number))


def new(number):
    return (task_rows.PostingOutcome(task(number), "queued", new=True), "")


def task(number):
    return number.to_bytes(16, "big")

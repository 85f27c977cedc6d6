"""Schedules: their control services, and the runs that are due. PROTOCOL.md section 7.9.

The rows are in the store alone; the loop knows only when the next schedule is due, and the tasks whose end a run waits for. Due
times are computed in the store's thread, in the transaction that posts the tasks of the runs: so a run is posted once, or is
still due.
"""

import math
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from msgspec import Struct

from hulak.bus.broker.post_service import PostService
from hulak.bus.broker.storage import calendar_rows, schedule_posts, schedule_rows
from hulak.bus.broker.storage.database import Job
from hulak.bus.broker.storage.schedule_posts import MOST_RUNS, DuePosts, PostedRuns, ScheduleOverview
from hulak.bus.broker.storage.schedule_rows import NS, Horizon, Row
from hulak.bus.broker.store_effects import BrokerEffect, Load, Store, check_stored
from hulak.bus.core.control_requests import NoArguments
from hulak.bus.core.effects import Asker
from hulak.bus.core.schedules.schedule_requests import (
    MOST_ARGS_BYTES,
    CalendarArguments,
    CalendarNameArguments,
    ScheduleArguments,
    ScheduleListArguments,
    ScheduleNameArguments,
)
from hulak.bus.core.security import needs
from hulak.bus.core.tasks.moments import Moment
from hulak.bus.core.tasks.posted import Posting
from hulak.bus.errors import ProtocolError
from hulak.bus.process.log_type import Log
from hulak.bus.wire.codec import unpack

AGAIN_S = 1.0  # after a transaction that failed, or while there is no room
OVERVIEW_S = 10.0


class NotPermitted(Struct, frozen=True):
    """The client may not change schedules of this service; refusals are counted in the loop's thread."""

    service: str


class ScheduleService:
    """All schedules of the broker.

    Args:
        posts: accepts the tasks of the runs.
        key_keep_s: seconds for which the rows of ended tasks and schedules are kept.
        moment: returns the present moment.
        log: of this process.
    """

    def __init__(self, posts: PostService, key_keep_s: float, moment: Callable[[], Moment], log: Log) -> None:
        self.posts = posts
        self.key_keep_s = key_keep_s
        self.moment = moment
        self.log = log
        self.due = math.inf  # when `run` is to be called, in monotonic seconds
        self.horizon = Horizon(None, None)
        self.counts: Counter[str] = Counter()  # runs posted, missed and skipped since the start
        self.known: ScheduleOverview | None = None  # None: not read yet
        self._posting = False
        self._overview_at = 0.0
        self._why = ""  # why the last transaction failed

    def begin(self) -> list[BrokerEffect]:
        """Read when schedules are due, as soon as the store can be read."""
        return [Load(self._overview(), self._overviewed)]

    # Requests

    def add(self, asker: Asker, args: ScheduleArguments, now: float) -> list[BrokerEffect]:
        """Add a schedule; answers when it is in the store."""
        del now
        owner = "" if asker.caller is None else asker.caller.name
        job = partial(schedule_rows.add, args=args, new_id=asker.request, owner=owner, now_s=self.moment().now_ns // NS)
        return [self._change(job, asker, lambda row: {**shown(row), "new": row["new"]})]

    def rows(self, asker: Asker, args: ScheduleListArguments, now: float) -> list[BrokerEffect]:
        """List the schedules of the services that the client may read; the one that is named with its task's arguments."""
        del now

        def then(listed: list[Row] | None, why: str) -> list[BrokerEffect]:
            check_stored(why)
            rows = [row for row in listed or [] if args.name in (None, row["name"]) and _may(asker, row["service"], reads=True)]
            if args.name is not None and not rows:
                raise _unknown(args.name)
            return [asker.reply([shown(row, with_args=args.name is not None) for row in rows])]

        return [Store(schedule_rows.rows, then, [asker])]

    def pause(self, asker: Asker, args: ScheduleNameArguments, now: float) -> list[BrokerEffect]:
        """Stop the runs of a schedule until it is resumed."""
        del now
        return [self._change(self._permitted(asker, args.name, partial(schedule_rows.pause, name=args.name)), asker, shown)]

    def resume(self, asker: Asker, args: ScheduleNameArguments, now: float) -> list[BrokerEffect]:
        """Let a paused schedule run again."""
        del now
        job = partial(schedule_rows.resume, name=args.name, moment=self.moment())
        return [self._change(self._permitted(asker, args.name, job), asker, shown)]

    def remove(self, asker: Asker, args: ScheduleNameArguments, now: float) -> list[BrokerEffect]:
        """Delete a schedule; the tasks of its runs stay."""
        del now
        job = self._permitted(asker, args.name, partial(schedule_rows.remove, name=args.name))
        return [self._change(job, asker, lambda removed: removed)]

    def run_now(self, asker: Asker, args: ScheduleNameArguments, now: float) -> list[BrokerEffect]:
        """Post a run at once, in addition to those that are due; answers like a post."""
        del now
        retries = self.posts.dispatcher.policy.retries

        def read(connection: Any) -> Posting:
            row = schedule_rows.read(connection, args.name) or {}
            return schedule_posts.posting_of_run(schedule_rows.arguments_of(row), asker.request, retries)

        def then(posting: Any, why: str) -> list[BrokerEffect]:
            check_stored(why)
            _check(asker, posting)
            return self.posts.put(asker, posting, partial(partial, schedule_posts.post_now, name=args.name))

        return [Store(_answered(self._permitted(asker, args.name, read)), then, [asker])]

    def set_calendar(self, asker: Asker, args: CalendarArguments, now: float) -> list[BrokerEffect]:
        """Set a calendar."""
        del now
        time_ns = self.moment().now_ns
        job = partial(calendar_rows.write, args=args, now_ns=time_ns, now_s=time_ns // NS)
        return [self._change(job, asker, lambda value: value)]

    def calendars(self, asker: Asker, args: NoArguments, now: float) -> list[BrokerEffect]:
        """List all calendars."""
        del args, now

        def then(rows: list[dict[str, Any]] | None, why: str) -> list[BrokerEffect]:
            check_stored(why)
            return [asker.reply(rows)]

        return [Store(calendar_rows.rows, then, [asker])]

    def remove_calendar(self, asker: Asker, args: CalendarNameArguments, now: float) -> list[BrokerEffect]:
        """Remove a calendar that no schedule has."""
        del now
        return [self._change(partial(calendar_rows.remove, name=args.name), asker, lambda value: value)]

    def _permitted(self, asker: Asker, name: str, job: Job) -> Job:
        """Return a job that is run only if there is a schedule of this name, and the client may change it."""

        def checked(connection: Any) -> Any:
            row = schedule_rows.read(connection, name)
            if row is None:
                return _unknown(name)
            return job(connection) if _may(asker, row["service"]) else NotPermitted(row["service"])

        return checked

    def _change(self, job: Job, asker: Asker, answer: Callable[[Any], Any]) -> Store:
        """Run a job, take over when schedules are due then, and answer with its value."""

        def both(connection: Any) -> tuple[Any, Horizon]:
            return _answered(job)(connection), schedule_rows.horizon(connection)

        def then(result: tuple[Any, Horizon] | None, why: str) -> list[BrokerEffect]:
            check_stored(why, "nothing was changed")
            assert result is not None
            value, horizon = result
            self._take(horizon)
            self._overview_at = 0.0  # with the next beat
            _check(asker, value)
            return [asker.reply(answer(value))]

        return Store(both, then, [asker])

    # Runs

    def beat(self, now: float) -> list[BrokerEffect]:
        """Follow the wall clock, which may be set; read the state of all schedules, if there are any."""
        self._follow_clock(now)
        open_tasks = self.posts.dispatcher.tasks
        if not self._posting and any(task not in open_tasks for task in self.horizon.awaited):
            self.due = now
        is_used = self.known is None or self.known.states or self._overview_at == 0.0
        if now < self._overview_at or not is_used:
            return []
        self._overview_at = now + OVERVIEW_S
        return [Store(self._overview(), self._overviewed)]

    def run(self, now: float) -> list[BrokerEffect]:
        """Post the runs that are due."""
        room = self.posts.room_for(MOST_RUNS, MOST_ARGS_BYTES)
        if self._posting or not room:
            self.due = now + AGAIN_S
            return []
        self._posting, self.due = True, math.inf
        self.posts.reserve(room, room * MOST_ARGS_BYTES)
        retries = self.posts.dispatcher.policy.retries
        moment = self.moment()

        def post(connection: Any) -> PostedRuns:
            return DuePosts(connection, moment, self.key_keep_s, room, retries).post()

        return [Store(post, partial(self._posted, room))]

    def _posted(self, room: int, done: PostedRuns | None, why: str) -> list[BrokerEffect]:
        self._posting = False
        self.posts.reserve(-room, -room * MOST_ARGS_BYTES)
        now = time.monotonic()
        if done is None:  # nothing was written: all of it is still due
            if why != self._why:
                self.log.error("runs of schedules were not posted", why=why)
            self._why, self.due = why, now + AGAIN_S
            return []
        self._why = ""
        self.counts.update(posted=len(done.postings), missed=done.missed, skipped=done.skipped)
        self._take(done.horizon)
        if done.more:
            self.due = now
        return [*self.posts.dispatcher.accept(now, [posting.task(now) for posting in done.postings])]

    def _take(self, horizon: Horizon) -> None:
        self.horizon = horizon
        self._follow_clock(time.monotonic())

    def _follow_clock(self, now: float) -> None:
        """Compute when `run` is due, from the present wall clock."""
        if self._posting or self._why:
            return
        check_s, latest_s = self.horizon.check_s, self.horizon.latest_s
        wall_s = self.moment().now_ns / NS
        if latest_s is not None and int(wall_s) < latest_s:  # it was set back
            self.due = now
        else:
            self.due = math.inf if check_s is None else now + max(0.0, check_s - wall_s)

    def _overview(self) -> Job:
        return partial(schedule_posts.overview, moment=self.moment(), keep_s=self.key_keep_s)

    def _overviewed(self, known: ScheduleOverview | None, why: str) -> list[BrokerEffect]:
        del why  # read again soon
        if known is not None:
            self.known = known
            self._take(known.horizon)
        return []

    def stats(self) -> dict[str, Any]:
        """Return the state of all schedules (section 7.2)."""
        known, check_s = self.known, self.horizon.check_s
        return {
            **{state: 0 if known is None else known.states.get(state, 0) for state in ("active", "paused", "ended")},
            "next_in_s": None if check_s is None else round(check_s - self.moment().now_ns / NS, 3),
            **{name: self.counts[name] for name in ("posted", "missed", "skipped")},
            "late": [] if known is None else list(known.late),
            "failing": [] if known is None else list(known.failing),
        }


def _answered(job: Job) -> Job:
    """Return a job that returns the error for the client, instead of failing with it."""

    def answered(connection: Any) -> Any:
        try:
            return job(connection)
        except ProtocolError as error:
            return error

    return answered


def _check(asker: Asker, value: Any) -> None:
    """Raise the error that a job returned, if it did."""
    if isinstance(value, ProtocolError):
        raise value
    if isinstance(value, NotPermitted) and asker.caller is not None:
        missing = needs.submits(asker.caller.rights, value.service)
        raise asker.caller.forbid(f"change schedules of {value.service!r}", missing)


def _may(asker: Asker, service: str, *, reads: bool = False) -> bool:
    if asker.caller is None:
        return True
    rights = asker.caller.rights
    return rights.may_control or (reads and rights.may_read) or not needs.submits(rights, service)


def _unknown(name: str) -> ProtocolError:
    return ProtocolError("UNKNOWN_SCHEDULE", f"there is no schedule {name!r}")


def shown(row: Row, *, with_args: bool = False) -> dict[str, Any]:
    """Return a schedule as clients get it (section 7.9)."""
    try:
        definition = dict(unpack(row["definition"]))
    except (ProtocolError, TypeError, ValueError):
        definition = {}  # `why` says that it cannot be read
    args = definition.pop("args", {})
    counts = {f"runs_{name}": row[name] for name in ("posted", "missed", "skipped")}
    check_s = row["check_s"]
    return {
        **definition,
        **({"args": args} if with_args else {}),
        "schedule": row["id"],
        "name": row["name"],
        "service": row["service"],
        "owner": row["owner"],
        "state": row["state"],
        "why": row["why"],
        "created_ns": row["created_s"] * NS,
        "next_ns": None if check_s is None or row["due_s"] is None else (row["due_s"] + row["delay_s"]) * NS,
        "last_due_ns": None if row["last_due_s"] is None else row["last_due_s"] * NS,
        "last_task": row["last_task"],
        "last_state": row["last_state"],
        "failures": row["failures"],
        **counts,
    }

"""Which runs of a schedule are posted, and which are left out: the rule for late, missed and overlapping ones. Pure.

PROTOCOL.md section 7.9. Due times are handled in their order, each once: `after_s` is the last one that was handled. A due time
is missed if a later one is due already when the broker gets to it, or if it is later than the policy `skip` allows.
"""

from msgspec import Struct

from hulak.bus.core.schedules.due_times import DueTimes

SKIP, ONCE, ALL = "skip", "once", "all"  # the policies for missed runs
MOST_BEHIND = 100  # missed runs that the policy `all` posts, the newest ones
WAIT_S = 60  # until a run that waits for the former one is tried again, if that one's end was not seen


class RunPolicy(Struct, frozen=True):
    """The options of a schedule that decide about its runs."""

    missed: str = ONCE
    overlap: bool = False  # a run may begin while the former one is queued or running
    late_s: int = 60  # with the policy `skip`, a run that is later is missed


class Decision(Struct, frozen=True):
    """The decision about the due times up to now."""

    after_s: int  # the last due time that was handled
    runs: tuple[int, ...] = ()  # due times whose runs are posted
    missed: int = 0
    skipped: int = 0  # due while the former run was queued or running
    waits: bool = False  # a run waits until the former one has ended, or until there is room


def decide(times: DueTimes, after_s: int, now_s: int, policy: RunPolicy, is_open: bool, most: int) -> Decision:
    """Decide about the due times that have come.

    Args:
        times: of the schedule.
        after_s: the last due time that was handled.
        now_s: the present moment.
        policy: of the schedule.
        is_open: the former run is queued or running.
        most: runs that may be posted, at least 1.
    """
    due, is_all = times.until(after_s, now_s)
    if not due:
        return Decision(after_s)
    newest = due[-1] if is_all else times.newest(due[-1], now_s)
    if policy.missed == ALL:
        return _each(due if is_all else [*due, newest], newest, is_all, after_s, policy, is_open=is_open, most=most)
    missed = len(due) - 1 if is_all else len(due)  # beyond the bound of `until` they are not counted
    if policy.missed == SKIP and now_s - newest > policy.late_s:
        return Decision(newest, missed=missed + 1)
    if is_open and not policy.overlap:
        return Decision(newest, missed=missed, skipped=1)
    return Decision(newest, (newest,), missed)


def _each(due: list[int], newest: int, is_all: bool, after_s: int, policy: RunPolicy, *, is_open: bool, most: int) -> Decision:
    """Post a run for each due time, one after the other unless they may overlap."""
    kept = due[-MOST_BEHIND:] if is_all else [newest]
    missed = len(due) - len(kept)
    before = due[missed - 1] if missed else after_s
    if policy.overlap:
        runs = tuple(kept[:most])
        return Decision(runs[-1], runs, missed, waits=len(runs) < len(kept))
    if is_open:
        return Decision(before, missed=missed, waits=True)
    return Decision(kept[0], (kept[0],), missed, waits=len(kept) > 1)

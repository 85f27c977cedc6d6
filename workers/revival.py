"""When a process that supervisord gave up (FATAL) is tried again: after a delay that grows with each failed attempt. Pure.

Rule 1: only FATAL is tried again. In BACKOFF supervisord itself tries again; STOPPED is an operator's decision, and EXITED an
        orderly end.
Rule 2: the delay before attempt n lies between half of and the whole ceiling `base * 2 ** (n - 1)`, at most the cap: the jitter
        keeps programs that failed together from being started together, and no delay is near zero.
Rule 3: the attempts of a process are forgotten when it has run for `HEALED_S`, and when it is stopped or removed.
Rule 4: the caller names each attempt that it has made (`tried`). An attempt that was lost is repeated after the next delay.

Times are seconds of the wall clock, since the failures outlive the scaler (`as_dict`). A delay is never longer than its ceiling,
also after the clock was set back.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from hulak.bus.backoff import Backoff

HEALED_S = 60.0  # a process that ends at once is RUNNING for a moment too


@dataclass(slots=True)
class Failure:
    """A process that supervisord gave up."""

    tries: Annotated[int, Meta(ge=0)] = 0  # attempts made here
    next_at: Annotated[float, Meta(ge=0)] | None = None  # seconds of the wall clock; None: an attempt is in progress


@dataclass(frozen=True, slots=True)
class Changes:
    """The changes since the last poll."""

    due: tuple[str, ...] = ()  # to be started now
    failed: tuple[str, ...] = ()  # given up since the last poll
    healed: tuple[str, ...] = ()  # running for `HEALED_S` after attempts made here


class Revival:
    """The failures of the processes of one supervisord.

    Args:
        backoff: base and cap of the ceilings; carries the randomness.
    """

    def __init__(self, backoff: Backoff) -> None:
        self.backoff = backoff
        self.failures: dict[str, Failure] = {}  # name in supervisord, "group:name" -> its failure

    def observe(self, now: float, rows: Iterable[Mapping[str, Any]]) -> Changes:
        """Compare the failures with the present states.

        Args:
            now: seconds of the wall clock.
            rows: as `bus.process.supervisor_rpc.list_processes`, complete.
        """
        due, failed, healed = [], [], []
        kept: dict[str, Failure] = {}
        for row in rows:
            name, state = full_name(row), row["state"]
            failure = self.failures.get(name)
            if state == "fatal":
                failure = failure or Failure()
                if failure.next_at is None:
                    failure.next_at = now + self._delay_s(failure)
                    failed.append(name)
                failure.next_at = min(failure.next_at, now + self.backoff.ceiling_s(failure.tries + 1))
                if now >= failure.next_at:
                    due.append(name)
            elif failure is None or state in ("stopped", "exited"):
                continue
            elif state == "running" and row["uptime_s"] >= HEALED_S:
                healed.append(name)
                continue
            else:
                failure.next_at = None
            kept[name] = failure
        self.failures = kept
        return Changes(tuple(due), tuple(failed), tuple(healed))

    def tried(self, name: str) -> None:
        """Record that a process that was due has been started."""
        failure = self.failures[name]
        failure.tries, failure.next_at = failure.tries + 1, None

    def _delay_s(self, failure: Failure) -> float:
        return self.backoff.ceiling_s(failure.tries + 1) * (1 + self.backoff.random()) / 2

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """Return the failures in plain values, for `restore`."""
        return {name: {"tries": failure.tries, "next_at": failure.next_at} for name, failure in self.failures.items()}

    def restore(self, kept: Any) -> None:
        """Continue with the result of an earlier `as_dict`.

        Raises:
            ValueError: it is none.
        """
        self.failures = msgspec.convert(kept, dict[str, Failure])


def full_name(row: Mapping[str, Any]) -> str:
    """Return the name of a process in requests to supervisord, "group:name"."""
    return f"{row['group']}:{row['name']}"

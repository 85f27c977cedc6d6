"""Every situation that is told, how severe it is, and the limits of quantities: the one table. Pure.

docs/howto/monitoring.md has it for people, and a test compares the two.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bus.errors import ConfigError

if TYPE_CHECKING:
    from bus.process.settings import Settings


class Level(enum.IntEnum):
    """The exit codes of monitoring plugins."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class Limit:
    """A quantity that may not become too large."""

    unit: str  # as in performance data
    warn: float
    critical: float
    what: str

    def level(self, value: float) -> Level:
        """Judge a value."""
        return Level.CRITICAL if value >= self.critical else Level.WARNING if value >= self.warn else Level.OK


LIMITS = {
    "feed_age": Limit("s", 10, 60, "age of a feed's newest quote"),
    "topics": Limit("%", 80, 100, "topics in use, of broker.max_topics"),
    "connections": Limit("%", 90, 100, "connections of the broker, of those that there may be"),
    "queue": Limit("%", 50, 90, "tasks in the broker, of broker.max_tasks or their bytes of broker.max_task_bytes"),
    "failures": Limit("%", 10, 50, "tasks failed for good, of those that ended in the last ten minutes"),
    "dead_letters": Limit("", 1, 100, "new dead letters in the last ten minutes"),
    "latency": Limit("ms", 50, 200, "feed to broker, p99"),
    "display_latency": Limit("ms", 100, 500, "feed to a display's state, p99, of the slowest worker"),
    "display_stale": Limit("s", 10, 60, "how long displays have been catching up"),
    "silence": Limit("s", 3, 8, "age of a process's report, or since its main loop last went round"),
    "growth": Limit("MB", 20, 100, "memory of the process that grows most, in ten minutes"),
    "disk": Limit("%", 90, 98, "space in use on the disk of the journal"),
}
LEAST_FAILURES = 5  # tasks that failed below which there is no rate to speak of
GROWS_S = 900.0  # uptime from which on growth is judged: by then the line of ten minutes has left the start behind
START_S = 30.0  # uptime of the broker below which some situations are normal
PROCESS_START_S = 10.0  # so long a process may take to report after its start
APPLIES_S = 5.0  # so long a process may take to apply a new configuration
BROKER_LATE_S, BROKER_SILENT_S = 3.0, 5.0  # it tells its statistics each second
GATEWAY_LATE_S = 2.0  # that a turn of the gateway's loop may be late

W, C = Level.WARNING, Level.CRITICAL


@dataclass(frozen=True, slots=True)
class Situation:
    """One kind of thing that may not be well.

    Args:
        what: a sentence for people.
        levels: that it may have.
        unready: as CRITICAL it speaks against `/readyz`: what the gateway serves is not whole or not fresh.
        settles: normal while the broker starts: a WARNING at most then.
        limit: the name in `LIMITS` of the quantity that decides; empty if there is none.
    """

    what: str
    levels: tuple[Level, ...]
    unready: bool = False
    settles: bool = False
    limit: str = ""


SITUATIONS = {
    "starting": Situation("the broker has run for less than 30 s, and something is still missing that is normal then", (W,)),
    "broker_silent": Situation("the broker is not heard: for 3 s, for 5 s or not at all", (W, C), unready=True, settles=True),
    "journal_degraded": Situation("ticks are not written to the journal", (C,), unready=True),
    "journal_lost": Situation("ticks of the last ten minutes were published and will not be journalled", (W,)),
    "journal_damaged": Situation("the journal had damaged bytes at the start", (W,)),
    "journal_aside": Situation("files of the journal were set aside at the start", (W,)),
    "store_failed": Situation("the store takes no tasks", (C,), unready=True),
    "store_aside": Situation("a store that could not be read was set aside", (W,)),
    "store_unreadable": Situation("rows of the store cannot be read", (W,)),
    "disk_space": Situation("little space is left on the disk of the journal", (W, C), limit="disk"),
    "internal_errors": Situation("the broker met bugs in the last minute, and went on", (W,)),
    "dead_threads": Situation("a thread of a process has ended by an error", (C,)),
    "feeds_missing": Situation("fewer feeds report than there must be", (C,), unready=True, settles=True),
    "feed_disconnected": Situation("a feed is not connected and waits before it tries again", (C,), unready=True, settles=True),
    "feed_stale": Situation("a feed has no fresh quotes, or not of all its symbols", (W, C), True, True, "feed_age"),
    "symbols_refused": Situation("a venue refuses symbols that a feed asks for", (W,)),
    "shared_topic": Situation("several feeds post ticks of one topic", (W,)),
    "topics_full": Situation("topics are near their bound, or ticks of further ones are refused", (W, C), limit="topics"),
    "connections_full": Situation(
        "connections to the broker are near their bound, or further ones are refused", (W, C), limit="connections"
    ),
    "tick_latency": Situation("ticks take long from feed to broker", (W, C), settles=True, limit="latency"),
    "displays_unassigned": Situation("some displays have no worker, or none has", (W, C), unready=True, settles=True),
    "display_stale": Situation("displays have been catching up for long", (W, C), True, True, "display_stale"),
    "display_latency": Situation("ticks take long from feed to a display's state", (W, C), settles=True, limit="display_latency"),
    "workers_missing": Situation("fewer workers of a scaled service than there must be", (C,), settles=True),
    "tasks_without_worker": Situation("tasks wait for a service that has no worker", (W,), settles=True),
    "tasks_queued": Situation("the broker has nearly as many tasks as there may be", (W, C), limit="queue"),
    "tasks_failing": Situation("many tasks fail, at least 5 in ten minutes", (W, C), limit="failures"),
    "dead_letters": Situation("posted tasks have failed for good", (W, C), limit="dead_letters"),
    "process_silent": Situation("a process is frozen or dead: it, or its main loop, is silent", (W, C), limit="silence"),
    "process_failed": Situation("supervisord has given a process up, or starts it again and again", (C,)),
    "process_stopped": Situation("a process that supervisord had started is stopped", (W,)),
    "process_unreported": Situation("a process runs under supervisord and has never reported", (W,), settles=True),
    "gateway_late": Situation("a turn of the gateway's loop was more than 2 s late", (C,), unready=True),
    "config_behind": Situation("a process does not apply the newest configuration after 5 s", (W,)),
    "memory_growth": Situation("memory of a process that has run for 15 minutes grows", (W, C), limit="growth"),
}


def limits_of(
    settings: "Settings | None" = None, warn: Mapping[str, float] | None = None, critical: Mapping[str, float] | None = None
) -> dict[str, Limit]:
    """Give all limits; one of the operator's that is given alone moves the other where they would cross.

    Args:
        settings: whose `feed.stale_s` says from when on a feed's data is too old; a sixth of it is a WARNING.
        warn: the operator's own, by name.
        critical: likewise.
    Raises:
        ConfigError: both are given, and cross.
    """
    warn, critical, found = warn or {}, critical or {}, dict(LIMITS)
    if settings is not None:
        found["feed_age"] = replace(LIMITS["feed_age"], warn=settings.feed.stale_s / 6, critical=settings.feed.stale_s)
    for name, limit in found.items():
        low, high = warn.get(name, limit.warn), critical.get(name, limit.critical)
        if low > high and name in warn and name in critical:
            raise ConfigError(f"--warn {name}={low:g} is above --critical {name}={high:g}")
        low, high = low if name in warn else min(low, high), high if name in critical else max(low, high)
        found[name] = replace(limit, warn=low, critical=high)
    return found

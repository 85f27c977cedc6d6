"""Tables of all situations with their levels, and of the limits of quantities. Pure.

docs/howto/monitoring.md has the same table, and a test compares both.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hulak.bus.errors import ConfigError

if TYPE_CHECKING:
    from hulak.bus.process.settings import Settings


class Level(enum.IntEnum):
    """Exit codes of monitoring plugins."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class Limit:
    """Upper limits of a quantity."""

    unit: str  # of performance data
    warn: float
    critical: float
    what: str

    def level(self, value: float) -> Level:
        """Return the level of a value."""
        return Level.CRITICAL if value >= self.critical else Level.WARNING if value >= self.warn else Level.OK


LIMITS = {
    "feed_age": Limit("s", 10, 60, "age of a feed's newest quote"),
    "topics": Limit("%", 80, 100, "topics in use, of broker.max_topics"),
    "connections": Limit("%", 90, 100, "connections to the broker, of its bound"),
    "queue": Limit("%", 50, 90, "tasks in the broker, of broker.max_tasks or broker.max_task_bytes"),
    "failures": Limit("%", 10, 50, "failed tasks, of those that ended in the last ten minutes"),
    "dead_letters": Limit("", 1, 100, "new dead letters in the last ten minutes"),
    "latency": Limit("ms", 50, 200, "feed to broker, p99"),
    "display_latency": Limit("ms", 100, 500, "feed to a display's state, p99, of the slowest worker"),
    "display_stale": Limit("s", 10, 60, "time for which displays have been catching up"),
    "silence": Limit("s", 1.5, 5, "time without a sign of life of a process"),
    "loop": Limit("s", 3, 8, "time since the last iteration of a process's loop"),
    "growth": Limit("MB", 20, 100, "memory growth of the fastest growing process, in ten minutes"),
    "disk": Limit("%", 90, 98, "space in use on the disk of the journal"),
}
LEAST_FAILURES = 5  # failed tasks below which the rate is not judged
GROWS_S = 900.0  # uptime above which growth is judged: the window of ten minutes then excludes the start
START_S = 30.0  # uptime of the broker below which some situations are normal
PROCESS_START_S = 10.0  # most seconds from the start of a process to its first report
APPLIES_S = 5.0  # most seconds until a process applies a new configuration
BROKER_SILENT_S = 1.0  # without a heartbeat of the broker, which sends four a second: all data may be old
STATS_LATE_S, STATS_SILENT_S = 2.0, 5.0  # the broker publishes its statistics each second
CERTIFICATE_SOON_S, CERTIFICATE_NOW_S = 14 * 86400.0, 86400.0  # before its end, when it should have been renewed
BLOCKED_S = 10.0  # for which a subscriber has not read, while messages wait for it
GATEWAY_LATE_S = 2.0  # most seconds that an iteration of the gateway's loop is late

W, C = Level.WARNING, Level.CRITICAL


@dataclass(frozen=True, slots=True)
class Situation:
    """One kind of problem.

    Args:
        what: a sentence for people.
        levels: possible levels.
        unready: at CRITICAL, `/readyz` fails: the data of the gateway is incomplete or stale.
        settles: normal while the broker starts, and then at most a WARNING.
        limit: key in `LIMITS` of the deciding quantity; empty: none.
    """

    what: str
    levels: tuple[Level, ...]
    unready: bool = False
    settles: bool = False
    limit: str = ""


SITUATIONS = {
    "starting": Situation("the broker has run for less than 30 s, and a part of the system is still missing", (W,)),
    "broker_silent": Situation(
        "the broker is frozen or dead: no heartbeat for 1 s, or no statistics for 2 s, for 5 s or at all", (W, C), True, True
    ),
    "journal_degraded": Situation("ticks are not written to the journal", (C,), unready=True),
    "journal_lost": Situation("ticks of the last ten minutes were published and not journalled", (W,)),
    "journal_damaged": Situation("the journal had damaged bytes at the start", (W,)),
    "journal_aside": Situation("files of the journal were set aside at the start", (W,)),
    "archive_failed": Situation("the journal's archive cannot be written, or ticks were dropped that it does not have", (W, C)),
    "store_failed": Situation("the store does not accept tasks", (C,), unready=True),
    "store_aside": Situation("an unreadable store was set aside", (W,)),
    "store_unreadable": Situation("rows of the store are unreadable", (W,)),
    "disk_space": Situation("little space is left on the disk of the journal", (W, C), limit="disk"),
    "internal_errors": Situation("the broker survived internal errors in the last minute", (W,)),
    "dead_threads": Situation("an error has ended a thread of a process", (C,)),
    "feeds_missing": Situation("fewer feeds report than the minimum", (C,), unready=True, settles=True),
    "feed_disconnected": Situation("a feed is disconnected and waits for its next attempt", (C,), unready=True, settles=True),
    "feed_stale": Situation("a feed has no fresh quotes, or none of some symbols", (W, C), True, True, "feed_age"),
    "symbols_refused": Situation("a venue refuses symbols of a feed", (W,)),
    "shared_topic": Situation("several feeds publish to one topic", (W,)),
    "topics_full": Situation(
        "the number of topics is near its bound, or ticks of new topics are refused", (W, C), limit="topics"
    ),
    "connections_full": Situation(
        "the number of connections to the broker is near its bound, or new ones are refused", (W, C), limit="connections"
    ),
    "subscriber_slow": Situation("a subscriber does not read, or was disconnected for it in the last ten minutes", (W,)),
    "bridge_interrupted": Situation("a bridge has not been able to send or to receive for 10 s", (W, C)),
    "bridge_behind": Situation("a bridge is 10 s or more behind", (W, C)),
    "bridge_missing": Situation("ticks that a bridge should have had are missing for good", (W,)),
    "tick_latency": Situation("the latency from feed to broker is high", (W, C), settles=True, limit="latency"),
    "displays_unassigned": Situation("some or all displays have no worker", (W, C), unready=True, settles=True),
    "display_stale": Situation("displays have been catching up for too long", (W, C), True, True, "display_stale"),
    "display_latency": Situation(
        "the latency from feed to the state of a display is high", (W, C), settles=True, limit="display_latency"
    ),
    "workers_missing": Situation("fewer workers of a scaled service than the minimum", (C,), settles=True),
    "tasks_without_worker": Situation("tasks wait for a service that has no worker", (W,), settles=True),
    "tasks_queued": Situation("the number of tasks in the broker is near its bound", (W, C), limit="queue"),
    "tasks_failing": Situation("many tasks fail, at least 5 in ten minutes", (W, C), limit="failures"),
    "dead_letters": Situation("posted tasks have failed permanently", (W, C), limit="dead_letters"),
    "schedule_late": Situation(
        "a schedule has been due for more than a minute, or its next run is unknown: its calendar has ended", (W,)
    ),
    "schedule_failing": Situation("the last three runs of a schedule failed, or more", (W,)),
    "data_silent": Situation(
        "a feed, a display worker or a gateway is frozen or dead: no sign of life for 1.5 s", (C,), unready=True, limit="silence"
    ),
    "process_silent": Situation("another process is frozen or dead: no sign of life", (W, C), limit="silence"),
    "loop_late": Situation("the loop of a process stands still, while the process sends signs of life", (W, C), limit="loop"),
    "process_failed": Situation("supervisord has given up a process, or restarts it repeatedly", (C,)),
    "process_stopped": Situation("a process that supervisord had started is stopped", (W,)),
    "process_unreported": Situation("a process runs under supervisord and has never reported", (W,), settles=True),
    "gateway_late": Situation("an iteration of the gateway's loop was more than 2 s late", (C,), unready=True),
    "certificate_ends": Situation("the certificate of the gateway ends within 14 days, or within one or is over", (W, C)),
    "files_kept": Situation("a file of the gateway has changed and is wrong: it goes on with what it had read before", (W,)),
    "config_behind": Situation("a process has not applied the newest configuration after 5 s", (W,)),
    "memory_growth": Situation("the memory of a process that has run for 15 minutes grows", (W, C), limit="growth"),
}
SILENT = ("broker_silent", "data_silent", "process_silent")  # a process is frozen or dead: this may explain others


def limits_of(
    settings: "Settings | None" = None, warn: Mapping[str, float] | None = None, critical: Mapping[str, float] | None = None
) -> dict[str, Limit]:
    """Return all limits; if the operator sets only one of a pair, the other one moves so that they do not cross.

    Args:
        settings: `feed.stale_s` is the CRITICAL age of a feed's data, a sixth of it the WARNING age.
        warn: the operator's limits, by name.
        critical: the same for CRITICAL.
    Raises:
        ConfigError: both of a pair are given, and cross.
    """
    warn, critical, limits = warn or {}, critical or {}, dict(LIMITS)
    if settings is not None:
        limits["feed_age"] = replace(LIMITS["feed_age"], warn=settings.feed.stale_s / 6, critical=settings.feed.stale_s)
    for name, limit in limits.items():
        low, high = warn.get(name, limit.warn), critical.get(name, limit.critical)
        if low > high and name in warn and name in critical:
            raise ConfigError(
                f"--warn {name}={low:g} is above --critical {name}={high:g}; give a lower --warn or a higher --critical"
            )
        low, high = low if name in warn else min(low, high), high if name in critical else max(low, high)
        limits[name] = replace(limit, warn=low, critical=high)
    return limits

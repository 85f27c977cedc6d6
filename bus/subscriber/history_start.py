"""Where a subscription begins in the past: the arguments `since`, `from_sequence` and `last` of a subscriber. Pure."""

import math
from datetime import datetime
from enum import Enum

from msgspec import Struct

from hulak.bus.errors import ConfigError
from hulak.bus.wire.replay_range import FOREVER
from hulak.bus.wire.time_texts import WANTED, moment_ns, ns_of

LIVE = "live"  # topic of the event that shows where live ticks begin
OLDEST = "oldest"
MOST_LAST = 1_000_000
Since = str | int | float | datetime


class StartKind(Enum):
    """The meaning of a start's number."""

    TIME = "since"  # ns since 1970 UTC
    NUMBER = "from_sequence"  # of the topic, or of the global order
    COUNT = "last"  # number of the newest ticks
    OLDEST = "oldest"  # the first tick that the journal has
    POSITION = "position"  # the number after the last tick that was processed; in the global order


class Start(Struct, frozen=True):
    """Where a subscription begins."""

    kind: StartKind
    value: int = 0
    epoch: int = 0  # of the number before a position; 0: any
    text: str = ""  # as it was given, for errors


def start_of(since: Since | None, from_sequence: int | None, last: int | None, now_ns: int) -> Start | None:
    """Return where a subscription begins; None if none of the three was given: with the present.

    Args:
        since: a text, see `bus.wire.time_texts`, or `oldest`; seconds before now as a negative number; or a time with a zone.
        from_sequence: from 1.
        last: from 1.
        now_ns: ns since 1970 UTC.
    Raises:
        ConfigError: more than one was given, or a value is not allowed.
    """
    given = {"since": since, "from_sequence": from_sequence, "last": last}
    named = [name for name, value in given.items() if value is not None]
    if len(named) > 1:
        raise ConfigError(f"{' and '.join(named)} are both given, must be one of them")
    if since is not None:
        return _since(since, now_ns)
    if from_sequence is not None:
        return Start(StartKind.NUMBER, _whole("from_sequence", from_sequence, FOREVER), text=f"from_sequence {from_sequence}")
    if last is not None:
        return Start(StartKind.COUNT, _whole("last", last, MOST_LAST), text=f"last {last}")
    return None


def _whole(name: str, value: object, most: int) -> int:
    if type(value) is not int or not 1 <= value <= most:
        raise ConfigError(f"{name} is {value!r}, must be a whole number from 1 to {most}")
    return value


def _since(since: Since, now_ns: int) -> Start:
    if since == OLDEST:
        return Start(StartKind.OLDEST, text="since 'oldest'")
    text = f"since {since!r}"
    try:
        if isinstance(since, datetime):
            time_ns = ns_of(since)
        elif isinstance(since, str):
            time_ns = moment_ns(since, now_ns)
        elif isinstance(since, bool) or not isinstance(since, int | float) or not -math.inf < since <= 0:
            allowed = "a negative number of seconds before now (-3600), a time with a zone, 'oldest', or a text that is a time"
            raise ConfigError(f"since is {since!r}, must be {allowed}")
        else:
            time_ns = max(0, now_ns + round(max(since, -now_ns) * 1e9))  # no number is too far back
    except (ValueError, OverflowError) as error:
        raise ConfigError(f"since: {error}; or {OLDEST!r}") from error
    if time_ns > now_ns:
        raise ConfigError(f"since is {since!r}, which is later than now; {WANTED}")
    return Start(StartKind.TIME, time_ns, text=text)

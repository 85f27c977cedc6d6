"""Whether the gateway is well (`/healthz`), and whether all behind it is (`/readyz`). Pure.

Alive means: restarting this process would not help. Ready means: what it serves is whole and fresh.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

HEARD_S = 5.0  # the broker tells its statistics each second
LAG_S = 2.0  # that a turn of the loop may be late
WELL = ("connected", "restoring")  # states of a feed that has, or is getting, what it asked for


@dataclass(slots=True)
class Health:
    """What the gateway knows of its own health and of the broker's.

    Args:
        started: monotonic seconds.
        wants_feed: the settings name a feed, so there has to be one.
        stale_s: age of a feed's data after which it is not fresh, seconds.
    """

    started: float
    wants_feed: bool
    stale_s: float
    stats: Mapping[str, Any] | None = None
    heard: float | None = None  # monotonic seconds, when the broker was heard last
    turned: float | None = None  # likewise, when the loop turned last
    lag_s: float = 0.0  # how late its last turn was

    def take_stats(self, stats: Mapping[str, Any], now: float) -> None:
        """Take the broker's statistics."""
        self.stats, self.heard = stats, now

    def turn(self, now: float, lag_s: float) -> None:
        """The loop turned, `lag_s` seconds late."""
        self.turned, self.lag_s = now, lag_s

    def broker_heard(self, now: float) -> bool:
        """Tell whether the broker spoke not long ago."""
        return self.heard is not None and now - self.heard <= HEARD_S

    def alive(self, now: float) -> list[str]:
        """List what speaks against `/healthz` being 200; none: it is well."""
        reasons = []
        since = self.started if self.turned is None else self.turned
        if (late_s := max(self.lag_s, now - since)) > LAG_S:
            reasons.append(f"the loop is {late_s:.1f} s late, at most {LAG_S:g} s are allowed")
        if not self.broker_heard(now):
            ever = "" if self.heard is None else f", last {now - self.heard:.1f} s ago"
            if self.heard is not None or now - self.started > HEARD_S:
                reasons.append(f"the broker was not heard for {HEARD_S:g} s{ever}")
        return reasons

    def ready(self, now: float) -> list[str]:
        """List what speaks against `/readyz` being 200; none: it is ready."""
        reasons = self.alive(now)
        if self.stats is None:
            return [*reasons, "the broker has not been heard yet"]
        for part in ("journal", "store"):
            told = self.stats.get(part, {})
            if (state := told.get("state", "live")) != "live":
                reasons.append(f"the {part} is {state}: {told.get('why')}")
        feeds = [one for one in self.stats.get("processes", []) if one.get("kind") == "feed"]
        if self.wants_feed and not feeds:
            reasons.append("setting feed.url names a feed, and none reports")
        return [*reasons, *(why for feed in feeds if (why := self._feed(feed)))]

    def _feed(self, feed: Mapping[str, Any]) -> str:
        name, state, age_s = feed.get("name"), feed.get("state"), feed.get("data_age_s")
        if state is not None and state not in WELL:
            return f"feed {name} is {state}"
        if isinstance(age_s, int | float) and age_s > self.stale_s:
            return f"feed {name} has had no data for {age_s:.0f} s, at most {self.stale_s:g} s are fresh"
        return ""

"""The health of the gateway itself (`/healthz`), and of everything behind it (`/readyz`). Pure.

Alive means: restarting this process would not help. So a silent broker does not fail `/healthz`. Ready means: all served data is
complete and fresh, by the same judge as `hulak check`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hulak.clients.judge import members
from hulak.clients.judge.facts import Facts
from hulak.clients.judge.situations import BROKER_SILENT_S, GATEWAY_LATE_S, STATS_SILENT_S, limits_of
from hulak.clients.judge.verdict import Verdict, judge

if TYPE_CHECKING:
    from hulak.bus.process.settings import Settings


@dataclass(slots=True)
class GatewayHealth:
    """The facts about the health of the gateway and the broker.

    Args:
        started: monotonic seconds.
        settings: have the expected feeds, and the age limit of data.
    """

    started: float
    settings: "Settings"
    stats: Mapping[str, Any] | None = None
    stats_at: float | None = None  # monotonic seconds, of the newest statistics
    broker_silence_s: float | None = None  # since the broker's last heartbeat; None before the first
    turned: float | None = None  # monotonic seconds, of the loop's last turn
    lag_s: float = 0.0  # how late its last turn was
    judged: float = 0.0  # monotonic seconds, of the last verdict for the page

    def take_stats(self, stats: Mapping[str, Any], now: float) -> None:
        """Store the broker's statistics."""
        self.stats, self.stats_at = stats, now

    def turn(self, now: float, lag_s: float) -> None:
        """Record a turn of the loop, `lag_s` seconds late."""
        self.turned, self.lag_s = now, lag_s

    def is_broker_up(self, now: float) -> bool:
        """Return whether the broker sends heartbeats and statistics."""
        has_stats = self.stats_at is not None and now - self.stats_at <= STATS_SILENT_S
        return has_stats and not self.is_broker_silent()

    def is_broker_silent(self) -> bool:
        """Return whether the broker has stopped its heartbeats: all served data may be old."""
        return self.broker_silence_s is not None and self.broker_silence_s >= BROKER_SILENT_S

    def silence(self) -> str:
        """Return the judge's sentence about a silent broker; empty while it is not silent."""
        return members.silence("broker", self.broker_silence_s or 0.0) if self.is_broker_silent() else ""

    def verdict(self, now: float, supervised: Sequence[Mapping[str, Any]]) -> Verdict:
        """Return the verdict on everything behind the gateway.

        Args:
            now: monotonic seconds.
            supervised: as `bus.process.supervisor_rpc.list_processes`.
        """
        stats_age_s = now - self.stats_at if self.stats_at is not None else 0.0
        more: dict[str, Any] = {
            "broker_silence_s": self.broker_silence_s,
            "asked_s": now - self.started,
            "supervised": supervised,
        }
        facts = Facts.of(self.settings, self.stats, stats_age_s=stats_age_s, **more)
        return judge(facts, limits_of(self.settings))

    def alive(self, now: float) -> list[str]:
        """List the reasons to fail `/healthz`; empty if there are none."""
        turned = self.started if self.turned is None else self.turned
        if (late_s := max(self.lag_s, now - turned)) > GATEWAY_LATE_S:
            return [f"the loop is {late_s:.1f} s late, at most {GATEWAY_LATE_S:g} s are allowed"]
        return []

"""Whether the gateway is well (`/healthz`), and whether all behind it is (`/readyz`). Pure.

Alive means: restarting this process would not help. So a broker that is silent is no reason against `/healthz`. Ready means: what
the gateway serves is whole and fresh, by the judge that `hulak check` asks too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clients.judge.facts import Facts
from clients.judge.situations import BROKER_SILENT_S, GATEWAY_LATE_S, limits_of
from clients.judge.verdict import Verdict, judge

if TYPE_CHECKING:
    from bus.process.settings import Settings


@dataclass(slots=True)
class GatewayHealth:
    """What the gateway knows of its own health and of the broker's.

    Args:
        started: monotonic seconds.
        settings: say which feeds there are to be, and from when on data is stale.
    """

    started: float
    settings: "Settings"
    stats: Mapping[str, Any] | None = None
    heard: float | None = None  # monotonic seconds, when the broker was heard last
    turned: float | None = None  # likewise, when the loop turned last
    lag_s: float = 0.0  # how late its last turn was
    judged: float = 0.0  # likewise, when the page was told a verdict last

    def take_stats(self, stats: Mapping[str, Any], now: float) -> None:
        """Take the broker's statistics."""
        self.stats, self.heard = stats, now

    def turn(self, now: float, lag_s: float) -> None:
        """The loop turned, `lag_s` seconds late."""
        self.turned, self.lag_s = now, lag_s

    def broker_heard(self, now: float) -> bool:
        """Tell whether the broker spoke not long ago."""
        return self.heard is not None and now - self.heard <= BROKER_SILENT_S

    def verdict(self, now: float, supervised: Sequence[Mapping[str, Any]]) -> Verdict:
        """Judge.

        Args:
            now: monotonic seconds.
            supervised: as `bus.process.supervisor_rpc.list_processes`.
        """
        heard_s = now - self.heard if self.heard is not None else 0.0
        facts = Facts.of(self.settings, self.stats, heard_s=heard_s, asked_s=now - self.started, supervised=supervised)
        return judge(facts, limits_of(self.settings))

    def alive(self, now: float) -> list[str]:
        """List what speaks against `/healthz` being 200; none: it is well."""
        since = self.started if self.turned is None else self.turned
        if (late_s := max(self.lag_s, now - since)) > GATEWAY_LATE_S:
            return [f"the loop is {late_s:.1f} s late, at most {GATEWAY_LATE_S:g} s are allowed"]
        return []

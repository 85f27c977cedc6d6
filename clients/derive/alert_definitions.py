"""The definitions of alerts as the broker keeps them, followed live, and what is known of their past. PROTOCOL.md 7.10."""

import time
from pathlib import Path
from typing import Any, NamedTuple

from hulak.bus.errors import BusError, BusTimeout, Forbidden, HandshakeFailed, ProtocolError
from hulak.bus.process.log_type import Log
from hulak.bus.process.settings import Settings
from hulak.bus.wire.firings import is_firing
from hulak.bus.wire.names import ALERT_TOPICS
from hulak.clients.calls.client import BusClient
from hulak.clients.derive.rules.alert_book import Open
from hulak.clients.derive.rules.alert_rule import STAR, AlertRule, rule_of
from hulak.clients.derive.rules.alert_track import DAY_MS, last_price
from hulak.clients.derive.rules.quote import quote_of
from hulak.clients.history import History, last_events

ASK_S = 0.5
AGAIN_S = 5.0  # after a request that failed
ANSWER_S = 3.0
MOST_OPENS = 200  # symbols whose first tick of the day is read
NS_PER_MS = 1_000_000
Opens = dict[str, Open]


class Definitions(NamedTuple):
    """All definitions at a moment."""

    revision: int
    rules: tuple[AlertRule, ...]


class AlertDefinitions:
    """Asks the broker for the definitions of alerts.

    Args:
        settings: with the broker's addresses.
        home: the broker's folder.
        log: of this process.
    """

    def __init__(self, settings: Settings, home: Path, log: Log) -> None:
        self.newest: Definitions | None = None
        self.why = ""  # why the definitions are not known
        self._settings, self._home, self._log = settings, home, log
        self._client: BusClient | None = None
        self._due = 0.0

    def follow(self, now: float) -> None:
        """Ask for what has changed, when it is time.

        Args:
            now: monotonic seconds.
        """
        if now < self._due:
            return
        self._due = now + ASK_S
        try:
            known = {} if self.newest is None else {"revision": self.newest.revision}
            answer = self._connected().call("hulak.alert.list", "", known, timeout_s=ANSWER_S)
        except (BusError, BusTimeout, HandshakeFailed) as error:
            self._failed(error)
            return
        if self.why:
            self._log.info("alerts are followed again")
        self.why = ""
        if answer["alerts"] is not None:
            rules = tuple(rule for row in answer["alerts"] if (rule := rule_of(row)) is not None)
            self.newest = Definitions(answer["revision"], rules)

    def _failed(self, error: BusError | BusTimeout | HandshakeFailed) -> None:
        lacks = isinstance(error, Forbidden) or getattr(error, "code", "") == "FORBIDDEN"
        why = f"`hulak derive` cannot read the alerts: {error}"
        if not self.why:
            self._log.warning("alerts cannot be read", why=str(error))
        self.why = why
        if lacks:  # its definitions no longer count
            self.newest = None
        self._due = time.monotonic() + AGAIN_S

    def _connected(self) -> BusClient:
        if self._client is None:
            self._client = BusClient(self._settings, self._home)
        return self._client

    def past(self) -> dict[tuple[str, str], tuple[int, int]]:
        """Return the firings that the broker keeps as last messages: (alert, symbol) -> times, and when last.

        Raises:
            BusError, BusTimeout: they cannot be read.
        """
        known = {}
        for event in last_events(self._connected(), ALERT_TOPICS.decode(), ANSWER_S):
            try:
                body = event.body
            except ProtocolError:
                continue
            if is_firing(body):
                known[body["id"], body["symbol"]] = body["fired"], body["at"]
        return known

    def opens(self, rules: tuple[AlertRule, ...], now_ms: int) -> Opens:
        """Return the first bid, ask and last price of the day of the symbols of alerts on its change, of at most `MOST_OPENS`.

        Raises:
            BusError, BusTimeout: they cannot be read.
        """
        client, opens = self._connected(), {}
        patterns = {rule.symbol for rule in rules if rule.on == "change" and rule.window_ms is None}
        for symbol in self._symbols(client, sorted(patterns))[:MOST_OPENS]:
            since_ns = now_ms // DAY_MS * DAY_MS * NS_PER_MS
            body = self._first(client, f"tick.{symbol}", since_ns)
            if body is not None:
                quote = quote_of(body)
                opens[symbol] = (now_ms // DAY_MS, quote.bid, quote.ask, last_price(body.get("last")))
        return opens

    def _symbols(self, client: BusClient, patterns: list[str]) -> list[str]:
        names = dict.fromkeys(name for name in patterns if not name.endswith(STAR))
        for pattern in patterns:
            if pattern.endswith(STAR):
                events = last_events(client, f"tick.{pattern}", ANSWER_S)
                names |= dict.fromkeys(event.topic.removeprefix("tick.") for event in events)
        return list(names)

    def _first(self, client: BusClient, topic: str, since_ns: int) -> dict[str, Any] | None:
        try:
            for event in History(client, topic, since_ns=since_ns, timeout_s=ANSWER_S):
                body = event.body
                return body if isinstance(body, dict) else None
        except ProtocolError:
            return None
        except BusError as error:
            if error.code not in ("UNKNOWN_TOPIC", "TOO_OLD"):  # no such tick, or the day began before the journal
                raise
        return None

    def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            self._client.close()

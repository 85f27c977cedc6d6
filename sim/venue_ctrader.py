"""The server side of cTrader's Open API in JSON: sign-in, the list of symbols, spot events, heartbeats. Pure.

Any client id, secret and account are accepted; the access token `revoked` is refused. An event has one side only where the other
one has not changed since the last event of this connection, as the venue does it.
"""

from collections.abc import Iterable
from typing import Any

from hulak.sim.fx_market import Quote
from hulak.sim.venue_crypto import CryptoClient, compact
from hulak.sim.venue_forms import Form

REVOKED = "revoked"  # an access token
SCALE = 100_000


class CTraderClient(CryptoClient):
    """A connection with the Open API."""

    form = Form.CTRADER

    def __init__(self, known: Iterable[str]) -> None:
        super().__init__(known)
        self._names = dict(enumerate(sorted(self.known), 1))  # symbolId -> name
        self._ids = {name: number for number, name in self._names.items()}
        self._account = 0
        self._signed_in = 0  # 1: the application, 2: the account
        self._sent: dict[str, tuple[int, int]] = {}  # symbol -> the sides that the client knows

    def heartbeat(self, time_ms: int) -> list[str]:
        """Return a heartbeat."""
        del time_ms
        return [compact({"payloadType": 51, "payload": {}})]

    def receive_text(self, text: str) -> list[str]:
        """Ignore what is no JSON."""
        del text
        return []

    def answers(self, request: dict[str, Any]) -> list[Any]:
        """Answer a request."""
        number, kind, payload = request.get("clientMsgId"), request.get("payloadType"), request.get("payload", {})
        if kind == 51:
            return []
        reply, values = self._handle(kind, payload if isinstance(payload, dict) else {})
        return [{"clientMsgId": number, "payloadType": reply, "payload": values}]

    def _handle(self, kind: Any, payload: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        values: dict[str, Any]
        reply, values = 2142, {"errorCode": "INVALID_REQUEST", "description": "not signed in, or an unknown payload type"}
        match kind:
            case 2100:
                self._signed_in = 1
                reply, values = 2101, {}
            case 2102 if self._signed_in and payload.get("accessToken") == REVOKED:
                values = {"errorCode": "CH_ACCESS_TOKEN_INVALID", "description": "Invalid access token"}
            case 2102 if self._signed_in:
                self._signed_in, self._account = 2, payload.get("ctidTraderAccountId", 0)
                reply, values = 2103, self._of_account()
            case 2114 if self._signed_in == 2:
                rows = [{"symbolId": number, "symbolName": name, "enabled": True} for number, name in self._names.items()]
                reply, values = 2115, self._of_account(symbol=rows)
            case 2127 | 2129 if self._signed_in == 2:
                names = [self._names.get(number) for number in payload.get("symbolId", [])]
                reply, values = kind + 1, self._of_account()
                if not all(self.take(name, subscribe=kind == 2127) for name in names):
                    reply, values = 2142, self._of_account(errorCode="SYMBOL_NOT_FOUND", description="no such symbol")
        return reply, values

    def _of_account(self, **values: Any) -> dict[str, Any]:
        return {"ctidTraderAccountId": self._account, **values}

    def quote(self, quote: Quote, number: int, time_ms: int) -> str:
        """Encode a quote; see `CryptoClient.quote`."""
        del number
        sides = round(quote.bid * SCALE), round(quote.ask * SCALE)
        known = self._sent.get(quote.symbol, (None, None))
        changed = {name: side for name, side, old in zip(("bid", "ask"), sides, known, strict=True) if side != old}
        self._sent[quote.symbol] = sides
        payload = {"ctidTraderAccountId": self._account, "symbolId": self._ids[quote.symbol], **changed, "timestamp": time_ms}
        return compact({"payloadType": 2131, "payload": payload})

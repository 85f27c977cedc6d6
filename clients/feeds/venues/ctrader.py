"""Spot prices of a cTrader broker, from Spotware's Open API in its JSON form (port 5036, WebSocket).

From the public documentation of the Open API and its .proto files:

* Messages are `{"clientMsgId": .., "payloadType": .., "payload": {..}}`. A connection signs in twice: the application (2100,
  answered with 2101), then the account (2102, 2103). Then the account's symbols are read (2114, 2115), since all else names
  them by number. Errors are 2142 (and 50), with `errorCode` and `description`, under the `clientMsgId` of the request.
* Spot prices are subscribed to with 2127 (2128) and ended with 2129. 2131 has `symbolId`, `bid`, `ask`, `timestamp`: prices in
  1/100000 whatever the symbol's digits, an absent side is unchanged, the time is there only if it was asked for. The first
  event has the last prices even if the market is closed.
* Both sides send heartbeats (51): the client at least every 10 s. At most 50 requests a second.
* 2147, 2148, 2164: the token has become invalid, or the venue ends the session of the application or of the account.

The application's id and secret, the access token and the account are settings of `[feed]`; they are sent in these messages, and
stand in no error and no log line.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any
from urllib.parse import urlsplit

from hulak.bus.errors import FeedError
from hulak.clients.feeds.venues.dialect import (
    FAILED,
    LONGEST_TEXT,
    MAX_SYMBOLS,
    NOT_FOUND,
    BaseDialect,
    Effect,
    Heartbeat,
    Ready,
    Reconnect,
    Send,
    Subscribed,
    SymbolError,
    Timer,
    classify_refusal,
)
from hulak.clients.feeds.venues.parsing import field_of, load_object, price_of, rows_of, shown, time_of

SCALE = 100_000  # of all prices
HIDDEN = "(hidden)"
SHORTEST_SECRET = 5  # characters that are hidden; shorter ones could be part of any message
LOCAL = ("127.0.0.1", "localhost", "::1")


class Type(IntEnum):
    """The payload types that are used."""

    ERROR = 50
    HEARTBEAT = 51
    APPLICATION_AUTH = 2100
    APPLICATION_AUTH_DONE = 2101
    ACCOUNT_AUTH = 2102
    ACCOUNT_AUTH_DONE = 2103
    SYMBOLS_LIST = 2114
    SYMBOLS_LIST_DONE = 2115
    SUBSCRIBE_SPOTS = 2127
    SUBSCRIBE_SPOTS_DONE = 2128
    UNSUBSCRIBE_SPOTS = 2129
    SPOT_EVENT = 2131
    REFUSED = 2142
    TOKEN_INVALIDATED = 2147
    CLIENT_DISCONNECTED = 2148
    ACCOUNT_DISCONNECTED = 2164


SIGN_IN = ("application", "account", "symbols")  # clientMsgId of the requests that all others need


@dataclass(frozen=True, slots=True)
class Credentials:
    """The application and the account that sign in."""

    client_id: str = ""  # of the application
    client_secret: str = field(default="", repr=False)
    token: str = field(default="", repr=False)  # OAuth access token
    account: int = 0  # ctidTraderAccountId

    def missing(self) -> list[str]:
        """Return the settings that have no value."""
        values = {"client_id": self.client_id, "client_secret": self.client_secret, "token": self.token, "account": self.account}
        return [f"feed.{name}" for name, value in values.items() if not value]


class CTrader(BaseDialect):
    """The spot events of one account.

    Args:
        credentials: of the application and the account.
    """

    greets = True  # `Ready` when the symbols are known
    signs_in = True
    timers: tuple[Timer, ...] = (Timer(json.dumps({"payloadType": Type.HEARTBEAT, "payload": {}}), 10.0),)

    def __init__(self, credentials: Credentials = Credentials()) -> None:
        super().__init__()
        self._credentials = credentials
        secrets = (credentials.client_secret, credentials.token)
        self._secrets = [secret for secret in secrets if len(secret) >= SHORTEST_SECRET]
        self._ids: dict[str, int] = {}  # name in upper case -> number
        self._symbols: dict[int, str] = {}  # number -> name
        self._asked: dict[str, str] = {}  # clientMsgId -> symbol

    def address(self, url: str, symbols: Sequence[str]) -> str:
        """Check the credentials and the url; see `Dialect.address`.

        Raises:
            FeedError: a credential is missing, or would be sent without encryption.
        """
        if missing := self._credentials.missing():
            raise FeedError(f"setting {missing[0]} is empty, and the venue ctrader needs it; see docs/howto/venues.md")
        parts = urlsplit(url)
        if parts.scheme != "wss" and parts.hostname not in LOCAL:
            raise FeedError(f"the token is not sent over {parts.scheme}://, which is not encrypted; use wss://")
        return super().address(url, symbols)

    def opening(self) -> list[Effect]:
        """Sign the application in; see `Dialect.opening`."""
        signing = self._credentials
        return [_message(Type.APPLICATION_AUTH, "application", clientId=signing.client_id, clientSecret=signing.client_secret)]

    def subscribe(self, symbols: Sequence[str]) -> list[Effect]:
        """Make one request for each symbol, as soon as the account's symbols are known; see `Dialect.subscribe`."""
        if not self._ids:  # not signed in yet: without an answer they are requested again
            return []
        effects: list[Effect] = []
        for symbol in symbols:
            number = self._ids.get(symbol.upper())
            if number is None:
                effects.append(
                    SymbolError(self.names.key(symbol), NOT_FOUND, "the account has no such symbol, or it is disabled")
                )
                continue
            self._asked[f"s{number}"] = symbol
            effects.append(self._of_account(Type.SUBSCRIBE_SPOTS, f"s{number}", symbolId=[number], subscribeToSpotTimestamp=True))
        return effects

    def unsubscribe(self, symbols: Sequence[str]) -> list[Effect]:
        """Make one request for all symbols that the account has; see `Dialect.unsubscribe`."""
        self.forget(symbols)
        numbers = [self._ids[symbol.upper()] for symbol in symbols if symbol.upper() in self._ids]
        return [self._of_account(Type.UNSUBSCRIBE_SPOTS, "end", symbolId=numbers)] if numbers else []

    def _of_account(self, kind: Type, number: str, **payload: Any) -> Send:
        return _message(kind, number, ctidTraderAccountId=self._credentials.account, **payload)

    def parse(self, message: str | bytes, received_ms: int) -> list[Effect]:
        """Parse one message; see `Dialect.parse`. A secret that it echoes, as in the text of an error, is hidden."""
        frame = load_object(self._without_secrets(message))
        kind, payload = field_of(frame, "payloadType"), frame.get("payload", {})
        if not isinstance(payload, dict):
            raise FeedError(f"payload is {shown(payload)}, must be an object")
        match kind:
            case Type.SPOT_EVENT:
                return self._quote(payload, received_ms)
            case Type.HEARTBEAT:
                return [Heartbeat()]
            case Type.SUBSCRIBE_SPOTS_DONE:
                symbol = self._asked.pop(str(frame.get("clientMsgId")), None)
                return [Subscribed(self.names.key(symbol))] if symbol else []
            case Type.REFUSED | Type.ERROR:
                return self._refused(frame.get("clientMsgId"), payload)
        return self._session(kind, payload)

    def _without_secrets(self, message: str | bytes) -> str | bytes:
        for secret in self._secrets:
            if isinstance(message, str):
                message = message.replace(secret, HIDDEN)
            else:
                message = message.replace(secret.encode(), HIDDEN.encode())
        return message

    def _session(self, kind: object, payload: dict[str, Any]) -> list[Effect]:
        """Go on with the sign-in, or note the end of the session."""
        effects: list[Effect] = []
        match kind:
            case Type.APPLICATION_AUTH_DONE:
                effects = [self._of_account(Type.ACCOUNT_AUTH, "account", accessToken=self._credentials.token)]
            case Type.ACCOUNT_AUTH_DONE:
                effects = [self._of_account(Type.SYMBOLS_LIST, "symbols")]
            case Type.SYMBOLS_LIST_DONE:
                effects = [*self._learn(rows_of(payload, "symbol")), Ready()]
            case Type.TOKEN_INVALIDATED | Type.CLIENT_DISCONNECTED | Type.ACCOUNT_DISCONNECTED:
                effects = [Reconnect(f"the venue ended the session: {shown(payload.get('reason'))}"[:LONGEST_TEXT])]
        return effects

    def _learn(self, rows: list[Any]) -> list[FeedError]:
        """Record the numbers of the enabled symbols; a bad row does not affect the others."""
        bad = []
        for row in rows:
            values = row if isinstance(row, dict) else {}
            number, name = values.get("symbolId"), values.get("symbolName")
            if not isinstance(name, str) or type(number) is not int:
                bad.append(FeedError(f"symbol {shown(row)} must have a number and a name"))
            elif values.get("enabled", True) is True and len(self._symbols) < MAX_SYMBOLS:
                self._ids[name.upper()], self._symbols[number] = number, name
        return bad

    def _quote(self, payload: dict[str, Any], received_ms: int) -> list[Effect]:
        number = field_of(payload, "symbolId")
        name = self._symbols.get(number) if type(number) is int else None
        if name is None:
            raise FeedError(f"symbolId is {shown(number)}, must be one of the account's symbols")
        bid, ask = (_price(payload.get(side), side) for side in ("bid", "ask"))
        if bid is None and ask is None:  # another part of the event, such as a bar
            return []
        time_ms = time_of(payload["timestamp"], "timestamp") if "timestamp" in payload else received_ms
        return self._sides.quote(self.names.of(name), bid, ask, time_ms, "ctrader")

    def _refused(self, number: object, payload: dict[str, Any]) -> list[Effect]:
        code, text = payload.get("errorCode"), payload.get("description")
        symbol = self._asked.pop(number, None) if isinstance(number, str) else None
        refusal = classify_refusal(symbol, text, code, otherwise=FAILED)
        if number not in SIGN_IN:
            return [refusal]
        return [refusal, Reconnect(f"sign-in of {number} refused: {shown(code)} {shown(text)}"[:LONGEST_TEXT])]


def _message(kind: Type, number: str, **payload: Any) -> Send:
    return Send(json.dumps({"clientMsgId": number, "payloadType": kind, "payload": payload}))


def _price(value: object, name: str) -> float | None:
    if value is None:
        return None
    if type(value) is not int:
        raise FeedError(f"{name} is {shown(value)}, must be a whole number of 1/{SCALE}")
    return price_of(value, name) / SCALE

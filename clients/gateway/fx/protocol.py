"""The FX front end's own protocol, the backend's side: decodes its requests, encodes its messages. Pure.

JSON objects with a `type`, in both directions. A front end that was written for the original backend is served; the original's
faults (all symbols of a legacy `subscribe`, text that is `null`, errors without a code) are not reproduced.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec

from hulak.bus.errors import FeedError, ProtocolError
from hulak.bus.wire import price_digits as decimals
from hulak.bus.wire.messages import Tick
from hulak.clients.feeds.symbol_keys import any_symbol
from hulak.clients.gateway.fx.candles import PERIODS, Bar
from hulak.clients.gateway.json_form import check_form

VERSION = "1.0.0"
HEARTBEAT_S = 15.0
TOO_MANY = 1024  # limit of symbols, and of candles, per client
SYSTEM = "system"
NS_PER_MS = 1_000_000

Symbol = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9./_-]+$", max_length=64)]
Source = Literal["ctrader", "tradingview"]
Resolution = Literal["1m", "5m", "10m", "15m", "30m", "1h", "4h", "12h", "D", "W", "M"]
Time = Annotated[float, msgspec.Meta(gt=0)]  # JSON does not distinguish integers from other numbers

encode = msgspec.json.encode


class Request(msgspec.Struct, frozen=True, tag_field="type"):
    """A request of a front end; unknown keys are ignored, as by the original."""


class GetPackage(Request, frozen=True, tag="get_symbol_data_package"):
    """Request a symbol's figures, and then its ticks."""

    symbol: Symbol
    source: Source = "ctrader"


class Subscribe(Request, frozen=True, tag="subscribe"):
    """The legacy form of `GetPackage`."""

    symbols: list[Symbol]
    source: Source = "ctrader"


class Unsubscribe(Request, frozen=True, tag="unsubscribe"):
    """End the ticks of these symbols; not answered."""

    symbols: list[Symbol]
    source: Source | None = None  # None: both


class Reinit(Request, frozen=True, tag="reinit"):
    """Request everything again."""

    source: Literal["ctrader", "tradingview", "all"] = "all"


class RefreshProfile(Request, frozen=True, tag="refresh_profile"):
    """Request the whole profile again."""

    symbol: Symbol
    source: Source = "ctrader"


class GetCandles(Request, frozen=True, tag="getHistoricalCandles", rename={"since": "from", "until": "to"}):
    """Request past bars; times in ms since 1970 UTC."""

    symbol: Symbol
    resolution: Resolution
    since: Time
    until: Time
    source: Source = "ctrader"


class SubscribeCandles(Request, frozen=True, tag="subscribeCandles"):
    """Subscribe to the running bar."""

    symbol: Symbol
    resolution: Resolution
    source: Source = "ctrader"


class UnsubscribeCandles(Request, frozen=True, tag="unsubscribeCandles"):
    """End the subscription to the running bar."""

    symbol: Symbol
    resolution: Resolution
    source: Source = "ctrader"


_Requests = GetPackage | Subscribe | Unsubscribe | Reinit | RefreshProfile | GetCandles | SubscribeCandles | UnsubscribeCandles
_decoder: msgspec.json.Decoder[_Requests] = msgspec.json.Decoder(_Requests)
_AT_SYMBOL = re.compile(r"\$\.symbols?(\[|`|$)")


class BadRequest(Exception):
    """A message is not a valid request; the text is sent to the front end, the code may be empty."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def decode(message: str | bytes) -> Any:
    """Decode a request. Raises `BadRequest`."""
    if not isinstance(message, str):
        raise BadRequest("", "binary message, must be text")
    try:
        check_form(message)
        return _decoder.decode(message)
    except (msgspec.MsgspecError, ProtocolError) as error:
        raise BadRequest("INVALID_SYMBOL" if _AT_SYMBOL.search(str(error)) else "", str(error)) from error


def canonical(symbol: str) -> str:
    """Return the key of a symbol on the bus. Raises `BadRequest`."""
    try:
        return any_symbol(symbol)
    except FeedError as error:
        raise BadRequest("INVALID_SYMBOL", str(error)) from error


# Figures of a symbol


@dataclass(frozen=True, slots=True)
class Facts:
    """The figures in a symbol's package; prices in quote currency."""

    symbol: str
    digits: int
    price: float
    open: float
    high: float
    low: float
    adr_high: float
    adr_low: float


def facts_of_state(state: Mapping[str, Any]) -> Facts | None:
    """Return the figures from a display's state; None if it has no price yet."""
    price = state.get("price")
    if price is None or not state.get("ready"):
        return None

    def known(key: str, default: float) -> float:
        value = state.get(key)
        return default if value is None else value

    high, low = known("high", price), known("low", price)
    adr_high, adr_low = known("adr_high", high), known("adr_low", low)
    return Facts(state["symbol"], state["digits"], price, known("open", price), high, low, adr_high, adr_low)


def facts_of_bar(symbol: str, bar: Bar, digits: int) -> Facts:
    """Return the figures from today's bar: past daily ranges are unknown, so today's range is used for them."""
    return Facts(symbol, digits, bar.close, bar.open, bar.high, bar.low, bar.high, bar.low)


def digits_of(symbol: str, prices: Sequence[float]) -> int:
    """Guess the number of decimals of a symbol: as many as its prices have, at least 3 for yen and 5 for other pairs."""
    if decimals.usual_digits(symbol) is None:
        return decimals.digits_of(prices)
    seen = [decimals.decimals_in(decimals.decimal_of(price)) for price in prices]
    return max([3 if symbol.endswith("JPY") else 5, *seen])


def pips(digits: int) -> dict[str, float]:
    """Return the sizes of a pip and a pipette."""
    position = max(0, digits - 1)
    return {"pipPosition": position, "pipSize": 10.0**-position, "pipetteSize": 10.0 ** -(position + 1)}


# Messages


def greeting(symbols: Sequence[str], status: str = "connected") -> list[bytes]:
    """Return the messages that list the known symbols and, if connected, accept requests."""
    listed = {"availableSymbols": list(symbols), "symbol": SYSTEM}
    messages = [encode({"type": "status", "status": status, **listed})]
    return [*messages, encode({"type": "ready", **listed})] if status == "connected" else messages


def heartbeat(now_ms: float) -> bytes:
    """Return a heartbeat."""
    return encode({"type": "heartbeat", "timestamp": int(now_ms), "symbol": SYSTEM})


def package(facts: Facts, source: str) -> bytes:
    """Return the package of a symbol's figures."""
    return encode(
        {
            "type": "symbolDataPackage",
            "source": source,
            "symbol": facts.symbol,
            "digits": facts.digits,
            "adr": round(facts.adr_high - facts.adr_low, facts.digits),
            "todaysOpen": facts.open,
            "todaysHigh": facts.high,
            "todaysLow": facts.low,
            "projectedAdrHigh": facts.adr_high,
            "projectedAdrLow": facts.adr_low,
            "initialPrice": facts.price,
            **pips(facts.digits),
        }
    )


def tick(value: Tick, source: str, digits: int, now_ms: float) -> bytes:
    """Return a tick that has at least one side, at `now_ms`; a missing side is omitted, the price is then the other side's."""
    received = value.received_ns // NS_PER_MS if value.received_ns else int(now_ms)
    sides = {name: side for name, side in (("bid", value.bid), ("ask", value.ask)) if side is not None}
    price = round(sum(sides.values()) / len(sides), digits + 1)
    times = {"timestamp": value.timestamp, "receivedAt": received}
    fields = {"type": "tick", "source": source, "v": VERSION, "symbol": value.symbol}
    if source == "tradingview":
        return encode({**fields, "price": price, "current": price, **times, "sentAt": int(now_ms)})
    return encode({**fields, **sides, "price": price, **times, **pips(digits), "_receivedAt": received, "sentAt": int(now_ms)})


Level = Sequence[float]


def profile(symbol: str, source: str, seq: int, bucket: float, levels: Sequence[Level], now_ms: float) -> bytes:
    """Return a whole market profile; levels as in a display's state."""
    body = {"levels": [_level(level, bucket) for level in levels], "bucketSize": bucket}
    return encode(_profile(symbol, source, seq, now_ms) | {"profile": body})


def profile_delta(
    symbol: str, source: str, seq: int, bucket: float, added: Sequence[Level], updated: Sequence[Level], now_ms: float
) -> bytes:
    """Return the changes of a market profile; a removed level has a tpo of 0."""
    body = {"added": [_level(level, bucket) for level in added], "updated": [_level(level, bucket) for level in updated]}
    return encode(_profile(symbol, source, seq, now_ms) | {"delta": body})


def _profile(symbol: str, source: str, seq: int, now_ms: float) -> dict[str, Any]:
    return {"type": "profileUpdate", "symbol": symbol, "feedSource": source, "seq": seq, "sentAt": int(now_ms)}


def _level(level: Level, bucket: float) -> dict[str, float]:
    return {"price": round(level[0] * bucket, 10), "tpo": level[1]}


def twap(symbol: str, value: float, timestamp: int) -> bytes:
    """Return the time-weighted average price of the day."""
    body = {"symbol": symbol, "twapValue": value, "timestamp": timestamp, "isHistorical": False}
    return encode({"type": "twapUpdate", "symbol": symbol, "data": body})


def candle(symbol: str, source: str, resolution: str, bar: Bar, *, closed: bool) -> bytes:
    """Return the running bar, or one that has just closed."""
    fields = {"type": "candleUpdate", "source": source, "symbol": symbol, "timeframe": PERIODS[resolution][0]}
    return encode({**fields, "bar": bar.as_dict(), "isBarClose": closed})


def candle_history(request: GetCandles, symbol: str, bars: Sequence[Bar], error: str = "") -> bytes:
    """Return past bars."""
    fields = {
        "type": "candleHistory",
        "symbol": symbol,
        "resolution": request.resolution,
        "period": PERIODS[request.resolution][0],
        "source": request.source,
        "bars": [bar.as_dict() for bar in bars],
        "currentPrice": bars[-1].close if bars else None,
    }
    return encode({**fields, "error": error} if error else fields)


def candle_subscription(symbol: str, resolution: str, source: str, status: str) -> bytes:
    """Return the confirmation that a subscription to the running bar has begun or ended."""
    fields = {"type": "candleSubscription", "symbol": symbol, "resolution": resolution, "source": source}
    return encode({**fields, "status": status})


def daily_reset(symbols: Sequence[str], timestamp: int) -> bytes:
    """Return the message that a new day has begun for these symbols, at 00:00 UTC."""
    return encode({"type": "dailyReset", "symbols": list(symbols), "timestamp": timestamp, "symbol": SYSTEM})


def reinit_started(source: str, now_ms: float) -> bytes:
    """Return the confirmation of a `reinit`."""
    return encode({"type": "reinit_started", "source": source, "timestamp": int(now_ms)})


def error(code: str, text: str, symbol: str = SYSTEM, source: str = "ctrader") -> bytes:
    """Return an error message; an empty code is omitted."""
    coded = {"code": code} if code else {}
    return encode({"type": "error", **coded, "message": text, "symbol": symbol, "source": source})

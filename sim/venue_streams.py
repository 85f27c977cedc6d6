"""The subscriptions of each client of the venue, and the formats of quotes. Pure.

Binance's formats, from its public documentation of WebSocket market streams: `/ws/<stream>/<stream>` sends raw events,
`/stream?streams=<stream>/<stream>` sends `{"stream": .., "data": <raw event>}`; streams are `<symbol>@bookTicker`, or
`!bookTicker` for every symbol (which the real venue has removed). The reply to SUBSCRIBE, UNSUBSCRIBE and LIST_SUBSCRIPTIONS is
`{"result": .., "id": ..}`. Streams of other kinds are accepted and have no events.

The plain format, `/json?symbols=EURUSD,USDJPY` (all without `symbols`), sends `{"symbol", "bid", "ask", "timestamp"}`
with numbers and the venue's time in ms since 1970 UTC. `/fx` has the protocol of the FX backend, see `sim.venue_fx`; `/okx`,
`/bybit`, `/bitget`, `/hyperliquid`, `/deribit` and `/ctrader` those of these venues, see `sim.venue_crypto`, `sim.venue_ctrader`.
"""

import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from hulak.sim.fx_market import PAIRS, Quote
from hulak.sim.venue_crypto import BitgetClient, BybitClient, CryptoClient, DeribitClient, HyperliquidClient, OkxClient
from hulak.sim.venue_ctrader import CTraderClient
from hulak.sim.venue_forms import Form
from hulak.sim.venue_fx import FxClient, encode_tick

MOST_STREAMS = 1024  # per connection, as at Binance
LONGEST = 64  # characters of a stream's name
ALL = "!bookTicker"
_LOT = 1_000_000
VENUES: dict[str, type[CryptoClient]] = {
    kind.form.value: kind for kind in (OkxClient, BybitClient, BitgetClient, HyperliquidClient, DeribitClient, CTraderClient)
}
_SYMBOLS = frozenset(pair.symbol for pair in PAIRS)


class ClientStreams:
    """The subscriptions of one connection.

    Args:
        form: format of its quotes.
        streams: subscriptions in its path; symbols of the plain format are streams too.
    """

    def __init__(self, form: Form, streams: Iterable[str] = ()) -> None:
        self.form = form
        self._streams = dict.fromkeys(streams)

    def greeting(self) -> list[str]:
        """Return the first messages to a client: none."""
        return []

    def stream_of(self, symbol: str) -> str | None:
        """Return the stream on which this client gets quotes of a symbol; None if it has not subscribed."""
        name = f"{symbol.lower()}@bookTicker"
        if name in self._streams:
            return name
        return ALL if ALL in self._streams else None

    def receive(self, message: str | bytes) -> str | None:
        """Handle a request; return the reply, or None in the plain format, which has no requests."""
        if self.form is Form.JSON:
            return None
        try:
            request = json.loads(message)
        except (ValueError, RecursionError):
            return _refusal(3, "Invalid JSON", None)
        if not isinstance(request, dict):
            return _refusal(2, "Invalid request: must be an object", None)
        number, params = request.get("id"), request.get("params", [])
        if not isinstance(params, list) or not all(isinstance(name, str) and len(name) <= LONGEST for name in params):
            return _refusal(2, "Invalid request: params must be a list of stream names", number)
        return self._answer(request.get("method"), params, number)

    def _answer(self, method: object, params: list[str], number: Any) -> str:
        match method:
            case "SUBSCRIBE":
                if len(self._streams.keys() | set(params)) > MOST_STREAMS:
                    return _refusal(2, f"Invalid request: more than {MOST_STREAMS} streams", number)
                self._streams |= dict.fromkeys(params)
                return _compact({"result": None, "id": number})
            case "UNSUBSCRIBE":
                for stream in params:
                    self._streams.pop(stream, None)
                return _compact({"result": None, "id": number})
            case "LIST_SUBSCRIPTIONS":
                return _compact({"result": list(self._streams), "id": number})
        return _refusal(2, f"Invalid request: unknown method {str(method)[:40]}", number)


def client_of(target: str) -> ClientStreams | FxClient | CryptoClient | None:
    """Parse the path and query of a connection; None for an unknown path."""
    parts = urlsplit(target)
    query = parse_qs(parts.query)
    root, _, rest = parts.path.lstrip("/").partition("/")
    match root:
        case "ws":
            return _limited(Form.RAW, rest.split("/"))
        case "stream" if not rest:
            return _limited(Form.COMBINED, ",".join(query.get("streams", [])).replace(",", "/").split("/"))
        case "json" if not rest:
            symbols = ",".join(query.get("symbols", [])).split(",")
            named = [f"{symbol.lower()}@bookTicker" for symbol in symbols if symbol]
            return _limited(Form.JSON, named or [ALL])
        case "fx" if not rest:
            return FxClient(_SYMBOLS)
        case venue if venue in VENUES and not rest:
            return VENUES[venue](_SYMBOLS)
    return None


def _limited(form: Form, streams: list[str]) -> ClientStreams | None:
    named = [stream for stream in streams if stream]
    return ClientStreams(form, named) if len(named) <= MOST_STREAMS else None


def encode_quote(form: Form, stream: str, quote: Quote, number: int, time_ms: int) -> str:
    """Encode a quote for a client.

    Args:
        form: format of the client.
        stream: result of `ClientStreams.stream_of`.
        quote: quote of the market.
        number: the venue's running number of quotes, Binance's update id.
        time_ms: time of the quote, ms since 1970 UTC.
    """
    if form is Form.FX:
        return encode_tick(quote, time_ms)
    bid, ask = f"{quote.bid:.{quote.digits}f}", f"{quote.ask:.{quote.digits}f}"
    if form is Form.JSON:
        return f'{{"symbol":"{quote.symbol}","bid":{bid},"ask":{ask},"timestamp":{time_ms}}}'
    bid_size, ask_size = (1 + number % 9) * _LOT, (1 + number % 7) * _LOT
    raw = f'{{"u":{number},"s":"{quote.symbol}","b":"{bid}","B":"{bid_size}","a":"{ask}","A":"{ask_size}"}}'
    return raw if form is Form.RAW else f'{{"stream":"{stream}","data":{raw}}}'


def _refusal(code: int, text: str, number: Any) -> str:
    return _compact({"error": {"code": code, "msg": text}, "id": number})


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))

"""Venues' messages, written here in the venues' form from the facts in `tests/vectors/`: times, symbols and prices."""

import json
from datetime import datetime
from itertools import count

from vectors import vectors

BINANCE_OTHERS = {  # by the last part of the stream's name
    "depth@100ms": {"e": "depthUpdate", "U": 1, "u": 1, "b": [["0.34000000", "5.00000000"]], "a": []},
    "aggTrade": {"e": "aggTrade", "a": 1, "p": "0.35000000", "q": "58.00000000", "f": 1, "l": 1, "m": False, "M": True},
    "kline_1m": {"e": "kline", "k": {"i": "1m", "o": "0.35", "c": "0.35", "h": "0.35", "l": "0.35", "n": 30, "x": False}},
}


def binance():
    """List (received_ms, message) of half a minute of Binance's combined stream."""
    recorded = vectors("feed_binance")
    number = count(1)
    messages = []
    for after_ms, stream, *sides in recorded["messages"]:
        at_ms = recorded["start_ms"] + after_ms
        symbol, _, kind = stream.partition("@")
        if sides:
            data = {
                "u": next(number),
                "s": symbol.upper(),
                "b": sides[0],
                "B": "672.00000000",
                "a": sides[1],
                "A": "3199.00000000",
            }
        else:
            data = {"E": at_ms, "s": symbol.upper(), **BINANCE_OTHERS[kind]}
        messages.append((at_ms, json.dumps({"stream": stream, "data": data}, separators=(",", ":"))))
    return messages


def coinbase():
    """List (received_ms, message) of Coinbase Exchange's ticker and matches."""
    recorded = vectors("feed_coinbase")
    number = count(1)
    messages = []
    for after_ms, kind, what, *quote in recorded["messages"]:
        message = {"type": kind, "sequence": next(number)}
        if kind == "subscriptions":
            message = {"type": kind, "channels": [{"name": name, "product_ids": products} for name, products in what.items()]}
        elif kind == "ticker":
            bid, ask, time = quote
            message |= {"product_id": what, "price": bid, "best_bid": bid, "best_ask": ask, "side": "buy", "time": time}
        else:
            message |= {"product_id": what, "price": "1", "size": "985", "side": "sell", "time": "2021-04-17T16:43:30.244075Z"}
        messages.append((recorded["start_ms"] + after_ms, json.dumps(message)))
    return messages


def kraken_v1():
    """List (received_ms, message) of version 1 of Kraken's ticker."""
    recorded = vectors("feed_kraken_v1")
    return [(recorded["start_ms"] + after_ms, json.dumps(_kraken_v1(*what))) for after_ms, *what in recorded["messages"]]


def _kraken_v1(event, pair=None, bid=None, ask=None):
    match event:
        case "ticker":
            data = {"a": [ask, 35, "35.72892241"], "b": [bid, 185, "185.18432037"], "c": [ask, "3.71672000"], "t": [640, 1353]}
            return [1668, data, "ticker", pair]
        case "subscriptionStatus":
            channel = {"channelID": 1668, "channelName": "ticker", "subscription": {"name": "ticker"}}
            return {**channel, "event": event, "pair": pair, "status": "subscribed"}
        case "systemStatus":
            return {"connectionID": 1, "event": event, "status": "online", "version": "1.8.3"}
        case _:
            return {"event": event}


def oanda_price(time, instrument, bids, asks, status):
    """Write one price as OANDA does, without its type, which only a stream's lines have."""
    sides = {
        name: [{"price": price, "liquidity": 1_000_000} for price in side] for name, side in (("bids", bids), ("asks", asks))
    }
    closeout = {"closeoutBid": bids[-1], "closeoutAsk": asks[-1]}
    return {"instrument": instrument, "time": time, **sides, **closeout, "status": status, "tradeable": status == "tradeable"}


def oanda_line(time, *price):
    """Write one line of OANDA's stream: a heartbeat where there is only a time, else a price."""
    if not price:
        return json.dumps({"type": "HEARTBEAT", "time": time})
    return json.dumps({"type": "PRICE", **oanda_price(time, *price)})


def message(name):
    """Return one message of one venue as text, e.g. "kraken/pong"."""
    return json.dumps(messages()[name])


def messages():
    """Return a message of each kind of many venues: "venue/kind" -> message, as values."""
    return vectors("feed_messages")["messages"]


def write_recording(path, recorded):
    """Write messages to a file in cryptofeed's line format, with what a client sent before them."""
    first_ms = recorded[0][0]
    sent = [
        f"wss://venue.test/stream <-> {first_ms / 1000 - 1}",
        f'wss://venue.test/stream <- {first_ms / 1000 - 0.5}: {{"id":1}}',
    ]
    path.write_text("\n".join([*sent, *(f"{at_ms / 1000:.3f}: {text}" for at_ms, text in recorded)]) + "\n")
    return path


def utc_ms(text):
    """Read an ISO time by other means than the code under test: with six digits of a fraction, and a Z."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    return int(datetime.fromisoformat(whole + "+00:00").timestamp()) * 1000 + int(fraction[:3])

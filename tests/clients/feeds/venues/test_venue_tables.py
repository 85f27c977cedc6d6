"""The dialects against tables: the messages that they send, and the exact effects of each one that they get (`feed_venues`)."""

import json
import re

import pytest
from vectors import vectors

from hulak.bus.errors import FeedError
from hulak.bus.process.settings import FeedSettings
from hulak.bus.wire.messages import Tick
from hulak.clients.feeds.symbol_keys import canonical_symbol
from hulak.clients.feeds.venues.dialect import Heartbeat, Ready, Reconnect, Send, Subscribed, SymbolError, Timer
from hulak.clients.feeds.venues.registry import dialect_of

TABLES = vectors("feed_venues")["venues"]
SETTINGS = FeedSettings(client_id="app-1", client_secret="s3cret", token="t0ken", account=44_556_677)
RECEIVED_MS = 5
MADE = {
    "tick": Tick,
    "heartbeat": Heartbeat,
    "ready": Ready,
    "subscribed": Subscribed,
    "refused": SymbolError,
    "reconnect": Reconnect,
}


def dialect(name):
    """Make the dialect of a table, ready for its messages; returns it and the table."""
    table = TABLES[name]
    made = dialect_of(name.partition("-")[0], SETTINGS)()
    assert made.address(table["url"], table["symbols"]) == table.get("address", table["url"])
    return made, table


def is_like(effect, expected):
    kind, *values = expected
    if kind == "error":
        return isinstance(effect, FeedError) and re.search(values[0], str(effect)) is not None
    if kind == "send":
        return isinstance(effect, Send) and json.loads(effect.text) == values[0]
    return effect == MADE[kind](*values)


def parsed(dialect, frame):
    text = frame["text"] if list(frame) == ["text"] else json.dumps(frame)
    try:
        return dialect.parse(text, RECEIVED_MS)
    except FeedError as error:
        return [error]


def check(dialect, steps):
    for frame, expected in steps:
        effects = parsed(dialect, frame)
        assert len(effects) == len(expected), (frame, effects)
        assert all(map(is_like, effects, expected)), (frame, effects, expected)


@pytest.mark.parametrize("name", TABLES)
def test_each_message_of_a_venue_has_exactly_the_effects_of_its_table(name):
    made, table = dialect(name)
    made.opening()
    check(made, table.get("before", []))
    made.subscribe(table["symbols"])
    check(made, table["steps"])


@pytest.mark.parametrize("name", TABLES)
def test_a_venue_is_sent_what_its_documentation_asks_for(name):
    made, table = dialect(name)
    assert [(timer.text, timer.every_s) for timer in made.timers] == [tuple(timer) for timer in table["timers"]]
    assert [json.loads(send.text) for send in made.opening()] == table["opening"]
    check(made, table.get("before", []))
    effects = made.subscribe(table["symbols"])
    sent = [json.loads(effect.text) for effect in effects if isinstance(effect, Send)]
    assert sent == table["subscribe"]
    refused = [canonical_symbol(name) for name in table.get("subscribe_refused", [])]
    assert [(effect.symbol, effect.code) for effect in effects if isinstance(effect, SymbolError)] == [
        (key, "SYMBOL_NOT_FOUND") for key in refused
    ]
    assert [json.loads(send.text) for send in made.unsubscribe(table["symbols"])] == table["unsubscribe"]


def test_the_sides_of_a_symbol_are_forgotten_when_its_subscription_ends():
    """Otherwise the first update of a later subscription would be completed with a price of long ago."""
    made, table = dialect("ctrader")
    check(made, [*table["before"], table["steps"][2]])
    made.unsubscribe(["GBPUSD"])
    assert made.parse('{"payloadType":2131,"payload":{"symbolId":3,"ask":127060}}', RECEIVED_MS) == []


def test_a_key_is_free_for_another_name_when_its_symbol_was_removed():
    made, _ = dialect("hyperliquid")
    frame = {"channel": "bbo", "data": {"coin": "KPEPE", "time": 1_793_750_400_000, "bbo": [None, None]}}
    check(
        made,
        [
            (
                {**frame, "data": {**frame["data"], "coin": "kPEPE"}},
                [["tick", "KPEPE", None, None, 1_793_750_400_000, "hyperliquid"]],
            )
        ],
    )
    made.unsubscribe(["kPEPE"])
    check(made, [(frame, [["tick", "KPEPE", None, None, 1_793_750_400_000, "hyperliquid"]])])


def test_secrets_are_in_no_text_of_the_dialect():
    made, _ = dialect("ctrader")
    texts = [repr(made.opening()), repr(made._credentials), repr(made.parse('{"payloadType":2101}', RECEIVED_MS)), repr(SETTINGS)]
    assert "app-1" in texts[1]
    assert not [text for text in texts if "s3cret" in text or "t0ken" in text]


@pytest.mark.parametrize("kind", [str, str.encode])
@pytest.mark.parametrize(
    "frame",
    [
        {"payloadType": 2142, "clientMsgId": "account", "payload": {"errorCode": "s3cret", "description": "t0ken is invalid"}},
        {"payloadType": 2147, "payload": {"reason": "t0ken was revoked"}},
        {"payloadType": 2115, "payload": {"symbol": ["t0ken", {"symbolId": 1, "symbolName": "EURUSD"}]}},
        {"payloadType": 2131, "payload": {"symbolId": "t0ken"}},
        {"payloadType": 2131, "payload": "s3cret"},
        "t0ken",
    ],
)
def test_a_secret_that_ctrader_echoes_is_hidden(frame, kind):
    made, _ = dialect("ctrader")
    try:
        text = repr(made.parse(kind(json.dumps(frame)), RECEIVED_MS))
    except FeedError as error:
        text = str(error)
    assert "(hidden)" in text
    assert "s3cret" not in text
    assert "t0ken" not in text


@pytest.mark.parametrize(
    ("venue", "url", "settings", "text"),
    [
        ("ctrader", "wss://h:5036", FeedSettings(), "setting feed.client_id is empty, and the venue ctrader needs it"),
        ("ctrader", "wss://h:5036", FeedSettings(client_id="a", client_secret="b", token="c"), "setting feed.account is empty"),
        ("ctrader", "ws://h:5036", SETTINGS, "the token is not sent over ws://"),
        ("bitget", "wss://h/ws?instType=SWAP", SETTINGS, "instType is 'SWAP', must be one of SPOT, USDT-FUTURES"),
    ],
)
def test_what_would_certainly_fail_is_refused_at_the_start(venue, url, settings, text):
    with pytest.raises(FeedError, match=re.escape(text)):
        dialect_of(venue, settings)().address(url, ["X"])


def test_ctraders_symbols_wait_until_the_account_is_signed_in():
    made, table = dialect("ctrader")
    assert made.subscribe(["GBPUSD"]) == []
    check(made, table["before"])
    assert [json.loads(send.text) for send in made.subscribe(["gbpusd"])] == table["subscribe"][:1]


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("wss://stream.bybit.com/v5/public/spot", "bybit"),
        ("wss://stream.bybit.com/v5/public/inverse/", "bybit-inverse"),
        ("ws://127.0.0.1:1/bybit", "bybit"),
    ],
)
def test_each_category_of_bybit_is_a_source(url, source):
    made = dialect_of("bybit", SETTINGS)()
    made.address(url, [])
    assert made.source == source


@pytest.mark.parametrize(
    ("host", "source"),
    [
        ("stream.binance.com:9443", "binance"),
        ("fstream.binance.com/public", "binance-futures"),
        ("dstream.binance.com", "binance-coin"),
    ],
)
def test_spot_and_futures_of_binance_have_different_sources(host, source):
    made = dialect_of("binance", SETTINGS)()
    made.address(f"wss://{host}/ws", [])
    (tick,) = made.parse('{"s":"BTCUSDT","b":"1","a":"2"}', RECEIVED_MS)
    assert (tick.symbol, tick.source) == ("BTCUSDT", source)


def test_a_timer_is_a_text_and_the_seconds_until_it_is_due_again():
    assert Timer("ping", 20.0) in dialect_of("okx", SETTINGS)().timers

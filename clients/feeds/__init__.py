"""Feeds, the pure parts: one dialect per venue, tick files, health, the pacing of replays, what the broker has not confirmed."""

from collections.abc import Callable

from clients.feeds.binance import Binance
from clients.feeds.coinbase import Coinbase
from clients.feeds.events import Dialect
from clients.feeds.fx import FxBackend
from clients.feeds.kraken import Kraken, KrakenV1
from clients.feeds.oanda import Oanda
from clients.feeds.plain_json import PlainJson

VENUES: dict[str, Callable[[], Dialect]] = {
    "binance": Binance,
    "kraken": Kraken,
    "kraken-v1": KrakenV1,
    "coinbase": Coinbase,
    "oanda": Oanda,
    "fx": FxBackend,
    "json": PlainJson,
}

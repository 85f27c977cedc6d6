"""All venues, by their names in `hulak feed --venue`."""

from collections.abc import Callable

from hulak.clients.feeds.venues.binance import Binance
from hulak.clients.feeds.venues.coinbase import Coinbase
from hulak.clients.feeds.venues.dialect import Dialect
from hulak.clients.feeds.venues.fx import FxBackend
from hulak.clients.feeds.venues.kraken import Kraken, KrakenV1
from hulak.clients.feeds.venues.oanda import Oanda
from hulak.clients.feeds.venues.plain_json import PlainJson

VENUES: dict[str, Callable[[], Dialect]] = {
    "binance": Binance,
    "kraken": Kraken,
    "kraken-v1": KrakenV1,
    "coinbase": Coinbase,
    "oanda": Oanda,
    "fx": FxBackend,
    "json": PlainJson,
}

"""All venues, by their names in `hulak feed --venue`."""

from collections.abc import Callable
from functools import partial

from hulak.bus.process.settings import FeedSettings
from hulak.clients.feeds.venues.binance import Binance
from hulak.clients.feeds.venues.bitget import Bitget
from hulak.clients.feeds.venues.bybit import Bybit
from hulak.clients.feeds.venues.ccxt_quotes import CcxtQuotes
from hulak.clients.feeds.venues.coinbase import Coinbase
from hulak.clients.feeds.venues.ctrader import Credentials, CTrader
from hulak.clients.feeds.venues.deribit import Deribit
from hulak.clients.feeds.venues.dialect import Dialect
from hulak.clients.feeds.venues.fx import FxBackend
from hulak.clients.feeds.venues.hyperliquid import Hyperliquid
from hulak.clients.feeds.venues.kraken import Kraken, KrakenV1
from hulak.clients.feeds.venues.oanda import Oanda
from hulak.clients.feeds.venues.okx import Okx
from hulak.clients.feeds.venues.plain_json import PlainJson

VENUES: dict[str, Callable[[], Dialect]] = {
    "binance": Binance,
    "kraken": Kraken,
    "kraken-v1": KrakenV1,
    "coinbase": Coinbase,
    "okx": Okx,
    "bybit": Bybit,
    "bitget": Bitget,
    "hyperliquid": Hyperliquid,
    "deribit": Deribit,
    "ctrader": CTrader,
    "oanda": Oanda,
    "fx": FxBackend,
    "json": PlainJson,
}
CCXT = "ccxt:"  # followed by ccxt's name of an exchange


def dialect_of(venue: str, settings: FeedSettings) -> Callable[[], Dialect]:
    """Return what makes a venue's dialect, with the credentials of the settings where it signs in itself.

    Args:
        venue: one of `VENUES`, or `CCXT` and an exchange.
        settings: of the feed.
    """
    if venue.startswith(CCXT):
        return CcxtQuotes
    if venue != "ctrader":
        return VENUES[venue]
    credentials = Credentials(settings.client_id, settings.client_secret, settings.token, settings.account)
    return partial(CTrader, credentials)

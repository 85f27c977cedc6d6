"""The formats of a venue's quotes."""

from enum import Enum


class Form(Enum):
    """Format of the quotes for a client."""

    RAW = "raw"  # Binance's
    COMBINED = "combined"  # Binance's, inside an object with the stream's name
    JSON = "json"
    FX = "fx"  # the FX backend's
    OKX = "okx"
    BYBIT = "bybit"
    BITGET = "bitget"
    HYPERLIQUID = "hyperliquid"
    DERIBIT = "deribit"
    CTRADER = "ctrader"

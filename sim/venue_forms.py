"""The forms in which a venue writes quotes."""

from enum import Enum


class Form(Enum):
    """How quotes are written for a client."""

    RAW = "raw"  # Binance's
    COMBINED = "combined"  # Binance's, with the stream's name around it
    JSON = "json"
    FX = "fx"  # the FX backend's

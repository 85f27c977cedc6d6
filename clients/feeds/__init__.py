"""Feeds, the pure parts: one parser per venue, tick files, the pacing of replays, the outbox of what is unconfirmed."""

from collections.abc import Callable

from clients.feeds.binance import BinanceParser
from clients.feeds.parser import Parser
from clients.feeds.plain_json import JsonParser

PARSERS: dict[str, Callable[[], Parser]] = {"binance": BinanceParser, "json": JsonParser}

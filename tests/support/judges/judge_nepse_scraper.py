"""Judge: nepse-scraper 1.0.0, with its own decoder (WAT) and formulas."""

import datetime as dt
import sys
from functools import partial

from nepse_scraper import NepseScraper, core
from results import judge

PLAIN = [
    "is_market_open",
    "get_today_price",
    "get_live_trades",
    "get_sectorwise_summary",
    "get_market_summary_history",
    "get_company_disclosures",
    "get_market_summary",
    "get_all_securities",
    "get_market_cap",
    "get_brokers",
    "get_sectors",
    "get_sector_indices",
    "get_live_indices",
    "get_nepse_index",
    "get_securities_list",
    "get_supply_demand",
    "get_top_by_trade_quantity",
    "get_trading_average",
    "get_notices",
    "get_info_officers",
]
CATEGORIES = ("top_gainer", "top_loser", "top_turnover", "top_trade", "top_transaction")


def main():
    """Make its 33 calls."""
    core.ROOT_URL = sys.argv[1]
    client = NepseScraper()
    today = dt.datetime.now(dt.timezone(dt.timedelta(hours=5, minutes=45))).date()
    days = (str(today - dt.timedelta(days=60)), str(today))
    calls = {name: getattr(client, name) for name in PLAIN}
    calls |= {f"get_top_stocks {category}": partial(client.get_top_stocks, category) for category in CATEGORIES}
    calls |= {
        "get_ticker_info": partial(client.get_ticker_info, "nabil"),
        "get_ticker_contact": partial(client.get_ticker_contact, "NABIL"),
        "get_ticker_price_history": partial(client.get_ticker_price_history, "NABIL", *days),
        "get_indices_history": partial(client.get_indices_history, 58, *days),
        "get_security_daily_trade_stat": partial(client.get_security_daily_trade_stat, "NABIL"),
        "get_live_indices 51": partial(client.get_live_indices, 51),
        "get_today_price of a day": partial(client.get_today_price, str(_weekday(today))),
        "call_endpoint": partial(client.call_endpoint, "nepse_index_api"),
    }
    judge(calls)


def _weekday(day):
    """Return the last Tuesday to Thursday before a day."""
    day -= dt.timedelta(days=1)
    while day.weekday() not in {1, 2, 3}:
        day -= dt.timedelta(days=1)
    return day


main()

"""Judge: nepse-data-api 1.0.0.4, with its own decoder (WASM) and formulas.

It prints the errors of most calls and returns an empty list or map: such a call has failed.
"""

import asyncio
import datetime as dt
import sys
from functools import partial

from nepse_data_api import AsyncNepse, Nepse
from results import judge

PLAIN = [
    "get_market_status",
    "get_market_summary",
    "get_top_gainers",
    "get_top_losers",
    "get_nepse_index",
    "get_today_price",
    "get_stocks",
    "get_price_volume",
    "get_sub_indices",
    "get_top_turnover",
    "get_top_trade",
    "get_top_transaction",
    "get_marcapbydate",
    "get_company_list",
    "get_security_list",
    "get_promoter_list",
    "get_news_alerts",
    "get_sector_list",
    "get_all_indices",
    "get_index_history",
    "get_press_releases",
    "get_floorsheet",
]
CACHED = ("get_market_status", "get_today_price", "get_stocks", "get_nepse_index", "get_company_list")
ASYNC = [
    "get_market_status",
    "get_market_summary",
    "get_nepse_index",
    "get_sub_indices",
    "get_promoter_list",
    "get_today_price",
    "get_live_market",
    "get_top_gainers",
]


def main():
    """Make its calls."""
    Nepse.BASE_URL = AsyncNepse.BASE_URL = sys.argv[1]
    client, later = Nepse(), AsyncNepse()
    today = dt.datetime.now(dt.timezone(dt.timedelta(hours=5, minutes=45))).date()
    day = str(today - dt.timedelta(days=today.weekday() + 5))  # Wednesday of last week
    calls = {name: getattr(client, name) for name in PLAIN}
    calls |= {f"{name} uncached": partial(getattr(client, name), use_cache=False) for name in CACHED}
    calls |= {
        "get_today_price of a day": partial(client.get_today_price, date=day),
        "get_stocks of a day": partial(client.get_stocks, date=day),
        "get_daily_trade": partial(client.get_daily_trade, day),
        "get_company_news": partial(client.get_company_news, "NABIL"),
        "get_holiday_list": partial(client.get_holiday_list, 2026),
        "get_index_history all": partial(client.get_index_history, "all"),
        "get_security_details": partial(client.get_security_details, 131),
        "get_historical_chart 58": partial(client.get_historical_chart, 58, day, str(today)),
        "get_historical_chart 131": partial(client.get_historical_chart, 131),
        "get_dividends": partial(client.get_dividends, "NABIL"),
        "get_agm": partial(client.get_agm, "NABIL"),
        "get_market_depth": partial(client.get_market_depth, "NABIL"),
        "get_floorsheet NABIL": partial(client.get_floorsheet, "NABIL"),
    }
    calls |= {f"async {name}": partial(_now, getattr(later, name)) for name in ASYNC}
    calls["async get_stock_info"] = partial(_now, partial(later.get_stock_info, "NABIL"))
    calls["refresh_auth_token"] = client.refresh_auth_token
    calls["get_market_summary after the refresh"] = partial(client.get_market_summary, use_cache=False)
    judge(calls, printed_faults=("Error", "No data found"))


def _now(method):
    return asyncio.run(method())


main()

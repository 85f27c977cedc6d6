"""Judge: nepseman-api 1.0.1, asynchronous, with its own decoder (WAT) and formulas."""

import asyncio
import sys
from functools import partial

from nepseman_api import NepseClient
from results import judge

MARKET = [
    "market_status",
    "is_market_open",
    "market_summary",
    "supply_demand",
    "today_price",
    "live_market",
    "price_volume",
    "top_gainers",
    "top_losers",
    "top_turnover",
    "top_trade",
    "top_transaction",
    "nepse_index",
    "nepse_subindices",
    "company_list",
    "security_list",
    "sector_scrips",
    "floor_sheet",
]
OF_A_SECURITY = ("price_history", "market_depth", "company_details", "daily_graph", "floor_sheet_of")
INDICES = ("nepse", "banking", "trading")


def main():
    """Make its 28 calls in one loop: its connections belong to it."""
    loop = asyncio.new_event_loop()
    client = NepseClient(sys.argv[1])

    def now(method, *args, **options):
        return loop.run_until_complete(getattr(client, method)(*args, **options))

    calls = {name: partial(now, name) for name in MARKET}
    calls |= {name: partial(now, name, "NABIL") for name in OF_A_SECURITY}
    calls["bulk_price_history"] = partial(now, "bulk_price_history", ["NABIL", "nabil"])
    calls["floor_sheet page 1"] = partial(now, "floor_sheet", page=1)
    calls |= {f"index_graph {index}": partial(now, "index_graph", index) for index in INDICES}
    judge(calls)
    loop.run_until_complete(client.close())


main()

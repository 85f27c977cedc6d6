"""Judge: nepse-client 0.1.4, its synchronous client, with its own decoder (WASM) and formulas."""

import sys
from functools import partial

from nepse_client import NepseClient
from results import judge

HELPERS = {"getAuthorizationHeaders", "getDummyData", "getDummyID", "getPOSTPayloadID", "getPOSTPayloadIDForFloorSheet"}
HELPERS |= {"getPOSTPayloadIDForScrips"}
ARGUMENTS = {
    **dict.fromkeys(("getCompanyAGM", "getCompanyDividend", "getCompanyFinancialDetails", "getCompanyMarketDepth"), ("131",)),
    **dict.fromkeys(("getCompanyDetails", "getCompanyPriceVolumeHistory", "getDailyScripPriceGraph"), ("NABIL",)),
    **dict.fromkeys(("getFloorSheetOf", "getSymbolMarketDepth"), ("NABIL",)),
    "getHolidayList": (2026,),
}


def main():
    """Make its 54 calls."""
    client = NepseClient()
    client.base_url = sys.argv[1]
    client.headers["Host"] = sys.argv[1].partition("://")[2]
    names = [name for name in dir(client) if name.startswith("get") and name[3].isupper() and name not in HELPERS]
    calls = {name: partial(getattr(client, name), *ARGUMENTS.get(name, ())) for name in names}
    calls["getFloorSheet page 1"] = partial(client.getFloorSheet, page=1)
    calls["getDebentureAndBondList govBonds"] = partial(client.getDebentureAndBondList, "govBonds")
    judge(calls)


main()

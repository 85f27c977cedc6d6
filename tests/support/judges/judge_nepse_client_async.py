"""Judge: nepse-client 0.1.4, its asynchronous client."""

import asyncio
import sys
from functools import partial

from nepse_client import AsyncNepseClient
from results import judge

HELPERS = {"getAuthorizationHeaders", "getDummyData", "getDummyID", "getPOSTPayloadID", "getPOSTPayloadIDForFloorSheet"}
HELPERS |= {"getPOSTPayloadIDForScrips"}
OF_A_SECURITY = {"getCompanyDetails", "getCompanyPriceVolumeHistory", "getDailyScripPriceGraph", "getFloorSheetOf"}
OF_A_SECURITY |= {"getSymbolMarketDepth"}


def main():
    """Make its 24 calls in one loop: its connections belong to it."""
    loop = asyncio.new_event_loop()
    client = AsyncNepseClient()
    client.base_url = sys.argv[1]
    client.headers["Host"] = sys.argv[1].partition("://")[2]

    def now(name):
        given = ("NABIL",) if name in OF_A_SECURITY else ()
        return loop.run_until_complete(getattr(client, name)(*given))

    names = [name for name in dir(client) if name.startswith("get") and name[3].isupper() and name not in HELPERS]
    judge({name: partial(now, name) for name in names})
    loop.run_until_complete(client.close())


main()

#!/bin/bash
# ccxt 4.5.90 (ccxt.pro): watch_bids_asks returns the oldest quote of a burst, and says nothing of the newest.
#
# A call waits on one future. The first message of a burst resolves it with its own value; the messages that arrive before the
# caller asks again find no future and are only stored. The next call waits for the next change. So after a burst a program that
# follows the documented loop (`while True: await exchange.watch_bids_asks(symbols)`) keeps a price that is no longer quoted, for
# as long as the market is quiet. The name and the documentation ("watches best bid and ask") let one expect the newest value.
#
# What to do: read the exchange's table, `exchange.bidsasks[symbol]`, which has the newest value.
#
# The exchange here is a server on this machine that sends 100 book tickers in Binance's form; the markets are set by hand.
# Seen: "1 of 100 quotes returned: bid 100.0; the table has bid 199.0". Fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q --disable-pip-version-check install ccxt==4.5.90 2>/dev/null
"$folder/venv/bin/python" - <<'P'
import asyncio
import json

import ccxt.pro
from aiohttp import web

COUNT = 100
NONE = dict.fromkeys(["inverse", "linear", "subType", "settle"])
FALSE = dict.fromkeys(["margin", "swap", "future", "option", "contract"], False)
MARKET = {
    **{"id": "BTCUSDT", "lowercaseId": "btcusdt", "symbol": "BTC/USDT", "base": "BTC", "quote": "USDT"},
    **{"baseId": "BTC", "quoteId": "USDT", "type": "spot", "spot": True, "active": True, "limits": {}, "info": {}},
    **{"precision": {"amount": 1e-8, "price": 0.01}, **NONE, **FALSE},
}


async def serve(request):
    client = web.WebSocketResponse()
    await client.prepare(request)
    async for message in client:
        await client.send_json({"result": None, "id": json.loads(message.data)["id"]})
        for number in range(COUNT):
            quote = {"u": number, "s": "BTCUSDT", "b": str(100 + number), "B": "1", "a": str(101 + number), "A": "1"}
            await client.send_json(quote)
    return client


async def main():
    application = web.Application()
    application.router.add_get("/{rest:.*}", serve)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    exchange = ccxt.pro.binance()
    exchange.urls["api"]["ws"]["spot"] = f"ws://127.0.0.1:{runner.addresses[0][1]}/ws"
    exchange.set_markets([MARKET])
    bids = []
    try:
        while True:
            values = await asyncio.wait_for(exchange.watch_bids_asks(["BTC/USDT"]), 3)
            bids.append(values["BTC/USDT"]["bid"])
    except asyncio.TimeoutError:
        newest = exchange.bidsasks["BTC/USDT"]["bid"]
    await exchange.close()
    await runner.cleanup()
    print(f"{len(bids)} of {COUNT} quotes returned: bid {bids[-1]}; the table has bid {newest}")
    assert len(bids) < COUNT and bids[-1] != newest == 199.0, "the newest quote is returned now"


asyncio.run(main())
P

"""A feed that counts: `python -m trial_feed LOG RATE SYMBOLS`; SIGTERM ends it when all is confirmed.

It posts through the real `TickPublisher`. The bid of each tick counts the ticks of its symbol. LOG is written as `checker`
reads it.
"""

import asyncio
import json
import signal
import sys
import time
from pathlib import Path

from hulak.bus.process import load_settings, log
from hulak.bus.process.home import default_home
from hulak.bus.wire.messages import Tick
from hulak.clients.feeds.publisher import ASK_S, TickPublisher

TURN_S = 0.005
LONGEST_S = 1200  # it ends then in any case
CONFIRM_S = 30  # for the last ticks to be confirmed


class Driver:
    """Posts at a steady rate, symbol by symbol."""

    def __init__(self, post, file, rate, symbols):
        self.post = post
        self.file = file
        self.rate = rate
        self.symbols = [f"SYM{at:02d}" for at in range(symbols)]
        self.counts = dict.fromkeys(self.symbols, 0)
        self.posted = 0
        self.confirmed = 0
        self.stopping = False

    def one(self):
        symbol = self.symbols[self.posted % len(self.symbols)]
        self.posted += 1
        self.counts[symbol] += 1
        bid = self.counts[symbol]
        self.post.post(Tick(symbol, float(bid), bid + 0.5, time.time_ns() // 1_000_000, "trial"), time.time_ns())
        self.file.write(f'{{"event":"attempt","symbol":"{symbol}","bid":{bid},"time":{time.monotonic():.6f}}}\n')

    def note(self):
        confirmed = self.post.link.unconfirmed.oldest - 1
        if confirmed != self.confirmed:
            self.confirmed = confirmed
            self.file.write(json.dumps({"event": "confirmed", "upto": confirmed, "time": round(time.monotonic(), 6)}) + "\n")
            self.file.flush()

    async def run(self):
        await self.post.connect()
        self.file.write(json.dumps({"event": "connected", "time": time.monotonic()}) + "\n")
        self.file.flush()
        began = kept = time.monotonic()
        while not self.stopping and (now := time.monotonic()) < began + LONGEST_S:
            while self.posted < (now - began) * self.rate:
                self.one()
            if now - kept >= ASK_S:
                kept = now
                self.keep()
            await asyncio.sleep(TURN_S)
        deadline = time.monotonic() + CONFIRM_S
        while len(self.post.link.unconfirmed) and time.monotonic() < deadline:
            self.keep()
            await asyncio.sleep(0.1)
        self.note()

    def keep(self):
        self.post.keep()
        self.note()


async def main(path, rate, symbols):
    home = default_home()
    settings = load_settings.load(home)
    with path.open("w", encoding="ascii") as file:
        post = TickPublisher(settings, home, "trial", log.set_up(settings.log, process="trial"))
        driver = Driver(post, file, rate, symbols)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: setattr(driver, "stopping", True))
        try:
            await driver.run()
        finally:
            post.close()
    return 0 if not len(post.link.unconfirmed) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))))

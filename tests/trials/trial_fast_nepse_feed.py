"""The NEPSE feed by a faster clock: `python -m trial_fast_nepse_feed EPOCH_S BEGAN_S FASTER`; SIGTERM ends it.

EPOCH_S is the exchange's time, in seconds since 1970 UTC, at BEGAN_S of the system's monotonic clock.
"""

import asyncio
import sys
import time

from hulak.bus.process import load_settings
from hulak.bus.process.home import default_home
from hulak.clients.feeds import process
from hulak.clients.feeds.nepse.feed import NepseFeed


def main(epoch_s, began_s, faster):
    def feed(*args, clock, **options):
        del clock
        return NepseFeed(
            *args,
            **options,
            clock=lambda: epoch_s + faster * (time.monotonic() - began_s),
            sleep=lambda seconds: asyncio.sleep(seconds / faster),
        )

    process.NepseFeed = feed
    home = default_home()
    process.run_nepse(load_settings.load(home), home)


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))

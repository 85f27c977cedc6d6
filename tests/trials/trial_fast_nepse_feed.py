"""The NEPSE feed by the clock of a trial: `python -m trial_fast_nepse_feed CLOCK FASTER`; SIGTERM ends it.

CLOCK is the file of a `SharedClock`, which runs at most FASTER times as fast as the real time.
"""

import asyncio
import sys

from shared_clock import SharedClock

from hulak.bus.process import load_settings
from hulak.bus.process.home import default_home
from hulak.clients.feeds import process
from hulak.clients.feeds.nepse.feed import NepseFeed

LOOK_S = 0.02  # between two looks at a clock that waits


def main(path, faster):
    clock = SharedClock(path)

    async def sleep(seconds):
        until = clock.read() + seconds
        while (left_s := until - clock.read()) > 0:  # noqa: ASYNC110 - the clock is another process's
            await asyncio.sleep(max(left_s / faster, LOOK_S))

    def feed(*args, **options):
        return NepseFeed(*args, **(options | {"clock": clock.read, "sleep": sleep}))

    process.NepseFeed = feed
    home = default_home()
    process.run_nepse(load_settings.load(home), home)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))

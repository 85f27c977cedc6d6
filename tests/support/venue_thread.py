"""A simulated venue in a thread of the test, so that the test can let it fail at will."""

import asyncio
import threading

from hulak.sim.fx_market import Market
from hulak.sim.venue import serve_venue

LIMIT_S = 10.0


class VenueThread:
    """A venue with a separate event loop; a context manager.

    Args:
        port: 0 for a free one.
        heartbeat_s: between heartbeats of the protocols that have them.
        source: of its quotes; a lively market if None.
        how: further arguments of `serve_venue`.
    """

    def __init__(self, port=0, heartbeat_s=0.1, source=None, **how):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.venue = self._do(serve_venue("127.0.0.1", port, source or Market(1, 1000.0), heartbeat_s=heartbeat_s, **how))
        self.port = self.venue.port

    def _do(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(LIMIT_S)

    def url(self, path="/fx"):
        """Return the address of one of its paths."""
        return f"ws://127.0.0.1:{self.port}{path}"

    def call(self, function, *args):
        """Call a function in the venue's thread."""

        async def work():
            return function(*args)

        return self._do(work())

    def quiet(self, value):
        """Stop the quotes, or let them go on."""
        self.call(setattr, self.venue, "quiet", value)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._do(self.venue.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(LIMIT_S)
        self._loop.close()

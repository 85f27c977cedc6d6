"""Random ticks of some symbols on a real bus, and what displays must make of them."""

import random

from waiting import eventually

from hulak.bus.wire import codec
from hulak.clients.displays.client import SOURCE
from hulak.workers.display.quantities.state import DisplayConfig, DisplayState, Init

SYMBOLS = ("EURUSD", "USDJPY", "BTC", "BTC-PERP")
MIDNIGHT_MS = 1_700_006_400_000


class Market:
    """Random ticks of some symbols, and what a display makes of them without any process."""

    def __init__(self, seed):
        self.draw = random.Random(seed)
        self.ticks = []  # (symbol, bid, ask, timestamp)
        self.at_ms = MIDNIGHT_MS - 5000  # so that midnight passes
        self.folded = {}  # (symbol, number of ticks) -> what a display shows

    def more(self, count):
        new = []
        for _ in range(count):
            self.at_ms += self.draw.randrange(40)
            bid = round(1.1 + self.draw.gauss(0, 0.001), 5)
            new.append((self.draw.choice(SYMBOLS), bid, round(bid + 0.0001, 5), self.at_ms))
        self.ticks += new
        return new

    def dispatch(self, displays, count):
        new = self.more(count)
        for symbol in SYMBOLS:  # in blocks: the order between symbols is another, that within each is kept
            own = [{"bid": bid, "ask": ask, "timestamp": at} for name, bid, ask, at in new if name == symbol]
            displays.dispatch_ticks(symbol, own)

    def wanted(self, symbol):
        """Return what a display of a symbol must show; it is folded once for a number of ticks."""
        key = symbol, len(self.ticks)
        if key not in self.folded:
            state = DisplayState(symbol, Init.from_values(symbol, {}), DisplayConfig())
            for name, bid, ask, at in self.ticks:
                if name == symbol:
                    state.fold(bid, ask, at, at, source=SOURCE)
            self.folded[key] = codec.unpack(codec.pack(state.snapshot()))
        return self.folded[key]


def start_workers(local_bus, *names):
    started = {name: local_bus.hulak("worker", "display", "--name", name) for name in names}
    eventually(lambda: {row["name"] for row in local_bus.stats()["workers"]} >= set(names), within_s=20)
    return started


def differs(displays, market, shown):
    """Name the displays whose state is not, or not yet, what it must be."""
    result = []
    for display, symbol in shown.items():
        state, wanted = displays.state(display), market.wanted(symbol)
        if state is None or state["catching_up"] or {name: state[name] for name in wanted} != wanted:
            result.append(display)
    return result

"""Random walks of 24 symbols, as the displays of the page's own gateway."""

import math
import time

PAIRS = {
    "EURUSD": 1.08541, "GBPUSD": 1.26318, "USDJPY": 151.214, "AUDUSD": 0.65532, "NZDUSD": 0.60127, "USDCAD": 1.35748,
    "USDCHF": 0.88164, "EURGBP": 0.85921, "EURJPY": 164.129, "GBPJPY": 191.007, "AUDJPY": 99.086, "EURAUD": 1.65631,
    "EURCHF": 0.95691, "AUDNZD": 1.08988, "CADJPY": 111.393, "CHFJPY": 171.512, "EURCAD": 1.47340, "EURNZD": 1.80518,
    "GBPAUD": 1.92757, "GBPCAD": 1.71475, "GBPCHF": 1.11367, "NZDJPY": 90.921, "XAUUSD": 2345.678, "BTCUSD": 118780.01,
}  # fmt: skip


class Market:
    """One display's symbol: a random walk, and the state that the page receives."""

    def __init__(self, display, symbol, price, draw):
        digits = 2 if price > 10_000 else 3 if price > 90 else 5
        self.draw, self.unit, self.digits = draw, 10.0**-digits, digits
        adr = round(price * draw.uniform(0.005, 0.009) / self.unit) * self.unit
        self.moves, self.volatility, self.twap = [0.0] * 50, 0.5, [0.0, 0]
        self.bucket = max(self.unit, self.unit * 10 ** max(0, round(math.log10(adr / self.unit / 150))))
        self.levels, self.changed = {}, set()
        self.state = {
            "display": display,
            "symbol": symbol,
            "digits": digits,
            "ready": True,
            "catching_up": False,
            "number": 0,
            "ticks": 0,
            "price": price,
            "open": price,
            "high": price,
            "low": price,
            "adr_high": price + adr / 2,
            "adr_low": price - adr / 2,
            "adr_source": "given",
            "config_version": 3,
            "flash": None,
            "deflection": {"up": 0.0, "down": 0.0, "at": 0},
        }
        for _ in range(3000):  # a morning's worth, so that there is a profile to look at
            self.tick(0.0, adr / self.unit / 120)
        self.changed.clear()

    def tick(self, now_ms, step=4.0):
        """Move, and compute what the page shows; roughly as a display does."""
        state = self.state
        pull = (state["open"] - state["price"]) / self.unit / 400
        move = round(self.draw.gauss(pull, step))
        price = round(state["price"] + move * self.unit, self.digits)
        state |= {
            "price": price,
            "bid": price,
            "ask": price + 8 * self.unit,
            "mid": price + 4 * self.unit,
            "spread": 8 * self.unit,
        }
        state["direction"] = "up" if move > 0 else "down" if move < 0 else "neutral"
        state["high"], state["low"] = max(state["high"], price), min(state["low"], price)
        state |= {"number": state["number"] + 1, "ticks": state["ticks"] + 1, "timestamp": int(now_ms), "received_ms": now_ms}
        self.moves = [*self.moves[1:], abs(move)]
        raw = min(sum(self.moves) / 50 / 2, 3) * 0.6 + self.draw.random() * 1.2
        self.volatility = max(0.05, self.volatility * 0.8 + raw * 0.2)
        state |= {"volatility": self.volatility, "volatility_intensity": min(1, self.volatility / 3.5), "ticks_per_s": 41.7}
        state["deflection"] = {"up": max(self.moves[-9:]), "down": max(self.moves[-5:]), "at": 0}
        flash = {"magnitude": abs(move) / 10, "direction": state["direction"], "id": state["number"]}
        state["flash"] = flash if abs(move) > 12 else None
        self.twap = [self.twap[0] + price, self.twap[1] + 1]
        index = round(price / self.unit) // round(self.bucket / self.unit)
        level = self.levels.setdefault(index, [0, 0, 0])
        level[0] += 1
        level[1] += move > 0
        level[2] += move < 0
        self.changed.add(index)

    def state_of(self, *, whole):
        """Return the state for one client."""
        state = self.state
        reach = (state["adr_high"] - state["adr_low"]) / 2
        away = abs(state["price"] - state["open"]) / (reach * 2)
        tier = 1.0 if away > 0.75 else 0.75 if away > 0.5 else 0.5 if away > 0.3 else 0.3
        high, low = max(state["open"] + reach * tier, state["high"]), min(state["open"] - reach * tier, state["low"])
        pad = (high - low) * 0.05
        top = max(self.levels, key=lambda index: self.levels[index][0])
        ranked = sorted(self.levels, key=lambda index: -self.levels[index][0])[: max(1, len(self.levels) // 2)]
        shown = {
            **state,
            "visual_high": high + pad,
            "visual_low": low - pad,
            "adr_tier": tier,
            "twap": self.twap[0] / self.twap[1],
            "published_ms": time.time() * 1000,
            "poc": top * self.bucket,
            "value_area": {"high": max(ranked) * self.bucket, "low": min(ranked) * self.bucket},
        }
        if whole:
            levels = [[index, *level] for index, level in sorted(self.levels.items())]
            shown["profile"] = {"bucket": self.bucket, "ticks": state["ticks"], "levels": levels}
        elif self.changed:
            levels = [[index, *self.levels[index]] for index in sorted(self.changed)]
            shown["profile_delta"] = {"ticks": state["ticks"], "levels": levels}
        return shown


SECONDS = {"1s": 1, "1m": 60, "5m": 300, "1h": 3600, "1d": 86400}


def bar_of(market, topic):
    """Return the bar of the present interval, in the form of its topic."""
    interval = topic.split(".")[1]
    length = SECONDS[interval] * 1000
    return _bar(market, interval, int(time.time() * 1000) // length * length, market.state["price"], market.state["price"])


def past_bars(market, topic, count=60):
    """Return the bars before that one: a random walk to the present price."""
    present = bar_of(market, topic)
    length, close = present["end"] - present["start"], market.state["price"]
    bars = []
    for at in range(1, count + 1):
        before = round(close + market.draw.gauss(0, 12) * market.unit, market.digits)
        bars.append(_bar(market, present["interval"], present["start"] - at * length, before, close))
        close = before
    return bars[::-1]


def _bar(market, interval, start, first, last):
    reach = 3 * market.unit
    prices = [first, max(first, last) + reach, min(first, last) - reach, last]
    head = {"topic": f"bar.{interval}.{market.state['symbol']}", "symbol": market.state["symbol"], "interval": interval}
    return {
        **head,
        "start": start,
        "end": start + SECONDS[interval] * 1000,
        "bid": prices,
        "ask": prices,
        "mid": prices,
        "ticks": 9,
    }

"""A simulated market of the 28 pairs of the 8 major currencies; seeded, pure, in simulated seconds.

Each currency has one hidden value, and the fair price of a pair is the ratio of two of them, so that all cross rates agree. The
model:

* Ticks arrive in bursts: a Hawkes process. Each tick excites more ticks for about a tenth of a second, and news multiplies the
  flow for a second or two. The average of all is the given rate.
* Volatility clusters: the variance of each currency follows a GARCH(1,1) recursion, and news raises it.
* Spreads widen with volatility and differ by pair.
* Values revert to their start (by half in four hours), so that a market that runs for months stays plausible.

The same seed gives the same quotes, for any sequence of time steps.
"""

import math
import random
from dataclasses import dataclass
from itertools import accumulate

from hulak.bus.errors import ConfigError

START_USD = {  # value of one unit in US dollars when the market opens, in the order in which pairs are quoted
    "EUR": 1.0850,
    "GBP": 1.2700,
    "AUD": 0.6600,
    "NZD": 0.6100,
    "USD": 1.0,
    "CAD": 1 / 1.3600,
    "CHF": 1 / 0.8900,
    "JPY": 1 / 150.00,
}
ACTIVITY = {"EUR": 5.0, "GBP": 3.0, "AUD": 2.0, "NZD": 1.2, "USD": 8.0, "CAD": 1.8, "CHF": 1.5, "JPY": 4.0}

EXCITED = 0.6  # average number of ticks that a tick excites; below 1, or the flow would diverge
EXCITED_DECAY = 10.0  # per second: excited ticks follow within about a tenth of a second
NEWS_EVERY_S = 20.0  # on average
NEWS_DECAY = 1.0  # per second
NEWS_KICK = (2.0, 9.0)  # range of the flow that news adds to the base flow, in multiples of the rate; uniform
NEWS_HOT = 0.7  # share of ticks of the currency in the news, immediately after it

DAILY_VOLATILITY = 0.012  # of a currency's value; about twice the real one, so that a short demo shows moves
GARCH_REACTION = 0.04
GARCH_MEMORY = 0.955  # the sum with the reaction is just below 1: clusters of some hundred ticks of a currency
NEWS_VARIANCE = 9.0  # news raises the variance to this multiple of its usual level
NEWS_JUMP = 0.0004  # standard deviation, of the currency's value: about four pips of EURUSD
MOST_VARIANCE = 30.0
MEAN_REVERSION = math.log(2) / (4 * 3600)  # per second

MOST_RATE = 100_000.0
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Quote:
    """One quote of the simulated market."""

    symbol: str  # e.g. "EURUSD"
    bid: float  # quote currency, rounded to `digits`
    ask: float  # quote currency, rounded to `digits`, above the bid
    time_s: float  # seconds since the market opened
    digits: int  # decimals of the prices: 3 for pairs in JPY, otherwise 5


@dataclass(frozen=True, slots=True)
class Pair:
    """One currency in terms of another."""

    base: str
    quote: str
    weight: float  # relative share of the ticks without news
    spread: int  # at usual volatility, in steps of the last digit

    @property
    def symbol(self) -> str:
        """The pair's name, e.g. "EURUSD"."""
        return self.base + self.quote

    @property
    def digits(self) -> int:
        """Decimals of its prices."""
        return 3 if self.quote == "JPY" else 5


def _pairs() -> tuple[Pair, ...]:
    names = list(START_USD)
    pairs = []
    for at, base in enumerate(names):
        for quote in names[at + 1 :]:
            weight = ACTIVITY[base] * ACTIVITY[quote]
            # Busy pairs are the tight ones: EURUSD 0.6 pips, NZDCHF 2.8.
            pairs.append(Pair(base, quote, weight, round(38 / math.sqrt(weight))))
    return tuple(pairs)


def _running_sums(pairs: tuple[Pair, ...]) -> list[float]:
    return list(accumulate(pair.weight for pair in pairs))


PAIRS = _pairs()
_WEIGHTS = _running_sums(PAIRS)


class _Currency:
    """The hidden value of one currency and its volatility."""

    __slots__ = ("at_s", "home", "value", "variance")

    def __init__(self, name: str) -> None:
        self.home = self.value = math.log(START_USD[name])
        self.variance = 1.0  # relative to its usual level
        self.at_s = 0.0

    def shock(self, normal: float, usual: float, now_s: float) -> None:
        self.value = self.home + (self.value - self.home) * math.exp(-MEAN_REVERSION * (now_s - self.at_s))
        self.value += math.sqrt(self.variance) * usual * normal
        self.variance = min(
            MOST_VARIANCE,
            1 - GARCH_REACTION - GARCH_MEMORY + (GARCH_REACTION * normal * normal + GARCH_MEMORY) * self.variance,
        )
        self.at_s = now_s


class Market:
    """The market; its time advances only in `advance`.

    Args:
        seed: seed of the random numbers.
        rate_per_s: average rate of the ticks of all pairs, above 0, at most `MOST_RATE`.
    Raises:
        ConfigError: the rate is out of its bounds.
    """

    def __init__(self, seed: int, rate_per_s: float = 300.0) -> None:
        if not 0 < rate_per_s <= MOST_RATE:
            raise ConfigError(f"rate_per_s is {rate_per_s}, must be above 0 and at most {MOST_RATE:.0f}")
        self._random = random.Random(seed)
        self._now_s = 0.0
        self._rate = rate_per_s
        # Each base tick leads to 1 / (1 - EXCITED) ticks in total; news adds a part of the base ticks.
        news = sum(NEWS_KICK) / 2 * rate_per_s / NEWS_DECAY / NEWS_EVERY_S * (1 - EXCITED)
        self._base = rate_per_s * (1 - EXCITED) - news
        self._excited = rate_per_s * EXCITED  # starts at its average: no warm-up
        self._news = 0.0
        self._flow_at_s = 0.0
        self._hot = PAIRS  # pairs of the currency in the last news
        self._hot_weights = _running_sums(PAIRS)
        self._currencies = {name: _Currency(name) for name in START_USD}
        self._usual = DAILY_VOLATILITY / math.sqrt(rate_per_s * 2 / len(START_USD) * _DAY_S)
        self._next_news_s = self._random.expovariate(1 / NEWS_EVERY_S)
        self._candidate_s, self._bound = 0.0, 0.0
        self._draw_candidate(0.0)

    @property
    def now_s(self) -> float:
        """Seconds since the market opened."""
        return self._now_s

    def advance(self, dt_s: float) -> list[Quote]:
        """Advance the time and return the quotes of that time, oldest first.

        Args:
            dt_s: simulated seconds, not below 0.
        """
        until_s = self._now_s + dt_s
        quotes = []
        while True:
            now_s = min(self._candidate_s, self._next_news_s)
            if now_s > until_s:
                break
            flow = self._decay(now_s)
            if now_s == self._next_news_s:
                self._publish_news(now_s)
            elif self._random.random() * self._bound < flow:  # thinning: the bound held since the last candidate
                self._excited += EXCITED * EXCITED_DECAY
                quotes.append(self._quote(now_s))
            self._draw_candidate(now_s)
        self._now_s = until_s
        return quotes

    def _decay(self, now_s: float) -> float:
        passed_s = now_s - self._flow_at_s
        self._excited *= math.exp(-EXCITED_DECAY * passed_s)
        self._news *= math.exp(-NEWS_DECAY * passed_s)
        self._flow_at_s = now_s
        return self._base + self._excited + self._news

    def _draw_candidate(self, now_s: float) -> None:
        self._bound = self._base + self._excited + self._news  # the flow only falls until the next tick or news
        self._candidate_s = now_s + self._random.expovariate(self._bound)

    def _publish_news(self, now_s: float) -> None:
        """Simulate news about a currency: its value jumps, its flow of ticks rises, and its spreads widen."""
        name = self._random.choices(list(ACTIVITY), list(ACTIVITY.values()))[0]
        currency = self._currencies[name]
        currency.variance = max(currency.variance, NEWS_VARIANCE)
        currency.value += self._random.gauss(0.0, NEWS_JUMP)
        self._hot = tuple(pair for pair in PAIRS if name in (pair.base, pair.quote))
        self._hot_weights = _running_sums(self._hot)
        self._news += self._random.uniform(*NEWS_KICK) * self._rate * (1 - EXCITED)
        self._next_news_s = now_s + self._random.expovariate(1 / NEWS_EVERY_S)

    def _quote(self, now_s: float) -> Quote:
        pair = self._pick()
        base, quote = self._currencies[pair.base], self._currencies[pair.quote]
        base.shock(self._random.gauss(0.0, 1.0), self._usual, now_s)
        quote.shock(self._random.gauss(0.0, 1.0), self._usual, now_s)
        stress = math.sqrt((base.variance + quote.variance) / 2)
        steps = max(1, round(pair.spread * max(0.6, stress) * self._random.uniform(0.8, 1.2)))
        scale = 10**pair.digits
        bid = max(1, round(math.exp(base.value - quote.value) * scale - steps / 2))
        # Whole numbers of steps divided once: the float nearest to the decimal price.
        return Quote(pair.symbol, bid / scale, (bid + steps) / scale, now_s, pair.digits)

    def _pick(self) -> Pair:
        hot = self._news / (self._news + self._base) * NEWS_HOT
        if self._random.random() < hot:
            return self._random.choices(self._hot, cum_weights=self._hot_weights)[0]
        return self._random.choices(PAIRS, cum_weights=_WEIGHTS)[0]

"""The state of one display: a function of its init, its config and its ticks, and of nothing else. Pure, constant cost per tick.

Two clocks, both from the ticks, neither ever going backwards: `timestamp` (the venue's) determines the day and minute; `at_ms`
moves the windows of volatility, flash and deflection (a worker passes the timestamp there too; the original used the arrival).

`tick_filter` has the rule which ticks count, and which may begin a day. A day ends at 00:00 UTC: with the first tick of the next
day, everything is reset except the daily ranges, which get one more day. So today's state depends only on today's ticks and on
`day_init`: a display that is built again from these two has the same state bit for bit (today's ticks: from the first one on, in
their order, late ones too). The first tick of a day has no previous one: its direction is neutral, and it counts no move.

Daily ranges come from the days that the display has seen; to keep them beyond the life of a worker, store `day_init` when it
changes. A changed setting does not recompute the past (smoothing, thresholds); profile and ADR follow at once.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hulak.bus.wire.names import ANY_SOURCE, LONGEST_SOURCE
from hulak.bus.wire.price_digits import OF_VENUES, TICK_SIZES, digits_of
from hulak.workers.display.quantities.adr import DAY_MS, LEAST_MS, DailyRanges, Projection, project
from hulak.workers.display.quantities.day_start import Init
from hulak.workers.display.quantities.deflection import Deflection
from hulak.workers.display.quantities.direction import NAMES, direction
from hulak.workers.display.quantities.display_config import PERCENTAGE, DisplayConfig
from hulak.workers.display.quantities.extremes import Extremes
from hulak.workers.display.quantities.flash import PIPETTES, Flash
from hulak.workers.display.quantities.profile import GENEROUS, SAVING, MarketProfile, Shape
from hulak.workers.display.quantities.rounding import NOISE, whole_pipettes
from hulak.workers.display.quantities.spread import mid, spread, usable
from hulak.workers.display.quantities.tick_filter import AHEAD, FOREVER, LATE, PRICE, SILENT_MS, SOURCE
from hulak.workers.display.quantities.tick_filter import NAMES as LEFT_OUT
from hulak.workers.display.quantities.twap import Twap
from hulak.workers.display.quantities.visual_range import visual_range
from hulak.workers.display.quantities.volatility import Volatility, gain

__all__ = ["DisplayConfig", "DisplayState", "Init"]

LARGEST = 2.0**52  # pipettes: beyond, prices are no longer exact
PLAIN = {  # name in a dump -> attribute
    "price": "price",
    "source": "source",
    "ticks": "ticks",
    "timestamp": "timestamp",
    "day": "_day",
    "seen_from": "_seen_from",
    "bid": "_bid",
    "ask": "_ask",
    "direction": "_direction",
    "tick_size": "tick_size",
    "now_ms": "_now_ms",
}
PARTS = ("ranges", "extremes", "volatility", "twap", "flash", "deflection", "profile")  # each dumps and restores itself


class DisplayState:
    """Everything a display shows of one symbol.

    Args:
        symbol: as in its ticks.
        init: the known values of the day before the first tick.
        config: in force until `configure`.
    """

    price: float | None  # of the newest tick, which is its bid; before the first, of the init
    ticks: int  # of this day
    source: str | None  # the source whose ticks count, or ANY_SOURCE; None: any, before the first tick that counts
    _bid: float | None
    _ask: float | None
    _direction: int
    _now_ms: int
    _given: Projection | None  # the average daily range of the init, for this day
    _extremes: Extremes
    _volatility: Volatility
    _twap: Twap
    _flash: Flash
    _deflection: Deflection
    _profile: MarketProfile

    def __init__(self, symbol: str, init: Init, config: DisplayConfig) -> None:
        self.symbol = symbol
        self.day_init = init  # with today's ticks it gives the same state
        self.left_out = [0] * len(LEFT_OUT)  # ticks of the day that do not count, by reason
        self.timestamp = 0  # the venue's clock, ms
        self.tick_size: float | None = None  # the step of prices at the day's venue, where that is not the last decimal
        self._keep_to(init.kept_source if init.only_source is None else init.only_source)
        self._day: int | None = None  # days since 1970 UTC, of the newest tick
        self._day_begins, self._day_ends = -FOREVER, -FOREVER  # ms; before the first tick any time begins a new day
        self._seen_from = 0  # since when this day's extremes are known
        self.config = config
        known = (init.price, init.open, init.high, init.low)
        self._begin(digits_of(price for price in known if price is not None) if init.digits is None else init.digits)

    def _begin(self, digits: int) -> None:
        """Start, before the first tick, with this number of decimals."""
        init = self.day_init
        self.digits = digits
        self._scale = 10.0**digits
        self._ranges = DailyRanges(digits, init.daily_bars, init.adr_width)
        self._start_day(init)
        self.configure(self.config)

    def configure(self, config: DisplayConfig) -> None:
        """Apply a config: profile and ADR are recomputed at once from the stored ticks, the rest from the next tick on."""
        self.config = config
        self._keep, self._take = config.volatility_smoothing, gain(config.volatility_smoothing)
        self._flash_from = config.flash_threshold * PIPETTES - NOISE if config.show_flash else float("inf")
        self._decay_ms = config.max_marker_decay_s * 1000
        self._profile.configure(self._shape(config))
        self._average = self._ranges.average(self._day, config.adr_lookback_days)

    def fold(
        self, bid: float | None, ask: float | None, at_ms: float, timestamp: int, until_ms: int = FOREVER, source: str = ""
    ) -> None:
        """Fold one tick, or leave it out and count it in `left_out`: `workers.display.quantities.tick_filter` has the rule.

        Args:
            bid, ask: quote currency. A tick without an ask (None, 0, infinite or not a number) has no mid and no spread.
                Crossed and locked quotes count unchanged.
            at_ms: moves the windows; truncated to whole ms.
            timestamp: the venue's clock, ms since 1970 UTC.
            until_ms: the latest `timestamp` that is believed.
            source: the venue.
        """
        if source != self.source and self._one_source and self._is_foreign(source, timestamp):
            self.left_out[SOURCE] += 1
            return
        if not bid or not -LARGEST < (scaled := bid * self._scale) < LARGEST:
            self.left_out[PRICE] += 1
            return
        if timestamp > until_ms:
            self.left_out[AHEAD] += 1
            return
        if timestamp < self._day_begins:
            self.left_out[LATE] += 1
            return
        clock = timestamp if timestamp > self.timestamp else self.timestamp  # noqa: FURB136 - max() costs more
        if clock >= self._day_ends:
            self._turn_day(clock, bid, ask, source)
            scaled = bid * self._scale
        self.timestamp = clock
        now_ms = int(at_ms)
        self._now_ms = now_ms = now_ms if now_ms > self._now_ms else self._now_ms  # noqa: FURB136
        last, self.price = self.price, bid
        self._bid, self._ask = bid, ask
        self._direction = way = direction(last, bid)
        self.ticks += 1
        self._extremes.fold(bid)
        if last is None:
            self._volatility.fold(None, now_ms, self._keep, self._take)
        else:
            move = abs(bid - last) * self._scale
            self._volatility.fold(move, now_ms, self._keep, self._take)
            self._deflection.fold(way, move, now_ms, self._decay_ms)
            if move >= self._flash_from:
                self._flash.fold(move / PIPETTES, NAMES[way], now_ms)
        self._profile.fold(whole_pipettes(scaled), way)
        self._twap.fold(bid, clock)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as a map of plain values; it does not change when further ticks are folded.

        Returns:
            the keys of a display's state that follow from its ticks; the publisher adds display, number, catching_up, times and
            versions. Prices are in quote currency, moves in pipettes, flash in pips; None for an unknown value. `ready` is
            whether there is a price. `source` is the one whose ticks count; None if all do, and before the first tick.
            Levels are [index, volume, buy, sell]; the rest of a volume is from ticks without a change of price.
            `left_out` has the numbers of the day's ticks that do not count, by reason.
        """
        price, extremes, volatility = self.price, self._extremes, self._volatility
        ready = price is not None
        adr = self._projection()
        shown = None
        if price is not None and extremes.open is not None and extremes.high is not None and extremes.low is not None and adr:
            shown = visual_range(price, extremes.open, (adr.high, adr.low), (extremes.high, extremes.low))
        bid, ask = self._bid, self._ask
        return {
            "symbol": self.symbol,
            "source": self.source if self._one_source else None,
            "digits": self.digits,
            "tick_size": self.tick_size,
            "ready": ready,
            "ticks": self.ticks,
            "timestamp": self.timestamp,
            "price": price,
            "bid": bid,
            "ask": ask if ask is not None and usable(ask) else None,
            "mid": mid(bid, ask) if ask is not None and usable(ask) else None,
            "spread": spread(bid, ask, self.digits) if ask is not None and usable(ask) else None,
            "direction": NAMES[self._direction],
            "open": extremes.open,
            "high": extremes.high,
            "low": extremes.low,
            "adr_high": adr.high if adr else None,
            "adr_low": adr.low if adr else None,
            "adr_source": adr.source if adr else None,
            "adr_days": adr.days if adr else 0,
            "adr_tier": shown.tier if shown else None,
            "visual_high": shown.high if shown else None,
            "visual_low": shown.low if shown else None,
            "volatility": volatility.value if ready else None,
            "volatility_intensity": volatility.intensity if ready else None,
            "ticks_per_s": volatility.ticks_per_s,
            "left_out": dict(zip(LEFT_OUT, self.left_out, strict=True)),
            "flash": self._flash.shown(self._now_ms),
            "deflection": self._deflection.shown(),
            "twap": self._twap.value,
            **self._profile.snapshot(self.config.value_area),
        }

    def dump(self) -> dict[str, Any]:
        """Return the complete state as plain values: restored and folded on, they give the same state, bit for bit."""
        return {
            "config": self.config.dump(),
            "day_init": self.day_init.dump(),
            "digits": self.digits,
            "left_out": list(self.left_out),
            **{name: getattr(self, attribute) for name, attribute in PLAIN.items()},
            "given": None if self._given is None else list(self._given),
            **{name: getattr(self, f"_{name}").dump() for name in PARTS},
        }

    def restore(self, dump: Mapping[str, Any]) -> None:
        """Restore, before the first tick, a `dump` of the same symbol.

        Raises:
            KeyError, TypeError, ValueError: it is no `dump` of this symbol.
        """
        config, digits = DisplayConfig(**dump["config"]), self.day_init.digits
        if digits is not None and dump["digits"] != digits:
            raise ValueError(f"the state has {dump['digits']} digits, must have {digits}")
        self.day_init, self.left_out = Init.restored(dump["day_init"]), list(dump["left_out"])
        self._begin(dump["digits"])
        for name, attribute in PLAIN.items():
            setattr(self, attribute, dump[name])
        self._keep_to(self.source)
        if self._day is not None:
            self._set_day(self._day)
        self._given = None if dump["given"] is None else Projection(*dump["given"])
        self._extremes, self._volatility, self._twap = Extremes(), Volatility(), Twap()
        self._flash, self._deflection = Flash(), Deflection()
        self._profile = MarketProfile(self.digits, self._shape(config))
        for name in PARTS:
            getattr(self, f"_{name}").restore(dump[name])
        self.configure(config)

    def _projection(self) -> Projection | None:
        """Project the average daily range: as given for this day, else from the days before, else the day's range so far."""
        if self._given is not None:
            return self._given
        extremes = self._extremes
        if extremes.open is None or extremes.high is None or extremes.low is None:
            return None
        if self._average is not None:
            return project(extremes.open, self._average)
        return Projection(extremes.high, extremes.low, "day", 0)

    def _keep_to(self, source: str | None) -> None:
        self.source, self._one_source = source, source is not None and self.day_init.only_source != ANY_SOURCE

    def _is_foreign(self, source: str, timestamp: int) -> bool:
        """Return whether a tick of another source is left out; see `tick_filter`."""
        if self.day_init.only_source is None and timestamp - (self.timestamp or self.day_init.timestamp) >= SILENT_MS:
            return False
        return source[:LONGEST_SOURCE] != self.source

    def _turn_day(self, clock: int, bid: float, ask: float | None, source: str) -> None:
        """Begin the day of a tick; the previous day is kept as a daily range, if most of it was seen."""
        if self.day_init.only_source is None:
            self._keep_to(source[:LONGEST_SOURCE])
        self.tick_size = TICK_SIZES.get(source)
        before, day = self._day, clock // DAY_MS
        seen = False
        if before is None:
            init = self.day_init
            if init.digits is None:
                quote = (bid, ask) if ask and 0.5 < ask / bid < 2 else (bid,)  # an ask far away is no quote
                self._begin(OF_VENUES.get(source) or digits_of(quote))
            if init.timestamp and init.timestamp // DAY_MS != day:  # of another day: only its daily bars are used
                self._start_day(Init(self.symbol, self.digits))
            seen = self._extremes.high is not None and self._extremes.low is not None
        else:
            extremes = self._extremes
            if extremes.high is not None and extremes.low is not None and self.timestamp - self._seen_from >= LEAST_MS:
                self._ranges.end_day(before, extremes.high, extremes.low, self.config.adr_lookback_days)
            bars, width = tuple(self._ranges.bars), self._ranges.width
            known = Init(self.symbol, self.digits, adr_width=width, daily_bars=bars, timestamp=day * DAY_MS)
            asked, late = self.day_init.only_source, self.day_init.late_ticks
            self.day_init = replace(known, only_source=asked, kept_source=self.source if asked is None else None, late_ticks=late)
            self.left_out = [0] * len(LEFT_OUT)
            self._start_day(self.day_init)
        self._set_day(day)
        self._seen_from = day * DAY_MS if seen else clock
        self._average = self._ranges.average(day, self.config.adr_lookback_days)

    def _shape(self, config: DisplayConfig) -> Shape:
        depth = config.distribution_percentage if config.distribution_depth_mode == PERCENTAGE else None
        step = 1.0 if self.tick_size is None else self.tick_size * self._scale  # pipettes
        return Shape(config.price_bucket_multiplier * step, depth, SAVING if config.memory_optimization else GENEROUS)

    def _set_day(self, day: int) -> None:
        self._day, self._day_ends = day, (day + 1) * DAY_MS
        self._day_begins = -FOREVER if self.day_init.late_ticks else day * DAY_MS

    def _start_day(self, init: Init) -> None:
        self.price = init.price
        self.ticks = 0
        self._bid = self._ask = None
        self._direction = 0
        self._now_ms = 0
        self._given = None
        if init.adr_high is not None and init.adr_low is not None:
            self._given = Projection(init.adr_high, init.adr_low, "given", 0)
        self._extremes = Extremes(init.open, init.high, init.low, init.price)
        self._volatility, self._twap = Volatility(), Twap()
        self._flash, self._deflection = Flash(), Deflection()
        self._profile = MarketProfile(self.digits, self._shape(self.config))
        for bar in init.minute_bars:
            self._profile.fold(whole_pipettes(bar.close * self._scale), direction(bar.open, bar.close), bar.volume)
            if bar.timestamp is not None:
                self._twap.fold(bar.close, bar.timestamp)

"""Whole days of ticks as files, in the forms that real ones have: LEAN's, of two brokers, and TrueFX's.

The days are made, from a seed, with what was counted in real ones: how many ticks, how many at the same millisecond, the
usual spreads, how many crossed and locked, prices without their last zeros and times with fractions of a millisecond.
`sim.fx_market` is not asked: it quotes 28 pairs at once, no gold, and never a crossed quote.
"""

import random
from dataclasses import dataclass
from datetime import UTC, datetime

from vectors import vectors

DAY_MS = 86_400_000


@dataclass(frozen=True)
class Day:
    """One day of one symbol at one broker."""

    name: str  # of the file; it tells the symbol, the day and, for FXCM's, the clock
    count: int  # ticks
    first_ms: int  # of the day
    price: int  # the first bid, in steps of the last digit
    digits: int
    spreads: tuple[int, ...]  # in steps of the last digit; evenly among them
    same_ms: int = 0  # ticks in 1,000 that come at the millisecond of the one before
    crossed: int = 0
    locked: int = 0
    fractions: bool = False  # fractions of a millisecond, and no zeros at the end of a price


FXCM = Day("lean_fxcm_eurusd_20140508_ticks.csv", 167_466, 17_007, 139_147, 5, (1, 1, 2, 2, 3, 4), crossed=18_285, locked=19_051)
OANDA = Day("lean_oanda_eurusd_20140508_ticks.csv", 87_833, 8_715, 139_101, 5, (9, 10, 11, 11, 12, 12, 13, 14), same_ms=18)
OANDA_NZD = Day("lean_oanda_nzdusd_20140508_ticks.csv", 49_874, 36, 86_478, 5, (20, 22, 23, 24, 25), same_ms=4)
GOLD = Day("lean_oanda_xauusd_20140508_ticks.csv", 199_123, 42, 1_290_330, 3, (250, 250, 256, 262, 330), fractions=True)
DAYS = (FXCM, OANDA, OANDA_NZD, GOLD)


def write_day(folder, day, most=None):
    """Write a day in LEAN's form, `ms since midnight,bid,ask`, or its first ticks; return the file."""
    chance = random.Random(day.name)
    odd = [-1] * day.crossed + [0] * day.locked
    odd += [1] * (day.count - len(odd))
    chance.shuffle(odd)
    mean_ms = (DAY_MS - day.first_ms) * 0.99 / day.count
    at_ms, bid, lines = float(day.first_ms), day.price, []
    for sign in odd[:most]:
        spread = sign * chance.choice(day.spreads)
        time = f"{at_ms:.3f}".rstrip("0").rstrip(".") if day.fractions else str(int(at_ms))
        lines.append(f"{time},{_price(bid, day)},{_price(bid + spread, day)}")
        if chance.randrange(1000) >= day.same_ms:
            at_ms += 1 + chance.random() * (mean_ms - 1) * 2
        bid += chance.choice((-2, -1, 0, 1, 2))
    path = folder / day.name
    path.write_text("\n".join(lines))
    return path


def write_true_fx(folder):
    """Write a thousand ticks of USDJPY in TrueFX's form, `timestamp,bid,ask` with times in ISO form; return the file."""
    recorded = vectors("display_usdjpy")
    lines = ["timestamp,bid,ask"]
    for after_ms, bid, ask in recorded["ticks"]:
        at = datetime.fromtimestamp((recorded["start_ms"] + after_ms) // 1000, UTC)
        ms = (recorded["start_ms"] + after_ms) % 1000
        lines.append(f"{at:%Y-%m-%d %H:%M:%S}.{ms:03d}000+00:00,{bid:.3f},{ask:.3f}")
    path = folder / "truefx_usdjpy_ticks.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def _price(steps, day):
    text = f"{steps // 10**day.digits}.{steps % 10**day.digits:0{day.digits}d}"
    return text.rstrip("0").rstrip(".") if day.fractions else text

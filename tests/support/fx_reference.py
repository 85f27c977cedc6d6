"""Displays made like the original's, and their quantities computed naively from all ticks, as a reference."""

from decimal import ROUND_FLOOR, Decimal
from math import floor

from hulak.workers.display.quantities.display_config import DisplayConfig
from hulak.workers.display.quantities.state import DisplayState, Init

KEYS = {
    "priceBucketMultiplier": "price_bucket_multiplier",
    "distributionDepthMode": "distribution_depth_mode",
    "distributionPercentage": "distribution_percentage",
    "volatilitySmoothing": "volatility_smoothing",
}
SAME = (  # equal to the last bit
    *("price", "open", "high", "low", "adr_high", "adr_low", "adr_tier"),
    *("visual_high", "visual_low", "volatility", "volatility_intensity"),
)


def config_of(values):
    """Translate the original's config; its defaults for absent keys are not always the same."""
    given = {"distributionDepthMode": "percentage", "distributionPercentage": 100, **values}
    return DisplayConfig.from_values({KEYS[key]: value for key, value in given.items()})


def started(payload):
    """Make a display from the `init` that the original's worker was sent."""
    return DisplayState(payload["symbol"], Init.from_values(payload["symbol"], payload), config_of(payload["config"]))


def fold(state, at_ms, tick):
    state.fold(tick["bid"], tick["ask"], at_ms, tick["timestamp"])


def entries_of(payload):
    """List the init's bars as (price, direction, volume), the original's way: no change is a sell."""
    return [
        (bar["close"], 1 if bar["close"] > bar["open"] else -1, bar.get("volume", 1) if bar.get("volume", 1) is not None else 1)
        for bar in payload["initialMarketProfile"]
    ]


def directions(prices, before=None):
    """Return the direction of each price against the previous one: 1, -1 or 0."""
    result = []
    for price in prices:
        result.append(0 if before is None else (price > before) - (price < before))
        before = price
    return result


def newest(entries, percentage, least=1):
    """Cut to the newest share; all of them for None."""
    if percentage is None:
        return entries
    wanted = max(least, floor(len(entries) * Decimal(str(percentage)) / 100))
    return entries[len(entries) - wanted :] if entries else []


def exact_index(price, digits, multiplier):
    """Find a level as it should be: with decimals."""
    size = Decimal(1).scaleb(-digits) * Decimal(str(multiplier))
    return int((Decimal(str(price)) / size).to_integral_value(ROUND_FLOOR))


def float_index(price, digits, multiplier):
    """Find a level as the original did, with its error."""
    return floor(price * (1 / ((1 / 10**digits) * multiplier)))


def levels(entries, digits, multiplier, index=exact_index):
    """Build the profile from (price, direction, volume): rows [index, volume, buy, sell]."""
    result = {}
    for price, way, volume in entries:
        if volume:
            row = result.setdefault(index(price, digits, multiplier), [0, 0, 0])
            row[0] += volume
            row[1] += volume if way > 0 else 0
            row[2] += volume if way < 0 else 0
    return [(at, *result[at]) for at in sorted(result)]


def volatility(ticks, digits, smoothing, first=None):
    """Compute the score from all (bid, at_ms), step by step as the original's text has it."""
    score, intensity, last, moves, times = 0.475, 0.25, first, [], []
    keep, take = smoothing, float(1 - Decimal(str(smoothing)))
    for bid, at in ticks:
        if last is not None:
            moves.append(abs(bid - last) * 10**digits)
        last = bid
        times.append(at)
        window = [other for other in times if at - other <= 10_000]
        if len(window) < 2:
            score *= 0.95
            continue
        total = 0.0
        for move in moves[-50:]:
            total += move
        raw = min(total / len(moves[-50:]) / 2, 3) * 0.6 + min(len(window) / 10 / 5, 3) * 0.4
        score = max(0.05, score * keep + raw * take)
        intensity = min(1, score / 3.5)
    return score, intensity


def twap(ticks):
    """Compute the mean of the minutes' last prices from all (bid, timestamp)."""
    closes, clock = {}, 0
    for bid, timestamp in ticks:
        clock = max(clock, timestamp)
        closes[clock // 60_000] = bid
    return sum(closes.values()) / len(closes)


def area(rows, share):
    """Find the value area by the definition: (low index, high index)."""
    best = max(range(len(rows)), key=lambda at: (rows[at][1], -at))
    low = high = best
    while sum(row[1] for row in rows[low : high + 1]) < share * sum(row[1] for row in rows):
        above = rows[high + 1][1] if high + 1 < len(rows) else -1
        below = rows[low - 1][1] if low else -1
        if above >= below:
            high += 1
        else:
            low -= 1
    return rows[low][0], rows[high][0]

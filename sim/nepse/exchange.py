"""The simulated market: a list of trades per day, from which all prices, totals and indices are computed.

Pure: the same seed, day and time give the same result for every request. The sum of a floor sheet therefore agrees with the
reported total.
"""

import math
import random
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Literal

from hulak.sim.nepse.listing import FIRST_VALUES, MAIN_INDICES, SECTORS, Company, make_companies

Hours = Literal["open", "closed", "clock"]

NEPAL_S = 20_700  # UTC+05:45
DAY_S = 86_400
OPENS_S, CLOSES_S = 11 * 3600, 15 * 3600  # of the Nepal day
PRE_OPENS_S, PRE_CLOSES_S = 10 * 3600 + 1800, 10 * 3600 + 2700
CONTRACTS_A_DAY = 8640  # of a simulated day; a real one has 40,000 to 210,000
SESSIONS_SERVED = 240  # past sessions that the exchange has: about a year; an older day is refused
SNAPSHOT_S, SNAPSHOT_LATE_S = (
    60.0,
    30.0,
)  # tables of prices are made once a minute, and can be read half a minute later
HOLIDAYS = {  # (month, day) -> why there is no session
    (1, 11): "Prithvi Jayanti",
    (3, 8): "Women's Day",
    (4, 14): "New Year",
    (5, 29): "Republic Day",
    (9, 19): "Constitution Day",
}


@dataclass(frozen=True, slots=True)
class Trade:
    """One contract of the floor sheet."""

    number: int  # contract id
    company: Company
    buyer: int  # broker numbers
    seller: int
    quantity: int
    rate: float  # rupees
    time_s: float  # since 1970 UTC


@dataclass(slots=True)
class Quote:
    """The quote of a company after the trades of a day."""

    company: Company
    previous: float  # close of the previous session
    open: float = 0.0
    high: float = 0.0
    low: float = math.inf
    last: float = 0.0
    last_quantity: int = 0
    quantity: int = 0
    value: float = 0.0
    trades: int = 0
    time_s: float = 0.0

    def add(self, trade: Trade) -> None:
        """Add a trade."""
        self.open = self.open or trade.rate
        self.high, self.low = max(self.high, trade.rate), min(self.low, trade.rate)
        self.last, self.last_quantity, self.time_s = trade.rate, trade.quantity, trade.time_s
        self.quantity += trade.quantity
        self.value += trade.quantity * trade.rate
        self.trades += 1

    @property
    def change(self) -> float:
        """Rupees since the previous close."""
        return round(self.last - self.previous, 2)

    @property
    def change_percent(self) -> float:
        """Percent since the previous close."""
        return percent(self.last - self.previous, self.previous)


class Exchange:
    """A market of invented companies.

    Args:
        seed: seed of companies and trades.
        hours: "open" and "closed" apply at any time, so that a demo need not wait for 11:00 in Nepal; "clock" follows the
            real sessions, Monday to Friday but on holidays.
        companies: number of companies.
        trades_per_day: number of contracts of a whole day, at least one per company.
    """

    def __init__(self, seed: int, hours: Hours = "open", companies: int = 80, trades_per_day: int = CONTRACTS_A_DAY) -> None:
        self.companies = make_companies(seed, companies)
        self.by_id = {company.id: company for company in self.companies}
        self._seed = seed
        self.always_open = hours == "open"
        self._hours = hours
        self._count = max(trades_per_day, companies)
        self._times_of = lru_cache(maxsize=2)(self._make_times)
        self._trades_of = lru_cache(maxsize=2)(self._make_trades)
        self._quotes_at = lru_cache(maxsize=4)(self._add_up)
        self._closes_on = lru_cache(maxsize=SESSIONS_SERVED + 20)(self._make_closes)

    def state(self, now_s: float) -> str:
        """Return the state of market-open: "OPEN", "CLOSE", "Pre Open" or "Pre Open CLOSE"."""
        if self._hours != "clock":
            return "OPEN" if self._hours == "open" else "CLOSE"
        second = (now_s + NEPAL_S) % DAY_S
        if not is_session(nepal_date(now_s)):
            return "CLOSE"
        if OPENS_S <= second < CLOSES_S:
            return "OPEN"
        if PRE_OPENS_S <= second < OPENS_S:
            return "Pre Open" if second < PRE_CLOSES_S else "Pre Open CLOSE"
        return "CLOSE"

    def session_day(self, now_s: float) -> date:
        """Return the day of the reported trades: today, or the last day with a session."""
        day = nepal_date(now_s)
        if self._hours == "open":
            return day
        begins_s = OPENS_S if self._hours == "clock" else CLOSES_S
        if (now_s + NEPAL_S) % DAY_S < begins_s:
            day -= timedelta(days=1)
        return day if is_session(day) else previous_session(day)

    def snapshot_s(self, now_s: float) -> float:
        """Return when the newest readable table was made: on a minute, half a minute ago or more; now if closed."""
        return now_s if self.state(now_s) == "CLOSE" else (now_s - SNAPSHOT_LATE_S) // SNAPSHOT_S * SNAPSHOT_S

    def serves(self, text: str, now_s: float) -> bool:
        """Return whether a day, as in a query, is not in the future and not older than the sessions that are kept."""
        try:
            day = date.fromisoformat(text)
        except ValueError:
            return False
        return past_sessions(self.session_day(now_s))[-1] <= day <= nepal_date(now_s)

    def session_times(self, day: date) -> tuple[float, float]:
        """Return begin and end of a day's session, seconds since 1970 UTC."""
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() - NEPAL_S
        if self._hours == "open":
            return midnight, midnight + DAY_S
        return midnight + OPENS_S, midnight + CLOSES_S

    def as_of(self, now_s: float) -> float:
        """Return the time of the newest data, seconds since 1970 UTC: now, or the end of the last session."""
        return min(now_s, self.session_times(self.session_day(now_s))[1])

    def newest_s(self, now_s: float) -> float:
        """Return the time of the newest trade, seconds since 1970 UTC, without making the trades."""
        times = self._times_of(self.session_day(now_s))
        return times[max(0, self._visible(times, now_s) - 1)]

    def trades(self, now_s: float) -> tuple[Trade, ...]:
        """Return the trades of the session until now, oldest first."""
        day = self.session_day(now_s)
        return self._trades_of(day)[: self._visible(self._times_of(day), now_s)]

    def quotes(self, now_s: float) -> dict[int, Quote]:
        """Return the quote of each company, by security id; shared, not to be modified."""
        day = self.session_day(now_s)
        return self._quotes_at(day, self._visible(self._times_of(day), now_s))

    def close_of(self, company: Company, day: date) -> float:
        """Return the closing price of a company on a day: a slow wave and a daily step around its first price."""
        number = day.toordinal()
        step = random.Random(f"{self._seed} {company.id} {number}").gauss(0, 0.012)
        wave = 0.15 * math.sin((number + company.id) / 61)
        return round(company.first_price * math.exp(wave + step), 1)

    def closes_on(self, day: date) -> dict[int, float]:
        """Return the closing price of each company on a day, by security id; shared, not to be modified."""
        return self._closes_on(day)

    def value_of(self, index_id: int, prices: dict[int, float]) -> float:
        """Return an index: the worth of its companies, relative to their worth at first prices.

        Args:
            index_id: a key of SUB_INDICES or MAIN_INDICES.
            prices: rupees by security id, of all companies.
        """
        worth = sum(prices[company.id] * company.shares for company in self.members_of(index_id))
        return round(worth * self.scale_of(index_id), 2)

    def members_of(self, index_id: int) -> list[Company]:
        """Return the companies of an index; a main index has all."""
        if index_id in MAIN_INDICES:
            return list(self.companies)
        return [company for company in self.companies if SECTORS[company.sector][1] == index_id]

    def scale_of(self, index_id: int) -> float:
        """Return points per rupee of worth; 0 for an index without companies."""
        first = sum(company.first_price * company.shares for company in self.members_of(index_id))
        return FIRST_VALUES.get(index_id, 1000.0) / first if first else 0.0

    def _make_closes(self, day: date) -> dict[int, float]:
        return {company.id: self.close_of(company, day) for company in self.companies}

    def _visible(self, times: list[float], now_s: float) -> int:
        return bisect_right(times, now_s)

    def _add_up(self, day: date, count: int) -> dict[int, Quote]:
        closes = self.closes_on(previous_session(day))
        quotes = {company.id: Quote(company, closes[company.id]) for company in self.companies}
        for trade in self._trades_of(day)[:count]:
            quotes[trade.company.id].add(trade)
        return quotes

    def _make_times(self, day: date) -> list[float]:
        begin, end = self.session_times(day)
        return [round(begin + (end - begin) * part, 6) for part in self._parts(self._chance(day))]

    def _chance(self, day: date) -> random.Random:
        return random.Random(f"{self._seed} {day.isoformat()}")

    def _parts(self, chance: random.Random) -> list[float]:
        """Draw the moment of each trade, 0 to 1 of the session; every company trades at 0, so that it always has a price."""
        count = len(self.companies)
        return [0.0] * count + sorted(chance.random() for _ in range(self._count - count))

    def _make_trades(self, day: date) -> tuple[Trade, ...]:
        return tuple(self._day(day))

    def _day(self, day: date) -> Iterator[Trade]:
        chance = self._chance(day)
        before, after = self.closes_on(previous_session(day)), self.closes_on(day)
        moments, times = self._parts(chance), self._times_of(day)
        first_number = int(day.strftime("%Y%m%d")) * 10**8
        for place, part in enumerate(moments):
            opening = place < len(self.companies)
            company = self.companies[place] if opening else chance.choice(self.companies)
            first, last = before[company.id], after[company.id]
            noise = chance.gauss(0, 0.006) * math.sqrt(part * (1 - part))
            yield Trade(
                number=first_number + place + 1,
                company=company,
                buyer=chance.randint(1, 90),
                seller=chance.randint(1, 90),
                quantity=10 * chance.randint(1, 60),
                rate=round((first + (last - first) * part) * (1 + noise), 1),
                time_s=times[place],
            )


def nepal_date(now_s: float) -> date:
    """Return the date in Nepal."""
    return datetime.fromtimestamp(now_s + NEPAL_S, tz=UTC).date()


def nepal_text(time_s: float, separator: str = "T") -> str:
    """Format a time as the exchange does: Nepal time without zone, with a fraction only if it is not 0."""
    return datetime.fromtimestamp(time_s + NEPAL_S, tz=UTC).replace(tzinfo=None).isoformat(separator)


def close_time(day: date) -> float:
    """Return the end of a day's session by the clock, seconds since 1970 UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() - NEPAL_S + CLOSES_S


def is_session(day: date) -> bool:
    """Return whether a day has a session: Monday to Friday but on holidays."""
    return day.weekday() < 5 and (day.month, day.day) not in HOLIDAYS


def previous_session(day: date) -> date:
    """Return the last day with a session before a day."""
    day -= timedelta(days=1)
    while not is_session(day):
        day -= timedelta(days=1)
    return day


@lru_cache(maxsize=8)
def past_sessions(day: date) -> tuple[date, ...]:
    """Return the sessions before a day that the exchange has, newest first."""
    days = []
    for _ in range(SESSIONS_SERVED):
        day = previous_session(day)
        days.append(day)
    return tuple(days)


def percent(change: float, of: float) -> float:
    """Return a change in percent, to two digits; 0 of nothing, as for an index without companies."""
    return round(100 * change / of, 2) if of else 0.0

"""The decoding of NEPSE's tokens and the ids of its POST bodies: arithmetic only, no clock, no network.

Observed in public clients and their recorded answers, and unchanged since spring 2023:

* a session begins with two tokens and five salts; each token contains five junk characters at positions that follow from one
  salt (the second for the access token, the first for the refresh token);
* a POST carries `{"id": n}`; n comes from the market's id, the day of the month in Nepal and the session's salts, by
  one of four formulas: `raw_id` for company details and graphs, `index_graph_id` for index graphs, `today_price_id` for
  prices of the day, `floor_sheet_id` for the floor sheet.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from hulak.bus.errors import TaskFailed

Salts = tuple[int, ...]  # always five, salt1 first
Formula = Callable[[int, Salts, int], int]  # market id, salts, day of month in Nepal -> id of the POST body

CUTS = (5, 8, 4, 7, 9, 4, 6, 9, 5, 5, 6, 5, 3, 5, 4, 4, 9, 6, 6, 8, 8, 6, 8, 6, 5, 8, 4, 9)  # by digit sum, 0..27

# fmt: off
IDS = (  # by market id, 0..99
    147, 117, 239, 143, 157, 312, 161, 612, 512, 804, 411, 527, 170, 511, 421, 667, 764, 621, 301, 106,
    133, 793, 411, 511, 312, 423, 344, 346, 653, 758, 342, 222, 236, 811, 711, 611, 122, 447, 128, 199,
    183, 135, 489, 703, 800, 745, 152, 863, 134, 211, 142, 564, 375, 793, 212, 153, 138, 153, 648, 611,
    151, 649, 318, 143, 117, 756, 119, 141, 717, 113, 112, 146, 162, 660, 693, 261, 362, 354, 251, 641,
    157, 178, 631, 192, 734, 445, 192, 883, 187, 122, 591, 731, 852, 384, 565, 596, 451, 772, 624, 691,
)
# fmt: on

# {"enc":"A128CBC-HS256","alg":"dir"} in base64url, then an empty key part: how every token recorded since 2023 begins
KNOWN_HEADER = "eyJlbmMiOiJBMTI4Q0JDLUhTMjU2IiwiYWxnIjoiZGlyIn0.."

MAX_SALT = 2**31 - 1  # the exchange's site computes in signed 32-bit integers
MAX_TIME_MS = 253_370_764_800_000  # year 9999: the largest of `datetime`
NEPAL = timedelta(hours=5, minutes=45)  # no daylight saving time
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _cuts(salt: int) -> tuple[int, ...]:
    ones, tens, hundreds = salt % 10, salt // 10 % 10, salt // 100 % 10
    base = CUTS[ones + tens + hundreds]
    both = base + tens + hundreds
    return (base + 22, both + 32, both + 60, base + tens + 88, base + hundreds + 110)


def access_cuts(salts: Salts) -> tuple[int, ...]:
    """Return the five 0-based positions of junk in a raw access token, ascending, at most 128."""
    return _cuts(salts[1])


def refresh_cuts(salts: Salts) -> tuple[int, ...]:
    """Return the five 0-based positions of junk in a raw refresh token, ascending, at most 128."""
    return _cuts(salts[0])


def _without(raw: str, cuts: tuple[int, ...]) -> str:
    if len(raw) <= cuts[-1]:
        raise _scheme_changed(f"a token of {len(raw)} characters was received, must be longer than {cuts[-1]}")
    return "".join(character for place, character in enumerate(raw) if place not in cuts)


def decode_access(raw: str, salts: Salts) -> str:
    """Remove the junk from an access token.

    Args:
        raw: from prove or refresh.
        salts: the five of the same answer.
    Returns:
        the token for the header `Authorization: Salter`.
    Raises:
        TaskFailed: TOKEN_SCHEME, the token is shorter than the positions to cut.
    """
    return _without(raw, access_cuts(salts))


def decode_refresh(raw: str, salts: Salts) -> str:
    """Remove the junk from a refresh token; as `decode_access`."""
    return _without(raw, refresh_cuts(salts))


def has_known_header(token: str) -> bool:
    """Return whether a decoded token begins like all recorded ones.

    A hint, not a proof: the exchange may change the header and keep the cuts. Report a changed scheme
    (`scheme_changed`) only if the exchange also refuses the token.
    """
    return token.startswith(KNOWN_HEADER)


def scheme_changed() -> TaskFailed:
    """Return the error for tokens without the known header that the exchange refuses."""
    return _scheme_changed("the decoded access token does not begin with the known header, and the exchange refused it")


def _scheme_changed(seen: str) -> TaskFailed:
    return TaskFailed("TOKEN_SCHEME", f"token scheme changed: {seen}; the tables of the NEPSE worker need an update")


def parse_salts(answer: Mapping[str, Any]) -> Salts:
    """Parse salt1..salt5 of a prove or refresh answer.

    Returns:
        five integers, 0..2147483647.
    Raises:
        TaskFailed: BAD_ANSWER, one is missing, not an integer, or out of range.
    """
    return tuple(parse_int(answer, f"salt{place}", MAX_SALT) for place in range(1, 6))


def parse_int(answer: Mapping[str, Any], key: str, highest: int) -> int:
    """Parse an integer of an answer; it may be written as a string, as some public clients expect.

    Returns:
        0..highest.
    Raises:
        TaskFailed: BAD_ANSWER, it is missing, not an integer, or out of range.
    """
    value = answer.get(key)
    try:
        number = int(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else None
    except ValueError:
        number = None
    if number is None or not 0 <= number <= highest:
        # the text does not quote the value: if the exchange moves its fields, it could be a token
        seen = "a number out of range" if number is not None else f"of type {type(value).__name__}"
        raise TaskFailed("BAD_ANSWER", f"{key} in NEPSE's answer is {seen}, must be an integer from 0 to {highest}")
    return number


def nepal_day(time_ms: float) -> int:
    """Return the day of the month in Nepal.

    Args:
        time_ms: the server's clock, ms since 1970 UTC.
    Returns:
        1..31.
    """
    return (EPOCH + timedelta(milliseconds=time_ms) + NEPAL).day


def nepal_date(time_ms: float) -> str:
    """Return the date in Nepal, e.g. "2026-04-24"; the argument is that of `nepal_day`."""
    return (EPOCH + timedelta(milliseconds=time_ms) + NEPAL).date().isoformat()


def raw_id(market_id: int, salts: Salts, day: int) -> int:
    """Return the body id of company details and scrip graphs; it does not depend on the salts.

    Args:
        market_id: `id` of market-open, 0..99.
        salts: the session's five.
        day: of the month in Nepal, 1..31.
    """
    del salts
    return IDS[market_id] + market_id + 2 * day


def _signed(market_id: int, salts: Salts, day: int, *, limit: int, below: int, above: int) -> int:
    raw = raw_id(market_id, salts, day)
    place = below if raw % 10 < limit else above
    return raw + salts[place] * day - salts[place - 1]


def index_graph_id(market_id: int, salts: Salts, day: int) -> int:
    """Return the body id of index graphs (formula A); arguments as `raw_id`."""
    return _signed(market_id, salts, day, limit=5, below=3, above=1)


def today_price_id(market_id: int, salts: Salts, day: int) -> int:
    """Return the body id of the day's prices (formula B); arguments as `raw_id`."""
    return _signed(market_id, salts, day, limit=5, below=1, above=3)


def floor_sheet_id(market_id: int, salts: Salts, day: int) -> int:
    """Return the body id of the floor sheet (formula C, equal to B unless raw % 10 is 4); arguments as `raw_id`."""
    return _signed(market_id, salts, day, limit=4, below=1, above=3)

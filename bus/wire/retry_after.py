"""The delay that an HTTP server asks for: `Retry-After`. Pure."""

from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

LONGEST_WAIT_S = 86_400  # a Retry-After beyond a day is a mistake of the server


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Parse Retry-After, as seconds or as an HTTP date (RFC 9110 section 10.2.3).

    Args:
        headers: names in lower case. A date is compared with the Date of the same answer, never with the local clock.
    Returns:
        seconds from now, 0..86400; None if there is none or it cannot be parsed.
    """
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(min(int(value[:12]), LONGEST_WAIT_S))
    until, since = _http_date(value), _http_date(headers.get("date", ""))
    if until is None or since is None:
        return None
    return min(max(0.0, (until - since).total_seconds()), float(LONGEST_WAIT_S))


def _http_date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    return date if date.tzinfo is not None else None

"""When a server says that it wants to be asked again: `Retry-After` of HTTP. Pure."""

from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

LONGEST_WAIT_S = 86_400  # a Retry-After beyond a day is somebody's mistake


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After, as seconds or as an HTTP date (RFC 9110 section 10.2.3).

    Args:
        headers: names in lower case. A date is measured against the same answer's Date, never against our own clock.
    Returns:
        seconds from now, 0..86400; None if there is none or it cannot be read.
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

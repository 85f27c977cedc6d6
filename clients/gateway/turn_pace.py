"""How long the gateway's loop rests between two turns. Pure.

A short interval shows a change sooner and costs a message more. So with many clients, whose turns take long, the interval grows
to that of a screen's frames.
"""

SCREEN_S = 0.016  # a screen draws no more often than this
SHARE = 2  # turns take at most `1 / SHARE` of the time, up to an interval of `SCREEN_S`


def rest_s(interval_s: float, took_s: float) -> float:
    """Return the seconds to rest after a turn that took `took_s`; `interval_s` is the configured one between two turns."""
    return max(0.0, max(interval_s, min(SHARE * took_s, SCREEN_S)) - took_s)

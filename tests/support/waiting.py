"""Waiting on conditions, with a limit."""

import time


def eventually(condition, *, within_s, every_s=0.02):
    """Return the condition's first true value; fail when there is none in time."""
    deadline = time.monotonic() + within_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {within_s} s: {condition}"
        time.sleep(every_s)

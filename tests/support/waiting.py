"""Waiting on conditions, with a limit."""

import time

RARELY_S = 0.1  # at most between two looks at a condition that takes long: each costs time that others need to make it true


def eventually(condition, *, within_s, every_s=0.02):
    """Return the condition's first true value; fail when there is none in time."""
    began = time.monotonic()
    while True:
        value = condition()
        if value:
            return value
        waited = time.monotonic() - began
        assert waited < within_s, f"not within {within_s} s: {condition}"
        time.sleep(max(every_s, min(waited / 20, RARELY_S)))

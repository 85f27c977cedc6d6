"""Durations for people, in one way everywhere; `clients/web/format.js` has the same for the page. JSON has seconds."""

UNITS = (("min", 60.0, 5970.0), ("h", 3600.0, 171_000.0), ("d", 86_400.0, float("inf")))  # name, seconds, upper end in seconds
WHOLE = (("d", 86_400), ("h", 3600), ("min", 60))  # name, seconds


def age(seconds: float) -> str:
    """Format a measured duration with the fitting unit: `0 s`, `12 s`, `3 min`, `2.5 h`, `4.0 d`."""
    passed = max(0.0, seconds)
    if passed < 99.5:
        return f"{int(passed + 0.5)} s"  # halves upwards, as the page does
    unit, size, _ = next(unit for unit in UNITS if passed < unit[2])
    count = passed / size
    return f"{int(count + 0.5):,} {unit}" if unit == "min" or count >= 9.95 else f"{count:.1f} {unit}"


def fine_age(seconds: float) -> str:
    """Format as `age`, with tenths of seconds below 10 s: `0.4 s`."""
    return f"{max(0.0, seconds):.1f} s" if seconds < 9.95 else age(seconds)


def exactly(seconds: float) -> str:
    """Format a duration that was set, with the largest unit that has it whole: `90 s`, `5 min`, `2 h`, `1 d`."""
    unit, size = next(((unit, size) for unit, size in WHOLE if seconds and seconds % size == 0), ("s", 1))
    return f"{seconds / size:g} {unit}"

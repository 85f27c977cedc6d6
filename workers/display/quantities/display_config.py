"""How a display is to be computed: the live settings of a display, with their defaults. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from bus.errors import ConfigError

ALL, PERCENTAGE = "all", "percentage"


@dataclass(frozen=True, slots=True)
class DisplayConfig:
    """The values in force for one display; equal configs give equal states.

    Raises:
        ConfigError: a value is of another type or out of its range.
    """

    states_per_s: float = 30.0  # states published per second, at most; the worker's business
    price_bucket_multiplier: float = 1.0  # pipettes per level of the profile, above 0 to 1000
    distribution_depth_mode: str = ALL  # or "percentage": the profile of the newest ticks only
    distribution_percentage: float = 50.0  # of the day's ticks, 1 to 100
    volatility_smoothing: float = 0.8  # 0 to below 1: what is kept of the old score with each tick
    value_area: float = 0.7  # share of the volume, above 0 to 1
    flash_threshold: float = 1.5  # pips
    show_flash: bool = False
    max_marker_decay_s: float = 10.0  # how long the markers of the largest moves stay
    adr_lookback_days: int = 14  # 1 to 400
    batch_dispatching: bool = True  # the worker's business
    memory_optimization: bool = True  # whether the profile keeps within the narrow bounds
    performance_monitoring: bool = False  # the worker's business

    def __post_init__(self) -> None:
        """Check every value."""
        for field in fields(self):
            _check(field.name, getattr(self, field.name), field.default)

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> "DisplayConfig":
        """Take a display's keys from a map of settings; other keys are left alone, missing ones have their default."""
        return cls(**{field.name: values[field.name] for field in fields(cls) if field.name in values})

    def dump(self) -> dict[str, Any]:
        """Write the values as a map; `DisplayConfig(**values)` is the same config."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


RANGES: dict[str, tuple[float, float, bool, bool]] = {  # least, most; whether each may itself be taken
    "states_per_s": (0, 1000, False, True),
    "price_bucket_multiplier": (0, 1000, False, True),
    "distribution_percentage": (1, 100, True, True),
    "volatility_smoothing": (0, 1, True, False),
    "value_area": (0, 1, False, True),
    "flash_threshold": (0, float("inf"), True, False),
    "max_marker_decay_s": (0, float("inf"), True, False),
    "adr_lookback_days": (1, 400, True, True),
}


def _check(name: str, value: Any, default: Any) -> None:
    if name == "distribution_depth_mode":
        if value not in {ALL, PERCENTAGE}:
            raise ConfigError(f'{name} is {value!r}, must be "all" or "percentage"')
    elif isinstance(default, bool):
        if not isinstance(value, bool):
            raise ConfigError(f"{name} is {value!r}, must be true or false")
    elif isinstance(value, bool) or not isinstance(value, int if isinstance(default, int) else int | float):
        raise ConfigError(f"{name} is {value!r}, must be {'a whole number' if isinstance(default, int) else 'a number'}")
    else:
        least, most, with_least, with_most = RANGES[name]
        if not (least < value or (with_least and value == least)) or not (value < most or (with_most and value == most)):
            text = f"{'from' if with_least else 'above'} {least:g} {'to' if with_most else 'to below'} {most:g}"
            raise ConfigError(f"{name} is {value!r}, must be {text}")

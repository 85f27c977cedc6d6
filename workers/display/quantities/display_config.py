"""The live settings of a display, with their defaults. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from hulak.bus.errors import ConfigError

ALL, PERCENTAGE = "all", "percentage"


@dataclass(frozen=True, slots=True)
class DisplayConfig:
    """The effective values of one display; equal configs give equal states.

    Raises:
        ConfigError: a value has the wrong type or is out of range.
    """

    states_per_s: float = 100.0  # maximum of states published per second; used by the worker
    price_bucket_multiplier: float = 1.0  # pipettes per level of the profile, above 0 to 1000
    distribution_depth_mode: str = ALL  # or "percentage": the profile of the newest ticks only
    distribution_percentage: float = 50.0  # of the day's ticks, 1 to 100
    volatility_smoothing: float = 0.8  # 0 to below 1: share of the old score that each tick keeps
    value_area: float = 0.7  # share of the volume, above 0 to 1
    flash_threshold: float = 1.5  # pips
    show_flash: bool = False
    max_marker_decay_s: float = 10.0  # how long the markers of the largest moves are held
    adr_lookback_days: int = 14  # 1 to 400
    batch_dispatching: bool = True  # used by the worker
    memory_optimization: bool = True  # the profile has the narrow bounds
    performance_monitoring: bool = False  # used by the worker

    def __post_init__(self) -> None:
        """Check every value."""
        for field in fields(self):
            _check(field.name, getattr(self, field.name), field.default)

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> "DisplayConfig":
        """Return the config from a map of settings; other keys are ignored, missing ones have their default."""
        return cls(**{field.name: values[field.name] for field in fields(cls) if field.name in values})

    def dump(self) -> dict[str, Any]:
        """Return the values as a map; `DisplayConfig(**values)` is the same config."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


RANGES: dict[str, tuple[float, float, bool, bool]] = {  # minimum, maximum; whether each of them is allowed
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
        low, high, with_low, with_high = RANGES[name]
        if not (low < value or (with_low and value == low)) or not (value < high or (with_high and value == high)):
            text = f"{'from' if with_low else 'above'} {low:g} {'to' if with_high else 'to below'} {high:g}"
            raise ConfigError(f"{name} is {value!r}, must be {text}")

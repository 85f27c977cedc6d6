"""The settings of a NEPSE worker; some follow the live configuration."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hulak.workers.nepse.http import NepseSettings


class LiveSettings:
    """A `NepseSettings` whose `rate_per_s` and `cache_s` follow the live configuration; the others are fixed at the start.

    Args:
        settings: at the start.
        values: returns the current values of the live keys.
    """

    def __init__(self, settings: NepseSettings, values: Callable[[], Mapping[str, Any]]) -> None:
        self.base_url: str = settings.base_url
        self.ca_file: Path | None = settings.ca_file
        self.connect_timeout_s: float = settings.connect_timeout_s
        self.read_timeout_s: float = settings.read_timeout_s
        self._values = values

    @property
    def rate_per_s(self) -> float:
        """HTTP requests per second, now."""
        return float(self._values()["rate_per_s"])

    @property
    def cache_s(self) -> float:
        """Time for which an answer is cached now, seconds."""
        return float(self._values()["cache_s"])

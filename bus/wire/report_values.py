"""The reported values of processes: types of the values that other processes read. Pure.

The values of a report, of READY and of HEARTBEAT go through the statistics to monitoring, page and command line, which rely on
these types. Values of other names are for people, and may be any plain value.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from hulak.bus.wire.plain_values import LARGEST, check_plain

MOST_BYTES = 1 << 14  # of all values together, packed
_Amount = Annotated[float, Meta(ge=-1e18, le=1e18)]
_Count = Annotated[int, Meta(ge=0, le=LARGEST)]
Amount = _Amount | UnsetType
Perhaps = _Amount | UnsetType | None
LossCounts = _Amount | dict[str, _Amount] | UnsetType  # by kind, or in total
ReportedText = str | UnsetType | None


class Quantiles(msgspec.Struct):
    """Quantiles of a latency, in microseconds."""

    p50: Perhaps = UNSET
    p99: Perhaps = UNSET
    max: Perhaps = UNSET
    count: Perhaps = UNSET


class Totals(msgspec.Struct):
    """The histogram of a latency since the start."""

    count: _Amount
    sum_us: _Amount
    le: list[_Amount]
    native: list[_Amount] | UnsetType = UNSET  # absent in earlier versions


class Mean(msgspec.Struct):
    """The mean of a latency since the start."""

    mean_us: _Amount
    count: _Amount


class Memory(msgspec.Struct):
    """The trend of memory."""

    window_s: _Amount
    change: _Amount
    per_minute: _Amount
    direction: str


class ReportedPool(msgspec.Struct):
    """The workers of one service."""

    wanted: _Count
    live: _Count
    least: _Count
    most: _Count
    by_hand: bool = False


class FailedProcess(msgspec.Struct):
    """A process that supervisord gave up."""

    tries: _Count
    next_s: _Amount | None = None  # until the next attempt; None: one is in progress


class ReportedValues(msgspec.Struct):
    """Every value that another process reads."""

    # Of each process
    config_version: Annotated[int, Meta(ge=0, le=LARGEST)] | UnsetType = UNSET
    rss_bytes: Amount = UNSET
    cpu_s: Amount = UNSET
    uptime_s: Amount = UNSET
    loop_age_s: Perhaps = UNSET
    latency_us: Quantiles | UnsetType | None = UNSET
    latency_totals: Totals | UnsetType | None = UNSET
    dead_threads: list[str] | UnsetType = UNSET
    # Losses
    dropped: LossCounts = UNSET
    gaps: LossCounts = UNSET
    malformed: LossCounts = UNSET
    refused: LossCounts = UNSET
    too_slow: LossCounts = UNSET
    errors: LossCounts = UNSET
    # Of feeds
    state: ReportedText = UNSET
    since_s: Perhaps = UNSET
    data_age_s: Perhaps = UNSET
    pause_s: Amount = UNSET
    heartbeat_age_s: Perhaps = UNSET
    asked_to_wait_s: Perhaps = UNSET
    posted: Amount = UNSET
    unconfirmed: Amount = UNSET
    resent: Amount = UNSET
    symbols: Amount = UNSET
    stale: Amount = UNSET
    stale_symbols: list[str] | UnsetType = UNSET
    symbol_errors: dict[str, str] | UnsetType = UNSET
    symbol_names: list[str] | UnsetType = UNSET
    symbol_changes: dict[str, str] | UnsetType = UNSET
    symbols_named: Amount = UNSET
    symbols_version: Amount = UNSET
    # Of display workers and the gateway
    displays: Amount = UNSET
    catching_up: Amount = UNSET
    ticks: Amount = UNSET
    states: Amount = UNSET
    rebuilt: Amount = UNSET
    latency: Mean | UnsetType | None = UNSET
    memory: Memory | UnsetType | None = UNSET
    file_errors: list[str] | UnsetType = UNSET
    certificate_left_s: Amount = UNSET
    # Of scalers
    pools: dict[str, ReportedPool] | UnsetType = UNSET  # by service
    failed: dict[str, FailedProcess] | UnsetType = UNSET  # by name in supervisord, "group:name"
    retries: Amount = UNSET
    # Of workers, in READY and HEARTBEAT
    pid: Annotated[int, Meta(ge=0, le=LARGEST)] | UnsetType = UNSET
    slot: ReportedText = UNSET
    host: ReportedText = UNSET
    started_ns: Annotated[int, Meta(ge=0, le=LARGEST)] | UnsetType = UNSET
    task_s: Perhaps = UNSET


def check_reported(what: str, values: Mapping[str, Any]) -> None:
    """Check the values that a process reports about itself.

    Args:
        what: name of the values, for the error text.
        values: as received.
    Raises:
        ValueError: a value is not plain, has a type that its readers do not expect, or the values are too large.
    """
    check_plain(what, values, MOST_BYTES, finite=True)
    try:
        msgspec.convert(values, ReportedValues)
    except msgspec.ValidationError as error:
        raise ValueError(f"{what} has a value of the wrong type: {error}") from error

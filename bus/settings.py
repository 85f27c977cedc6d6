"""Every setting with its type, bounds and default, by section; nothing is read here, see `bus.config`."""

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

ENDPOINT = re.compile(r"tcp://(\[[0-9a-fA-F:]+\]|[^:/\s]+):(\d{1,5})")


def loopback_endpoint(value: str) -> str:
    """Check an address of `[broker]`; returns it as it is, raises ValueError with the reason."""
    found = ENDPOINT.fullmatch(value)
    if found is None or not 0 < int(found[2]) < 65536:
        raise ValueError("must be tcp://HOST:PORT with a port from 1 to 65535")
    try:
        local = ipaddress.ip_address(found[1].strip("[]")).is_loopback
    except ValueError:
        raise ValueError("must name an address by its number, such as 127.0.0.1 or [::1]") from None
    if not local:
        raise ValueError(
            "is an address beyond this machine: whoever reaches it could read, post and command everything, since nothing "
            "there is encrypted or authenticated; allowed are 127.0.0.0/8 and [::1]"
        )
    return value


Endpoint = Annotated[str, AfterValidator(loopback_endpoint)]
Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=86400)]
LoopbackHost = Annotated[str, Field(pattern=r"^(127\.\d+\.\d+\.\d+|localhost|::1)$")]


class Section(BaseModel):
    """A table of the settings file: complete, frozen, nothing unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class BrokerSettings(Section):
    """`[broker]`: addresses and bounds of the broker."""

    collector: Endpoint = "tcp://127.0.0.1:5550"
    publisher: Endpoint = "tcp://127.0.0.1:5551"
    frontend: Endpoint = "tcp://127.0.0.1:5552"
    backend: Endpoint = "tcp://127.0.0.1:5553"
    subscriber_hwm: int = Field(100_000, ge=1000, le=10_000_000)
    subscriber_bytes: int = Field(64 << 20, ge=1 << 20, le=1 << 40)
    collector_hwm: int = Field(20_000, ge=1000, le=10_000_000)
    max_tick_bytes: int = Field(65_536, ge=256, le=1 << 20)
    max_message_bytes: int = Field(8 << 20, ge=1 << 16, le=256 << 20)
    max_topics: int = Field(10_000, ge=10, le=1_000_000)
    max_tasks: int = Field(10_000, ge=1, le=1_000_000)
    max_task_bytes: int = Field(256 << 20, ge=1 << 16, le=1 << 40)
    handshake_s: Seconds = 2.0
    drain_s: Seconds = 1.5


class JournalSettings(Section):
    """`[journal]`: how ticks are kept; `segment_bytes` counts those behind a segment's head, see `bus.journal`."""

    fsync_s: Seconds = 1.0
    max_hours: float = Field(36.0, gt=0, le=24 * 366)
    max_bytes: int = Field(2 << 30, ge=1 << 16, le=1 << 44)
    segment_bytes: int = Field(32 << 20, ge=1 << 12, le=1 << 30)


class TaskSettings(Section):
    """`[task]`: times of tasks and of the workers that carry them out."""

    timeout_s: Seconds = 60.0
    retries: int = Field(3, ge=0, le=20)
    backoff_base_s: Seconds = 0.5
    backoff_cap_s: Seconds = 60.0
    soft_s: Seconds = 60.0
    hard_s: Seconds = 75.0
    heartbeat_s: float = Field(0.25, ge=0.05, le=10)
    lease_s: float = Field(1.5, ge=0.2, le=60)
    mdp_lease_s: float = Field(7.5, ge=0.2, le=600)
    drain_s: Seconds = 80.0
    result_keep_s: float = Field(3600.0, gt=0, le=30 * 86400)
    key_keep_s: float = Field(86400.0, gt=0, le=30 * 86400)
    dead_keep_s: float = Field(7 * 86400.0, gt=0, le=366 * 86400)


class NepseSettings(Section):
    """`[nepse]`: the exchange, and how politely it is asked."""

    base_url: str = Field("https://www.nepalstock.com", pattern=r"^https?://[^\s/]+$")
    rate_per_s: float = Field(2.0, gt=0, le=100)
    ca_file: Path | None = None
    connect_timeout_s: Seconds = 5.0
    read_timeout_s: Seconds = 15.0
    cache_s: float = Field(2.0, ge=0, le=3600)


class FeedSettings(Section):
    """`[feed]`: the feed that supervisord keeps running, and what all feeds have in common."""

    venue: Literal["binance", "kraken", "kraken-v1", "coinbase", "oanda", "fx", "json"] = "binance"
    url: str = Field("", pattern=r"^((wss?|https?)://\S+)?$")
    symbols: str = Field("", pattern=r"^([^\s,]{1,64}(,[^\s,]{1,64})*)?$")
    token: str = Field("", pattern=r"^[!-~]*$", repr=False)
    buffer: int = Field(1_000_000, ge=1000, le=100_000_000)
    backoff_base_s: Seconds = 0.5
    backoff_cap_s: Seconds = 15.0
    connect_s: Seconds = 15.0
    resolve_s: Seconds = 15.0
    stale_s: Seconds = 60.0
    heartbeat_stale_s: Seconds = 30.0
    degraded_s: Seconds = 300.0


class ScalingSettings(Section):
    """`[scaling]`: how many NEPSE workers there are."""

    min_workers: int = Field(1, ge=1, le=5)
    max_workers: int = Field(5, ge=1, le=5)
    idle_timeout_s: Seconds = 30.0
    scaling_threshold: float = Field(0.8, gt=0, le=1)
    look_s: float = Field(1.0, ge=0.1, le=60)


class DisplaySettings(Section):
    """`[display]`: the displays, and the workers that compute them."""

    max_displays: int = Field(1000, ge=1, le=100_000)
    states_per_s: float = Field(30.0, gt=0, le=1000)


class GatewaySettings(Section):
    """`[gateway]`: the edge for browsers: WebSocket, the page, and what monitoring reads."""

    host: LoopbackHost = "127.0.0.1"
    port: Port = 5570
    origins: str = Field("", pattern=r"^(https?://[^\s,/]+(,https?://[^\s,/]+)*)?$")
    token: str = Field("", pattern=r"^[!-~]*$", repr=False)
    frame_ms: float = Field(16.0, ge=1, le=1000)
    client_bytes: int = Field(1 << 20, ge=1 << 14, le=1 << 28)
    max_clients: int = Field(500, ge=1, le=100_000)

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}/"


class SimSettings(Section):
    """`[sim]`: the simulated outside world of the demo."""

    host: LoopbackHost = "127.0.0.1"
    venue_port: Port = 5560
    nepse_port: Port = 5561
    ticks_per_s: float = Field(300.0, gt=0, le=100_000)
    seed: int = 20261122


class LogSettings(Section):
    """`[log]`: what the processes write to their standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class Settings(BaseSettings):
    """All settings of all processes."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix="HULAK_", env_nested_delimiter="__", allow_inf_nan=False
    )

    broker: BrokerSettings = BrokerSettings()
    journal: JournalSettings = JournalSettings()
    task: TaskSettings = TaskSettings()
    nepse: NepseSettings = NepseSettings()
    feed: FeedSettings = FeedSettings()
    scaling: ScalingSettings = ScalingSettings()
    display: DisplaySettings = DisplaySettings()
    gateway: GatewaySettings = GatewaySettings()
    sim: SimSettings = SimSettings()
    log: LogSettings = LogSettings()

    @classmethod
    def settings_customise_sources(  # the order is the precedence; the file is passed in as the second one
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Variables above what the file said; options are merged by `load`."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings

"""Every setting with its type, bounds and default, by section; this module reads none, see `bus.process.load_settings`."""

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from hulak.bus.process.site_settings import SITE, service_names, services_at_sites, site_names, split_names

ENDPOINT = re.compile(r"tcp://(\[[0-9a-fA-F:]+\]|[^:/\s]+):(\d{1,5})")


def address(value: str) -> str:
    """Check an address of `[broker]`; returns it unchanged. Raises ValueError with the reason."""
    match = ENDPOINT.fullmatch(value)
    if match is None or not 0 < int(match[2]) < 65536:
        raise ValueError("must be tcp://HOST:PORT with a port from 1 to 65535")
    return value


def loopback_endpoint(value: str) -> str:
    """Check an address of `[broker]` where there are no keys; returns it unchanged. Raises ValueError with the reason."""
    match = ENDPOINT.fullmatch(address(value))
    assert match is not None
    try:
        local = ipaddress.ip_address(match[1].strip("[]")).is_loopback
    except ValueError:
        raise ValueError("must name an address by its number, such as 127.0.0.1 or [::1]") from None
    if not local:
        raise ValueError(
            "is an address beyond this machine: a program that reaches it could read, post and command everything, since nothing "
            "there is encrypted or authenticated without keys; allowed are 127.0.0.0/8 and [::1], and any address once there is "
            "a key (`hulak key new`)"
        )
    return value


def site_url(value: str) -> str:
    """Check the address of a web site, without a path; returns it unchanged. Raises ValueError with the reason."""
    if not re.fullmatch(r"https?://[^\s/?#]+/?", value):
        raise ValueError("must be http:// or https:// and a host, without a path, such as https://www.nepalstock.com")
    return value


def listening_host(value: str) -> str:
    """Check an address to listen on; returns it unchanged. Raises ValueError with the reason."""
    try:
        return value if value == "localhost" else str(ipaddress.ip_address(value))
    except ValueError:
        raise ValueError("must be localhost or the number of an address, such as 127.0.0.1 or 0.0.0.0 (all of IPv4)") from None


def no_secrets(value: str) -> str:
    """Check addresses of NATS servers, separated by commas; returns them unchanged. Raises ValueError with the reason."""
    for server in value.split(","):
        if not re.fullmatch(r"(nats|tls)://[^\s,/@:]+(:\d{1,5})?|(nats|tls)://\[[0-9a-fA-F:]+\](:\d{1,5})?", server.strip()):
            raise ValueError(
                "must be nats://HOST:PORT or tls://HOST:PORT, several separated by commas; credentials are in a file"
            )
    return value


SECRET = {"token", "client_secret"}  # never shown
CHECK = "check"  # of a type's extra: a function that checks further
Address = Annotated[str, Meta(extra={CHECK: address})]
SiteUrl = Annotated[str, Meta(extra={CHECK: site_url})]
Port = Annotated[int, Meta(ge=1, le=65535)]
Seconds = Annotated[float, Meta(gt=0, le=86400)]
ListeningHost = Annotated[str, Meta(extra={CHECK: listening_host})]
LoopbackHost = Annotated[str, Meta(pattern=r"^(127\.\d+\.\d+\.\d+|localhost|::1)\Z")]
MOST_SLOTS = 1000  # of a service in supervisord
Token = Annotated[str, Meta(pattern=r"^[!-~]*\Z")]


class Section(Struct, frozen=True, kw_only=True):
    """A table of the settings file: complete, frozen."""

    def __repr__(self) -> str:
        """Show every setting that is not secret."""
        values = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in values if name not in SECRET)})"


class BrokerSettings(Section, frozen=True):
    """`[broker]`: addresses and bounds of the broker."""

    collector: Address = "tcp://127.0.0.1:5550"
    publisher: Address = "tcp://127.0.0.1:5551"
    frontend: Address = "tcp://127.0.0.1:5552"
    backend: Address = "tcp://127.0.0.1:5553"
    subscriber_hwm: Annotated[int, Meta(ge=1000, le=10_000_000)] = 100_000
    subscriber_bytes: Annotated[int, Meta(ge=1 << 20, le=1 << 40)] = 64 << 20
    collector_hwm: Annotated[int, Meta(ge=1000, le=10_000_000)] = 20_000
    max_tick_bytes: Annotated[int, Meta(ge=256, le=1 << 20)] = 65_536
    max_message_bytes: Annotated[int, Meta(ge=1 << 16, le=256 << 20)] = 8 << 20
    ring_bytes: Annotated[int, Meta(ge=0, le=1 << 32)] = 16 << 20
    max_topics: Annotated[int, Meta(ge=10, le=1_000_000)] = 10_000
    max_connections: Annotated[int, Meta(ge=64, le=1_000_000)] = 10_000
    max_tasks: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    max_task_bytes: Annotated[int, Meta(ge=1 << 16, le=1 << 40)] = 256 << 20
    handshake_s: Seconds = 2.0
    drain_s: Seconds = 1.5


class JournalSettings(Section, frozen=True):
    """`[journal]`: how ticks are kept; `segment_bytes` does not count a segment's head, see `bus.broker.storage.journal`."""

    fsync_s: Seconds = 1.0
    max_hours: Annotated[float, Meta(gt=0, le=24 * 366)] = 36.0
    max_days: Annotated[float, Meta(ge=0, le=3660)] = 0.0
    min_hours: Annotated[float, Meta(ge=0, le=24 * 3660)] = 0.0
    max_bytes: Annotated[int, Meta(ge=1 << 16, le=1 << 44)] = 2 << 30
    segment_bytes: Annotated[int, Meta(ge=1 << 12, le=1 << 30)] = 32 << 20
    compress: bool = True
    plain_segments: Annotated[int, Meta(ge=0, le=10_000)] = 2
    archive: Path | None = None
    archive_spare_bytes: Annotated[int, Meta(ge=0, le=1 << 44)] = 1 << 30
    archive_failed: Literal["drop", "keep"] = "drop"

    @property
    def max_s(self) -> float:
        """Seconds that a tick is kept: `max_days` if it is set, else `max_hours`."""
        return self.max_days * 86400 or self.max_hours * 3600


class TaskSettings(Section, frozen=True):
    """`[task]`: times of tasks and of the workers that carry them out."""

    timeout_s: Seconds = 60.0
    retries: Annotated[int, Meta(ge=0, le=20)] = 3
    backoff_base_s: Seconds = 0.5
    backoff_cap_s: Seconds = 60.0
    soft_s: Seconds = 60.0
    hard_s: Seconds = 75.0
    heartbeat_s: Annotated[float, Meta(ge=0.05, le=10)] = 0.25
    lease_s: Annotated[float, Meta(ge=0.2, le=60)] = 1.5
    mdp_lease_s: Annotated[float, Meta(ge=0.2, le=600)] = 7.5
    drain_s: Seconds = 80.0
    result_keep_s: Annotated[float, Meta(gt=0, le=30 * 86400)] = 3600.0
    key_keep_s: Annotated[float, Meta(gt=0, le=30 * 86400)] = 86400.0
    dead_keep_s: Annotated[float, Meta(gt=0, le=366 * 86400)] = 7 * 86400.0


class NepseSettings(Section, frozen=True):
    """`[nepse]`: the exchange, and the rate of requests to it."""

    base_url: SiteUrl = "https://www.nepalstock.com"
    rate_per_s: Annotated[float, Meta(gt=0, le=100)] = 2.0
    ca_file: Path | None = None
    connect_timeout_s: Seconds = 5.0
    read_timeout_s: Seconds = 15.0
    cache_s: Annotated[float, Meta(ge=0, le=3600)] = 2.0


class ArchiveSettings(Section, frozen=True):
    """`[archive]`: the sessions of the exchange as files."""

    daily: bool = False
    folder: Path | None = None


VenueName = Literal[
    "binance",
    "kraken",
    "kraken-v1",
    "coinbase",
    "okx",
    "bybit",
    "bitget",
    "hyperliquid",
    "deribit",
    "ctrader",
    "oanda",
    "fx",
    "json",
    "nepse",
]


class FeedSettings(Section, frozen=True):
    """`[feed]`: the feed that supervisord keeps running, and the settings common to all feeds."""

    venue: VenueName = "binance"
    url: Annotated[str, Meta(pattern=r"^((wss?|https?)://\S+)?\Z")] = ""
    symbols: Annotated[str, Meta(pattern=r"^([^\s,][^,\t\r\n]{0,63}(,[^\s,][^,\t\r\n]{0,63})*)?\Z")] = ""
    prefix: Annotated[str, Meta(pattern=r"^([a-z0-9][a-z0-9-]{0,15})?\Z")] = ""
    source: Annotated[str, Meta(pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,63})?\Z")] = ""
    token: Token = ""
    client_id: Token = ""
    client_secret: Token = ""
    account: Annotated[int, Meta(ge=0, le=(1 << 53) - 1)] = 0
    buffer: Annotated[int, Meta(ge=1000, le=100_000_000)] = 1_000_000
    backoff_base_s: Seconds = 0.5
    backoff_cap_s: Seconds = 15.0
    connect_s: Seconds = 15.0
    resolve_s: Seconds = 15.0
    stale_s: Seconds = 60.0
    heartbeat_stale_s: Seconds = 30.0
    degraded_s: Seconds = 300.0
    trades_s: Annotated[float, Meta(ge=0, le=3600)] = 0.0

    @property
    def runs(self) -> bool:
        """Whether `hulak up` runs a feed: one of NEPSE needs no url."""
        return bool(self.url) or self.venue == "nepse"


class DeriveSettings(Section, frozen=True):
    """`[derive]`: the topics that are made of ticks."""

    bars: Annotated[str, Meta(pattern=r"^[0-9smhd, ]{0,64}\Z")] = ""
    every: Annotated[str, Meta(pattern=r"^[0-9smh, ]{0,128}\Z")] = ""
    states: bool = False
    symbols: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._*, -]{0,10000}\Z")] = ""
    stale_s: Seconds = 60.0
    alerts: bool = True

    @property
    def runs(self) -> bool:
        """Whether `hulak up` runs `hulak derive`."""
        return bool(self.alerts or self.bars.strip() or self.every.strip() or self.states)


Threshold = Annotated[float, Meta(gt=0, le=1)]


class ScalingSettings(Section, frozen=True):
    """`[scaling]`: how many NEPSE workers there are, and the defaults of other services that are scaled."""

    min_workers: Annotated[int, Meta(ge=1, le=5)] = 1
    max_workers: Annotated[int, Meta(ge=1, le=5)] = 5
    idle_timeout_s: Seconds = 30.0
    scaling_threshold: Threshold = 0.8
    look_s: Annotated[float, Meta(ge=0.1, le=60)] = 1.0
    supervisor_socket: Path | None = None


class ServiceScaling(Section, frozen=True):
    """`[scaling.SERVICE]`: how many workers another service has; None: as its slots and `[scaling]` say."""

    min_workers: Annotated[int, Meta(ge=0, le=MOST_SLOTS)] | None = None
    max_workers: Annotated[int, Meta(ge=1, le=MOST_SLOTS)] | None = None
    idle_timeout_s: Seconds | None = None
    scaling_threshold: Threshold | None = None


class SupervisorSettings(Section, frozen=True):
    """`[supervisor]`: attempts to start processes that supervisord gave up."""

    retry_base_s: Seconds = 60.0
    retry_cap_s: Seconds = 900.0


class DisplaySettings(Section, frozen=True):
    """`[display]`: the displays, and the workers that compute them."""

    max_displays: Annotated[int, Meta(ge=1, le=100_000)] = 1000
    states_per_s: Annotated[float, Meta(gt=0, le=1000)] = 100.0


class GatewaySettings(Section, frozen=True):
    """`[gateway]`: the gateway for browsers: WebSocket, the page, and the endpoints for monitoring."""

    host: ListeningHost = "127.0.0.1"
    port: Port = 5570
    hosts: Annotated[str, Meta(pattern=r"^([A-Za-z0-9._-]+(,[A-Za-z0-9._-]+)*)?\Z")] = ""
    origins: Annotated[str, Meta(pattern=r"^(https?://[^\s,/]+(,https?://[^\s,/]+)*)?\Z")] = ""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    behind_proxy: bool = False
    local_users: Literal["owner", "open"] = "owner"
    frame_ms: Annotated[float, Meta(ge=1, le=1000)] = 8.0
    client_bytes: Annotated[int, Meta(ge=1 << 14, le=1 << 28)] = 1 << 20
    max_clients: Annotated[int, Meta(ge=1, le=100_000)] = 500

    @property
    def is_local(self) -> bool:
        """Return whether only programs on this machine can connect."""
        return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback

    @property
    def url(self) -> str:
        """Return the address of the page, as seen from this machine."""
        host = self.host
        if host != "localhost" and ipaddress.ip_address(host).is_unspecified:
            host = self.hosts.partition(",")[0] or "localhost"
        scheme = "https" if self.tls_cert else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}/"


class BridgeSettings(Section, frozen=True):
    """`[bridge]`: ticks, tasks and live configuration from and to other sites over NATS JetStream."""

    site: Annotated[str, Meta(pattern=rf"^({SITE})?\Z")] = ""
    servers: Annotated[str, Meta(extra={CHECK: no_secrets})] = "nats://127.0.0.1:4222"
    send: bool = True
    messages: Literal["turn", "tick"] = "turn"
    receive: Annotated[str, Meta(extra={CHECK: site_names})] = ""
    start: Literal["oldest", "now"] = "oldest"
    tasks: Annotated[str, Meta(extra={CHECK: services_at_sites})] = ""
    serves: Annotated[str, Meta(extra={CHECK: service_names})] = ""
    config: Annotated[str, Meta(pattern=rf"^({SITE})?\Z")] = ""
    stream_bytes: Annotated[int, Meta(ge=1 << 20, le=1 << 44)] = 2 << 30
    replicas: Annotated[int, Meta(ge=1, le=5)] = 1
    credentials: Path | None = None
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None

    @property
    def sites(self) -> list[str]:
        """Return the sites whose ticks are received."""
        return split_names(self.receive)

    @property
    def sent_services(self) -> dict[str, str]:
        """Return the services whose tasks another site does, each with that site."""
        return {service: site for service, _, site in (name.partition("@") for name in split_names(self.tasks))}

    @property
    def served(self) -> list[str]:
        """Return the services whose tasks of other sites are done here."""
        return split_names(self.serves)


class SimSettings(Section, frozen=True):
    """`[sim]`: the simulated outside world of the demo."""

    host: LoopbackHost = "127.0.0.1"
    venue_port: Port = 5560
    nepse_port: Port = 5561
    ticks_per_s: Annotated[float, Meta(gt=0, le=100_000)] = 300.0
    seed: int = 20261122


class LogSettings(Section, frozen=True):
    """`[log]`: the log lines of the processes, on standard error or to the journal of systemd."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console", "journal"] = "auto"


class SecuritySettings(Section, frozen=True):
    """`[security]`: the programs that may connect to the broker where there are no keys, and the key of this program."""

    loopback: Literal["owner", "open"] = "owner"
    key: Path | None = None


class TracingSettings(Section, frozen=True):
    """`[tracing]`: OpenTelemetry spans of tasks; where they go is in OpenTelemetry's own variables of the environment."""

    enabled: bool = False


class Settings(Struct, frozen=True, kw_only=True):
    """All settings of all processes."""

    broker: BrokerSettings = BrokerSettings()
    journal: JournalSettings = JournalSettings()
    task: TaskSettings = TaskSettings()
    nepse: NepseSettings = NepseSettings()
    archive: ArchiveSettings = ArchiveSettings()
    feed: FeedSettings = FeedSettings()
    derive: DeriveSettings = DeriveSettings()
    scaling: ScalingSettings = ScalingSettings()
    supervisor: SupervisorSettings = SupervisorSettings()
    display: DisplaySettings = DisplaySettings()
    gateway: GatewaySettings = GatewaySettings()
    bridge: BridgeSettings = BridgeSettings()
    sim: SimSettings = SimSettings()
    log: LogSettings = LogSettings()
    security: SecuritySettings = SecuritySettings()
    tracing: TracingSettings = TracingSettings()
    services: dict[str, ServiceScaling] = {}  # `[scaling.SERVICE]`: service -> its settings

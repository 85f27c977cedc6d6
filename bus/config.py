"""Settings: from hulak.toml, overridden by variables, then by options; a wrong one is refused at the start.

Precedence, highest first: options of a command, `HULAK_<SECTION>__<NAME>` variables, the file, the defaults here.
The file is the first of `--config` or `HULAK_CONFIG`, `<home>/hulak.toml`, `/etc/hulak/hulak.toml`, and the one that comes
with the package, `etc/hulak.toml`, where every setting stands with its unit and default; a test keeps the two equal.
"""

import ipaddress
import os
import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from bus.errors import ConfigError

PLAIN_VARIABLES = {"HULAK_HOME", "HULAK_CONFIG", "HULAK_PYTHON"}
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
    collector_hwm: int = Field(20_000, ge=1000, le=10_000_000)
    max_tick_bytes: int = Field(65_536, ge=256, le=1 << 20)
    max_message_bytes: int = Field(8 << 20, ge=1 << 16, le=256 << 20)
    max_topics: int = Field(10_000, ge=10, le=1_000_000)
    max_tasks: int = Field(10_000, ge=1, le=1_000_000)
    handshake_s: Seconds = 2.0
    drain_s: Seconds = 1.5


class JournalSettings(Section):
    """`[journal]`: how ticks are kept."""

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


class SimSettings(Section):
    """`[sim]`: the simulated outside world of the demo."""

    host: str = Field("127.0.0.1", pattern=r"^(127\.\d+\.\d+\.\d+|localhost|::1)$")
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


def default_home() -> Path:
    """Return where everything written goes if nobody says otherwise: `HULAK_HOME`, else the user's state folder."""
    if said := os.environ.get("HULAK_HOME"):
        return Path(said)
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser() / "hulak"


def shipped(name: str) -> Path:
    """Find a file of `etc/`: beside the packages in a checkout, under `share/hulak` of an installation."""
    beside = Path(__file__).resolve().parent.parent / "etc" / name
    return beside if beside.is_file() else Path(sys.prefix) / "share" / "hulak" / "etc" / name


def find_file(home: Path, given: Path | None) -> Path:
    """Find the settings file to read.

    Raises:
        ConfigError: the file that was asked for is not there.
    """
    asked = given or (Path(os.environ["HULAK_CONFIG"]) if os.environ.get("HULAK_CONFIG") else None)
    if asked is not None:
        if not asked.is_file():
            raise ConfigError(f"settings file {asked} is not there; name another with --config or HULAK_CONFIG")
        return asked
    for path in (home / "hulak.toml", Path("/etc/hulak/hulak.toml")):
        if path.is_file():
            return path
    return shipped("hulak.toml")


def load(home: Path, file: Path | None = None, options: Mapping[str, Mapping[str, Any]] | None = None) -> Settings:
    """Read and check all settings.

    Args:
        home: the folder of everything that is written.
        file: the settings file, if one was named.
        options: `{section: {name: value}}` of the command line; the highest precedence.
    Raises:
        ConfigError: a file is missing or not TOML, or a setting unknown or wrong; names it, its value and what is allowed.
    """
    path = find_file(home, file)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"settings file {path} cannot be read: {error}") from error
    _refuse_unknown_variables()
    try:
        settings = Settings(**table)
    except ValidationError as error:
        raise ConfigError(_say(error, path)) from error
    except ValueError as error:  # a variable that should be a whole section, as JSON, and is not
        raise ConfigError(f"a HULAK_ variable cannot be read: {error}") from error
    settings = _with_options(settings, options or {}, path)
    _refuse_contradictions(settings)
    return settings


def _with_options(settings: Settings, options: Mapping[str, Mapping[str, Any]], path: Path) -> Settings:
    sections = {}
    for name, values in options.items():
        section = getattr(settings, name)
        try:
            sections[name] = type(section)(**{**section.model_dump(), **values})
        except ValidationError as error:
            raise ConfigError(_say(error, path, name)) from error
    return settings.model_copy(update=sections)


def _refuse_unknown_variables() -> None:
    sections = set(Settings.model_fields)
    for name in os.environ:
        if name.startswith("HULAK_") and name not in PLAIN_VARIABLES:
            section, _, setting = name.removeprefix("HULAK_").lower().partition("__")
            if section not in sections or not setting:
                allowed = ", ".join(f"HULAK_{one.upper()}__NAME" for one in sorted(sections))
                raise ConfigError(f"variable {name}={os.environ[name]!r} is unknown; allowed are {allowed}")


def _refuse_contradictions(settings: Settings) -> None:
    task = settings.task
    if task.hard_s <= task.soft_s:
        raise ConfigError(f"setting task.hard_s is {task.hard_s}, must be above task.soft_s, which is {task.soft_s}")
    for name, lease_s in (("lease_s", task.lease_s), ("mdp_lease_s", task.mdp_lease_s)):
        if lease_s < 2 * task.heartbeat_s:
            raise ConfigError(f"setting task.{name} is {lease_s}, must be at least twice task.heartbeat_s ({task.heartbeat_s})")
    if settings.feed.backoff_cap_s < settings.feed.backoff_base_s or task.backoff_cap_s < task.backoff_base_s:
        raise ConfigError("setting backoff_cap_s of [feed] or [task] is below backoff_base_s, must not be")
    if settings.scaling.min_workers > settings.scaling.max_workers:
        least, most = settings.scaling.min_workers, settings.scaling.max_workers
        raise ConfigError(f"setting scaling.min_workers is {least}, must not be above scaling.max_workers, which is {most}")
    ports = [getattr(settings.broker, name) for name in ("collector", "publisher", "frontend", "backend")]
    if len(set(ports)) < len(ports):
        raise ConfigError(f"settings broker.collector, publisher, frontend, backend are {ports}, must all differ")


def _say(error: ValidationError, path: Path, *within: str) -> str:
    said = []
    for one in error.errors():
        where = (*within, *one["loc"])
        name = ".".join(str(part) for part in where)
        if one["type"] == "extra_forbidden":
            said.append(f"setting {name} = {one['input']!r} is unknown; allowed are {_allowed(where)}")
        else:
            text = one["msg"].removeprefix("Value error, ")
            said.append(f"setting {name} = {one['input']!r}: {text[0].lower()}{text[1:]}")
    return "; ".join(said) + f" (read from {path}, HULAK_ variables and options)"


def _allowed(location: tuple[int | str, ...]) -> str:
    if len(location) < 2:
        return ", ".join(f"[{name}]" for name in Settings.model_fields)
    section = Settings.model_fields.get(str(location[0]))
    fields = getattr(section.annotation, "model_fields", {}) if section else {}
    return ", ".join(f"{location[0]}.{name}" for name in fields)

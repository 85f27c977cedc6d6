"""Load settings from hulak.toml, overridden by variables, then by options; a wrong one is refused at the start.

Precedence, highest first: options of a command, `HULAK_<SECTION>__<NAME>` variables, the file, the defaults of
`bus.process.settings`. The file is the first of `--config` or `HULAK_CONFIG`, `<home>/hulak.toml`, `/etc/hulak/hulak.toml`,
and the one that comes with the package, `etc/hulak.toml`, where every setting stands with its unit and default; a test keeps
the two equal.
"""

import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from hulak.bus.errors import ConfigError
from hulak.bus.process.check_settings import PER_SERVICE, SECTIONS, model_of, take, types_of
from hulak.bus.process.home import default_home
from hulak.bus.process.key_files import broker_path, read_client_key
from hulak.bus.process.settings import GatewaySettings, ScalingSettings, ServiceScaling, Settings, loopback_endpoint
from hulak.bus.wire.plain_values import suggestion

PREFIX = "HULAK_"
PLAIN_VARIABLES = {"HULAK_HOME", "HULAK_CONFIG", "HULAK_CONTEXT", "HULAK_PYTHON"}
SHORT_VARIABLES = {"HULAK_KEY": "HULAK_SECURITY__KEY"}  # the same setting


def located(settings: Settings | None = None, home: Path | None = None, key: Path | str | None = None) -> tuple[Settings, Path]:
    """Return settings and home; where they are None, the same as every command uses.

    Args:
        settings: checked.
        home: the broker's folder.
        key: the file of the client's key; that of the settings if None.
    Raises:
        ConfigError: as `load`; or the file of the key cannot be read.
    """
    home = home or default_home()
    if settings is None:
        settings = load(home, options={} if key is None else {"security": {"key": key}})
    elif key is not None:
        settings = msgspec.structs.replace(settings, security=msgspec.structs.replace(settings.security, key=Path(key)))
    if settings.security.key is not None:
        read_client_key(settings.security.key)  # a wrong file is refused here, and not where the broker is searched for
    return settings, home


def shipped(name: str) -> Path:
    """Return the path of a file of `etc/`, which is part of the package."""
    return Path(__file__).resolve().parents[2] / "etc" / name


def find_file(home: Path, given: Path | None) -> Path:
    """Return the settings file to read.

    Raises:
        ConfigError: the file that was asked for does not exist.
    """
    asked = given or (Path(os.environ["HULAK_CONFIG"]) if os.environ.get("HULAK_CONFIG") else None)
    if asked is not None:
        if not asked.is_file():
            raise ConfigError(f"settings file {asked} not found; name another with --config or HULAK_CONFIG")
        return asked
    for path in (home / "hulak.toml", Path("/etc/hulak/hulak.toml")):
        try:
            if path.is_file():
                return path
        except OSError as error:  # a folder above it cannot be entered
            raise ConfigError(f"settings file {path} cannot be checked: {error}; choose another home with --home") from error
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
    except (OSError, ValueError, RecursionError) as error:  # ValueError: not TOML, or a number of more digits than Python reads
        raise ConfigError(f"settings file {path} cannot be read: {error}") from error
    wrong: list[str] = []
    values = _known(table, wrong)
    for name, text in _variables().items():
        section, setting = _section_of(name)
        take(values.setdefault(section, {}), section, setting, text, wrong, is_text=True)
    for section, given in (options or {}).items():
        for setting, value in given.items():
            take(values.setdefault(section, {}), section, setting, value, wrong)
    wrong += _wrong_services(values)
    if wrong:
        raise ConfigError(f"{'; '.join(wrong)} (read from {path}, {PREFIX} variables and options)")
    tables = {section: model_of(section)(**given) for section, given in values.items()}
    services = {name.removeprefix(PER_SERVICE): tables.pop(name) for name in values if name not in SECTIONS}
    settings = Settings(**tables, services=services)
    _refuse_contradictions(settings)
    if settings.security.key is None and not os.path.exists(broker_path(home)):  # noqa: PTH110 - false in a closed folder
        _refuse_addresses_beyond(settings)
    return settings


def _known(table: Mapping[str, Any], wrong: list[str]) -> dict[str, dict[str, Any]]:
    """Check the settings of the file; return their values by section and name."""
    values: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    for section, given in table.items():
        if section not in SECTIONS:
            wrong.append(f"setting {section} = {given!r} is unknown; allowed are {', '.join(f'[{name}]' for name in SECTIONS)}")
            wrong[-1] += suggestion(section, SECTIONS)
        elif not isinstance(given, dict):
            wrong.append(f"setting {section} = {given!r}: must be a table, [{section}]")
        else:
            for setting, value in given.items():
                if f"{section}." == PER_SERVICE and isinstance(value, dict):
                    of_service = values.setdefault(f"{section}.{setting}", {})
                    for name, item in value.items():
                        take(of_service, f"{section}.{setting}", name, item, wrong)
                else:
                    take(values[section], section, setting, value, wrong)
    return values


def _wrong_services(sections: Iterable[str]) -> list[str]:
    """List the errors in the names of sections of services."""
    services = [name.removeprefix(PER_SERVICE) for name in sections if name not in SECTIONS]
    wrong = [f"section [{PER_SERVICE}{name}]: no service has this name, a name has no colon" for name in services if ":" in name]
    wrong += [f"section [{PER_SERVICE}{name}]: the name of the service is missing" for name in services if not name]
    if "nepse" in services:
        wrong.append("section [scaling.nepse]: the settings of nepse are in [scaling]; move them there")
    return wrong


def _section_of(variable: str) -> tuple[str, str]:
    """Return section and setting of a variable: HULAK_TASK__SOFT_S, or HULAK_SCALING__SUMS__MAX_WORKERS for a service."""
    section, _, setting = variable.removeprefix(PREFIX).lower().partition("__")
    service, separator, of_service = setting.rpartition("__")
    return (f"{PER_SERVICE}{service}", of_service) if f"{section}." == PER_SERVICE and separator else (section, setting)


def _variables() -> dict[str, str]:
    """Return the variables that are settings. Raises ConfigError for one with the prefix that is no setting."""
    variables = {name: text for name, text in os.environ.items() if name.startswith(PREFIX) and name not in PLAIN_VARIABLES}
    for short_name, name in SHORT_VARIABLES.items():
        if (text := variables.pop(short_name, "")) and name not in variables:
            variables[name] = text
    for name, text in variables.items():
        section, setting = _section_of(name)
        if not setting or not (section in SECTIONS or section.startswith(PER_SERVICE)):
            allowed = ", ".join(f"{PREFIX}{known.upper()}__NAME" for known in sorted(SECTIONS))
            near = suggestion(
                name, [f"{PREFIX}{known}__{key}".upper() for known in SECTIONS for key in types_of(SECTIONS[known])]
            )
            raise ConfigError(f"variable {name}={text!r} is unknown; allowed are {allowed}{near}")
    return variables


def _refuse_addresses_beyond(settings: Settings) -> None:
    for name in ("collector", "publisher", "frontend", "backend"):
        address = getattr(settings.broker, name)
        try:
            loopback_endpoint(address)
        except ValueError as error:
            raise ConfigError(f"setting broker.{name} = {address!r}: {error}") from None


def _refuse_contradictions(settings: Settings) -> None:
    task = settings.task
    if task.hard_s <= task.soft_s:
        raise ConfigError(f"setting task.hard_s is {task.hard_s}, must be above task.soft_s, which is {task.soft_s}")
    for name, lease_s in (("lease_s", task.lease_s), ("mdp_lease_s", task.mdp_lease_s)):
        if lease_s < 2 * task.heartbeat_s:
            raise ConfigError(f"setting task.{name} is {lease_s}, must be at least twice task.heartbeat_s ({task.heartbeat_s})")
    if settings.broker.max_task_bytes < settings.broker.max_message_bytes:
        most, frame = settings.broker.max_task_bytes, settings.broker.max_message_bytes
        raise ConfigError(f"setting broker.max_task_bytes is {most}, must be at least broker.max_message_bytes, which is {frame}")
    if settings.feed.backoff_cap_s < settings.feed.backoff_base_s or task.backoff_cap_s < task.backoff_base_s:
        raise ConfigError("setting backoff_cap_s of [feed] or [task] is below backoff_base_s, must not be")
    if settings.supervisor.retry_cap_s < settings.supervisor.retry_base_s:
        raise ConfigError("setting supervisor.retry_cap_s is below supervisor.retry_base_s, must not be")
    _refuse_pools(settings)
    ports = [getattr(settings.broker, name) for name in ("collector", "publisher", "frontend", "backend")]
    if len(set(ports)) < len(ports):
        raise ConfigError(f"settings broker.collector, publisher, frontend, backend are {ports}, must all differ")
    _refuse_gateway(settings.gateway)


def _refuse_pools(settings: Settings) -> None:
    pools: dict[str, ScalingSettings | ServiceScaling] = {"scaling": settings.scaling}
    pools |= {f"{PER_SERVICE}{service}": own for service, own in settings.services.items()}
    for name, scaling in pools.items():
        low, high = scaling.min_workers, scaling.max_workers
        if low is not None and high is not None and low > high:
            raise ConfigError(f"setting {name}.min_workers is {low}, must not be above {name}.max_workers, which is {high}")


def _refuse_gateway(gateway: GatewaySettings) -> None:
    if (gateway.tls_cert is None) != (gateway.tls_key is None):
        missing, given = ("tls_cert", "tls_key") if gateway.tls_cert is None else ("tls_key", "tls_cert")
        raise ConfigError(f"setting gateway.{missing} is missing, must be set together with gateway.{given}")
    if not gateway.is_local and gateway.tls_cert is None and not gateway.behind_proxy:
        raise ConfigError(
            f"setting gateway.host is {gateway.host}, an address beyond this machine: tokens and data would cross the network "
            "unencrypted; set gateway.tls_cert and gateway.tls_key, or gateway.behind_proxy = true if a proxy ends TLS in front "
            "of it"
        )

"""Named brokers: the file of contexts, and which one a command uses.

The file is `hulak/contexts.toml` below `XDG_CONFIG_HOME`, by default `~/.config`. A context names a home on this machine, or the
host of another machine and the file of a key for its broker; the key itself stays in its own file. It may also name a settings
file. Commands apply it as environment variables, so that the processes that they start use the same broker.
"""

import json
import os
import re
import stat
import tomllib
from collections.abc import Mapping, MutableMapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hulak.bus.errors import ConfigError
from hulak.bus.wire.plain_values import suggestion

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}|\[[0-9A-Fa-f:.]+\]")
MOST_BYTES = 1 << 20  # of the file
VARIABLE = "HULAK_CONTEXT"
SOCKETS = ("collector", "publisher", "frontend", "backend")
ADDRESSES = tuple(f"HULAK_BROKER__{name.upper()}" for name in SOCKETS)
KEYS = ("HULAK_KEY", "HULAK_SECURITY__KEY")  # two names of one setting
OF_A_BROKER = ("HULAK_HOME", "HULAK_CONFIG", *KEYS, *ADDRESSES)  # variables that say which broker is used


@dataclass(frozen=True, slots=True)
class Context:
    """One named broker."""

    home: str = ""  # absolute path
    config: str = ""  # absolute path of its settings file
    host: str = ""  # name or address of another machine, with its broker's usual ports unless `config` has others
    key: str = ""  # absolute path of the file of a key

    def values(self) -> dict[str, str]:
        """Return the values that are set, by name."""
        return {name: value for name, value in asdict(self).items() if value}


@dataclass(slots=True)
class Contexts:
    """The contents of the file."""

    by_name: dict[str, Context] = field(default_factory=dict)
    used: str = ""  # name of the one that commands use; empty: none

    def at(self, name: str, source: str) -> Context:
        """Return a context.

        Args:
            name: its name.
            source: where the name comes from, for the error.
        Raises:
            ConfigError: there is none of this name.
        """
        if name not in self.by_name:
            known = (
                f"there are {', '.join(sorted(self.by_name))}" if self.by_name else "there is none; `hulak context add` adds one"
            )
            raise ConfigError(f"context {name!r} of {source} is unknown; {known}{suggestion(name, self.by_name)}")
        return self.by_name[name]


def file_path(environment: Mapping[str, str]) -> Path:
    """Return the path of the file."""
    folder = environment.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(folder).expanduser() / "hulak" / "contexts.toml"


def check_name(name: str) -> str:
    """Return a name of a context. Raises `ConfigError` for a wrong one."""
    if not NAME.fullmatch(name):
        raise ConfigError(
            f"context {name!r}: a name has 1 to 64 letters, digits, '.', '_' and '-', and begins with none of the marks"
        )
    return name


def read(path: Path) -> Contexts:
    """Return the contexts of a file; none if it does not exist.

    Raises:
        ConfigError: it cannot be read, others may write it, or it is wrong.
    """
    try:
        with path.open("rb") as file:
            mode, data = os.fstat(file.fileno()).st_mode, file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return Contexts()
    except OSError as error:
        raise ConfigError(f"contexts file {path} cannot be read: {error.strerror}") from error
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigError(f"contexts file {path} can be written by other users; `chmod 600` it")
    if len(data) > MOST_BYTES:
        raise ConfigError(f"contexts file {path} has more than {MOST_BYTES} bytes")
    try:
        return parsed(tomllib.loads(data.decode()))
    except (ValueError, RecursionError, ConfigError) as error:  # ValueError: not UTF-8, or no TOML
        raise ConfigError(f"contexts file {path} is wrong: {error}; correct it, or delete it") from error


def parsed(table: Mapping[str, Any]) -> Contexts:
    """Return the contexts of a decoded file. Raises `ConfigError`."""
    for name in table:
        if name not in ("use", "contexts"):
            raise ConfigError(f"{name!r} is unknown; allowed are use, [contexts.NAME]{suggestion(name, ('use', 'contexts'))}")
    used, rows = table.get("use", ""), table.get("contexts", {})
    if not isinstance(used, str) or not isinstance(rows, Mapping):
        raise ConfigError("use must be a name, and contexts a table [contexts.NAME]")
    contexts = Contexts({check_name(name): _context(name, row) for name, row in rows.items()}, used)
    if used:
        contexts.at(used, "use")
    return contexts


def _context(name: str, row: Any) -> Context:
    names = ("home", "config", "host", "key")
    if not isinstance(row, Mapping):
        raise ConfigError(f"[contexts.{name}] must be a table with {', '.join(names)}")
    for key, value in row.items():
        if key not in names:
            raise ConfigError(f"[contexts.{name}] has {key!r}; allowed are {', '.join(names)}{suggestion(key, names)}")
        if not isinstance(value, str) or not value or not value.isprintable():
            raise ConfigError(f"[contexts.{name}] {key} = {value!r}: must be a text without control characters")
        if key != "host" and not value.startswith("/"):
            raise ConfigError(f"[contexts.{name}] {key} = {value!r}: must be an absolute path")
    return checked(name, Context(**row))


def checked(name: str, context: Context) -> Context:
    """Return a context whose values fit together.

    Raises:
        ConfigError: they do not.
    """
    if not (context.home or context.host or context.config):
        raise ConfigError(f"context {name!r} names no broker: it needs a home, or a host and a key")
    if context.host and not HOST.fullmatch(context.host):
        raise ConfigError(f"context {name!r}: host {context.host!r} must be a name or an address, without a port; [::1] for IPv6")
    if context.host and not context.key:
        raise ConfigError(f"context {name!r}: the broker of host {context.host!r} takes only clients with a key; name its file")
    return context


def text_of(contexts: Contexts) -> str:
    """Return the text of the file."""
    parts = ["# Written by `hulak context`, which keeps no comments. Keys are named here by their files, and never copied."]
    parts += [f"use = {json.dumps(contexts.used)}"] if contexts.used else []
    for name in sorted(contexts.by_name):
        values = contexts.by_name[name].values().items()
        parts.append("\n".join([f'\n[contexts."{name}"]', *(f"{key} = {json.dumps(value)}" for key, value in values)]))
    return "\n".join(parts) + "\n"


def write(path: Path, contexts: Contexts) -> None:
    """Write the file as a whole, for its owner alone. Raises `OSError`, with its file name."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123
            file.write(text_of(contexts))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def chosen(contexts: Contexts, option: str | None, environment: Mapping[str, str]) -> tuple[str, Context | None]:
    """Return name and values of the context that counts; an empty name and None without one.

    Args:
        contexts: those of the file.
        option: the value of --context.
        environment: has HULAK_HOME, which goes before a context that was not named on the command line, and HULAK_CONTEXT.
    Raises:
        ConfigError: the named one is unknown.
    """
    if option:
        return option, contexts.at(option, "--context")
    if environment.get("HULAK_HOME"):
        return "", None
    if name := environment.get(VARIABLE, ""):
        return name, contexts.at(name, VARIABLE)
    return (contexts.used, contexts.at(contexts.used, "use")) if contexts.used else ("", None)


def variables(context: Context) -> dict[str, str]:
    """Return a context as environment variables; the ports are those of its settings file, else the usual ones.

    Raises:
        ConfigError: its settings file cannot be read.
    """
    pairs = {"HULAK_HOME": context.home, "HULAK_CONFIG": context.config, "HULAK_KEY": context.key}
    if context.host:
        ports = {name: address.rpartition(":")[2] for name, address in _addresses(context.config).items()}
        pairs |= {f"HULAK_BROKER__{name.upper()}": f"tcp://{context.host}:{ports[name]}" for name in SOCKETS}
    return {name: value for name, value in pairs.items() if value}


def _addresses(file: str) -> dict[str, str]:
    """Return the address of each of `SOCKETS` in a settings file, or its default."""
    from hulak.bus.process.settings import BrokerSettings

    given: Any = {}
    if file:
        try:
            given = tomllib.loads(Path(file).read_text(encoding="utf-8")).get("broker", {})
        except (OSError, ValueError, RecursionError) as error:
            raise ConfigError(f"settings file {file} of the context cannot be read: {error}") from error
    defaults = BrokerSettings()
    values = {name: getattr(defaults, name) for name in SOCKETS}
    return values | {name: given[name] for name in SOCKETS if isinstance(given, dict) and isinstance(given.get(name), str)}


def apply(values: Mapping[str, str], environment: MutableMapping[str, str], *, by_option: bool) -> None:
    """Set the variables of a context; a context of --context replaces those of any other broker."""
    if by_option:
        for name in OF_A_BROKER:
            environment.pop(name, None)
    has_key = any(environment.get(name) for name in KEYS)
    for name, value in values.items():
        if not (environment.get(name) or (name in KEYS and has_key)):
            environment[name] = value


def names() -> list[str]:
    """Return the names in the file, for the completion of a shell; none if it is wrong."""
    try:
        return sorted(read(file_path(os.environ)).by_name)
    except ConfigError:
        return []

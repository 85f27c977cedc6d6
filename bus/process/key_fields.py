"""The fields of a file of keys, read and checked; `key_files` says which file has which. docs/howto/security.md."""

import contextlib
import os
import re
import stat
import struct
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import zmq
from zmq.utils import z85 as z85_of_zmq

from hulak.bus.errors import ConfigError
from hulak.bus.wire.plain_values import short, suggestion

Z85 = re.compile(r"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")
LONGEST_FILE = 1 << 18  # bytes: 1,000 roles have less
YEARS = 1970, 9998  # of a time, in UTC
OTHERS = 0o007


def _without_waiting(path: str, flags: int) -> int:
    """Open a file; a named pipe too, without waiting for its writer."""
    return os.open(path, flags | os.O_NONBLOCK)


def read_table(path: Path, known: set[str], *, secret: bool) -> dict[str, Any]:
    """Read a file of keys. Raises FileNotFoundError; ConfigError: it cannot be read, is malformed or not secret."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise ConfigError(f"key file {path} is no file, must be one")
            if secret and mode & OTHERS:
                shown = f"{stat.S_IMODE(mode):04o}"
                raise ConfigError(f"key file {path} has mode {shown}: other users can read the secret; `chmod 600 {path}`")
            content = file.read(LONGEST_FILE + 1)
        if len(content) > LONGEST_FILE:
            raise ConfigError(f"key file {path} is longer than {LONGEST_FILE} bytes")
        table = tomllib.loads(content.decode())
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigError(f"key file {path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # not only those of TOML: a number of 5,000 digits is a ValueError of Python's
        raise ConfigError(f'key file {path} is malformed, must have lines such as public = "...": {error}') from error
    for name in table:
        if name not in known:
            allowed = f"allowed are {', '.join(sorted(known))}{suggestion(name, known)}"
            raise ConfigError(f"key file {path}: {short(name)} is unknown; {allowed}")
    return table


def text(path: Path, table: Mapping[str, Any], name: str, *, optional: bool = False) -> str:
    """Return a field that is a text; if it is `optional`, an empty one where it is missing. Raises ConfigError."""
    value = table.get(name, "" if optional else None)
    if not isinstance(value, str):
        raise ConfigError(f"key file {path}: {name} is {'missing' if value is None else short(value)}, must be a text")
    return value


def z85(path: Path, table: Mapping[str, Any], name: str, *, optional: bool = False, secret: bool = False) -> str:
    """Return a field that is a key in Z85; a `secret` one is in no error. Raises ConfigError."""
    value = text(path, table, name, optional=optional)
    if (value or not optional) and not _is_key(value):
        seen = f"has {len(value)} characters" if secret else f"is {short(value)}"
        raise ConfigError(f"key file {path}: {name} {seen}, must be a key of 40 characters in Z85")
    return value


def _is_key(value: str) -> bool:
    """Return whether a text is a key in Z85; not every one of 40 such characters is: five of them may exceed 32 bits."""
    if Z85.fullmatch(value) is None:
        return False
    try:
        z85_of_zmq.decode(value)
    except struct.error:
        return False
    return True


def secret_of(path: Path, table: Mapping[str, Any]) -> str:
    """Return the secret key of a pair. Raises ConfigError: it is not that of the public one."""
    secret = z85(path, table, "secret", secret=True)
    if zmq.curve_public(secret.encode()).decode() != table["public"]:
        raise ConfigError(f"key file {path}: public is not the public key of secret; one of the two was changed")
    return secret


def time_of(path: Path, table: Mapping[str, Any], name: str) -> datetime | None:
    """Return a field that is a time with its zone, as TOML's or as a text; None: it is missing. Raises ConfigError."""
    value = table.get(name)
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = datetime.fromisoformat(value)
    if value is None:
        return None
    if isinstance(value, datetime) and value.tzinfo is not None:
        with contextlib.suppress(OverflowError):  # in UTC its year would be 0 or 10000
            if YEARS[0] <= value.astimezone(UTC).year <= YEARS[1]:
                return value
    wanted = f"a time with its zone, from {YEARS[0]} to {YEARS[1]}: 2027-01-31T12:00:00Z"
    raise ConfigError(f"key file {path}: {name} is {short(str(value))}, must be {wanted}")

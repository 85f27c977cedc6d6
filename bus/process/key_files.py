"""Keys as files: the broker's, the authorised ones, and a client's. docs/howto/security.md.

All are TOML, so that `cp`, `rm`, git and configuration management work on them:

* `<home>/keys/broker.key`: `public`, `secret`. During a rotation also `broker-next.key`, with `until`.
* `<home>/keys/authorised/NAME.key`: `public`, `roles`; if wanted `note`, `expires`. The name of the file is the name of the key.
* a client's file, anywhere: `name`, `public`, `secret`, `server` (the broker's public key); during a rotation `server_next`.

Secrets are written with mode 0600 from the start; a secret that others may read is refused.
"""

import contextlib
import json
import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import zmq

from hulak.bus.errors import ConfigError
from hulak.bus.process import key_fields
from hulak.bus.wire.plain_values import short
from hulak.bus.wire.roles import Role, parse_roles

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
SUFFIX = ".key"
LONGEST_NOTE = 1000  # characters
MOST_KEYS = 1000  # authorised ones: the folder is listed every second


class KeyPair(msgspec.Struct, frozen=True):
    """A CURVE key pair, both in Z85: 40 characters."""

    public: str
    secret: str

    def __repr__(self) -> str:
        """Show the public key alone."""
        return f"{type(self).__name__}(public={self.public!r})"


class BrokerKey(KeyPair, frozen=True):
    """The broker's own key. `until`: of the next one, when it replaces the present one."""

    until: datetime | None = None

    __repr__ = KeyPair.__repr__


class ClientKey(msgspec.Struct, frozen=True, kw_only=True):
    """All that a client needs: its own pair, and the public key of its broker; `server_next` is the one after a rotation."""

    name: str
    public: str
    secret: str
    server: str
    server_next: str = ""

    def __repr__(self) -> str:
        """Show everything but the secret."""
        return f"ClientKey(name={self.name!r}, public={self.public!r}, server={self.server!r}, server_next={self.server_next!r})"


class AuthorisedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that may connect."""

    name: str
    public: str
    roles: frozenset[Role] = frozenset()
    note: str = ""
    expires: datetime | None = None  # with its time zone


def new_pair() -> KeyPair:
    """Make a new key pair."""
    public, secret = zmq.curve_keypair()
    return KeyPair(public.decode(), secret.decode())


def folder(home: Path) -> Path:
    """Return the folder of a home's keys."""
    return home / "keys"


def broker_path(home: Path) -> Path:
    """Return the file of the broker's key; if it exists, TCP needs keys."""
    return folder(home) / "broker.key"


def next_broker_path(home: Path) -> Path:
    """Return the file of the broker's next key, during a rotation."""
    return folder(home) / "broker-next.key"


def authorised_folder(home: Path) -> Path:
    """Return the folder of the authorised keys."""
    return folder(home) / "authorised"


def authorised_path(home: Path, name: str) -> Path:
    """Return the file of an authorised key.

    Raises:
        ConfigError: the name is not allowed.
    """
    return authorised_folder(home) / f"{check_name(name)}{SUFFIX}"


def check_name(name: str) -> str:
    """Check the name of a key; returns it unchanged. Raises ConfigError."""
    if NAME.fullmatch(name) is None:
        must = "must have 1 to 64 letters, digits, '.', '_', '-', and begin with a letter or a digit"
        raise ConfigError(f"name of a key {short(name)}: {must}")
    return name


# Reading


def read_broker_key(home: Path) -> BrokerKey | None:
    """Read the broker's key; None if there is none: then it has no keys. Raises ConfigError."""
    return _read_broker(broker_path(home))


def read_next_broker_key(home: Path) -> BrokerKey | None:
    """Read the broker's next key; None if no rotation is under way. Raises ConfigError."""
    return _read_broker(next_broker_path(home))


def _read_broker(path: Path) -> BrokerKey | None:
    try:
        table = key_fields.read_table(path, {"public", "secret", "until"}, secret=True)
    except FileNotFoundError:
        return None
    return BrokerKey(
        key_fields.z85(path, table, "public"),
        key_fields.secret_of(path, table),
        key_fields.time_of(path, table, "until"),
    )


def read_client_key(path: Path) -> ClientKey:
    """Read a client's key.

    Raises:
        ConfigError: it does not exist, is malformed, or can be read by other users.
    """
    try:
        table = key_fields.read_table(path, set(ClientKey.__struct_fields__), secret=True)
    except FileNotFoundError:
        raise ConfigError(f"key file {path} not found; `hulak key new NAME` on the broker's machine makes one") from None
    name = check_name(key_fields.text(path, table, "name"))
    server, server_next = key_fields.z85(path, table, "server"), key_fields.z85(path, table, "server_next", optional=True)
    return ClientKey(
        name=name,
        public=key_fields.z85(path, table, "public"),
        secret=key_fields.secret_of(path, table),
        server=server,
        server_next=server_next,
    )


def read_authorised_key(path: Path) -> AuthorisedKey:
    """Read an authorised key; its name is that of the file.

    Raises:
        ConfigError: the file cannot be read or is malformed.
    """
    if not path.name.endswith(SUFFIX):
        raise ConfigError(f"key file {path}: its name must end with {SUFFIX}")
    name = check_name(path.name.removesuffix(SUFFIX))
    try:
        table = key_fields.read_table(path, {"public", "roles", "note", "expires"}, secret=False)
    except FileNotFoundError:
        raise ConfigError(f"key file {path} not found") from None
    roles = table.get("roles", [])
    try:
        if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
            raise ValueError(f"roles is {short(roles)}, must be an array of texts")
        parsed = parse_roles(roles)
    except ValueError as error:
        raise ConfigError(f"key file {path}: {error}") from None
    note = key_fields.text(path, table, "note", optional=True)
    if len(note) > LONGEST_NOTE:
        raise ConfigError(f"key file {path}: note has {len(note)} characters, must have at most {LONGEST_NOTE}")
    public, expires = key_fields.z85(path, table, "public"), key_fields.time_of(path, table, "expires")
    return AuthorisedKey(name=name, public=public, roles=parsed, note=note, expires=expires)


Signature = tuple[tuple[str, int, int, int, int], ...]  # of each file: name, inode, bytes, and both of its times in ns


def signature_of(home: Path) -> Signature:
    """Return what changes when any authorised key, or the broker's next one, does; costs about 2 us a file."""
    paths = [str(broker_path(home)), str(next_broker_path(home))]
    with contextlib.suppress(OSError), os.scandir(authorised_folder(home)) as entries:
        paths += [entry.path for entry in entries]
    signature = []
    for path in paths:
        with contextlib.suppress(OSError):
            status = os.stat(path)  # noqa: PTH116 - there may be a thousand, every second
            signature.append((path, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns))
    return tuple(sorted(signature))


def read_authorised_keys(home: Path) -> tuple[dict[str, AuthorisedKey], dict[str, str]]:
    """Read all authorised keys.

    Returns:
        the keys by name; and by file name why a file is refused: each other one counts all the same. Of several files with one
        public key all are refused. Files that do not end with `.key`, or begin with a dot, are ignored.
    """
    keys: dict[str, AuthorisedKey] = {}
    refused: dict[str, str] = {}
    try:
        files = (_encodable(path.name) for path in authorised_folder(home).iterdir())
        names = sorted(name for name in files if name.endswith(SUFFIX) and not name.startswith("."))
    except FileNotFoundError:
        return {}, {}
    except OSError as error:
        return {}, {"": f"folder {authorised_folder(home)} cannot be read: {error.strerror}"}
    for name in names[MOST_KEYS:]:
        refused[name] = f"there are more than {MOST_KEYS} keys"
    by_public: dict[str, list[str]] = {}
    for name in names[:MOST_KEYS]:
        try:
            key = read_authorised_key(authorised_folder(home) / name)
        except ConfigError as error:
            refused[name] = str(error)
        else:
            keys[key.name] = key
            by_public.setdefault(key.public, []).append(key.name)
    for same in (names for names in by_public.values() if len(names) > 1):
        for name in same:
            del keys[name]
            refused[name + SUFFIX] = f"{' and '.join(other + SUFFIX for other in same)} have the same public key, must differ"
    return keys, refused


def _encodable(name: str) -> str:
    """Return a file's name that UTF-8 can encode; that of no key if bytes of it are not UTF-8."""
    return os.fsencode(name).decode(errors="backslashreplace")


# Writing


def write_broker_key(home: Path, key: BrokerKey, *, following: bool = False) -> Path:
    """Write the broker's key, a new file; or its next key, the `following` one.

    Raises:
        ConfigError: there is one already, or it cannot be written.
    """
    return _write(next_broker_path(home) if following else broker_path(home), _texts(key))


def promote_next_broker_key(home: Path) -> BrokerKey:
    """Let the broker's next key replace the present one.

    Raises:
        ConfigError: there is no next key, or a file cannot be written.
    """
    key = read_next_broker_key(home)
    if key is None:
        raise ConfigError(f"there is no next key of the broker, {next_broker_path(home)}")
    promoted = BrokerKey(key.public, key.secret)
    _write(broker_path(home), _texts(promoted), replace=True)
    next_broker_path(home).unlink(missing_ok=True)
    return promoted


def write_client_key(path: Path, key: ClientKey, *, replace: bool = False) -> Path:
    """Write a client's key; with `replace` over the file that is there, if any. Raises as `write_broker_key`."""
    return _write(path, _texts(key), replace=replace)


def write_authorised_key(home: Path, key: AuthorisedKey, *, replace: bool = False) -> Path:
    """Write an authorised key; with `replace` over the file that is there, if any. Raises as `write_broker_key`."""
    return _write(authorised_path(home, key.name), {**_texts(key), "name": None}, replace=replace)


def remove_authorised_key(home: Path, name: str) -> bool:
    """Remove an authorised key: it is revoked; return whether there was one. Raises ConfigError."""
    path = authorised_path(home, name)
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ConfigError(f"key file {path} cannot be removed: {error.strerror}") from error
    return True


def _texts(key: msgspec.Struct) -> dict[str, Any]:
    return {name: getattr(key, name) for name in key.__struct_fields__}


def _write(path: Path, values: Mapping[str, Any], *, replace: bool = False) -> Path:
    """Write a file that is complete or not there, with mode 0600 from the start."""
    text = "".join(f"{name} = {_toml(value)}\n" for name, value in values.items() if value not in ("", None))
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        _make_folder(path.parent)
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                _give(descriptor, path.parent)
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
            if replace:
                part.replace(path)
            else:
                os.link(part, path)  # unlike a rename, fails if there is one
        finally:
            part.unlink(missing_ok=True)
    except FileExistsError:
        raise ConfigError(f"key file {path} exists; it was not changed") from None
    except (OSError, UnicodeEncodeError) as error:
        raise ConfigError(f"key file {path} cannot be written: {error}") from error
    return path


def _make_folder(path: Path) -> None:
    """Make a folder and those above it, for their owner only."""
    missing = [above for above in (path, *path.parents) if not above.exists()]
    for above in reversed(missing):
        above.mkdir(mode=0o700, exist_ok=True)
        _give(above, above.parent)


def _give(what: int | Path, near: Path) -> None:
    """Change the owner of a file that root has made to that of its folder: the broker must be able to read it."""
    if os.geteuid() == 0:
        owner = near.stat()
        os.chown(what, owner.st_uid, owner.st_gid)


def _toml(value: str | datetime | frozenset[Role]) -> str:
    if isinstance(value, datetime):
        return f'"{value.astimezone(UTC).isoformat().replace("+00:00", "Z")}"'
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # JSON's escapes are TOML's
    return f"[{', '.join(_toml(str(role)) for role in sorted(value))}]"

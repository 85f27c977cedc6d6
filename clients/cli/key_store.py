"""The keys of a home, as `hulak key` makes, lists and changes them; each step leaves files that are whole."""

import contextlib
import re
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from hulak.bus.errors import BusError, ConfigError
from hulak.bus.process import key_files
from hulak.bus.process.key_files import AuthorisedKey, BrokerKey, ClientKey
from hulak.bus.wire.plain_values import suggestion
from hulak.bus.wire.roles import Role

NUMBERED = re.compile(r"(.*)\.(\d{1,6})")
FOR_CLIENTS = ".secret"  # ends the name of a file that is to be copied to a client


def secret_path(home: Path, name: str) -> Path:
    """Return where the file of a client is written, to be copied to the client."""
    return key_files.folder(home) / f"{key_files.check_name(name)}{FOR_CLIENTS}"


def ensure_broker_key(home: Path) -> tuple[BrokerKey, bool]:
    """Return the broker's key, and whether it was made just now. Raises ConfigError."""
    key = key_files.read_broker_key(home)
    if key is not None:
        return key, False
    pair = key_files.new_pair()
    made = BrokerKey(pair.public, pair.secret)
    key_files.write_broker_key(home, made)
    return made, True


def broker_key(home: Path) -> BrokerKey:
    """Return the broker's key.

    Raises:
        BusError: `NO_KEYS`, this home has none.
        ConfigError: its file cannot be read.
    """
    key = key_files.read_broker_key(home)
    if key is None:
        raise BusError("NO_KEYS", f"home {home} has no keys; `hulak key new NAME --role ROLE` makes the first one")
    return key


def _unknown(path: Path) -> BusError:
    """Return the error for the file of a key that is not there."""
    near = suggestion(path.stem, (other.stem for other in path.parent.glob(f"*{path.suffix}")))
    return BusError("UNKNOWN_KEY", f"key {path.stem!r} is unknown in {path.parent}; `hulak key list` lists all{near}")


def authorised(home: Path, name: str) -> AuthorisedKey:
    """Return an authorised key.

    Raises:
        BusError: `UNKNOWN_KEY`, there is none of this name.
        ConfigError: its file cannot be read, or the name is not allowed.
    """
    path = key_files.authorised_path(home, name)
    if not path.exists():
        raise _unknown(path)
    return key_files.read_authorised_key(path)


def make(
    home: Path, name: str, roles: frozenset[Role], note: str, expires: datetime | None, file: Path | None
) -> tuple[ClientKey, Path]:
    """Make a client's key and authorise it; return the key, and the file for the client.

    Args:
        home: the broker's folder.
        name: of the key.
        roles: at least one.
        note: for people.
        expires: with its time zone; None: never.
        file: to write for the client; None: in the folder of the keys.
    Raises:
        BusError: `KEY_EXISTS`, the name is taken.
        ConfigError: a file exists already, or cannot be written.
    """
    path = file or secret_path(home, name)
    if key_files.authorised_path(home, name).exists():
        text = f"key {name!r} exists; `hulak key rotate {name}` makes another one, `hulak key revoke {name}` removes it"
        raise BusError("KEY_EXISTS", text)
    server, pair = broker_key(home), key_files.new_pair()
    after = key_files.read_next_broker_key(home)
    key = ClientKey(
        name=name, public=pair.public, secret=pair.secret, server=server.public, server_next="" if after is None else after.public
    )
    key_files.write_client_key(path, key)
    try:
        key_files.write_authorised_key(
            home, AuthorisedKey(name=name, public=pair.public, roles=roles, note=note, expires=expires)
        )
    except BaseException:
        path.unlink(missing_ok=True)  # of no use: no broker would accept it
        raise
    return key, path


def revoke(home: Path, name: str) -> list[Path]:
    """Remove a key, also one whose file is malformed, and the client's file in the folder of the keys; return what was removed.

    Raises:
        BusError: `UNKNOWN_KEY`.
        ConfigError: a file cannot be removed, or the name is not allowed.
    """
    path = key_files.authorised_path(home, name)
    if not key_files.remove_authorised_key(home, name):
        raise _unknown(path)
    secret = secret_path(home, name)
    with contextlib.suppress(FileNotFoundError):
        secret.unlink()
        return [path, secret]
    return [path]


def rotate(
    home: Path, name: str, grace: timedelta, now: datetime, file: Path | None, expires: datetime | None
) -> tuple[ClientKey, Path, datetime | None]:
    """Make a further key with the roles of one, which expires after the grace period.

    Returns:
        the new key, the file for the client, and when the former key expires; None: it was revoked.
    Raises:
        as `authorised` and `make`.
    """
    before = authorised(home, name)
    match = NUMBERED.fullmatch(name)
    base, number = (name, 1) if match is None else (match[1], int(match[2]))
    while key_files.authorised_path(home, new := f"{base}.{number + 1}").exists():
        number += 1
    key, path = make(home, new, before.roles, before.note, expires, file)
    if not grace:
        revoke(home, name)
        return key, path, None
    until = (now + grace).replace(microsecond=0)
    until = until if before.expires is None else min(until, before.expires)
    key_files.write_authorised_key(home, msgspec.structs.replace(before, expires=until), replace=True)
    return key, path, until


def rotate_broker(home: Path, until: datetime) -> BrokerKey:
    """Make the broker's next key, which replaces the present one at a time.

    Raises:
        BusError: `NO_KEYS`; `ROTATING`: there is a next key already.
        ConfigError: a file cannot be read or written.
    """
    broker_key(home)
    after = key_files.read_next_broker_key(home)
    if after is not None:
        when = "" if after.until is None else f" and replaces the present one at {after.until.isoformat()}"
        raise BusError("ROTATING", f"the broker has a next key already, {after.public}{when}; --now lets it replace it at once")
    pair = key_files.new_pair()
    made = BrokerKey(pair.public, pair.secret, until)
    key_files.write_broker_key(home, made, following=True)
    return made


def promote(home: Path, now: datetime) -> BrokerKey:
    """Let the broker's next key, which is made if there is none, replace the present one now. Raises as `rotate_broker`."""
    broker_key(home)
    if key_files.read_next_broker_key(home) is None:
        rotate_broker(home, now)
    return key_files.promote_next_broker_key(home)


def renew_client_files(home: Path) -> tuple[list[Path], dict[Path, str]]:
    """Write the broker's present and next key into the clients' files in the folder of the keys.

    Returns:
        the files that were changed, and those that could not be read, with the reason.
    """
    server, after = broker_key(home).public, key_files.read_next_broker_key(home)
    changed, wrong = [], {}
    for path in sorted(key_files.folder(home).glob(f"*{FOR_CLIENTS}")):
        try:
            key = key_files.read_client_key(path)
            new = msgspec.structs.replace(key, server=server, server_next="" if after is None else after.public)
            if new != key:
                changed.append(key_files.write_client_key(path, new, replace=True))
        except ConfigError as error:
            wrong[path] = str(error)
    return changed, wrong

"""The tokens of the gateway's clients: their roles, and the file of their hashes. Reads and writes that file, no other I/O.

A token is 256 random bits, so that one round of SHA-256 protects it: trying all of them is impossible. The file is written by
`hulak gateway token`, and read again by a running gateway when it has changed.
"""

import contextlib
import enum
import fcntl
import hashlib
import hmac
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from hulak.bus.errors import ConfigError
from hulak.bus.process.settings import GatewaySettings

PREFIX = "hulak_"  # of each token: so that people and secret scanners recognise it
RANDOM_BYTES = 32
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
HEAD = """\
# The tokens of the gateway, written by `hulak gateway token`; a running gateway applies changes within a second.
# Only their SHA-256 hashes are kept. required = true: the page and its WebSockets need a token; false: on the loopback, the
# owner of the gateway and root need none.
"""
MOST_BYTES = 1 << 20  # of the file


class Role(enum.IntEnum):
    """The rights of a client; each role includes those before it."""

    NONE = 0  # the probes without their reasons, and the page's files
    METRICS = 1  # /metrics, and the reasons of the probes
    VIEW = 2  # the page and the WebSockets, without changing anything
    OPERATE = 3  # everything

    def __str__(self) -> str:
        """Return the name in files and messages."""
        return self.name.lower()


GRANTED = {str(role): role for role in Role if role is not Role.NONE}


@dataclass(frozen=True, slots=True)
class Token:
    """One token as kept.

    Args:
        name: of its holder, for people.
        role: of its holder.
        sha256: its hash, hex.
        created: seconds since 1970 UTC.
        expires: likewise; None: never.
    """

    name: str
    role: Role
    sha256: str
    created: float
    expires: float | None = None

    def is_expired(self, now: float) -> bool:
        """Return whether it has expired at `now`, seconds since 1970 UTC."""
        return self.expires is not None and now >= self.expires


@dataclass(frozen=True, slots=True)
class Tokens:
    """All tokens of a gateway.

    Args:
        by_name: the tokens.
        required: whether the page and its WebSockets need one.
    """

    by_name: dict[str, Token] = field(default_factory=dict)
    required: bool = False

    def find(self, text: str, now: float) -> Token | None:
        """Return the token of which `text` is the secret; None if there is none, or it has expired at `now` (since 1970 UTC).

        All hashes are compared, each in constant time.
        """
        given = hash_of(text)
        match = None
        for token in self.by_name.values():
            if hmac.compare_digest(token.sha256, given):
                match = token
        return None if match is None or match.is_expired(now) else match

    def holds(self, token: Token, now: float) -> bool:
        """Return whether a token that was found earlier still exists unchanged, and has not expired."""
        return self.by_name.get(token.name) == token and not token.is_expired(now)

    def plus(self, token: Token) -> "Tokens":
        """Return these and a further one; from the first one for the page on, tokens are required."""
        return Tokens({**self.by_name, token.name: token}, self.required or token.role >= Role.VIEW)

    def minus(self, name: str) -> "Tokens":
        """Return these without the token of that name. Whether tokens are required does not change: revoking opens nothing."""
        return Tokens({known: token for known, token in self.by_name.items() if known != name}, self.required)

    def text(self) -> str:
        """Return the content of the file."""
        lines = [HEAD, f"required = {'true' if self.required else 'false'}"]
        for token in self.by_name.values():
            lines += ["", f'[tokens."{token.name}"]', f'role = "{token.role}"', f'sha256 = "{token.sha256}"']
            lines.append(f"created = {_time_text(token.created)}")
            if token.expires is not None:
                lines.append(f"expires = {_time_text(token.expires)}")
        return "\n".join(lines) + "\n"


def hash_of(text: str) -> str:
    """Return the hash of a token's text."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def make(name: str, role: Role, now: float, expires: float | None = None) -> tuple[str, Token]:
    """Make a token; returns its secret text, which is kept nowhere, and what is kept.

    Args:
        name: as `NAME`.
        role: of its holder.
        now: seconds since 1970 UTC.
        expires: likewise; None: never.
    """
    text = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
    return text, Token(name, role, hash_of(text), now, expires)


class _Row(msgspec.Struct, forbid_unknown_fields=True):
    role: Literal["metrics", "view", "operate"]
    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
    created: datetime
    expires: datetime | None = None


class _File(msgspec.Struct, forbid_unknown_fields=True):
    required: bool = True
    tokens: dict[Annotated[str, msgspec.Meta(pattern=rf"^{NAME.pattern}\Z")], _Row] = {}


def parse(text: str) -> Tokens:
    """Parse the content of the file.

    Raises:
        ValueError: the content is not as `Tokens.text` writes it; says where, and what is allowed.
    """
    try:
        file = msgspec.toml.decode(text, type=_File)
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from error
    return Tokens({name: _token(name, row) for name, row in file.tokens.items()}, file.required)


def _token(name: str, row: _Row) -> Token:
    expires = None if row.expires is None else _seconds(row.expires)
    return Token(name, GRANTED[row.role], row.sha256, _seconds(row.created), expires)


def _seconds(time: datetime) -> float:
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _time_text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def file_of(home: Path) -> Path:
    """Return the path of the file."""
    return home / "keys" / "gateway-tokens.toml"


def load(home: Path) -> Tokens:
    """Read the file; without one, there are no tokens and none are required.

    Raises:
        ConfigError: the file cannot be read, others can read or write it, or its content is wrong.
    """
    path = file_of(home)
    try:
        text = read_private(path)
        return Tokens() if text is None else parse(text)
    except (OSError, ValueError) as error:  # a UnicodeDecodeError is a ValueError
        raise ConfigError(f"tokens {path} cannot be read: {error}") from error


def refuse_open(settings: GatewaySettings, present: Tokens) -> None:
    """Refuse to serve other machines, or a proxy, before there is a token.

    Raises:
        ConfigError: every client needs a token, and none was ever made.
    """
    if present.by_name or present.required or (settings.is_local and not settings.behind_proxy):
        return
    setting = "gateway.behind_proxy is true" if settings.behind_proxy else f"gateway.host is {settings.host}"
    raise ConfigError(
        f"setting {setting}: every client needs a token, and there is none; make one with "
        "`hulak gateway token new NAME --role operate`"
    )


def read_private(path: Path) -> str | None:
    """Return the text of a small file that only its owner may access; None if it does not exist.

    Raises:
        OSError: it cannot be read.
        ValueError: others may access it, it is too large, or not UTF-8.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    with open(descriptor, "rb") as file:  # noqa: PTH123 - of the descriptor whose mode is checked
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is not a regular file")
        if status.st_mode & 0o077:
            raise ValueError(f"its mode is {status.st_mode & 0o777:04o}, must be 0600; run: chmod 600 {path}")
        if status.st_uid not in {os.geteuid(), 0}:
            raise ValueError(f"it belongs to user {status.st_uid}, must belong to user {os.geteuid()}")
        if status.st_size > MOST_BYTES:
            raise ValueError(f"it has {status.st_size:,} bytes, must have at most {MOST_BYTES:,}")
        return file.read(MOST_BYTES).decode("utf-8")


@contextlib.contextmanager
def changing(home: Path) -> Iterator[None]:
    """Hold the lock of the folder of keys while the block changes a file in it; makes the folder."""
    folder = file_of(home).parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    owner = _owner_of(home)
    if owner is not None:
        os.chown(folder, *owner)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write_private(path: Path, text: str, home: Path) -> None:
    """Replace a file at once by one of mode 0600; where root writes, it belongs to the owner of the home folder."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # of mode 0600, whatever the umask
    try:
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - of the descriptor
            file.write(text)
            if (owner := _owner_of(home)) is not None:
                os.fchown(descriptor, *owner)
            file.flush()
            os.fsync(descriptor)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _owner_of(home: Path) -> tuple[int, int] | None:
    """Return user and group that own the home folder, if this process is root and they are not."""
    status = home.stat()
    return (status.st_uid, status.st_gid) if os.geteuid() == 0 and status.st_uid != 0 else None

"""Checks of keys: the files of a home, and the connection of this program with its key. For `hulak key check` and `hulak doctor`.

Nothing is changed, and no secret is shown.
"""

import contextlib
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import msgspec

from hulak.bus.errors import BusError, BusTimeout, ConfigError, HandshakeFailed
from hulak.bus.process import endpoints, key_files, sockets
from hulak.bus.process.settings import Settings
from hulak.clients.calls.client import BusClient

SOON = timedelta(days=14)  # before a key expires
ANSWER_S = 5.0
NO_BROKER = "NO_BROKER"
State = Literal["ok", "warning", "error"]


class Finding(msgspec.Struct, frozen=True):
    """The result of one check of a file, an address or a key, which is `what`.

    Args:
        state: `ok`; `warning`: it will cease to work, or is of no use; `error`: it does not work.
        text: a sentence with the facts, and with advice.
        code: of an error: that of `HandshakeFailed`, `NO_BROKER`, `CONFIG` or that of the broker's answer.
    """

    what: str
    state: State
    text: str
    code: str = ""


def check_keys(settings: Settings, home: Path, now: datetime | None = None) -> tuple[list[Finding], dict[str, Any] | None]:
    """Check the keys of a home, if it has any, and those of this program.

    Args:
        settings: the broker's addresses, and the file of the key if one is used.
        home: the broker's folder.
        now: with its time zone; the present time if None.
    Returns:
        the findings; and what the broker says of this program's key (`hulak.key.whoami`), None if it was not asked.
    """
    now = now or datetime.now(UTC)
    findings = _files(home, now)
    file = settings.security.key
    if file is None and key_files.broker_path(home).exists():
        return [*findings, *_addresses(settings, home)], None
    if file is None:
        return [*findings, Finding("key", "ok", "no key is used; `hulak key new NAME` makes one, HULAK_KEY names its file")], None
    try:
        key = key_files.read_client_key(file)
    except ConfigError as error:
        return [*findings, Finding(str(file), "error", str(error), "CONFIG")], None
    findings.append(Finding(str(file), "ok", f"key {key.name!r}, public {key.public}"))
    findings += _addresses(settings, home)
    if any(finding.state == "error" for finding in findings[-len(sockets.NAMES) :]):
        return findings, None
    answer, finding = _whoami(settings, home, key, now)
    return [*findings, finding], answer


# The files of a home


def _files(home: Path, now: datetime) -> list[Finding]:
    if not key_files.folder(home).exists():
        return []
    findings = []
    for read, path in (
        (key_files.read_broker_key, key_files.broker_path(home)),
        (key_files.read_next_broker_key, key_files.next_broker_path(home)),
    ):
        try:
            key = read(home)
        except ConfigError as error:
            findings.append(Finding(str(path), "error", str(error), "CONFIG"))
            continue
        if key is not None:
            until = "" if key.until is None else f", is the broker's from {shown(key.until)}"
            findings.append(Finding(str(path), "ok", f"public {key.public}{until}"))
    keys, refused = key_files.read_authorised_keys(home)
    findings += [_authorised(key, now) for key in keys.values()]
    findings += [Finding(name or "keys", "error", why, "CONFIG") for name, why in refused.items()]
    return findings + _open_folders(home)


def _authorised(key: key_files.AuthorisedKey, now: datetime) -> Finding:
    what, roles = f"key {key.name}", ", ".join(map(str, sorted(key.roles))) or "no role: it can connect and do nothing"
    if key.expires is None or key.expires - now > SOON:
        return Finding(what, "ok" if key.roles else "warning", roles)
    if key.expires <= now:
        text = f"expired at {shown(key.expires)}; `hulak key rotate {key.name} --expires WHEN` or `hulak key revoke {key.name}`"
        return Finding(what, "warning", text)
    return Finding(
        what, "warning", f"expires at {shown(key.expires)}; `hulak key rotate {key.name} --expires WHEN` makes another; {roles}"
    )


def _open_folders(home: Path) -> list[Finding]:
    findings = []
    for folder in (key_files.folder(home), key_files.authorised_folder(home)):
        with contextlib.suppress(OSError):
            mode = stat.S_IMODE(folder.stat().st_mode)
            if mode & 0o022:
                text = f"has mode {mode:04o}: other users can authorise keys; `chmod 700 {folder}`"
                findings.append(Finding(str(folder), "error", text, "CONFIG"))
    return findings


# The connection


def _addresses(settings: Settings, home: Path) -> list[Finding]:
    return [_address(settings, home, name) for name in sockets.NAMES]


def _address(settings: Settings, home: Path, name: str) -> Finding:
    try:
        where = endpoints.find(settings, home, name)
    except HandshakeFailed as error:
        return Finding(name, "error", str(error), error.code)
    if where is None:
        return Finding(name, "error", f"no program listens at {endpoints.expected(settings, home, name)}", NO_BROKER)
    return Finding(name, "ok", str(where))


def _whoami(settings: Settings, home: Path, key: key_files.ClientKey, now: datetime) -> tuple[dict[str, Any] | None, Finding]:
    try:
        with BusClient(settings, home) as client:
            answer = dict(client.call("hulak.key.whoami", timeout_s=ANSWER_S))
    except BusError as error:
        return None, Finding("roles", "error", str(error), NO_BROKER if isinstance(error, BusTimeout) else error.code)
    roles = ", ".join(answer.get("roles") or []) or "none"
    text = f"the broker knows this key as {answer.get('name')!r}; roles: {roles}"
    expires = time_of(answer.get("expires"))
    if expires is not None:
        text += f"; expires at {shown(expires)}"
    if news_of(key, answer) != key:
        text += "; the broker's key changes: `hulak key check --save` writes its next key into the file"
        return answer, Finding("roles", "warning", text)
    return answer, Finding("roles", "warning" if expires is not None and expires - now <= SOON else "ok", text)


def news_of(key: key_files.ClientKey, answer: dict[str, Any]) -> key_files.ClientKey:
    """Return a client's key with the broker's keys as the broker has them.

    Args:
        key: of the client's file.
        answer: of `hulak.key.whoami`, over a connection in which the broker proved its key.
    """
    server, server_next = answer.get("server") or key.server, answer.get("server_next") or ""
    return msgspec.structs.replace(key, server=server, server_next=server_next)


def time_of(text: str | None) -> datetime | None:
    """Return a time that the broker has written as RFC 3339 has it."""
    return None if text is None else datetime.fromisoformat(text)


def shown(time: datetime) -> str:
    """Format a time in UTC."""
    return time.astimezone(UTC).isoformat(" ", "seconds").replace("+00:00", "Z")

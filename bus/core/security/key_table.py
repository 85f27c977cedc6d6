"""The authorised keys: peers that may connect, and connections that end when the keys change. PROTOCOL.md section 14. Pure.

Each connection gets another user id: the key's name, `#`, and a serial. libzmq attaches it to every message of the
connection. A key that is revoked, changed or expired loses all serials issued so far: so a connection of which the broker has not
seen any message yet is refused too when it first speaks.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from msgspec import Struct

from hulak.bus.errors import ProtocolError
from hulak.bus.wire.roles import Rights, Role

FORBIDDEN, TRY_AGAIN = "FORBIDDEN", "TRY_AGAIN"
MARK = "#"
SETTLING_S = 3.0  # after its file is gone a key may come back: editors and version control replace a file in two steps


class KnownKey(Struct, frozen=True):
    """One authorised key. Times are in seconds since 1970 UTC."""

    name: str
    public: str  # in Z85
    roles: frozenset[Role]
    expires: float | None = None
    note: str = ""


@dataclass(slots=True)
class _Entry:
    key: KnownKey
    rights: Rights
    first: int  # its first serial that counts
    expired: bool = False


class KeyChanges(Struct, frozen=True):
    """The effects of a new set of keys, or of time. Each is a name and why."""

    ended: dict[str, str] = msgspec.field(default_factory=dict)  # all connections of these keys end
    widened: dict[str, str] = msgspec.field(default_factory=dict)  # these keys have further roles; their connections stay

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.ended or self.widened)


class KeyTable:
    """All authorised keys, and the user ids that were issued for them."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self._by_public: dict[str, _Entry] = {}
        self._gone: dict[str, float] = {}  # public keys that were removed in the last `SETTLING_S`, and when
        self.serial = 0  # the last one issued

    def __len__(self) -> int:
        return len(self._entries)

    def known(self) -> Mapping[str, KnownKey]:
        """Return all keys by name, expired ones too."""
        return {name: entry.key for name, entry in self._entries.items()}

    def update(self, keys: Mapping[str, KnownKey], time_s: float) -> KeyChanges:
        """Replace the set of keys.

        A key whose roles only grow keeps its connections. If it loses one, or has another public key, they end, and its programs
        connect again.

        Args:
            keys: all of them, by name; no two with one public key.
            time_s: the present time, s since 1970 UTC.
        """
        ended: dict[str, str] = {}
        widened: dict[str, str] = {}
        entries: dict[str, _Entry] = {}
        for name, key in keys.items():
            before = self._entries.get(name)
            if before is None or before.key.public != key.public:
                entries[name] = _Entry(key, Rights(key.roles), self.serial + 1)
                if before is not None:
                    ended[name] = "its public key was changed"
                continue
            entry = entries[name] = _Entry(key, before.rights, before.first, before.expired)
            if key.roles != before.key.roles:
                entry.rights = Rights(key.roles)
                lost = sorted(before.key.roles - key.roles)
                if lost:
                    ended[name] = f"it lost the role {', '.join(map(str, lost))}"
                else:
                    widened[name] = f"it got the role {', '.join(map(str, sorted(key.roles - before.key.roles)))}"
        ended |= {name: "it was revoked" for name in self._entries if name not in entries}
        gone = {entry.key.public: time_s for name, entry in self._entries.items() if name not in entries}
        self._gone = {public: at for public, at in (self._gone | gone).items() if 0 <= time_s - at < SETTLING_S}
        self._entries = entries
        self._by_public = {entry.key.public: entry for entry in entries.values()}
        for name in ended:
            self._end(name)
        return KeyChanges(ended | self.expire(time_s).ended, widened)

    def expire(self, time_s: float) -> KeyChanges:
        """Return the keys that have expired since the last call; a key whose expiry was moved counts again.

        Args:
            time_s: the present time, s since 1970 UTC.
        """
        ended = {}
        for name, entry in self._entries.items():
            expired = entry.key.expires is not None and entry.key.expires <= time_s
            if expired and not entry.expired:
                ended[name] = "it has expired"
            entry.expired = expired
        for name in ended:
            self._end(name)
        return KeyChanges(ended)

    def _end(self, name: str) -> None:
        entry = self._entries.get(name)
        if entry is not None:
            entry.first = self.serial + 1

    def name_of(self, public: str) -> str:
        """Return the name of a public key; empty if it is unknown."""
        entry = self._by_public.get(public)
        return "" if entry is None else entry.key.name

    def issue(self, public: str, time_s: float) -> str:
        """Return a user id for a new connection.

        Args:
            public: the key that the peer has proved to have, in Z85.
            time_s: the present time, s since 1970 UTC.
        Raises:
            ProtocolError: `FORBIDDEN`, it is unknown or has expired; `TRY_AGAIN`, it was removed a moment ago.
        """
        entry = self._by_public.get(public)
        if entry is None:
            if 0 <= time_s - self._gone.get(public, -SETTLING_S) < SETTLING_S:
                raise ProtocolError(TRY_AGAIN, f"key {public} was removed a moment ago")
            raise ProtocolError(FORBIDDEN, f"key {public} is not authorised")
        if entry.expired:
            raise ProtocolError(FORBIDDEN, f"key {entry.key.name!r} has expired")
        self.serial += 1
        return f"{entry.key.name}{MARK}{self.serial}"

    def rights(self, user_id: str) -> Rights:
        """Return what a connection may do.

        Args:
            user_id: as `issue` made it.
        Raises:
            ProtocolError: `FORBIDDEN`, its key was revoked, changed or has expired since the connection was made.
        """
        name, _, serial = user_id.rpartition(MARK)
        entry = self._entries.get(name)
        if entry is None or not serial.isdecimal() or int(serial) < entry.first:
            raise ProtocolError(FORBIDDEN, f"key {name!r} was revoked or changed, or has expired")
        return entry.rights


def key_name(user_id: str) -> str:
    """Return the name of the key in a user id."""
    return user_id.rpartition(MARK)[0]


def serial_of(user_id: str) -> int:
    """Return the serial in a user id, which no other connection has."""
    return int(user_id.rpartition(MARK)[2])

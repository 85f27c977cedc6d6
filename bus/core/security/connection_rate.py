"""The rate at which a key's peers may connect. PROTOCOL.md section 14.4. Pure.

Each connection costs a handshake and an identity that libzmq makes. These begin at a random number
(`sockets.randomize_identities`): no key may find them out by connecting as often as it wants, and one that tries is in the log.
"""

MOST_AT_ONCE = 5_000.0  # connections of one key: after a restart of the broker all its programs connect within a moment
PER_S = 5.0  # in the long run


class ConnectionRate:
    """Counts the connections of each key."""

    def __init__(self) -> None:
        self._room: dict[str, tuple[float, float]] = {}  # name of a key -> connections that it may make, and when that was so

    def admit(self, name: str, now: float) -> bool:
        """Count a connection; return whether its key may make it.

        Args:
            name: of the key.
            now: monotonic seconds.
        """
        room, at = self._room.get(name, (MOST_AT_ONCE, now))
        room = min(MOST_AT_ONCE, room + PER_S * (now - at))
        admitted = room >= 1.0
        self._room[name] = room - admitted, now
        return admitted

    def forget(self, names: set[str]) -> None:
        """Forget keys that no longer exist; `names` are those that do."""
        self._room = {name: room for name, room in self._room.items() if name in names}

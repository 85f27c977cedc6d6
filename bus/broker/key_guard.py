"""The keys of the broker: admits peers, knows the sender of each message, and ends connections when keys change.

Peers that connect by the ipc files have no key: they are the owner's, and may do everything. docs/howto/security.md.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import zmq

from hulak.bus.broker.connections import Connections
from hulak.bus.broker.router_peers import RouterPeers, name_of
from hulak.bus.broker.socket_monitor import connection_of
from hulak.bus.broker.zap import ZapHandler
from hulak.bus.core.security.callers import Caller, Refusals
from hulak.bus.core.security.connection_rate import ConnectionRate
from hulak.bus.core.security.key_table import TRY_AGAIN, KeyChanges, KeyTable, KnownKey, key_name
from hulak.bus.core.security.pauses import Pauses
from hulak.bus.errors import ConfigError, ProtocolError
from hulak.bus.process import key_files
from hulak.bus.process.key_files import AuthorisedKey, BrokerKey
from hulak.bus.process.log_type import Log

LOOK_S = 0.5  # between two checks of the files: a revoked key has nothing more within a second
MOST_REFUSED = 100  # subscriptions of one connection that were refused; beyond it the connection ends
USER_ID = b"User-Id"  # as libzmq names it in the metadata of a message


class KeyGuard:
    """The authorised keys, and the connections of each.

    Args:
        context: of the broker's sockets.
        home: with the files.
        key: the broker's own.
        connections: of all sockets of the broker.
        on_dropped: called with each caller whose connection was ended.
        on_new_key: called with the broker's next key when it replaces the present one.
        log: of this process.
    """

    def __init__(
        self,
        context: "zmq.Context[Any]",
        home: Path,
        key: BrokerKey,
        connections: Connections,
        on_dropped: Callable[[Caller], object],
        on_new_key: Callable[[BrokerKey], object],
        log: Log,
    ) -> None:
        self.home = home
        self.key = key
        self.next_key: BrokerKey | None = None
        self.log = log
        self.table = KeyTable()
        self.refusals = Refusals(self._log_refusal, time.monotonic)
        self.refused_files: dict[str, str] = {}
        self.callers: dict[str, Caller] = {}  # by user id
        self.peers = RouterPeers()
        self._rate = ConnectionRate()
        self._connections = connections
        self._on_dropped = on_dropped
        self._on_new_key = on_new_key
        self._seen: dict[str, int] = {}  # name of a key -> when it was last known to be connected, ns since 1970 UTC
        self._pauses = Pauses()
        self._signature: key_files.Signature | None = None
        self._due = 0.0
        self.zap = ZapHandler(context, self._issue)  # before TCP is bound: without a handler, handshakes fail

    # Connections

    def _issue(self, public: str, address: str) -> str:
        name = self.table.name_of(public)
        paused_s = self._pauses.left(name, time.monotonic())
        if paused_s:
            raise ProtocolError(TRY_AGAIN, f"key {name!r} may connect again in {paused_s:.0f} s")
        if name and not self._rate.admit(name, time.monotonic()):
            self.refusals.count(name, "connections", f"key {name!r} connects too often; it came from {address}")
            raise ProtocolError(TRY_AGAIN, f"key {name!r} connects too often; it may connect again in a few seconds")
        try:
            user_id = self.table.issue(public, time.time())
        except ProtocolError as error:
            if error.code != TRY_AGAIN:
                self.refusals.count(name, "expired" if name else "unknown", f"{error}; it came from {address}", public)
            raise
        self._seen[name] = time.time_ns()
        return user_id

    def caller(self, frame: zmq.Frame, socket: str) -> Caller | None:
        """Return the sender of a message; None: the owner, by an ipc file.

        Args:
            frame: of the message.
            socket: the name of the broker's socket.
        Raises:
            ProtocolError: `FORBIDDEN`, its key was revoked, changed or has expired; its connection was ended.
        """
        try:
            user_id: str = frame.get(USER_ID)
        except zmq.ZMQError:
            return None
        known = self.callers.get(user_id)
        return known if known is not None else self._first_message(user_id, frame, socket)

    def sender(self, parts: list[bytes], frame: zmq.Frame, socket: str) -> Caller | None:
        """Return the sender of a message at a ROUTER, as `caller` does; the name of its connection replaces its identity.

        Args:
            parts: the message, identity first.
            frame: its last one.
            socket: the name of the broker's socket.
        """
        try:
            user_id: str = frame.get(USER_ID)
        except zmq.ZMQError:
            parts[0] = self.peers.owner(socket, parts[0], frame)
            return None
        known = self.callers.get(user_id)
        if known is not None:
            parts[0] = known.address
            return known
        identity, parts[0] = parts[0], name_of(user_id)
        caller = self._first_message(user_id, frame, socket, parts[0])
        self.peers.add(caller.address, caller.connection, identity)
        return caller

    def _first_message(self, user_id: str, frame: zmq.Frame, socket: str, address: bytes = b"") -> Caller:
        name, connection = key_name(user_id), connection_of(frame)
        try:
            rights = self.table.rights(user_id)
        except ProtocolError as error:
            if connection is not None:
                self._connections.end(socket, connection)
            self.refusals.count(name if name in self.table.known() else "", "revoked", str(error), name)
            raise
        caller = Caller(user_id, name, rights, self.refusals, socket, connection, address)
        if connection is not None:  # else it has ended already, and this is one of its last messages
            self.callers[user_id] = caller
        return caller

    def drop(self, caller: Caller) -> None:
        """End a connection, and forget its peer."""
        if self.callers.pop(caller.user_id, None) is not None:
            self.peers.drop(caller.address)
            if caller.connection.is_there():
                self._connections.end(caller.socket, caller.connection)
            self._on_dropped(caller)

    def pause(self, caller: Caller, why: str) -> None:
        """End all connections of a key whose peer sent what Hulak's own programs never send; it may connect after a pause.

        Args:
            caller: the peer.
            why: its deed, for the sentence.
        """
        pause_s = self._pauses.begin(caller.name, time.monotonic())
        caller.refuse("malformed", f"key {caller.name!r} {why}; it may connect again in {pause_s:.0f} s")
        for other in [other for other in self.callers.values() if other.name == caller.name]:
            self.drop(other)

    def forget(self, socket: str) -> None:
        """Forget the peers of a socket that was closed."""
        for caller in [caller for caller in self.callers.values() if caller.socket == socket]:
            del self.callers[caller.user_id]

    # Changes of the files, and time

    def poll(self, now: float) -> None:
        """Check the files twice a second, and end the connections of keys that expired."""
        if now < self._due:
            return
        self._due = now + LOOK_S
        signature = key_files.signature_of(self.home)
        if signature != self._signature:
            self.reload(signature)
        else:
            self._apply(self.table.expire(time.time()))
        self._prune()
        if self.next_key is not None and self.next_key.until is not None and self.next_key.until <= datetime.now(UTC):
            self._rotate()

    def reload(self, signature: key_files.Signature | None = None) -> None:
        """Read all files again, and put them in force."""
        self._signature = signature or key_files.signature_of(self.home)
        keys, refused = key_files.read_authorised_keys(self.home)
        changes = self.table.update({name: _known(key) for name, key in keys.items()}, time.time())
        for file, why in refused.items():
            if self.refused_files.get(file) != why:
                self.log.error("key refused", file=file, why=why)
        self.refused_files = refused
        self._apply(changes)
        self.refusals.forget(set(keys))
        self._seen = {name: at for name, at in self._seen.items() if name in keys}
        self._rate.forget(set(keys))
        self._read_own()

    def _apply(self, changes: KeyChanges) -> None:
        for name, why in changes.widened.items():
            self.log.info("key has further roles", key=name, why=why)
        for name, why in changes.ended.items():
            self.log.warning("key ended", key=name, why=why, connections=self._counts(name))
        for caller in list(self.callers.values()):
            if caller.name in changes.ended:
                self.drop(caller)
            elif caller.name in changes.widened:
                caller.widen(self.table.rights(caller.user_id))
                if caller.refused:  # its program subscribes again when it has connected again
                    self.drop(caller)

    def _prune(self) -> None:
        """Forget the peers whose connections have ended; note the others as seen."""
        time_ns, has = time.time_ns(), self._connections.has
        for caller in list(self.callers.values()):
            # The monitor may not have reported a new connection yet, and a forgotten connection could not be ended any more.
            if not has(caller.socket, caller.connection) and not caller.connection.is_there():
                del self.callers[caller.user_id]
            self._seen[caller.name] = time_ns
        self.peers.prune()
        self._pauses.prune(time.monotonic())

    # The broker's own key

    def _read_own(self) -> None:
        try:
            key, self.next_key = key_files.read_broker_key(self.home), key_files.read_next_broker_key(self.home)
        except ConfigError as error:
            self.log.error("broker key not read", why=str(error), remedy="the former one stays in use")  # noqa: TRY400
            return
        if key is None:
            self.log.error("broker key missing", remedy="the former one stays in use until the broker is started again")
        elif key.secret != self.key.secret:
            self._replace(key)

    def _rotate(self) -> None:
        try:
            key = key_files.promote_next_broker_key(self.home)
        except ConfigError as error:
            self.log.error("broker key not changed", why=str(error))  # noqa: TRY400 - the trace says nothing more
            self._due += 60.0
            return
        self.next_key = None
        self._signature = key_files.signature_of(self.home)
        self._replace(key)

    def _replace(self, key: BrokerKey) -> None:
        self.key = key
        self.log.warning("broker key changed", public=key.public)
        self._on_new_key(key)
        for caller in list(self.callers.values()):  # their connections have ended with the former key
            self.drop(caller)

    # Statistics

    def _counts(self, name: str) -> dict[str, int]:
        counts: dict[str, int] = {}
        for caller in self.callers.values():
            if caller.name == name:
                counts[caller.socket] = counts.get(caller.socket, 0) + 1
        return counts

    def stats(self) -> dict[str, Any]:
        """Return the statistics of keys (PROTOCOL.md section 7.2)."""
        connected: dict[str, int] = {}
        for caller in self.callers.values():
            connected[caller.name] = connected.get(caller.name, 0) + 1
        counts = self.refusals.counts
        return {
            "mode": "keys",
            "public": self.key.public,
            "authorised": len(self.table),
            "refused": self.refusals.total,
            "unknown": sum(counts.get("", {}).values()),
            "files_refused": dict(self.refused_files),
            "keys": {
                name: {"connections": connected.get(name, 0), "last_seen_ns": at, "refusals": dict(counts.get(name, {}))}
                for name, at in self._seen.items()
            },
        }

    def _log_refusal(self, name: str, reason: str, text: str, count: int) -> None:
        self.log.warning("refused", key=name, reason=reason, why=text, count=count)


def _known(key: AuthorisedKey) -> KnownKey:
    expires = None if key.expires is None else key.expires.timestamp()
    return KnownKey(key.name, key.public, key.roles, expires, key.note)

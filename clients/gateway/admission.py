"""The access rules of the gateway with its tokens and certificate, updated when their files change. Reads files, no other I/O."""

import time
from pathlib import Path
from typing import Any

from hulak.bus.errors import ConfigError
from hulak.bus.process.log_type import Log
from hulak.bus.process.settings import GatewaySettings
from hulak.clients.gateway import tokens
from hulak.clients.gateway.access import access_of
from hulak.clients.gateway.certificate import Certificate
from hulak.clients.gateway.connections import Connections, GatewayConnection, Spawn
from hulak.clients.gateway.file_stamp import stamp
from hulak.clients.gateway.logins import Logins, signing_key

CHECK_S = 0.25  # between two checks of the files
REVOKED, CHANGED = "the token was revoked, or has expired", "the role of the token has changed"


class Admission:
    """The rules of a gateway, and their sources.

    Args:
        settings: checked.
        home: its folder `keys` has the tokens.
        log: of this process.
        spawn: runs a task beside the loop.
    Raises:
        ConfigError: a file cannot be used, or the gateway would be open to other machines without tokens.
    """

    def __init__(self, settings: GatewaySettings, home: Path, log: Log, spawn: Spawn) -> None:
        self.log = log
        self.error = ""  # why the newest file of tokens is not in use; empty if it is
        self._home = home
        self._file = tokens.file_of(home)
        self._stamp = stamp(self._file)
        self._checked = 0.0
        present = tokens.load(home)
        tokens.refuse_open(settings, present)
        is_secure = settings.tls_cert is not None or settings.behind_proxy
        self.access = access_of(settings, Logins(signing_key(home, log), settings.port, is_secure), present)
        self.certificate = None
        if settings.tls_cert is not None and settings.tls_key is not None:
            self.certificate = Certificate(settings.tls_cert, settings.tls_key)
        self.connections = Connections(self.access, self.certificate, spawn)

    def update(self, now: float) -> list[tuple[GatewayConnection, bool]]:
        """Read what has changed; return the connections to end, and whether their token has only another role now.

        Args:
            now: monotonic seconds.
        """
        if now - self._checked < CHECK_S:
            return []
        self._checked = now
        if self.certificate is not None and self.certificate.reload():
            if self.certificate.error:
                self.log.warning("certificate kept", why=self.certificate.error)
            else:
                self.log.info("certificate reloaded", ends=int(self.certificate.ends))
        self._read_tokens()
        present = self.access.tokens.by_name
        return [
            (connection, had.token is not None and had.by in present and present[had.by].sha256 == had.token.sha256)
            for connection, had in self.connections.void(time.time())
        ]

    def _read_tokens(self) -> None:
        if (newest := stamp(self._file)) == self._stamp:
            return
        self._stamp = newest
        try:
            self.access.tokens = tokens.load(self._home)
        except ConfigError as error:
            self.error = str(error)
            self.log.warning("tokens kept", why=self.error)
        else:
            self.error = ""
            present = self.access.tokens
            self.log.info("tokens reloaded", tokens=len(present.by_name), required=present.required)

    def figures(self) -> dict[str, Any]:
        """Return what is reported, in msgpack values."""
        figures: dict[str, Any] = {
            "tokens": len(self.access.tokens.by_name),
            "connections": len(self.connections.open),
            "connections_dropped": self.connections.dropped,
            "file_errors": [text for text in (self.error, self.certificate.error if self.certificate else "") if text],
        }
        if self.certificate is not None:
            figures["certificate_left_s"] = round(self.certificate.ends - time.time())
        return figures

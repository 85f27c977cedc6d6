"""Logins of browsers: a signed cookie that stands for a token, without containing it. Reads and writes the file of the key.

A cookie is sent to every port of a host, so also to servers of others on this machine: the token itself must not be in it. Its
signature includes the port, the hash of the token and the end of the login; a revoked token ends its logins.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from pathlib import Path

from hulak.bus.errors import ConfigError
from hulak.bus.process.log_type import Log
from hulak.clients.gateway.tokens import Token, Tokens, changing, read_private, write_private

LASTS_S = 30 * 86400.0
KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Logins:
    """Makes and checks the cookies of one gateway.

    Args:
        key: of the signatures; secret.
        port: of the gateway: others on the same host have other cookies.
        secure: browsers send the cookie over TLS only.
    """

    key: bytes
    port: int
    secure: bool

    @property
    def cookie_name(self) -> str:
        """Return the cookie's name; by its prefix, browsers accept it from this host over TLS only."""
        return f"{'__Host-' if self.secure else ''}hulak-{self.port}"

    def cookie(self, token: Token, now: float) -> str:
        """Return the value of Set-Cookie for a token, at `now` (seconds since 1970 UTC)."""
        ends = int(min(now + LASTS_S, token.expires or now + LASTS_S))
        return self._field(f"{token.name}:{ends}:{self._signature(token, ends)}", int(ends - now))

    def no_cookie(self) -> str:
        """Return the value of Set-Cookie that removes the cookie."""
        return self._field("", 0)

    def find(self, cookies: str, tokens: Tokens, now: float) -> tuple[Token, float] | None:
        """Return the token of a login, and the login's end in seconds since 1970 UTC; None if there is no valid one.

        Args:
            cookies: the header Cookie.
            tokens: the present ones.
            now: seconds since 1970 UTC.
        """
        for value in self._values(cookies):
            name, _, rest = value.partition(":")
            ends, _, signature = rest.partition(":")
            token = tokens.by_name.get(name)
            if token is None or not (ends.isascii() and ends.isdecimal() and len(ends) < 12) or not signature.isascii():
                continue
            if hmac.compare_digest(signature, self._signature(token, int(ends))) and now < int(ends):
                return None if token.is_expired(now) else (token, float(ends))
        return None

    def _signature(self, token: Token, ends: int) -> str:
        signed = f"{self.port}:{token.name}:{token.sha256}:{ends}"
        return hmac.new(self.key, signed.encode(), hashlib.sha256).hexdigest()

    def _field(self, value: str, age_s: int) -> str:
        cookie: SimpleCookie = SimpleCookie({self.cookie_name: value})
        morsel = cookie[self.cookie_name]
        morsel["path"], morsel["max-age"], morsel["samesite"] = "/", str(age_s), "Strict"
        morsel["httponly"], morsel["secure"] = True, self.secure
        return morsel.OutputString()

    def _values(self, cookies: str) -> list[str]:
        """List the values of our cookie; cookies of others on this host may be malformed, so each is parsed separately."""
        values = []
        for part in cookies.split(";"):
            if part.strip().startswith(f"{self.cookie_name}="):
                try:
                    values += [morsel.value for morsel in SimpleCookie(part.strip()).values()]
                except CookieError:
                    continue
        return values


def signing_key(home: Path, log: Log) -> bytes:
    """Return the key of the signatures; makes it at the first start, so that logins outlast a restart.

    Where its file cannot be written, as on a full disk, the key is that of this process only.
    Raises:
        ConfigError: others can read its file, or its content is wrong.
    """
    path = home / "keys" / "gateway-login.secret"
    try:
        with changing(home):
            text = read_private(path)
            if text is None:
                text = secrets.token_hex(KEY_BYTES)
                write_private(path, text + "\n", home)
        key = bytes.fromhex(text.strip())
        if len(key) != KEY_BYTES:
            raise ValueError(f"it has {len(key)} bytes, must have {KEY_BYTES}; remove it: a new one ends all logins")
    except OSError as error:
        log.warning("logins end with this process", why=f"key {path} cannot be kept: {error}")
        return secrets.token_bytes(KEY_BYTES)
    except ValueError as error:
        raise ConfigError(f"key {path} cannot be used: {error}") from error
    return key

"""Access rules of the gateway: the requested host, the origin of the page, and the token. Pure.

A page of another site can make a browser on this machine connect to the loopback address. It cannot forge its Origin; nor, if its
host name was made to resolve here (DNS rebinding), the Host. A program that is not a browser sends no Origin.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from hulak.bus.process.settings import GatewaySettings

LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Access:
    """The rules of one gateway."""

    hosts: frozenset[str]  # lower case, without ports
    origins: frozenset[str]  # lower case; in addition to the host itself
    token: str  # empty: no token is needed

    def host(self, headers: Mapping[str, str]) -> bool:
        """Return whether the request is addressed to this gateway."""
        return _hostname(headers.get("Host", "")) in self.hosts

    def origin(self, headers: Mapping[str, str]) -> bool:
        """Return whether the page's origin is allowed; a request without Origin does not come from a page."""
        origin = headers.get("Origin", "").lower()
        if not origin or origin in self.origins:
            return True
        try:
            parts = urlsplit(origin)
        except ValueError:  # e.g. an open bracket
            return False
        return parts.scheme in ("http", "https") and parts.netloc == headers.get("Host", "").lower()

    def has_token(self, path: str, headers: Mapping[str, str]) -> bool:
        """Return whether the token was given, as `?token=` or as `Authorization: Bearer`, or none is needed."""
        if not self.token:
            return True
        kind, _, bearer = headers.get("Authorization", "").partition(" ")
        given = [*parse_qs(urlsplit(path).query).get("token", []), *([bearer.strip()] if kind.lower() == "bearer" else [])]
        return any(hmac.compare_digest(token.encode(), self.token.encode()) for token in given)


def access_of(settings: GatewaySettings) -> Access:
    """Make the rules of the settings."""
    origins = frozenset(origin.lower() for origin in settings.origins.split(",") if origin)
    hosts = {urlsplit(origin).hostname or "" for origin in origins} - {""}
    return Access(LOCAL | hosts | {settings.host}, origins, settings.token)


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:  # e.g. an open bracket
        return ""

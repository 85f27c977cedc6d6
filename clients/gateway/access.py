"""Who may connect to the gateway: the host that is asked for, the page that asks, and the token. Pure.

A page of another site can make a browser on this machine connect to the loopback. It cannot lie about its Origin; nor, where
its own name was made to point here (DNS rebinding), about the Host. A program that is no browser sends no Origin.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from bus.process.settings import GatewaySettings

LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Access:
    """The rules of one gateway."""

    hosts: frozenset[str]  # lower case, without ports
    origins: frozenset[str]  # lower case; beside those that are the host itself
    token: str  # empty: none is needed

    def host(self, headers: Mapping[str, str]) -> bool:
        """Tell whether the request was meant for this gateway."""
        return _hostname(headers.get("Host", "")) in self.hosts

    def origin(self, headers: Mapping[str, str]) -> bool:
        """Tell whether the page that asks may; a request without Origin does not come from a page."""
        origin = headers.get("Origin", "").lower()
        if not origin or origin in self.origins:
            return True
        try:
            parts = urlsplit(origin)
        except ValueError:  # such as an open bracket
            return False
        return parts.scheme in ("http", "https") and parts.netloc == headers.get("Host", "").lower()

    def knows_token(self, path: str, headers: Mapping[str, str]) -> bool:
        """Tell whether the token was given, as `?token=` or as `Authorization: Bearer`, or none is needed."""
        if not self.token:
            return True
        kind, _, bearer = headers.get("Authorization", "").partition(" ")
        given = [*parse_qs(urlsplit(path).query).get("token", []), *([bearer.strip()] if kind.lower() == "bearer" else [])]
        return any(hmac.compare_digest(one.encode(), self.token.encode()) for one in given)


def access_of(settings: GatewaySettings) -> Access:
    """Make the rules that the settings say."""
    origins = frozenset(one.lower() for one in settings.origins.split(",") if one)
    hosts = {urlsplit(one).hostname or "" for one in origins} - {""}
    return Access(LOCAL | hosts | {settings.host}, origins, settings.token)


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:  # such as an open bracket
        return ""

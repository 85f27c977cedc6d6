"""Access rules of the gateway: the requested host, the origin of the page, and the role of each client. Pure.

A page of another site can make a browser connect to the gateway. It cannot forge its Origin; nor, if its host name was made to
resolve here (DNS rebinding), the Host. A program that is not a browser sends no Origin.

The role comes from a token, or from the login that stands for one. Where tokens are not required, the owner of the gateway and
root have all roles on the loopback: the kernel names the user of each connection.
"""

import ipaddress
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from hulak.bus.process.settings import GatewaySettings
from hulak.clients.gateway.logins import Logins
from hulak.clients.gateway.tokens import PREFIX, Role, Token, Tokens

LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})
SUBPROTOCOL = "hulak"  # that the gateway selects; a token may be offered beside it
FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")  # sent by proxies
BY_USER, UNKNOWN = "owner", "unknown"  # names of clients without a token


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a connection.

    Args:
        address: numeric; behind a proxy, the proxy's.
        user: user id of its program; None if it is not known, or was not asked for.
    """

    address: str
    user: int | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """The role of a client, and its origin.

    Args:
        role: the highest one.
        by: name of the token, `BY_USER` or `UNKNOWN`; for logs.
        token: that gives the role; None: it comes from the user of the connection.
        ends: seconds since 1970 UTC, after which it is void.
        refusal: why there is no role; empty if there is one.
        is_wrong: a token was given, and is wrong.
    """

    role: Role
    by: str = UNKNOWN
    token: Token | None = None
    ends: float = math.inf
    refusal: str = ""
    is_wrong: bool = False


@dataclass(slots=True)
class Access:
    """The rules of one gateway.

    Args:
        hosts: lower case, without ports.
        origins: lower case; in addition to the host itself.
        any_address: whether every IP address is a known host; a rebinding page needs a name.
        schemes: of pages that this gateway serves.
        by_user: whether the user of a connection can stand for a token: only on the loopback, and without a proxy.
        users: user ids that then need no token; None: all.
        is_proxied: a proxy forwards all requests.
        logins: checks cookies.
        tokens: the present ones.
    """

    hosts: frozenset[str]
    origins: frozenset[str]
    any_address: bool
    schemes: tuple[str, ...]
    by_user: bool
    users: frozenset[int] | None
    is_proxied: bool
    logins: Logins
    tokens: Tokens

    @property
    def asks_for_user(self) -> bool:
        """Return whether the user of each connection must be known."""
        return self.by_user and self.users is not None

    def host(self, headers: Mapping[str, str]) -> bool:
        """Return whether the request is addressed to this gateway."""
        name = _hostname(headers.get("Host", ""))
        return name in self.hosts or (self.any_address and _is_address(name))

    def origin(self, headers: Mapping[str, str]) -> bool:
        """Return whether the page's origin is allowed; a request without Origin does not come from a page."""
        origin = headers.get("Origin", "").lower()
        if not origin or origin in self.origins:
            return True
        try:
            parts = urlsplit(origin)
        except ValueError:  # e.g. an open bracket
            return False
        return parts.scheme in self.schemes and parts.netloc == headers.get("Host", "").lower()

    def address(self, peer: Peer, headers: Mapping[str, str]) -> str:
        """Return the address of the client: behind a proxy, the last one that this proxy added to X-Forwarded-For."""
        forwarded = headers.get("X-Forwarded-For", "").rpartition(",")[2].strip() if self.is_proxied else ""
        return forwarded if _is_address(forwarded) else peer.address

    def grant(self, peer: Peer, headers: Mapping[str, str], now: float) -> Grant:
        """Return the role of a request.

        Args:
            peer: of its connection.
            headers: of the request.
            now: seconds since 1970 UTC.
        """
        given = _bearer(headers) + _offered(headers)
        for text in given:
            if (token := self.tokens.find(text, now)) is not None:
                return Grant(token.role, token.name, token, token.expires or math.inf)
        login = self.logins.find(headers.get("Cookie", ""), self.tokens, now)
        if login is not None:
            return Grant(login[0].role, login[0].name, *login)
        if given:
            return Grant(Role.NONE, refusal="the token is wrong, revoked or expired", is_wrong=True)
        if refusal := self._refusal(peer, headers):
            return Grant(Role.NONE, refusal=refusal)
        return Grant(Role.OPERATE, BY_USER)

    def holds(self, grant: Grant, now: float) -> bool:
        """Return whether a grant still holds: its token unchanged, or tokens still not required."""
        if grant.token is not None:
            return now < grant.ends and self.tokens.holds(grant.token, now)
        return self.by_user and not self.tokens.required

    def _refusal(self, peer: Peer, headers: Mapping[str, str]) -> str:
        """Return why a request without a token has no role; empty if it has."""
        if self.tokens.required or not self.by_user:
            return "a token is needed"
        if self.users is None:
            return ""
        if any(name in headers for name in FORWARDED):
            return "a proxy forwards this request, so a token is needed"
        if peer.user is None:
            return "the user of this connection is not known, so a token is needed"
        return "" if peer.user in self.users else f"user {peer.user} does not own this gateway, so a token is needed"


def access_of(settings: GatewaySettings, logins: Logins, tokens: Tokens) -> Access:
    """Make the rules of the settings, for a gateway of this process's user."""
    origins = frozenset(origin.lower() for origin in settings.origins.split(",") if origin)
    hosts = {urlsplit(origin).hostname or "" for origin in origins} | set(settings.hosts.lower().split(","))
    return Access(
        hosts=frozenset(LOCAL | (hosts - {""}) | {settings.host}),
        origins=origins,
        any_address=not settings.is_local,
        schemes=("https",) if settings.tls_cert else ("http", "https"),
        by_user=settings.is_local and not settings.behind_proxy,
        users=None if settings.local_users == "open" else frozenset({0, os.geteuid()}),
        is_proxied=settings.behind_proxy,
        logins=logins,
        tokens=tokens,
    )


def _bearer(headers: Mapping[str, str]) -> list[str]:
    kind, _, text = headers.get("Authorization", "").partition(" ")
    return [text.strip()] if kind.lower() == "bearer" else []


def _offered(headers: Mapping[str, str]) -> list[str]:
    """List the tokens among the offered subprotocols: browsers let a page set no other header of a WebSocket."""
    offered = (name.strip() for name in headers.get("Sec-WebSocket-Protocol", "").split(","))
    return [name for name in offered if name.startswith(PREFIX)]


def _hostname(host: str) -> str:
    if any(character in host for character in "@/?#\\"):  # no part of a host: `evil@localhost` is not localhost
        return ""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:  # e.g. an open bracket
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True

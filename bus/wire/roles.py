"""Roles of keys: the rights of a program that connects with a key. PROTOCOL.md section 14.3. Pure.

A role is a text: `read`, `control`, or a kind and a pattern, such as `subscribe:tick.EUR*`. A pattern is a whole name, or the
beginning of names and a star.
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache

import msgspec

from hulak.bus.wire.codec import MAX_TOPIC, NUL
from hulak.bus.wire.names import (
    CONFIG,
    DISPLAY_SERVICE,
    DISPLAYS,
    HEARTBEAT,
    HELLO,
    JOURNALLED,
    OWNED_BY_DISPLAYS,
    STATS,
    TICK_TOPICS,
    TICKS,
)
from hulak.bus.wire.own_names import topic_of
from hulak.bus.wire.plain_values import short, suggestion

FEED, SUBSCRIBE, SUBMIT, WORK, READ, CONTROL = "feed", "subscribe", "submit", "work", "read", "control"
WITH_PATTERN, PLAIN = (FEED, SUBSCRIBE, SUBMIT, WORK), (READ, CONTROL)
LONGEST_SERVICE = 200  # characters
MOST_ROLES = 1000  # of one key
STAR = "*"

_TOPIC = re.compile(r"[A-Za-z0-9._-]*\*?")
_OWN_SERVICES = ("hulak.", "mmi.")
_BROKER_KEYS = (TICKS, HEARTBEAT, STATS, CONFIG, DISPLAYS, HELLO)
_TOPICS_OF_BROKER = tuple(key[:-1].decode() for key in _BROKER_KEYS)
_TOPICS_OF_FEEDS = tuple(prefix.decode() for prefix in JOURNALLED)
READER_TOPICS = (STATS, CONFIG, DISPLAYS)
_DISPLAY_WORKER_PREFIXES = (TICK_TOPICS, OWNED_BY_DISPLAYS, TICKS, DISPLAYS)


class Role(msgspec.Struct, frozen=True, order=True):
    """One role of a key."""

    kind: str  # one of `WITH_PATTERN` and `PLAIN`
    pattern: str = ""  # of topics or services; empty for a kind without one

    def __str__(self) -> str:
        """Return the text from which it was read."""
        return f"{self.kind}:{self.pattern}" if self.pattern else self.kind


def parse_role(text: str) -> Role:
    """Read a role.

    Args:
        text: such as `feed:tick.kraken.*`, `subscribe:ticks`, `submit:nepse`, `work:*`, `read`.
    Raises:
        ValueError: it is no role; the text says what was seen and what is allowed.
    """
    kind, colon, pattern = text.partition(":")
    if kind in PLAIN:
        if colon:
            raise ValueError(f"role {short(text)}: {kind} has no pattern, must be {kind!r}")
        return Role(kind)
    if kind not in WITH_PATTERN:
        allowed = ", ".join([*(f"{known}:PATTERN" for known in WITH_PATTERN), *PLAIN])
        raise ValueError(f"role {short(text)} is unknown; allowed are {allowed}{suggestion(kind, (*WITH_PATTERN, *PLAIN))}")
    if not pattern:
        example = "tick.EURUSD, tick.EUR* or *" if kind in (FEED, SUBSCRIBE) else "a service, or * for all"
        raise ValueError(f"role {short(text)} has no pattern, must be {kind}:PATTERN with {example}")
    wrong = _wrong_topics(kind, pattern) if kind in (FEED, SUBSCRIBE) else _wrong_services(pattern)
    if wrong:
        raise ValueError(f"role {short(text)}: {wrong}")
    return Role(kind, pattern)


def _wrong_topics(kind: str, pattern: str) -> str:
    """Return why a pattern covers no topic that there can be; empty if it covers one."""
    if _TOPIC.fullmatch(pattern) is None or len(pattern) > MAX_TOPIC + 1:
        return f"a pattern has letters, digits, '.', '_', '-', a star only at its end, and at most {MAX_TOPIC + 1} characters"
    fixed = pattern.removesuffix(STAR)
    if fixed == pattern and fixed.endswith("."):
        return f"a topic does not end with '.'; must be {fixed}* for all topics that begin so"
    owned = _TOPICS_OF_FEEDS if kind == FEED else (*_TOPICS_OF_FEEDS, OWNED_BY_DISPLAYS.decode())
    known = () if kind == FEED else _TOPICS_OF_BROKER
    if fixed.startswith(owned) or any(covers(pattern, name) for name in (*owned, *known)):
        return ""
    if kind == FEED:
        names = ", ".join(map(repr, _TOPICS_OF_FEEDS))
        return f"topics of feeds begin with {names}; must be such as {FEED}:tick.{fixed or 'EURUSD'}"
    names = ", ".join(
        (
            "tick.SYMBOL",
            "trade.SYMBOL",
            "market.NAME",
            "bar.INTERVAL.SYMBOL",
            "every.TIME.SYMBOL",
            "state.SYMBOL",
            "alert.NAME.SYMBOL",
            "app.NAME",
            "display.ID",
            *_TOPICS_OF_BROKER,
        )
    )
    return f"there is no such topic; topics are {names}"


def _wrong_services(pattern: str) -> str:
    fixed = pattern.removesuffix(STAR)
    if STAR in fixed or len(pattern) > LONGEST_SERVICE + 1 or not pattern.isprintable():
        return f"a pattern is the name of a service, or its beginning and a star, of at most {LONGEST_SERVICE} characters"
    if fixed.startswith(_OWN_SERVICES):
        return "services of the broker come with the roles read and control"
    return ""


def parse_roles(texts: Iterable[str]) -> frozenset[Role]:
    """Read the roles of a key. Raises ValueError as `parse_role`, and for more than `MOST_ROLES`."""
    roles = frozenset(map(parse_role, texts))
    if len(roles) > MOST_ROLES:
        raise ValueError(f"{len(roles)} roles, must be at most {MOST_ROLES}")
    return roles


def covers(pattern: str, name: str) -> bool:
    """Return whether a pattern covers a name."""
    return name.startswith(pattern[:-1]) if pattern.endswith(STAR) else name == pattern


def covers_prefix(pattern: str, prefix: bytes) -> bool:
    """Return whether a pattern covers everything that a subscription matches.

    A subscription to `ticks` NUL, which carries the messages of all feeds, is covered by every pattern that covers `tick.*`.
    """
    fixed = pattern.removesuffix(STAR).encode()
    if pattern.endswith(STAR):
        return prefix.startswith(fixed) or (prefix == TICKS and TICK_TOPICS.startswith(fixed))
    return prefix == fixed + NUL


class Rights:
    """The rights that the roles of a key give.

    Args:
        roles: of the key.
    """

    def __init__(self, roles: Iterable[Role]) -> None:
        self.roles = frozenset(roles)
        of = {kind: [role.pattern for role in sorted(self.roles) if role.kind == kind] for kind in WITH_PATTERN}
        self._feed, self._subscribe = of[FEED], of[SUBSCRIBE]
        kinds = {role.kind for role in self.roles}
        self.may_control = CONTROL in kinds
        self.may_read = self.may_control or READ in kinds
        self.may_feed_some = FEED in kinds
        self.may_submit_some = SUBMIT in kinds
        self.may_work_some = WORK in kinds
        self.may_subscribe_some = SUBSCRIBE in kinds
        self.is_member = self.may_read or FEED in kinds or WORK in kinds  # a process that reports and follows the configuration
        # Services come from peers, so that the results are kept for a bounded number of them.
        self.may_submit = lru_cache(1000)(_covered_by(of[SUBMIT]))  # service -> whether it may call it and post tasks to it
        self.may_work = lru_cache(1000)(_covered_by(of[WORK]))  # service -> whether it may register as its worker
        self.serves_displays = self.may_work(DISPLAY_SERVICE)

    def __str__(self) -> str:
        """Return the roles, for a sentence."""
        return ", ".join(map(str, sorted(self.roles))) or "none"

    def may_feed(self, topic: bytes) -> bool:
        """Return whether it may post to a topic; display workers post the states of displays."""
        if topic.startswith(OWNED_BY_DISPLAYS):
            return self.serves_displays
        name = topic.decode("ascii", "replace")
        return any(covers(pattern, name) for pattern in self._feed)

    def may_own(self, name: str) -> bool:
        """Return whether it may own `app.<name>`: it may post to this topic, or to all below it."""
        topic = topic_of(name)
        return any(covers(pattern, topic) or covers(pattern, f"{topic}.") for pattern in self._feed)

    def may_subscribe(self, prefix: bytes) -> bool:
        """Return whether it may subscribe to a prefix; an exact topic ends with NUL.

        Topics of the broker may be named without it: there is no longer topic that begins so.
        """
        if prefix + NUL in _BROKER_KEYS:
            prefix += NUL
        if any(covers_prefix(pattern, prefix) for pattern in self._subscribe):
            return True
        if prefix == HELLO:
            return bool(self._subscribe) or self.is_member
        if prefix == HEARTBEAT and (self._subscribe or self.serves_displays or self.may_read):
            return True
        if prefix == CONFIG and self.is_member:
            return True
        if prefix in READER_TOPICS and self.may_read:
            return True
        return self.serves_displays and prefix.startswith(_DISPLAY_WORKER_PREFIXES)


def _covered_by(patterns: list[str]) -> Callable[[str], bool]:
    def is_covered(name: str) -> bool:
        return any(covers(pattern, name) for pattern in patterns)

    return is_covered

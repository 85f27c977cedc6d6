"""Names of own topics: `app.<name>` and topics below it, `app.<name>.<rest>`. PROTOCOL.md section 3.11. Pure."""

import re

from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import NUL, STAMP, check_topic
from hulak.bus.wire.names import NO_BODY, OWN_TOPICS

PATTERN = r"[A-Za-z0-9_-]{1,64}"
ALLOWED = "1 to 64 letters, digits, '_' and '-'"
_NO_EPOCH = bytes(8)
_NAME = re.compile(PATTERN)
_AT = len(OWN_TOPICS)


def is_name(text: str) -> bool:
    """Return whether a program can own this name."""
    return _NAME.fullmatch(text) is not None


def owned_name(topic: bytes) -> str:
    """Return the name that an own topic belongs to: "signals" of `app.signals` and of `app.signals.EURUSD`.

    Args:
        topic: without its NUL.
    Raises:
        ProtocolError: `BAD_TOPIC`, it is no own topic, or its name is not valid.
    """
    check_topic(topic)
    name = topic[_AT:].partition(b".")[0].decode("ascii")
    if not topic.startswith(OWN_TOPICS) or not is_name(name):
        raise ProtocolError(
            "BAD_TOPIC", f"topic {topic.decode('ascii')!r} must be 'app.NAME' or begin with 'app.NAME.', NAME of {ALLOWED}"
        )
    return name


def covers_own_topics(key: bytes) -> bool:
    """Return whether a topic's key, or a prefix of keys, covers own topics."""
    return key.startswith(OWN_TOPICS) or OWN_TOPICS.startswith(key)


def topic_of(name: str, rest: str = "") -> str:
    """Return the own topic of a name, and of what is below it."""
    return f"{OWN_TOPICS.decode()}{name}.{rest}" if rest else f"{OWN_TOPICS.decode()}{name}"


def without_body(frame: bytes) -> bytes:
    """Return a published frame with `NO_BODY` as its body."""
    return frame[: frame.index(NUL) + 1 + STAMP.size] + NO_BODY


def is_transient(frame: bytes) -> bool:
    """Return whether a published frame is that of an own topic that is not journalled: its epoch is 0."""
    at = frame.find(NUL) + 1
    return frame.startswith(OWN_TOPICS) and frame[at : at + 8] == _NO_EPOCH

"""Messages of the bridge on NATS: subjects, headers and bodies. PROTOCOL.md section 15. Pure.

A message covers a range of numbers of the global order of one broker, under one epoch, and has those of its ticks that go out.
Consecutive messages cover consecutive numbers: a reader sees by the numbers alone what is missing.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import MAX_TOPIC, NUL, STAMP, pack_plain
from hulak.bus.wire.names import MARKET_TOPICS, TICK_TOPICS, TRADE_TOPICS

ROOT = "hulak"
LIVE = "live"  # the second token of republished subjects: no site may have this name
TURN = "ticks"  # the last token of the subject of messages with many ticks
FAMILIES = (TICK_TOPICS, TRADE_TOPICS, MARKET_TOPICS)  # the topics that go out
LARGEST = (1 << 63) - 1

EPOCH, FIRST, LAST, TIME, BRIDGE = "Hulak-Epoch", "Hulak-First", "Hulak-Number", "Hulak-Stamped-Ns", "Hulak-Bridge"
SEQUENCE, TOPIC = "Hulak-Sequence", "Hulak-Topic"  # of messages with one tick
EXPECTED = "Nats-Expected-Last-Sequence"

Row = tuple[int, bytes]  # number in the global order, and the publication on its own topic

_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")
_TOPIC = re.compile(rb"(tick|trade|market)\.[A-Za-z0-9._-]*[A-Za-z0-9_-]")
_Frame = Annotated[bytes, msgspec.Meta(min_length=1 + STAMP.size + 1)]
_read_rows = msgspec.msgpack.Decoder(list[tuple[int, _Frame]]).decode


@dataclass(frozen=True, slots=True)
class Span:
    """The contents of one message: ticks of a journal."""

    epoch: int
    first: int  # the first number that it covers
    last: int  # the last one
    time_ns: int  # stamp of the last number that was read, ns since 1970 UTC
    rows: list[Row]  # those of the covered numbers that go out, in order


def stream_name(site: str) -> str:
    """Return the name of a site's stream."""
    return f"HULAK_{site.upper()}"


def subjects(site: str) -> str:
    """Return the subjects of a site's stream."""
    return f"{ROOT}.{site}.>"


def live_subjects(site: str) -> str:
    """Return the subjects under which the server publishes again what it has stored."""
    return f"{ROOT}.{LIVE}.{site}.>"


def encode_turn(site: str, span: Span, bridge: str) -> tuple[str, bytes, dict[str, str]]:
    """Make one message of all ticks of a span; return subject, body and headers."""
    return f"{ROOT}.{site}.{TURN}", pack_plain(span.rows), _headers(span, bridge)


def encode_tick(site: str, span: Span, bridge: str) -> tuple[str, bytes, dict[str, str]]:
    """Make the message of a span with one tick, with its body unchanged; of one without ticks, as `encode_turn`."""
    if not span.rows:
        return encode_turn(site, span, bridge)
    ((_, frame),) = span.rows
    cut = frame.index(NUL)
    topic = frame[:cut].decode("ascii")
    _, sequence, _ = STAMP.unpack_from(frame, cut + 1)
    headers = _headers(span, bridge) | {SEQUENCE: str(sequence), TOPIC: topic}
    return f"{ROOT}.{site}.{subject_of(topic)}", frame[cut + 1 + STAMP.size :], headers


def subject_of(topic: str) -> str:
    """Return a topic as part of a subject: its dots separate tokens; a dot behind a dot is written `_2E_`."""
    while ".." in topic:
        topic = topic.replace("..", "._2E_", 1)
    return topic


def _headers(span: Span, bridge: str) -> dict[str, str]:
    return {
        EPOCH: str(span.epoch),
        FIRST: str(span.first),
        LAST: str(span.last),
        TIME: str(span.time_ns),
        BRIDGE: bridge,
    }


def decode_position(headers: Mapping[str, str] | None) -> Span:
    """Read the headers of a message: the numbers that it covers, without its rows.

    Raises:
        ProtocolError: `BAD_HEADER`, one is missing or malformed.
    """
    given = headers or {}
    epoch, first, last, time_ns = (_number(given, name) for name in (EPOCH, FIRST, LAST, TIME))
    if not 1 <= first <= last:
        raise ProtocolError("BAD_HEADER", f"{FIRST} is {first} and {LAST} is {last}, must be from 1 and not before the first")
    return Span(epoch, first, last, time_ns, [])


def decode(site: str, subject: str, headers: Mapping[str, str] | None, body: bytes) -> Span:
    """Read a message.

    Raises:
        ProtocolError: `BAD_HEADER`; or `BAD_BODY`: it is no array of rows, or a row's number, epoch or topic is wrong.
    """
    span = decode_position(headers)
    if subject == f"{ROOT}.{site}.{TURN}":
        try:
            span.rows.extend(_read_rows(body))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ProtocolError("BAD_BODY", f"the body of {subject} is no array of [number, frame]: {error}") from error
    else:
        span.rows.append((span.last, _frame(headers or {}, span, body)))
    _check_rows(span)
    return span


def _frame(headers: Mapping[str, str], span: Span, body: bytes) -> bytes:
    topic = headers.get(TOPIC, "").encode("ascii", "replace")
    return topic + NUL + STAMP.pack(span.epoch, _number(headers, SEQUENCE), span.time_ns) + body


def _check_rows(span: Span) -> None:
    before = span.first - 1
    for number, frame in span.rows:
        if not before < number <= span.last:
            raise ProtocolError("BAD_BODY", f"a row has number {number}, must be after {before} and at most {span.last}")
        before, cut = number, frame.find(NUL)
        if not 0 < cut <= MAX_TOPIC or len(frame) < cut + 1 + STAMP.size + 1 or _TOPIC.fullmatch(frame[:cut]) is None:
            raise ProtocolError(
                "BAD_BODY", f"row {number} begins with {frame[:40]!r}, must be a topic of ticks, trades or markets"
            )
        epoch = STAMP.unpack_from(frame, cut + 1)[0]
        if epoch != span.epoch:
            raise ProtocolError("BAD_BODY", f"row {number} has epoch {epoch}, must be {span.epoch}, as {EPOCH} says")


def _number(headers: Mapping[str, Any], name: str) -> int:
    text = headers.get(name)
    if not isinstance(text, str) or _NUMBER.fullmatch(text) is None or int(text) > LARGEST:
        raise ProtocolError("BAD_HEADER", f"{name} is {text!r:.40}, must be a whole number up to 2^63-1")
    return int(text)

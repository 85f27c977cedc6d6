"""The live configuration that sites share: its message on NATS, and the changes that follow it. PROTOCOL.md section 15.5. Pure.

Rule 1: `global` and `kind:K` are shared. Displays and feeds belong to their site: elsewhere the same name is another one.
Rule 2: of two messages the one that was published later is newer: versions begin again with another database of the owner.
Rule 3: documents are compared, not changes followed: one message is enough for a follower that has missed many.
Rule 4: a value that the follower's broker refuses is left out until the owner's value is another one, and holds nothing else up.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec

from hulak.bus.errors import ProtocolError
from hulak.bus.live_config.keys import GLOBAL, KIND, Value
from hulak.bus.live_config.scopes import Scopes, difference
from hulak.bus.wire import codec

ROOT = "hulak-config"  # the first token of subjects: no site can have this name
MOST_VALUES = 1000  # of a message: more than there are keys and shared scopes


class SharedDocument(msgspec.Struct, frozen=True):
    """The body of a message: the owner's document, with its shared scopes."""

    version: Annotated[int, msgspec.Meta(ge=0)]
    at_ns: int
    by: str
    note: str
    scopes: dict[str, dict[str, bool | int | float | str]]


@dataclass(frozen=True, slots=True)
class Step:
    """The arguments of one `hulak.config.set`."""

    scope: str
    values: dict[str, Value]
    unset: list[str]

    @property
    def size(self) -> int:
        """Return the number of keys that change."""
        return len(self.values) + len(self.unset)

    def on(self, present: Mapping[str, Value]) -> dict[str, Value]:
        """Return the values of the scope after the change."""
        return {key: value for key, value in {**present, **self.values}.items() if key not in self.unset}


def stream_name(site: str) -> str:
    """Return the name of the stream of a site that owns the configuration."""
    return f"HULAK_CONFIG_{site.upper()}"


def subject(site: str) -> str:
    """Return the subject of its messages."""
    return f"{ROOT}.{site}"


def shared(scopes: Mapping[str, Mapping[str, Value]]) -> Scopes:
    """Return the shared scopes of a document."""
    return {scope: dict(values) for scope, values in scopes.items() if scope == GLOBAL or scope.startswith(KIND)}


def encode(document: Mapping[str, Any]) -> bytes:
    """Return the body of the message of a document, which is the body of the topic `config`."""
    return codec.pack({**document, "scopes": shared(document["scopes"])})


def decode(body: bytes) -> SharedDocument:
    """Read the body of a message; scopes that are not shared are left out.

    Raises:
        ProtocolError: `BAD_BODY`, it has another form.
    """
    try:
        document = msgspec.convert(codec.unpack(body), SharedDocument)
    except msgspec.ValidationError as error:
        raise ProtocolError("BAD_BODY", f"the configuration of another site cannot be read: {error}") from error
    values = [value for row in document.scopes.values() for value in row.values()]
    if len(values) > MOST_VALUES:
        raise ProtocolError(
            "BAD_BODY", f"the configuration of another site has {len(values)} values, must be at most {MOST_VALUES}"
        )
    if any(isinstance(value, float) and not math.isfinite(value) for value in values):
        raise ProtocolError("BAD_BODY", "the configuration of another site has a number that is not finite")
    return msgspec.structs.replace(document, scopes=shared(document.scopes))


@dataclass(slots=True)
class Refused:
    """The owner's values that the broker of this site has refused."""

    rows: dict[tuple[str, str], tuple[Value | None, str]] = field(default_factory=dict)  # scope, key -> value, reason
    count: int = 0

    def has(self, scope: str, key: str, value: Value | None) -> bool:
        """Return whether this value was refused."""
        row = self.rows.get((scope, key))
        return row is not None and type(row[0]) is type(value) and row[0] == value

    def add(self, step: Step, key: object, why: str) -> None:
        """Record that a step was refused because of one of its keys, or, if the broker named none of them, of all."""
        values: dict[str, Value | None] = {**step.values, **dict.fromkeys(step.unset)}
        for name in [key] if isinstance(key, str) and key in values else list(values):
            self.rows[step.scope, name] = values[name], why
            self.count += 1

    def keep(self, scopes: Mapping[str, Mapping[str, Value]]) -> None:
        """Forget what the owner no longer has, or has with another value."""
        self.rows = {
            (scope, key): row for (scope, key), row in self.rows.items() if self.has(scope, key, scopes.get(scope, {}).get(key))
        }


def steps(
    wanted: Mapping[str, Mapping[str, Value]], present: Mapping[str, Mapping[str, Value]], refused: Refused
) -> Iterator[Step]:
    """Yield what makes the shared scopes of a document those of the owner, without what was refused.

    Args:
        wanted: the scopes of the owner.
        present: those of this site.
        refused: that are left out.
    """
    changes = difference(shared(present), shared(wanted))
    going = [change for change in changes if not refused.has(change.scope, change.key, change.after)]
    for scope in sorted({change.scope for change in going}):
        values = {change.key: change.after for change in going if change.scope == scope and change.after is not None}
        unset = [change.key for change in going if change.scope == scope and change.after is None]
        yield Step(scope, values, unset)

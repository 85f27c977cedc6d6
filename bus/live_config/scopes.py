"""Scopes of the live configuration: the value that applies to a process, and the difference of two states. Pure."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from hulak.bus.live_config.keys import (
    DISPLAY,
    FEED,
    GLOBAL,
    KEYS,
    KIND,
    KINDS,
    TABLE,
    Value,
    check_scope,
    fits,
)

Scopes = dict[str, dict[str, Value]]
Document = Mapping[str, Any]  # version, at_ns, by, note, scopes: the body of the topic


class Change(Struct, frozen=True):
    """A change of one key in one scope; None where it was or is not set."""

    scope: str
    key: str
    before: Value | None
    after: Value | None


def difference(before: Mapping[str, Mapping[str, Value]], after: Mapping[str, Mapping[str, Value]]) -> list[Change]:
    """Return the changes from one state to the other, by scope and key."""
    changes = []
    for scope in sorted({*before, *after}):
        old, new = before.get(scope, {}), after.get(scope, {})
        for key in sorted({*old, *new}):
            was, comes = old.get(key), new.get(key)
            if was != comes:
                changes.append(Change(scope, key, was, comes))
    return changes


def effective(document: Document, kind: str, own: str = "", defaults: Mapping[str, Value] | None = None) -> dict[str, Value]:
    """Return the values that apply to a process of a kind, or to one display: its own before the kind's before global ones.

    Args:
        document: of the topic; keys that this version of Hulak does not have are ignored.
        kind: of `bus.live_config.keys.KINDS`.
        own: the scope of the display or feed alone, such as `display:eurusd-1`; empty for none.
        defaults: of `bus.live_config.keys.defaults_of`; the shipped ones if None.
    Returns:
        every key that the kind has, with its value.
    """
    return {key: value for key, (value, _) in sources(document, kind, own, defaults).items()}


def sources(
    document: Document, kind: str, own: str = "", defaults: Mapping[str, Value] | None = None
) -> dict[str, tuple[Value, str]]:
    """Return each key's value as `effective` does, with the scope that it comes from; `default` if no scope sets it."""
    scopes = document["scopes"]
    places = [place for place in (own, KIND + kind, GLOBAL) if place in scopes]
    values: dict[str, tuple[Value, str]] = {}
    for key in TABLE:
        if kind in key.kinds:
            place = next((scope for scope in places if key.name in scopes[scope]), "")
            default = key.default if defaults is None else defaults[key.name]
            values[key.name] = (scopes[place][key.name], place) if place else (default, "default")
    return values


def rows(document: Document, scope: str | None, defaults: Mapping[str, Value]) -> list[dict[str, Any]]:
    """Return rows of keys for people: scope, key, value, from, default, type, unit, allowed, help.

    Args:
        document: of the topic.
        scope: the keys that apply in it; None for every key in its widest scope, and in every other scope that sets it.
        defaults: of `bus.live_config.keys.defaults_of`.
    Raises:
        ProtocolError: `BAD_CONFIG`: the scope is unknown.
    """
    if scope is not None:
        where = check_scope(scope)
        return [_row(key, where, *_source(document, where, key, defaults), defaults) for key in _keys_of(where)]
    listed = []
    for name, key in KEYS.items():
        wide = [] if key.of_one else [key.scopes[0]]
        places = [
            *wide,
            *(other for other in sorted(document["scopes"]) if other not in wide and name in document["scopes"][other]),
        ]
        listed += [_row(name, place, *_source(document, place, name, defaults), defaults) for place in places]
    return listed


def _keys_of(scope: str) -> list[str]:
    if scope.startswith(KIND):
        return [key.name for key in TABLE if scope.removeprefix(KIND) in key.kinds]
    return [key.name for key in TABLE if fits(key, scope)]


def _source(document: Document, scope: str, key: str, defaults: Mapping[str, Value]) -> tuple[Value, str]:
    if scope == GLOBAL:
        values = document["scopes"].get(GLOBAL, {})
        return (values[key], GLOBAL) if key in values else (defaults[key], "default")
    own = scope if scope.startswith((DISPLAY, FEED)) else ""
    kind = own.partition(":")[0] or scope.removeprefix(KIND)
    return sources(document, kind, own, defaults)[key]


def _row(name: str, scope: str, value: Value, place: str, defaults: Mapping[str, Value]) -> dict[str, Any]:
    key = KEYS[name]
    row = {"scope": scope, "key": name, "value": value, "from": place, "default": defaults[name]}
    return {**row, "type": key.type, "unit": key.unit, "allowed": key.allowed, "help": key.help}


def kind_of(service: str) -> str:
    """Return the kind of a service's worker."""
    return service if service in KINDS else "worker"

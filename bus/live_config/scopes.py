"""Which value of the live configuration counts for whom: scopes, their order, and what changed between two of them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hulak.bus.live_config.keys import (
    DISPLAY,
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


@dataclass(frozen=True, slots=True)
class Change:
    """One key of one scope, before and after; None where it was or is not set."""

    scope: str
    key: str
    before: Value | None
    after: Value | None


def difference(before: Mapping[str, Mapping[str, Value]], after: Mapping[str, Mapping[str, Value]]) -> list[Change]:
    """List what has to change for one state to become the other, by scope and key."""
    found = []
    for scope in sorted({*before, *after}):
        old, new = before.get(scope, {}), after.get(scope, {})
        for key in sorted({*old, *new}):
            was, comes = old.get(key), new.get(key)
            if was != comes:
                found.append(Change(scope, key, was, comes))
    return found


def effective(document: Document, kind: str, display: str = "", defaults: Mapping[str, Value] | None = None) -> dict[str, Value]:
    """Give the values that count for a process of a kind, or for one display: its own over its kind's over the global ones.

    Args:
        document: of the topic; values of keys that this version of Hulak does not have are passed over.
        kind: of `live_keys.KINDS`.
        display: its id.
        defaults: of `live_keys.defaults_of`; the shipped ones if None.
    Returns:
        every key that the kind has, with its value.
    """
    return {key: value for key, (value, _) in sources(document, kind, display, defaults).items()}


def sources(
    document: Document, kind: str, display: str = "", defaults: Mapping[str, Value] | None = None
) -> dict[str, tuple[Value, str]]:
    """Give each key's value as `effective`, with the scope that it comes from; `default` if it is set in none."""
    scopes = document["scopes"]
    places = [DISPLAY + display] if display else []
    places = [place for place in (*places, KIND + kind, GLOBAL) if place in scopes]
    found: dict[str, tuple[Value, str]] = {}
    for key in TABLE:
        if kind in key.kinds:
            place = next((one for one in places if key.name in scopes[one]), "")
            default = key.default if defaults is None else defaults[key.name]
            found[key.name] = (scopes[place][key.name], place) if place else (default, "default")
    return found


def rows(document: Document, scope: str | None, defaults: Mapping[str, Value]) -> list[dict[str, Any]]:
    """List keys for people: scope, key, value, from, default, type, unit, allowed, help.

    Args:
        document: of the topic.
        scope: what counts there; None for every key in its widest scope, and besides whatever is set anywhere else.
        defaults: of `live_keys.defaults_of`.
    Raises:
        ProtocolError: `BAD_CONFIG`: there is no such scope.
    """
    if scope is not None:
        where = check_scope(scope)
        return [_row(key, where, *_source(document, where, key, defaults), defaults) for key in _keys_of(where)]
    found = []
    for name, key in KEYS.items():
        wide = key.scopes[0]
        places = [wide, *(one for one in sorted(document["scopes"]) if one != wide and name in document["scopes"][one])]
        found += [_row(name, place, *_source(document, place, name, defaults), defaults) for place in places]
    return found


def _keys_of(scope: str) -> list[str]:
    if scope.startswith(KIND):
        return [key.name for key in TABLE if scope.removeprefix(KIND) in key.kinds]
    return [key.name for key in TABLE if fits(key, scope)]


def _source(document: Document, scope: str, key: str, defaults: Mapping[str, Value]) -> tuple[Value, str]:
    if scope == GLOBAL:
        values = document["scopes"].get(GLOBAL, {})
        return (values[key], GLOBAL) if key in values else (defaults[key], "default")
    display = scope.removeprefix(DISPLAY) if scope.startswith(DISPLAY) else ""
    kind = "display" if display else scope.removeprefix(KIND)
    return sources(document, kind, display, defaults)[key]


def _row(name: str, scope: str, value: Value, place: str, defaults: Mapping[str, Value]) -> dict[str, Any]:
    key = KEYS[name]
    told = {"scope": scope, "key": name, "value": value, "from": place, "default": defaults[name]}
    return {**told, "type": key.type, "unit": key.unit, "allowed": key.allowed, "help": key.help}


def kind_of(service: str) -> str:
    """Name the kind that a worker of a service is."""
    return service if service in KINDS else "worker"

"""The live configuration: its versions, what changed from one to the next, and what counts for whom. Pure.

Kept are the present values and, for each of the last versions, what it changed: a former version is found by undoing. A new
version is first prepared, then written to the store by the shell, and only then accepted: what the disk refused was never there.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bus.core import requests
from bus.core.live_keys import DISPLAY, GLOBAL, KEYS, KIND, KINDS, TABLE, Value, check_scope, check_values, find_key, fits, refuse
from bus.errors import ProtocolError

KEPT_VERSIONS = 1000
MOST_VALUES = 20_000  # in all scopes
Scopes = dict[str, dict[str, Value]]
Document = Mapping[str, Any]  # version, at_ns, by, note, scopes: the body of the topic


@dataclass(frozen=True, slots=True)
class Change:
    """One key of one scope, before and after; None where it was or is not set."""

    scope: str
    key: str
    before: Value | None
    after: Value | None


@dataclass(frozen=True, slots=True)
class Version:
    """One version, as what it changed."""

    version: int  # 1, 2, 3, ...
    at_ns: int  # ns since 1970 UTC
    by: str
    note: str
    changes: tuple[Change, ...]

    def told(self) -> dict[str, Any]:
        """Say it in msgpack values: version, at_ns, by, note, changes as maps of scope, key, before, after."""
        changes = [{"scope": one.scope, "key": one.key, "before": one.before, "after": one.after} for one in self.changes]
        return {"version": self.version, "at_ns": self.at_ns, "by": self.by, "note": self.note, "changes": changes}


@dataclass(slots=True)
class ConfigBook:
    """All versions that are kept, and the present values."""

    scopes: Scopes = field(default_factory=dict)
    versions: list[Version] = field(default_factory=list)  # the oldest first
    keep: int = KEPT_VERSIONS

    @property
    def version(self) -> int:
        """The present version's number; 0 before the first."""
        return self.versions[-1].version if self.versions else 0

    def document(self) -> dict[str, Any]:
        """Make the body of the topic."""
        newest = self.versions[-1] if self.versions else Version(0, 0, "", "", ())
        scopes = {scope: dict(values) for scope, values in self.scopes.items()}
        return {"version": newest.version, "at_ns": newest.at_ns, "by": newest.by, "note": newest.note, "scopes": scopes}

    # New versions

    def set(self, args: requests.ConfigSet, at_ns: int) -> Version | None:
        """Prepare a new version out of a request's arguments. All of it or nothing.

        Args:
            args: of `hulak.config.set`.
            at_ns: ns since 1970 UTC.
        Returns:
            the version, to be accepted when it is written; None if nothing would change.
        Raises:
            ProtocolError: `BAD_CONFIG`.
        """
        scope = check_scope(args.scope)
        values = check_values(scope, args.values)
        for name in args.unset:
            find_key(scope, name)
            if name in values:
                raise refuse(scope, name, name, "one of both", f"key {name} is both set and unset")
        wanted = {**self.scopes.get(scope, {}), **values}
        for name in args.unset:
            wanted.pop(name, None)
        return self._prepare({**self.scopes, scope: wanted}, args.by, args.note, at_ns)

    def revert(self, args: requests.ConfigRevert, at_ns: int) -> Version | None:
        """Prepare a new version whose values are those of a former one; else as `set`."""
        former = {
            scope: check_values(scope, values) for scope, values in self.at(args.version).items()
        }  # limits may have changed since
        note = f"as in version {args.version}" if args.note is None else args.note
        return self._prepare(former, args.by, note, at_ns)

    def _prepare(self, wanted: Scopes, by: str, note: str, at_ns: int) -> Version | None:
        changes = tuple(difference(self.scopes, wanted))
        if not changes:
            return None
        count = sum(map(len, wanted.values()))
        if count > MOST_VALUES:
            raise ProtocolError("BAD_CONFIG", f"there would be {count} values, must be at most {MOST_VALUES}")
        return Version(self.version + 1, at_ns, by, note, changes)

    def accept(self, version: Version) -> None:
        """Make a version that was prepared, and is written, the present one."""
        _apply(self.scopes, ((one.scope, one.key, one.after) for one in version.changes))
        self.versions.append(version)
        del self.versions[: -self.keep]

    # Former ones

    def at(self, number: int) -> Scopes:
        """Give all values as they were in a version.

        Raises:
            ProtocolError: `BAD_CONFIG`: there is no such version, or it is not kept any more.
        """
        oldest = self.versions[0].version - 1 if self.versions else 0
        if not oldest <= number <= self.version:
            allowed = f"{oldest} to {self.version}"
            raise refuse("", "version", number, allowed, f"version is {number}, must be {allowed}")
        scopes = {scope: dict(values) for scope, values in self.scopes.items()}
        for version in reversed(self.versions):
            if version.version > number:
                _apply(scopes, ((one.scope, one.key, one.before) for one in version.changes))
        return scopes

    def history(self, limit: int) -> list[dict[str, Any]]:
        """List the newest versions, the newest first; `limit` is above 0."""
        return [one.told() for one in self.versions[: -limit - 1 : -1]]


def _apply(scopes: Scopes, values: Iterable[tuple[str, str, Value | None]]) -> None:
    for scope, key, value in values:
        if value is not None:
            scopes.setdefault(scope, {})[key] = value
        elif scope in scopes:
            scopes[scope].pop(key, None)
            if not scopes[scope]:
                del scopes[scope]


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


# What counts for whom


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

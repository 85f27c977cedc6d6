"""The live configuration: its versions, and the changes from one to the next. Pure.

The present values are kept and, for each of the last versions, its changes: a former version is restored by undoing them. A new
version is first prepared, then written to the store by the shell, and only then accepted: a failed write leaves no version.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from hulak.bus.core import control_requests
from hulak.bus.errors import ProtocolError
from hulak.bus.live_config.keys import Value, check_scope, check_values, find_key, refuse
from hulak.bus.live_config.scopes import Change, Scopes, difference

KEPT_VERSIONS = 1000
MOST_VALUES = 20_000  # in all scopes


class ConfigVersion(Struct, frozen=True):
    """One version, as its changes."""

    version: int  # 1, 2, 3, ...
    at_ns: int  # ns since 1970 UTC
    by: str
    note: str
    changes: tuple[Change, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it in msgpack values: version, at_ns, by, note, changes as maps of scope, key, before, after."""
        changes = [
            {"scope": change.scope, "key": change.key, "before": change.before, "after": change.after} for change in self.changes
        ]
        return {"version": self.version, "at_ns": self.at_ns, "by": self.by, "note": self.note, "changes": changes}


@dataclass(slots=True)
class ConfigVersions:
    """The kept versions, and the present values."""

    scopes: Scopes = field(default_factory=dict)
    versions: list[ConfigVersion] = field(default_factory=list)  # the oldest first
    keep: int = KEPT_VERSIONS

    @property
    def version(self) -> int:
        """The present version's number; 0 before the first."""
        return self.versions[-1].version if self.versions else 0

    def document(self) -> dict[str, Any]:
        """Return the body of the topic `config`."""
        newest = self.versions[-1] if self.versions else ConfigVersion(0, 0, "", "", ())
        scopes = {scope: dict(values) for scope, values in self.scopes.items()}
        return {"version": newest.version, "at_ns": newest.at_ns, "by": newest.by, "note": newest.note, "scopes": scopes}

    # New versions

    def set(self, args: control_requests.ConfigSetArguments, at_ns: int) -> ConfigVersion | None:
        """Prepare a new version from a request's arguments: all changes or none.

        Args:
            args: of `hulak.config.set`.
            at_ns: ns since 1970 UTC.
        Returns:
            the version, to be accepted when it is written; None if nothing would change.
        Raises:
            ProtocolError: `BAD_CONFIG`; `OTHER_VERSION`: it was made for a former version.
        """
        if args.if_version is not None and args.if_version != self.version:
            raise ProtocolError("OTHER_VERSION", f"the newest version is {self.version}, the change was for {args.if_version}")
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

    def revert(self, args: control_requests.ConfigRevertArguments, at_ns: int) -> ConfigVersion | None:
        """Prepare a new version with the values of a former one; otherwise as `set`."""
        former = {
            scope: check_values(scope, values) for scope, values in self.at(args.version).items()
        }  # limits may have changed since
        note = f"as in version {args.version}" if args.note is None else args.note
        return self._prepare(former, args.by, note, at_ns)

    def _prepare(self, wanted: Scopes, by: str, note: str, at_ns: int) -> ConfigVersion | None:
        changes = tuple(difference(self.scopes, wanted))
        if not changes:
            return None
        count = sum(map(len, wanted.values()))
        if count > MOST_VALUES:
            raise ProtocolError("BAD_CONFIG", f"there would be {count} values, must be at most {MOST_VALUES}")
        return ConfigVersion(self.version + 1, at_ns, by, note, changes)

    def accept(self, version: ConfigVersion) -> None:
        """Make a version that was prepared and written the present one."""
        _apply(self.scopes, ((change.scope, change.key, change.after) for change in version.changes))
        self.versions.append(version)
        del self.versions[: -self.keep]

    # Former versions

    def at(self, number: int) -> Scopes:
        """Return all values of a version.

        Raises:
            ProtocolError: `BAD_CONFIG`: there is no such version, or it is no longer kept.
        """
        oldest = self.versions[0].version - 1 if self.versions else 0
        if not oldest <= number <= self.version:
            raise unknown_version(number, oldest, self.version)
        scopes = {scope: dict(values) for scope, values in self.scopes.items()}
        for version in reversed(self.versions):
            if version.version > number:
                _apply(scopes, ((change.scope, change.key, change.before) for change in version.changes))
        return scopes

    def history(self, limit: int) -> list[dict[str, Any]]:
        """Return the newest versions, the newest first; `limit` is above 0."""
        return [version.as_dict() for version in self.versions[: -limit - 1 : -1]]


def unknown_version(number: int, oldest: int, newest: int) -> ProtocolError:
    """Return the `BAD_CONFIG` for a version that does not exist or is no longer kept."""
    allowed = f"{oldest} to {newest}"
    return refuse("", "version", number, allowed, f"version is {number}, must be {allowed}")


def _apply(scopes: Scopes, values: Iterable[tuple[str, str, Value | None]]) -> None:
    for scope, key, value in values:
        if value is not None:
            scopes.setdefault(scope, {})[key] = value
        elif scope in scopes:
            scopes[scope].pop(key, None)
            if not scopes[scope]:
                del scopes[scope]

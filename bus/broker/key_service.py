"""The control services on keys: `hulak.key.whoami` and `hulak.key.reload`. PROTOCOL.md section 14.5."""

from datetime import UTC, datetime
from typing import Any

from hulak.bus.broker.key_guard import KeyGuard
from hulak.bus.core.control_requests import NoArguments, WhoamiArguments
from hulak.bus.core.effects import Asker, Effect
from hulak.bus.core.security import needs
from hulak.bus.wire.roles import STAR


class KeyService:
    """Answers each request at once.

    Args:
        guard: knows the keys; None: there are none.
    """

    def __init__(self, guard: KeyGuard | None) -> None:
        self.guard = guard

    def whoami(self, asker: Asker, args: WhoamiArguments, now: float) -> list[Effect]:
        """Answer with the name and the roles of the client's key, and which of these subscriptions would be refused."""
        del now
        value: dict[str, Any] = {"name": "", "roles": [STAR], "expires": None, "refused": [], **self._server()}
        caller = asker.caller
        if caller is not None and self.guard is not None:
            key = self.guard.table.known().get(caller.name)
            refused = [prefix for prefix in args.subscriptions if needs.subscribes(caller.rights, prefix)]
            value |= {"name": caller.name, "roles": sorted(map(str, caller.rights.roles)), "refused": refused}
            value["expires"] = None if key is None else _text(key.expires)
        return [asker.reply(value)]

    def _server(self) -> dict[str, str | None]:
        if self.guard is None:
            return {"server": None, "server_next": None, "until": None}
        following = self.guard.next_key
        if following is None:
            return {"server": self.guard.key.public, "server_next": None, "until": None}
        until = None if following.until is None else following.until.timestamp()
        return {"server": self.guard.key.public, "server_next": following.public, "until": _text(until)}

    def reload(self, asker: Asker, args: NoArguments, now: float) -> list[Effect]:
        """Read the files again at once; answer with how many keys count, and why files are refused."""
        del args, now
        if self.guard is None:
            return [asker.reply({"authorised": 0, "files_refused": {}})]
        self.guard.reload()
        return [asker.reply({"authorised": len(self.guard.table), "files_refused": dict(self.guard.refused_files)})]


def _text(time_s: float | None) -> str | None:
    """Return a time as RFC 3339 has it, in UTC."""
    if time_s is None:
        return None
    return datetime.fromtimestamp(time_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

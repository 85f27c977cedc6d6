"""The commands of alerts on `/ws`. Pure. PROTOCOL.md section 12.2."""

from typing import Any

from hulak.clients.gateway.client_message import Id, Name
from hulak.clients.gateway.operator_messages import Ask, Request
from hulak.clients.gateway.tokens import Role


class AlertList(Ask, frozen=True, tag="alert.list"):
    """Request the alerts, and whether they are evaluated."""

    id: Id = None

    def request(self, by: str) -> Request:
        """See `Ask`."""
        del by
        return "hulak.alert.list", {}


class AlertAdd(Ask, frozen=True, tag="alert.add"):
    """Add an alert; `alert` has the arguments of `hulak.alert.add`."""

    alert: dict[str, Any]
    id: Id = None

    def request(self, by: str) -> Request:
        """See `Ask`."""
        del by
        return "hulak.alert.add", self.alert


class AlertEnable(Ask, frozen=True, tag="alert.enable"):
    """Let an alert be evaluated, or not."""

    name: Name
    enabled: bool
    id: Id = None

    def request(self, by: str) -> Request:
        """See `Ask`."""
        del by
        return "hulak.alert.enable", {"name": self.name, "enabled": self.enabled}


class AlertRemove(Ask, frozen=True, tag="alert.remove"):
    """Remove an alert."""

    name: Name
    id: Id = None

    def request(self, by: str) -> Request:
        """See `Ask`."""
        del by
        return "hulak.alert.remove", {"name": self.name}


OfBroker = AlertList | AlertAdd | AlertEnable | AlertRemove
NEEDS = {
    "alert.list": Role.VIEW,
    "alert.add": Role.OPERATE,
    "alert.enable": Role.OPERATE,
    "alert.remove": Role.OPERATE,
}

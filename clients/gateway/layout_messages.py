"""The commands of layouts on `/ws`. Pure. PROTOCOL.md section 12.2."""

from typing import Annotated, Any

import msgspec

from hulak.clients.gateway.client_message import Id, Name
from hulak.clients.gateway.operator_messages import Ask, Request
from hulak.clients.gateway.tokens import Role

Version = Annotated[int, msgspec.Meta(ge=0)]


class LayoutList(Ask, frozen=True, tag="layout.list"):
    """Request the layouts of a view without their documents, unless they are those of a revision."""

    view: Name | None = None
    revision: Version | None = None
    id: Id = None

    def request(self, by: str) -> Request:
        """See `Ask`."""
        del by
        args = {"view": self.view, "revision": self.revision}
        return "hulak.layout.list", {name: value for name, value in args.items() if value is not None}


class LayoutShow(Ask, frozen=True, tag="layout.show"):
    """Request a layout with its document."""

    name: Name
    id: Id = None

    def request(self, by: str) -> Request:
        """See `Ask`."""
        del by
        return "hulak.layout.show", {"name": self.name}


class LayoutPut(Ask, frozen=True, tag="layout.put"):
    """Add a layout, or replace one."""

    name: Name
    document: dict[str, Any]
    if_version: Version | None = None
    id: Id = None

    def request(self, by: str) -> Request:
        """See `Ask`."""
        return "hulak.layout.put", {"name": self.name, "document": self.document, "by": by[:200], **_version(self.if_version)}


class LayoutRemove(Ask, frozen=True, tag="layout.remove"):
    """Remove a layout."""

    name: Name
    if_version: Version | None = None
    id: Id = None

    def request(self, by: str) -> Request:
        """See `Ask`."""
        del by
        return "hulak.layout.remove", {"name": self.name, **_version(self.if_version)}


OfBroker = LayoutList | LayoutShow | LayoutPut | LayoutRemove
NEEDS = {
    "layout.list": Role.VIEW,
    "layout.show": Role.VIEW,
    "layout.put": Role.OPERATE,
    "layout.remove": Role.OPERATE,
}


def _version(number: int | None) -> dict[str, int]:
    return {} if number is None else {"if_version": number}

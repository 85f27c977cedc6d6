"""The base of the messages of clients of `/ws`, and the types of their fields. Pure. PROTOCOL.md section 12.2."""

from typing import Annotated

import msgspec

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Scope = Annotated[str, msgspec.Meta(min_length=1, max_length=160)]
Note = Annotated[str, msgspec.Meta(max_length=500)]
Id = str | int | float | None


class Message(msgspec.Struct, frozen=True, tag_field="type", forbid_unknown_fields=True):
    """A message of a client."""

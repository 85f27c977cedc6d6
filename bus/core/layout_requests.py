"""The arguments of the control services on layouts. PROTOCOL.md section 7.11. Pure.

The broker checks the form of a layout and its bounds. The meaning of columns, orders and filters is the page's matter: a page of
another version of Hulak may know others, and shows what it knows.
"""

import re
from typing import Annotated

from msgspec import Meta

from hulak.bus.core.control_arguments import Arguments, Map, NaturalNumber, PositiveInteger, ShortText
from hulak.bus.wire.plain_values import check_plain, short

LONGEST_NAME = 60  # characters of a layout's name
MOST_BYTES = 32_768  # of a document as msgpack: a thousand pinned symbols have half of it
MOST_VERSION = 1000  # of the form of a document
VIEW = re.compile(r"[a-z]{1,20}")
_UNSEEN = r"\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"  # marks that would make two names look alike

LayoutName = Annotated[
    str,
    Meta(
        pattern=rf"\A(?! )(?!\.+\Z)[^\x00-\x1f\x7f-\x9f{_UNSEEN}/\\]{{1,{LONGEST_NAME}}}(?<! )\Z",
        description=f"the name of a layout, 1 to {LONGEST_NAME} characters without '/', '\\', control characters, and spaces at "
        "its ends",
    ),
]
View = Annotated[
    str, Meta(pattern=rf"\A{VIEW.pattern}\Z", description="a view of the page, 1 to 20 lower-case letters, such as 'table'")
]
FORM = f"must be a map with version (a whole number from 1 to {MOST_VERSION}) and view (1 to 20 lower-case letters)"


class LayoutListArguments(Arguments, frozen=True):
    """`hulak.layout.list`."""

    view: View | None = None
    revision: NaturalNumber | None = None


class LayoutNameArguments(Arguments, frozen=True):
    """`hulak.layout.show`."""

    name: LayoutName


class LayoutRemoveArguments(Arguments, frozen=True):
    """`hulak.layout.remove`."""

    name: LayoutName
    if_version: PositiveInteger | None = None  # the version that is to be removed


class LayoutPutArguments(Arguments, frozen=True):
    """`hulak.layout.put`."""

    name: LayoutName
    document: Map
    if_version: NaturalNumber | None = None  # the version that is to be replaced; 0: there is no layout of this name
    by: ShortText = ""

    def __post_init__(self) -> None:
        version, view = self.document.get("version"), self.document.get("view")
        if type(version) is not int or not 1 <= version <= MOST_VERSION:
            raise ValueError(f"argument document has version {short(version)}, {FORM}")
        if not isinstance(view, str) or VIEW.fullmatch(view) is None:
            raise ValueError(f"argument document has view {short(view)}, {FORM}")
        check_plain("argument document", self.document, MOST_BYTES, finite=True)

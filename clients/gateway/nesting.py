"""How deep a client's JSON may be nested: the bound of the decoder differs from one Python to the next. Pure."""

import re

from hulak.bus.errors import ProtocolError

MOST = 100  # levels: a value stays far below what msgpack and every Python can pack

_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', re.DOTALL)


def check_nesting(text: str) -> None:
    """Check a message before it is decoded.

    Raises:
        ProtocolError: `BAD_MESSAGE`, it is nested deeper than `MOST` levels.
    """
    if text.count("[") + text.count("{") <= MOST:
        return
    depth = 0
    for token in _TOKENS.finditer(text):
        match token[0][0]:
            case "[" | "{":
                depth += 1
                if depth > MOST:
                    raise ProtocolError("BAD_MESSAGE", f"a message nested deeper than {MOST} levels")
            case "]" | "}":
                depth -= 1
            case _:
                pass

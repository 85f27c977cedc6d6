"""The form of a client's JSON, which is checked before it is decoded. Pure.

Its depth: the bound of the decoder differs from one Python to the next. Its names: of two values of one name the decoder takes
the last one, other programs the first.
"""

import json
import re
from typing import Any

from hulak.bus.errors import ProtocolError
from hulak.clients.json_text import NameTwice, unique

MOST = 100  # levels: a value stays far below what msgpack and every Python can pack

_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', re.DOTALL)


def check_form(text: str) -> None:
    """Check a message before it is decoded; text that is not JSON is left to the decoder.

    Raises:
        ProtocolError: `BAD_MESSAGE`, it is nested deeper than `MOST` levels, or has a name twice in one object.
    """
    _check_nesting(text)
    try:
        json.loads(text, object_pairs_hook=unique, parse_int=_left_out, parse_float=_left_out, parse_constant=_left_out)
    except NameTwice as error:
        raise ProtocolError("BAD_MESSAGE", str(error)) from error
    except ValueError:
        return


def _left_out(number: str) -> Any:
    """Stand for a number: long ones take time, and only names count."""
    del number


def _check_nesting(text: str) -> None:
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

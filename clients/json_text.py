"""Any value of the bus as JSON, and the names in the objects of JSON that is read. Pure."""

import json
import math
from typing import Any


def to_json(value: Any) -> str:
    """Return one value as JSON on one line, with the nearest JSON value for all that JSON lacks.

    Bytes become hex, other keys than texts become texts, NaN and infinity become null, any other type becomes its text. Integers
    are exact, also above 2^53.
    """
    options: dict[str, Any] = {"default": _plain, "ensure_ascii": False, "separators": (",", ":")}
    try:
        return json.dumps(value, allow_nan=False, **options)
    except (TypeError, ValueError):  # keys that are not texts, NaN: converted only now, since that is slow
        return json.dumps(_valid(value), **options)


def _valid(value: Any) -> Any:
    if isinstance(value, dict):
        return {_key(key): _valid(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_valid(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _key(key: Any) -> str:
    if isinstance(key, str):
        return key
    return json.dumps(key) if key is None or isinstance(key, bool | int | float) else str(_plain(key))


def _plain(value: Any) -> Any:
    return bytes(value).hex() if isinstance(value, bytes | bytearray) else str(value)


class NameTwice(ValueError):
    """A name is there twice in one object of JSON."""


def unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the members of an object as a map; an `object_pairs_hook` for `json.loads`.

    Raises:
        NameTwice: a name is there twice: RFC 8259 leaves open which value counts, so programs differ.
    """
    result = dict(members)
    if len(result) == len(members):
        return result
    names = [name for name, _ in members]
    twice = next(name for at, name in enumerate(names) if name in names[:at])
    raise NameTwice(f"name {twice[:60]!r} is there twice in one object, must occur once")

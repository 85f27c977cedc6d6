"""Any value of the bus as JSON. Pure."""

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

"""Columns whose few values are kept once: texts, lists of texts, and what only some rows have."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import check_topic

Vector = NDArray[Any]


class Coded:
    """Values in the order in which they came, each with its place as its code."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._codes: dict[Any, int] = {}

    def code(self, value: Any) -> int:
        """Return the code of a value; a new one if it is new."""
        key = tuple(value) if isinstance(value, list) else value
        code = self._codes.get(key)
        if code is None:
            code = self._codes[key] = len(self.values)
            self.values.append(value)
        return code

    def renumber(self, codes: Vector, texts: list[str | None]) -> Vector:
        """Return these codes of `texts` as codes of this column; -1 for a text that is None."""
        own = np.array([-1 if text is None else self.code(text) for text in texts], np.int32)
        return own[codes]


def codes_of(block: Vector, root: str | None = None) -> tuple[Vector, list[str | None]]:
    """Return the texts of a block of bytes, a row each, and which of them each row has.

    Args:
        block: uint8, rows of one length.
        root: the texts follow it and a point in a topic. A text that no topic can have is None, as are bytes that are not UTF-8.
    """
    if not block.shape[1]:
        return np.zeros(len(block), np.int32), [""]
    buffer = pa.py_buffer(np.ascontiguousarray(block))
    column = pa.FixedSizeBinaryArray.from_buffers(pa.binary(block.shape[1]), len(block), [None, buffer]).dictionary_encode()
    return column.indices.to_numpy(), [_text(value, root) for value in column.dictionary.to_pylist()]


def _text(value: bytes, root: str | None) -> str | None:
    try:
        if root is not None:
            check_topic(b"%b.%b" % (root.encode(), value))
        return value.decode()
    except (ProtocolError, UnicodeDecodeError):
        return None

"""The rows of tick files: columns that a separator parts, or one JSON object a line, whose keys are the columns. Pure."""

import csv
from collections.abc import Callable, Sequence
from functools import partial

from bus.errors import FeedError
from clients.feeds.file_columns import EXPORTED
from clients.feeds.venues.parsing import load_object, shown

SEPARATORS = ",\t;"
Split = Callable[[str], list[str]]  # a line to the texts of its columns; FeedError if it is none


def split_of(line: str) -> tuple[Split, list[str], bool]:
    """Tell from a file's first line how its lines are split.

    Returns:
        what splits them; the first line's columns, or of objects their names; and whether they are objects.
    Raises:
        FeedError: it begins as an object, and is none.
    """
    if line.lstrip().startswith("{"):
        first = load_object(line)
        # An export's first tick may lack what a later one has.
        names = list(EXPORTED) if {"time_ns", "topic", "sequence"} <= first.keys() else list(first)
        return partial(_values, names), names, True
    split = partial(_fields, max(SEPARATORS, key=line.count))
    return split, split(line), False


def _values(names: Sequence[str], line: str) -> list[str]:
    """Return what an object has under these names, as text; a key that is not there, or null, is empty."""
    values = load_object(line)
    return [_text(values.get(name)) for name in names]


def _text(value: object) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, list):
        return " ".join(map(str, value))
    return repr(value)


def _fields(separator: str, line: str) -> list[str]:
    """Split a line; blanks and quotes around the fields are not theirs."""
    if '"' in line:
        try:
            fields = next(csv.reader([line.strip("\r\n")], delimiter=separator, skipinitialspace=True, strict=True), [""])
        except csv.Error as error:
            raise FeedError(f"{shown(line)} is not CSV: {error}") from error
    else:
        fields = line.split(separator)
    return [field.strip() for field in fields]

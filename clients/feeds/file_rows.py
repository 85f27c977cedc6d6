"""The rows of tick files: columns between separators, or one JSON object a line, whose keys are the columns. Pure."""

import csv
from collections.abc import Callable, Sequence
from functools import partial

from hulak.bus.errors import FeedError
from hulak.clients.feeds.file_columns import EXPORTED, QUOTE, word_of
from hulak.clients.feeds.venues.parsing import load_object, shown

SEPARATORS = ",\t;"
Split = Callable[[str], list[str]]  # line -> the texts of its columns; raises FeedError


def split_of(line: str) -> tuple[Split, list[str], bool]:
    """Detect from a file's first line how its lines are split.

    Returns:
        the function that splits a line; the first line's columns, or an object's keys; and whether lines are objects.
    Raises:
        FeedError: it begins like an object, but is not valid JSON.
    """
    if line.lstrip().startswith("{"):
        first = load_object(line)
        # An export's first tick may lack keys that a later one has.
        if {"time_ns", "topic", "sequence"} <= first.keys():
            return partial(_values, EXPORTED, frozenset()), list(EXPORTED), True
        return partial(_values, list(first), QUOTE), list(first), True
    split = partial(_fields, max(SEPARATORS, key=line.count))
    return split, split(line), False


def _values(names: Sequence[str], never_new: frozenset[str], line: str) -> list[str]:
    """Return an object's values of these keys, as text; a missing key or null is empty.

    Raises:
        FeedError: it is not valid JSON, or has a key of `never_new` that the first object does not have.
    """
    values = load_object(line)
    if never_new and (new := [name for name in values.keys() - names if word_of(name) in never_new]):
        raise FeedError(f"{shown(line)} has the key {shown(new[0])}, which the first line does not have")
    return [_text(values.get(name)) for name in names]


def _text(value: object) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, list):
        return " ".join(map(str, value))
    return repr(value)


def _fields(separator: str, line: str) -> list[str]:
    """Split a line; blanks and quotes around fields are dropped."""
    if '"' in line:
        try:
            fields = next(csv.reader([line.strip("\r\n")], delimiter=separator, skipinitialspace=True, strict=True), [""])
        except csv.Error as error:
            raise FeedError(f"{shown(line)} is not CSV: {error}") from error
    else:
        fields = line.split(separator)
    return [field.strip() for field in fields]

"""Facts that tests hold the code against: `tests/vectors/`, in our own form; each file names where its facts come from."""

import json
from pathlib import Path

VECTORS = Path(__file__).resolve().parents[1] / "vectors"


def vectors(name):
    """Read a file of vectors, e.g. "nepse_tokens"."""
    return json.loads((VECTORS / f"{name}.json").read_text(encoding="ascii"))


def rows(table):
    """List a table's rows as dicts: {"fields": names, "rows": lists of values}."""
    return [dict(zip(table["fields"], row, strict=True)) for row in table["rows"]]

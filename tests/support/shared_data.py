"""Where vectors and recorded answers are found: beside the checkout, never in it, for they are not ours."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2].parent / "shared"


def shared(path: str) -> Path:
    """Give a file or folder of the shared data, e.g. "vectors/nepse/token_decode.json"; skip the test without it."""
    found = SHARED / path
    if not found.exists():
        pytest.skip(f"no shared/{path} beside the checkout: vectors made with public clients are not part of it")
    return found

"""Extension of griffe: our docstrings put their sections one below the other, griffe wants a blank line before each."""

import re
from typing import Any

import griffe

SECTION = re.compile(r"(?<=\S)\n(?=(?:Args|Returns|Raises|Yields):\n)")


class Sections(griffe.Extension):
    """Put a blank line before each section of a docstring."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of one module, class or function."""
        if obj.docstring is not None:
            obj.docstring.value = SECTION.sub("\n\n", obj.docstring.value)

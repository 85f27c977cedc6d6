"""The types of options that name a file or a folder to write."""

import os
from pathlib import Path

import click


class OutputFile(click.Path):
    """A file that can be written: known before a long request, not after it."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, dir_okay=False, writable=True)

    def convert(self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Check that the file may be replaced, and that its folder may be written; the usage error says what is wrong."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if path.exists() and not path.is_file():
            self.fail(f"{str(path)!r} must be a regular file: it is a device or a pipe", param, ctx)
        if not path.parent.is_dir():
            self.fail(f"{str(path)!r} must be in a folder that exists: {str(path.parent)!r} does not", param, ctx)
        if not os.access(path.parent, os.W_OK | os.X_OK):
            self.fail(f"{str(path)!r} must be in a folder that may be written: {str(path.parent)!r} may not", param, ctx)
        return path


class Folder(click.Path):
    """A folder that is there or can be made."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, file_okay=False)

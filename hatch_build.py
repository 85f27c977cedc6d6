"""Build hook of the wheel: makes the manual pages and completion scripts, which the wheel installs below share/."""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# The rooms lie beside the package where a source distribution holds no links to them.
WRITE = """
import sys
from pathlib import Path

root, share, version = sys.argv[1:]
sys.path.insert(0, root)
import hulak

hulak.__path__.append(root)
from hulak.clients.cli import manual

manual.write(Path(share), version)
"""


class ManualHook(BuildHookInterface[Any]):
    """Adds share/ to a wheel; an editable one has none."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make the files, and name their places."""
        if version == "editable":
            return
        self._folder = tempfile.TemporaryDirectory(prefix="hulak-share-")
        share = Path(self._folder.name)
        subprocess.run([sys.executable, "-c", WRITE, self.root, str(share), self.metadata.version], check=True)  # noqa: S603
        for path in sorted(share.rglob("*")):
            if path.is_file():
                build_data["shared_data"][str(path)] = f"share/{path.relative_to(share)}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the files."""
        del build_data, artifact_path
        if version != "editable":
            self._folder.cleanup()

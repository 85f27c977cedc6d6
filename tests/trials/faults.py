"""A disk that fails and a wall clock that is wrong, for one process: `faults.c`, built where there is a C compiler."""

import atexit
import errno
import functools
import hashlib
import mmap
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("faults.c")
WHAT = struct.Struct("=iiq112s")  # as `struct faults` there
DISKS = {"well": 0, "read-only": errno.EROFS, "broken": errno.EIO, "full": errno.ENOSPC}
HOUR_S, DAY_S = 3600, 86400


@functools.cache
def library():
    """Build the library once per version of its source, and skip the trial where that cannot be done."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("without a C compiler, and on other systems than Linux, no disk and no clock can be made to fail")
    name = f"hulak-faults-{hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]}.so"
    folder = Path(tempfile.mkdtemp(prefix="hulak-faults-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", folder / name, SOURCE, "-ldl"], check=True)
    return folder / name


class Faults:
    """The present faults of the disk and the clock of processes with these variables.

    Args:
        folder: where the file that says so is kept; on a disk that is well.
        part: text in the paths of the sick disk, e.g. "/journal/".
    """

    def __init__(self, folder, part="/journal/"):
        path = folder / "faults"
        path.write_bytes(bytes(WHAT.size))
        self.part, self.state, self.clock_s = part.encode(), "well", 0
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), WHAT.size)
        self.variables = {"LD_PRELOAD": str(library()), "TRIAL_FAULTS": str(path)}
        self._write()

    def disk(self, state):
        """Make the disk `well`, `read-only`, `broken` or `full` from now on."""
        self.state = state
        self._write()

    def clock(self, ahead_s):
        """Set the wall clock ahead of the true time by a number of seconds."""
        self.clock_s = ahead_s
        self._write()

    def _write(self):
        self._map[:] = WHAT.pack(DISKS[self.state], 0, int(self.clock_s * 1e9), self.part)

"""Virtual environments for public clients of the exchange, kept in the cache folder of pytest."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

JUDGES = Path(__file__).with_name("judges")
UNREACHABLE = "from versions: none"  # pip's words, when no index has answered


def environment(request, package):
    """Return the Python of an environment with a package of `judges/PACKAGE.txt`; make it if it is not there.

    The test is skipped if no package index can be reached.
    """
    cache = getattr(request.config, "cache", None)  # pytest can be run without one
    place = cache.mkdir("public-clients") if cache else request.getfixturevalue("tmp_path_factory").mktemp("public-clients")
    needs = JUDGES / f"{package}.txt"
    mark = hashlib.sha256(needs.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = place / f"{package}-{mark}"
    if not folder.exists():
        _make(folder, needs, package)
    return folder / "bin" / "python"


def _make(folder, needs, package):
    scratch = Path(tempfile.mkdtemp(prefix=f"{package}-", dir=folder.parent))
    try:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", scratch], check=True)
        options = ["--no-input", "--disable-pip-version-check", "--quiet", "--retries", "0", "--timeout", "15", "--no-deps"]
        pip = [sys.executable, "-m", "pip", "--python", scratch / "bin" / "python", "install", *options, "-r", needs]
        done = subprocess.run(pip, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode and UNREACHABLE in done.stderr:
            pytest.skip(f"no package index could be reached for {package}: {done.stderr.strip().splitlines()[-1]}")
        assert done.returncode == 0, done.stderr
        try:
            scratch.rename(folder)
        except OSError:  # another process was faster
            assert folder.exists()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def run_judge(python, judge, url, file):
    """Run a judge in Nepal's time zone, in which the clients compute their day; return {call: what is wrong, or ""}."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")} | {"TZ": "Asia/Kathmandu"}
    words = [python, JUDGES / f"judge_{judge}.py", url, file]
    done = subprocess.run(words, env=variables, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return file

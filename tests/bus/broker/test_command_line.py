"""`python -m hulak.bus` on the command line."""

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(("words", "code", "text"), [(["--help"], 0, "hulak broker"), (["--hom", "x"], 2, "arguments: --hom x")])
def test_a_broker_starts_only_without_arguments(tmp_path, words, code, text):
    environment = {**os.environ, "HULAK_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-m", "hulak.bus", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, text in done.stdout + done.stderr) == (code, True), done.stderr
    assert not (tmp_path / "home").exists()

"""`.ci/setup`, with a stand-in for Python and pip: each step is named in one line on standard error."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PYTHON = f"""#!/bin/sh
case "$1 $2" in
    "-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
    "-m pip") shift 2
        for option; do case $option in
            install) break ;;
            --disable-pip-version-check | --no-input) ;;
            *) echo "no such option: $option" >&2; exit 2 ;;  # as pip does: the options of `install` follow it
        esac; done
        echo "Collecting one==1.0 (from -r x)"; echo "  Collecting two"; echo "Installing collected packages: one, two"
        exit "${{PIP_EXIT:-0}}" ;;
    *) exec {sys.executable} "$@" ;;
esac
"""


@pytest.fixture
def setup(tmp_path):
    """Run `.ci/setup` in a separate folder."""
    for name in (".ci/setup", "pyproject.toml", "constraints.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "hulak").mkdir()
    python = tmp_path / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)

    def run(**variables):
        return subprocess.run(
            ["bash", ".ci/setup", "env"],
            cwd=tmp_path,
            env={**os.environ, "PYTHON": str(python), **variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def test_each_step_and_each_package_is_named_on_standard_error(setup):
    done = setup()
    assert (done.returncode, done.stdout) == (0, "")
    lines = done.stderr.splitlines()
    packages = ["setup: collecting one==1.0", "setup: collecting two", "setup: unpacking"]
    assert lines[0].startswith("setup: making env with Python ")
    assert lines[1:5] == ["setup: installing the build tools", *packages]
    assert lines[5].endswith(" packages and what they need, pinned in constraints.txt; about a minute")
    assert lines[6:] == [*packages, "setup: installing Hulak", *packages, "setup: done"]


def test_a_failure_of_pip_ends_the_setup(setup):
    done = setup(PIP_EXIT="1")
    assert done.returncode == 1
    assert "setup: done" not in done.stderr


def run_script(*words, **variables):
    """Run a script of the checkout; returns what subprocess does."""
    return subprocess.run(
        ["bash", *words], cwd=ROOT, env={**os.environ, **variables}, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_python_that_the_machine_lacks_is_named_and_skipped():
    done = run_script(".ci/pythons", "9.8", "9.9", "--", "-q")
    assert (done.returncode, done.stdout) == (
        0,
        "python 9.8: skipped, this machine does not have it\npython 9.9: skipped, this machine does not have it\n",
    )


@pytest.mark.parametrize(
    ("words", "variables", "text"),
    [
        (["--version"], {}, "--version needs a version, such as 0.2.0"),
        (["one", "two"], {}, "wrong usage, expected build-deb [--version VERSION] [OUT]"),
        ([], {"PYTHON": "/is/not/there"}, "/is/not/there does not exist; `make setup` makes it"),
    ],
)
def test_the_script_of_the_debian_package_refuses_wrong_usage(words, variables, text):
    done = run_script("packaging/build-deb", *words, **variables)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"build-deb: {text}\n")


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "packaging/debian").glob("hulak.p*")))
def test_a_maintainer_script_is_plain_sh_and_has_debhelpers_part(name):
    text = (ROOT / "packaging/debian" / name).read_text(encoding="utf-8")
    assert text.startswith("#!/bin/sh\nset -e\n")
    assert "\n#DEBHELPER#\n" in text
    subprocess.run(["sh", "-n"], input=text, text=True, check=True, timeout=10)

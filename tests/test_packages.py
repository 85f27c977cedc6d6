"""What is installed: our packages are ours, files of etc/ come along, types are told."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from hulak.bus.process import load_settings

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("bus", "workers", "clients", "sim")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture
def site(tmp_path):
    """Make a folder with packages of our names and the check of them; run the check there."""
    shutil.copy(ROOT / "hulak.py", tmp_path)
    for name in PACKAGES:
        (tmp_path / name).mkdir()
        shutil.copy(ROOT / name / "__init__.py", tmp_path / name)

    def run():
        command = [sys.executable, "-P", "-c", "import hulak; hulak.check_packages()"]
        variables = {**os.environ, "PYTHONPATH": str(tmp_path)}
        return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=30, check=False)

    return tmp_path, run


def test_packages_that_are_ours_are_well(site):
    assert site[1]().returncode == 0


@pytest.mark.parametrize("fate", ["overwritten", "uninstalled"])
def test_a_package_that_another_distribution_has_overwritten_or_taken_away_is_told(site, fate):
    folder, run = site
    file = folder / "clients" / "__init__.py"
    if fate == "overwritten":
        file.write_text("from .theirs import Client\n")
    else:
        file.unlink()
    done = run()
    assert done.returncode == 78
    assert f"package 'clients': {file} is " + ("not Hulak's" if fate == "overwritten" else "missing") in done.stderr
    assert "Traceback" not in done.stderr


def test_every_file_of_etc_comes_with_the_wheel_where_it_is_looked_for():
    forced = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert forced == {f"etc/{path.name}": f"bus/etc/{path.name}" for path in (ROOT / "etc").iterdir()}


def test_files_of_etc_are_found_beside_the_packages_and_within_one(tmp_path, monkeypatch):
    assert load_settings.shipped("hulak.toml") == ROOT / "etc" / "hulak.toml"
    monkeypatch.setattr(load_settings, "__file__", str(tmp_path / "bus" / "process" / "load_settings.py"))
    (tmp_path / "bus" / "etc").mkdir(parents=True)
    (tmp_path / "bus" / "etc" / "hulak.toml").touch()
    assert load_settings.shipped("hulak.toml") == tmp_path / "bus" / "etc" / "hulak.toml"


def test_each_package_tells_that_it_has_types_and_the_source_has_what_make_needs():
    assert all((ROOT / name / "py.typed").is_file() for name in PACKAGES)
    taken = PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    assert {".ci", "Makefile", "constraints.txt", "mkdocs.yml", "docs", "etc", *PACKAGES} <= set(taken)

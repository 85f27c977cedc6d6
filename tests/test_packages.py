"""The installed files: one package, with the files of etc/ and its types, beside other packages."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

import hulak
from hulak.bus.process import load_settings
from hulak.bus.version import VERSION
from hulak.clients.cli import manual

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ROOMS = ("bus", "workers", "clients", "sim", "etc")
PROGRAM = ROOT / "tests" / "support" / "user_program.py"


def run(*words, **variables):
    command = [*map(str, words)]
    return subprocess.run(
        command, env={**os.environ, **variables}, capture_output=True, text=True, timeout=110, check=False, cwd="/"
    )


def build(source, folder):
    """Build the wheel of a source folder; returns its path."""
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=source,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """An environment with the wheel, and what it needs; returns its Python."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    (site,) = folder.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    (site / "needed.pth").write_text(sysconfig.get_path("purelib"))  # behind it: the checkout's own link is not read there
    return python, site


def test_the_version_in_the_code_is_that_of_the_project():
    assert PROJECT["project"]["version"] == VERSION


def test_the_wheel_holds_one_package_and_its_own_data(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    version = PROJECT["project"]["version"]
    assert {name.split("/")[0] for name in names} == {"hulak", f"hulak-{version}.dist-info", f"hulak-{version}.data"}
    shared = {name.partition(".data/data/")[2] for name in names if ".data/" in name}
    pages = {f"share/man/man1/{name}" for name in manual.pages("2026-11-29")}
    assert shared == {*pages, *(f"share/{place}" for place in manual.COMPLETIONS.values())}
    for room in ROOMS:
        files = {
            path.relative_to(ROOT) for path in (ROOT / room).rglob("*") if path.is_file() and "__pycache__" not in path.parts
        }
        assert {f"hulak/{path}" for path in files} <= set(names)
    assert "hulak/py.typed" in names
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


def test_a_source_distribution_makes_the_same_wheel(wheel, tmp_path):
    taken = PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["only-include"]
    assert {".ci", "hatch_build.py", "Makefile", "constraints.txt", "mkdocs.yml", "docs", *ROOMS} <= set(taken)
    for name in (*taken, "pyproject.toml", "README.md", "LICENSE"):
        path = ROOT / name
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (shutil.copytree if path.is_dir() else shutil.copy)(path, tmp_path / name)
    again = build(tmp_path, tmp_path / "dist")
    with zipfile.ZipFile(wheel) as archive, zipfile.ZipFile(again) as other:
        assert sorted(archive.namelist()) == sorted(other.namelist())


def test_the_installed_package_runs_beside_packages_of_the_names_of_its_rooms(installed):
    python, site = installed
    for name in ("bus", "workers", "clients", "sim"):
        (site / name).mkdir(exist_ok=True)
        (site / name / "__init__.py").write_text("raise RuntimeError('this is another package')\n")
    for words in (("-m", "hulak", "--version"), ("-m", "hulak", "up", "--help"), ("-m", "hulak.workers", "--help")):
        done = run(python, *words)
        assert (done.returncode, done.stderr) == (0, "")
    where = "import hulak.bus.broker.loop as loop, hulak.bus.process.load_settings as found"
    done = run(python, "-c", f"{where}; print(loop.__file__, found.shipped('supervisord.conf'), found.shipped('hulak.toml'))")
    assert done.stdout.split() == [
        str(site / "hulak" / name) for name in ("bus/broker/loop.py", "etc/supervisord.conf", "etc/hulak.toml")
    ], done.stderr


def test_the_installed_package_runs_a_whole_bus_outside_a_checkout(installed):
    python, _ = installed
    program = "import hulak\nwith hulak.local(demo=True) as bus:\n    print(bus.call('nepse', 'market-status')['isOpen'])\n"
    done = run(python, "-P", "-c", program)
    assert (done.returncode, done.stdout.strip()) == (0, "OPEN"), done.stderr


def test_in_a_checkout_the_package_is_made_of_links():
    package = Path(hulak.__file__).parent
    assert {path.name: str(path.readlink()) for path in package.iterdir() if path.is_symlink()} == {
        room: f"../{room}" for room in ROOMS
    }
    assert load_settings.shipped("hulak.toml") == ROOT / "etc" / "hulak.toml"


def test_no_file_imports_a_room_but_by_the_package():
    bare = (
        "from bus",
        "from workers",
        "from clients",
        "from sim",
        "import bus",
        "import workers",
        "import clients",
        "import sim",
    )
    imports = [
        f"{path.relative_to(ROOT)}: {line}"
        for folder in (*ROOMS[:4], "benchmarks", "tests")
        for path in (ROOT / folder).rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.strip().startswith(bare) and line.split()[1].split(".")[0] in ROOMS
    ]
    assert imports == []


def test_a_users_program_passes_mypy_strict_against_the_installed_package(installed, tmp_path):
    python, _ = installed
    done = run(sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path, "--python-executable", python, PROGRAM)
    assert done.returncode == 0, done.stdout + done.stderr
    wrong = tmp_path / "wrong.py"
    wrong.write_text("import hulak\n\nhulak.Feed(5)\nhulak.BusClient().call(service=1)\n")
    done = run(sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path, "--python-executable", python, wrong)
    assert done.stdout.count("[arg-type]") == 2, done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("node") is None, reason="pyright needs node, which this machine lacks")
def test_a_users_program_passes_pyright_against_the_installed_package(installed, tmp_path):
    python, _ = installed
    (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict", "reportUnknownMemberType": false}')
    shutil.copy(PROGRAM, tmp_path / "program.py")
    (tmp_path / "wrong.py").write_text("import hulak\n\nhulak.Feed(5)\n")
    done = run(sys.executable, "-m", "pyright", "--project", tmp_path, "--pythonpath", python)
    problems = [line for line in done.stdout.splitlines() if " - error" in line]
    assert len(problems) == 1, done.stdout + done.stderr
    assert "wrong.py:3" in problems[0]

"""The Debian package in a fresh Debian: install, start, use, reboot, upgrade with a full journal and queued tasks, remove.

`HULAK_DEB` names a package that is built already. `HULAK_PREVIOUS_DEB` names the one to upgrade from; without it, that is the
same package under a lower version.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from debian_root import DebianRoot, missing
from waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
BUILD_S = 900
TASKS = 10
SYMBOL = "tick.EURUSD"
SETTINGS = """\
[feed]
venue = "binance"
url = "ws://127.0.0.1:5560/stream?streams=!bookTicker"

[nepse]
base_url = "http://127.0.0.1:5561"

[sim]
ticks_per_s = 2_000

[journal]
segment_bytes = 65_536
max_bytes = 1_500_000
"""
MODULE = """\
from hulak import task


@task("sums", "add")
def add(a, b):
    return a + b
"""
MADE = {"etc/hulak", "etc/hulak/hulak.toml", "var/lib/hulak"}  # a removal keeps these, beside the content of the home

pytestmark = [pytest.mark.system, pytest.mark.full_size, pytest.mark.timeout(2400)]


@pytest.fixture(scope="module", autouse=True)
def able():
    """Skip where no package can be built, or no Debian made. Not at import: that asks apt and its mirror."""
    if why := missing():
        pytest.skip(why)
    if shutil.which("dpkg-buildpackage") is None:
        pytest.skip("needs dpkg-buildpackage: apt-get install dpkg-dev debhelper")


def relabelled(deb, folder):
    """Make a package of the same files with a lower version; returns its path."""
    unpacked, out = folder / "unpacked", folder / "previous.deb"
    subprocess.run(["dpkg-deb", "--raw-extract", deb, unpacked], check=True)
    control = unpacked / "DEBIAN" / "control"
    lines = [f"{line}~previous" if line.startswith("Version:") else line for line in control.read_text().splitlines()]
    control.write_text("\n".join(lines) + "\n")
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", unpacked, out], check=True, capture_output=True)
    shutil.rmtree(unpacked)
    return out


def build(folder):
    """Build the package of this checkout; returns its path."""
    command = [ROOT / "packaging" / "build-deb", folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_S, check=False)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("*.deb"))


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """Build the package; returns the one to upgrade from, and the one of this checkout."""
    folder = tmp_path_factory.mktemp("deb")
    deb = Path(os.environ.get("HULAK_DEB") or build(folder))
    named = os.environ.get("HULAK_PREVIOUS_DEB")
    return Path(named) if named else relabelled(deb, folder), deb


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """Return a Debian without Hulak, to copy."""
    root = DebianRoot(tmp_path_factory.mktemp("fresh") / "debian")
    yield root.folder
    root.remove()


@pytest.fixture
def debian(packages, fresh, tmp_path):
    """Return a fresh Debian with both packages in /root."""
    root = DebianRoot(tmp_path / "debian", fresh)
    try:
        for name, package in zip(("previous.deb", "new.deb"), packages, strict=True):
            shutil.copy(package, root.path(f"/root/{name}"))
        yield root
    finally:
        root.remove()


def install(debian, name):
    """Install a package as its readers do."""
    return debian.run("apt-get", "install", "--yes", f"/root/{name}").stdout


def hulak(debian, *words, **options):
    """Run `hulak` as root, with --json; returns the value printed."""
    return json.loads(debian.run("hulak", *words, "--json", **options).stdout)


def lines(debian, *words):
    """Run `hulak` as root, with --json; returns the values printed, one per line."""
    return [json.loads(line) for line in debian.run("hulak", *words, "--json").stdout.splitlines()]


def in_background(debian, name, *words, folder="/"):
    """Run `hulak` as the user of the service, in a separate unit."""
    debian.run("systemd-run", f"--unit={name}", "--uid=hulak", f"--working-directory={folder}", "hulak", *words)


def is_active(debian, unit="hulak"):
    """Return whether a unit runs."""
    return debian.run("systemctl", "is-active", unit, check=False).stdout.strip() == "active"


def all_ticks(debian):
    """Return every tick of the journal, as lines of JSON."""
    return debian.run("hulak", "replay", "ticks", "--json").stdout.splitlines()


def is_well(debian):
    """Return whether `hulak check` finds nothing."""
    return debian.run("hulak", "check", check=False).returncode == 0


def journal_is_full(debian):
    """Return whether old ticks have been deleted."""
    return hulak(debian, "journal", "ls")[0]["first"] > 1


def post_tasks(debian):
    """Post tasks of a service without a worker; returns their ids and results."""
    posted = [hulak(debian, "task", "post", "sums", "add", "--arg", f"a={number}", "--arg", "b=1") for number in range(TASKS)]
    return {row["task"]: number + 1 for number, row in enumerate(posted)}


def install_and_start(debian):
    """Install the former package; nothing else has to be done."""
    debian.boot()
    install(debian, "previous.deb")
    assert is_active(debian), "an installation starts the service, as Debian's packages do"
    eventually(lambda: is_well(debian), within_s=90)
    examined = hulak(debian, "doctor", check=False)
    assert [row for row in examined["results"] if row["level"] == "CRITICAL"] == []
    assert debian.path("/var/lib/hulak").stat().st_mode & 0o777 == 0o700
    assert debian.path("/etc/hulak/hulak.toml").stat().st_mode & 0o777 == 0o640


def use(debian):
    """Subscribe, call a task, post tasks without a worker, fill the journal; returns the posted tasks."""
    debian.path("/etc/hulak/hulak.toml").write_text(SETTINGS)
    in_background(debian, "venue", "sim", "venue")
    in_background(debian, "exchange", "sim", "nepse")
    debian.run("systemctl", "restart", "hulak")
    assert len(lines(debian, "sub", SYMBOL, "--count", "5", "--timeout", "60")) == 5
    assert hulak(debian, "nepse", "market-status", "--timeout", "60")
    eventually(lambda: is_well(debian), within_s=90)
    tasks = post_tasks(debian)
    eventually(lambda: journal_is_full(debian), within_s=120, every_s=1)
    debian.run("systemctl", "stop", "venue")
    return tasks


def reboot(debian):
    """Stop the service and the machine, and start the machine; returns the ticks of the journal."""
    debian.run("systemctl", "stop", "hulak")
    commands = debian.run("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '", check=False).stdout
    assert "systemd" in commands
    assert "hulak.bus" not in commands
    debian.shut_down()
    debian.boot()
    eventually(lambda: is_active(debian), within_s=90)
    eventually(lambda: hulak(debian, "ping", check=False).get("version"), within_s=90)
    rows = all_ticks(debian)
    assert len(rows) > 1_000
    return rows


def main_process(debian):
    """Return the process id of the service's main process."""
    return debian.run("systemctl", "show", "--value", "--property=MainPID", "hulak").stdout.strip()


def upgrade(debian, rows, tasks):
    """Install the new package: ticks, numbers, tasks and settings are as before; returns its version."""
    process = main_process(debian)
    install(debian, "new.deb")
    assert is_active(debian)
    assert main_process(debian) != process
    version = debian.run("dpkg-query", "--show", "--showformat=${Version}", "hulak").stdout
    assert not version.endswith("previous")
    assert debian.path("/etc/hulak/hulak.toml").read_text() == SETTINGS
    assert all_ticks(debian) == rows, "an upgrade loses no tick"

    in_background(debian, "venue", "sim", "venue")
    last = [row for row in map(json.loads, rows) if row["topic"] == SYMBOL][-1]
    after = eventually(lambda: lines(debian, "replay", SYMBOL, "--from", last["sequence"])[1:], within_s=90)
    assert (after[0]["epoch"], after[0]["sequence"]) == (last["epoch"], last["sequence"] + 1)

    debian.path("/opt/mine.py").write_text(MODULE)
    in_background(debian, "sums", "worker", "sums", "--module", "mine", folder="/opt")
    assert {task: hulak(debian, "task", "result", task) for task in tasks} == tasks
    eventually(lambda: is_well(debian), within_s=90)
    debian.run("systemctl", "stop", "sums", "venue")
    debian.path("/opt/mine.py").unlink()
    return version


def remove_and_purge(debian, before):
    """Remove the package, which keeps data and settings, and purge it, which leaves nothing."""
    debian.run("apt-get", "remove", "--yes", "hulak")
    assert not is_active(debian)
    kept = {name for name in debian.files() - before if not name.startswith("var/lib/hulak/")}
    assert {name for name in kept if "hulak" in name and "systemd" not in name} == MADE
    assert debian.path("/var/lib/hulak/tasks.db").exists()
    debian.run("apt-get", "purge", "--yes", "hulak")
    debian.shut_down()
    assert {name for name in debian.files() - before if "hulak" in name} == set()


def test_install_use_reboot_upgrade_and_remove(debian, record_figure):
    before = debian.files()
    install_and_start(debian)
    tasks = use(debian)
    rows = reboot(debian)
    version = upgrade(debian, rows, tasks)
    remove_and_purge(debian, before)
    record_figure(f"upgraded to {version} with {len(rows):,} ticks in a full journal and {TASKS} queued tasks; all are there")


def test_without_systemd_an_installation_starts_nothing_and_prints_how(debian):
    assert "runuser -u hulak -- hulak up --detach" in install(debian, "previous.deb")
    steps = [
        "runuser -u hulak -- hulak up --detach",
        "hulak check",
        "apt-get install --yes /root/new.deb",
        "hulak check || echo ended $?",
    ]
    done = debian.run("sh", "-ec", "; ".join(steps))
    assert "HULAK OK" in done.stdout
    assert "all processes ended" in done.stdout, "an upgrade stops the processes that were started by hand"
    assert "ended 2" in done.stdout
    debian.run("apt-get", "purge", "--yes", "hulak")
    assert not debian.path("/var/lib/hulak").exists()

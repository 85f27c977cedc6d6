"""The service in a Debian that is booted: installed, used, reloaded, killed, frozen, stopped, rebooted, removed.

`HULAK_DEBIAN_ROOT` names a folder that debootstrap has filled: see `debian_root`.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from debian_root import DebianRoot, missing
from waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
PYTHON = "/opt/hulak/bin/python"
HULAK = (PYTHON, "-P", "-m", "hulak")
HOME = ("--home", "/var/lib/hulak")
AS_HULAK = ("runuser", "-u", "hulak", "--")
TICKS = """
import sys
from pathlib import Path
from hulak import Feed, Subscriber

home = Path("/var/lib/hulak")
with Subscriber("ticks", home=home, transport="ring") as subscriber, Feed("trial", home=home) as feed:
    feed.post("EURUSD", 1.1, 1.2)
    event = subscriber.poll(20)
    print(event.body["symbol"], event.body["bid"])
"""
STARTS_S, FROZEN_S = 120, 240

pytestmark = [pytest.mark.system, pytest.mark.full_size, pytest.mark.timeout(2400)]


@pytest.fixture(scope="module", autouse=True)
def able():
    """Skip where no Debian can be made. Not at import: that asks apt and its mirror, and every collection would wait."""
    if why := missing():
        pytest.skip(why)


def install(debian, folder):
    """Install the wheel of this checkout for all users of a Debian."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    debian.run("python3", "-m", "venv", "--without-pip", "/opt/hulak")
    (site,) = debian.path("/opt/hulak/lib").glob("python3.*/site-packages")
    version = site.parent.name.removeprefix("python")
    words = ["--quiet", "--target", site, "--python-version", version, "--only-binary", ":all:", next(folder.glob("*.whl"))]
    subprocess.run([sys.executable, "-m", "pip", "install", *map(str, words)], check=True, capture_output=True)


class Service:
    """The service in a Debian."""

    def __init__(self, debian):
        self.debian = debian

    def show(self, name):
        return self.debian.run("systemctl", "show", "hulak", "-p", name, "--value").stdout.strip()

    def hulak(self, *words, check=True):
        return self.debian.run(*HULAK, *words, check=check)

    def wait_until_active(self, restarts):
        """Wait until it is active, after that number of restarts by systemd."""
        states = ("ActiveState", "NRestarts")
        eventually(lambda: [self.show(name) for name in states] == ["active", str(restarts)], within_s=FROZEN_S, every_s=1)

    def pid_of_broker(self):
        stats = self.hulak("stats", "--json", *HOME, check=False)
        return json.loads(stats.stdout)["broker"]["pid"] if stats.returncode == 0 else 0

    def events(self, name):
        """List the entries of the journal with this event."""
        lines = self.debian.run("journalctl", "-u", "hulak", f"HULAK_EVENT={name}", "-o", "json", "--no-pager").stdout
        return [json.loads(line) for line in lines.splitlines()]


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    debian = DebianRoot(tmp_path_factory.mktemp("debian") / "root")
    try:
        install(debian, tmp_path_factory.mktemp("wheel"))
        debian.boot()
        yield Service(debian)
    finally:
        debian.remove()


def test_the_service_lives_a_life_in_a_booted_debian(service):
    run = service.debian.run
    assert "installed and started" in service.hulak("service", "install", "--timeout", STARTS_S).stdout
    assert service.hulak("service", "status").returncode == 0
    assert service.show("StatusText").endswith("all is well")

    # Under its hardening it uses shared memory, sockets and the journal of systemd.
    assert run(*AS_HULAK, PYTHON, "-c", TICKS).stdout.split() == ["EURUSD", "1.1"]
    assert list(service.debian.path("/var/lib/hulak").glob("journal/*.hj"))
    started = service.events("broker started")[-1]
    assert (started["PRIORITY"], started["_SYSTEMD_UNIT"], started["HULAK_PROCESS"]) == ("6", "hulak.service", "broker")
    assert run("find", "/var/lib/hulak", "/run/hulak", "-perm", "/077", "-not", "-type", "l").stdout == ""

    # A reload, and one of a wrong file.
    settings = service.debian.path("/etc/hulak/hulak.toml")
    settings.write_text("[nepse]\ncache_s = 9.0\n")
    run("systemctl", "reload", "hulak")
    eventually(lambda: any("9.0" in entry.get("HULAK_CHANGED", "") for entry in service.events("settings reloaded")), within_s=30)
    settings.write_text("[nepse]\ncache_s = -1\n")
    assert run("systemctl", "reload", "hulak", check=False).returncode != 0
    assert service.show("ActiveState") == "active"
    settings.write_text("")

    # A broker that is killed is supervisord's business; a dead `hulak up` and a frozen broker are systemd's.
    main, broker = service.show("MainPID"), service.pid_of_broker()
    run("sh", "-c", f"kill -KILL {broker}")
    eventually(lambda: service.pid_of_broker() not in (0, broker), within_s=STARTS_S, every_s=1)
    assert (service.show("MainPID"), service.show("NRestarts")) == (main, "0")
    run("sh", "-c", f"kill -KILL {main}")
    service.wait_until_active(restarts=1)
    assert service.hulak("last", "tick.EURUSD", *HOME).returncode == 0
    run("sh", "-c", f"kill -STOP {service.pid_of_broker()}")
    service.wait_until_active(restarts=2)

    # A stop leaves nothing but the home, and a reboot starts it again.
    run("systemctl", "stop", "hulak")
    assert service.show("Result") == "success"
    assert run("ls", "/dev/shm").stdout == ""
    assert not run("ls", "/run/hulak", check=False).stdout
    service.debian.shut_down()
    service.debian.boot()
    service.wait_until_active(restarts=0)
    assert service.hulak("last", "tick.EURUSD", *HOME).returncode == 0

    service.hulak("service", "uninstall", "--timeout", STARTS_S)
    assert run("systemctl", "is-active", "hulak", check=False).stdout.strip() == "inactive"
    assert service.debian.path("/var/lib/hulak/tasks.db").exists()
    assert not service.debian.path("/etc/systemd/system/hulak.service").exists()
    assert service.hulak("service", "status", check=False).returncode == 1

"""A fresh Debian in a folder: made by debootstrap, booted by systemd-nspawn with a separate network. Root only.

`HULAK_DEBIAN_ROOT` names a folder that debootstrap has filled before; a copy of it is taken then, which saves minutes.
"""

import contextlib
import os
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path

import psutil

SUITE = "bookworm"
PACKAGES = "systemd-sysv,dbus,python3,adduser"  # beside the smallest Debian: to boot it, and as dependencies of our package
TOOLS = ("debootstrap", "systemd-nspawn", "nsenter", "apt-get")
CONTROL_GROUPS = Path("/sys/fs/cgroup")
REACH_S = 10
MAKE_S, BOOT_S, STOP_S, RUN_S = 900, 120, 90, 240
NSPAWN = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--link-journal=no", "--private-network"]
ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
    "TERM": "dumb",
}


def missing():
    """Return why this machine cannot make such a root; empty if it can."""
    if os.geteuid() != 0:
        return "needs root, for debootstrap and systemd-nspawn"
    absent = [tool for tool in TOOLS if shutil.which(tool) is None]
    if absent:
        return f"needs {', '.join(absent)}: apt-get install debootstrap systemd-container"
    source = mirror()
    if not source:
        return f"apt of this machine names no mirror of Debian {SUITE}"
    try:
        with urllib.request.urlopen(f"{source.rstrip('/')}/dists/{SUITE}/Release", timeout=REACH_S):
            return ""
    except OSError as error:
        return f"the mirror of Debian cannot be reached: {error}"


def mirror():
    """Return the mirror that apt of this machine uses; empty if there is none."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", f"Release: {SUITE}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return next(iter(done.stdout.splitlines()), "")


class DebianRoot:
    """A Debian in a folder.

    Args:
        folder: must not exist; `remove` removes it.
        source: a folder that debootstrap has filled, to copy; None: it is run now.
    """

    def __init__(self, folder, source=None):
        self.folder = folder
        self.nspawn = None  # while it is booted
        source = source or os.environ.get("HULAK_DEBIAN_ROOT")
        if source:
            subprocess.run(["cp", "-a", "--reflink=auto", source, folder], check=True, timeout=MAKE_S)
            return
        command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, folder, mirror()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=MAKE_S, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]

    def path(self, inside):
        """Return the path of a file of this Debian, as seen from outside."""
        return self.folder / inside.lstrip("/")

    def boot(self):
        """Boot it, and wait until systemd has started everything."""
        groups = [group for group in self._control_groups() if not group.mkdir(exist_ok=True)]

        def enter():
            for group in groups:
                (group / "cgroup.procs").write_text("0")

        log = (self.folder.parent / "boot.log").open("ab")
        with log:
            self.nspawn = psutil.Popen(
                [*NSPAWN, "--console=pipe", "--boot", f"--directory={self.folder}"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=enter,
            )
        deadline = time.monotonic() + BOOT_S
        while self.run("systemctl", "is-system-running", check=False).stdout.strip() not in ("running", "degraded"):
            assert self.nspawn.is_running(), f"the boot failed: see {log.name}"
            assert time.monotonic() < deadline, f"not booted within {BOOT_S} s"
            time.sleep(0.2)

    def _control_groups(self):
        """Return the control group of each hierarchy in which systemd of this root works."""
        hierarchies = [CONTROL_GROUPS, CONTROL_GROUPS / "systemd", CONTROL_GROUPS / "unified"]
        name = f"hulak-trial-{os.getpid()}"
        return [hierarchy / name for hierarchy in hierarchies if (hierarchy / "cgroup.procs").exists()]

    def run(self, *words, check=True, within_s=RUN_S):
        """Run a command in it as root, after a boot beside its systemd, else alone; returns the completed process."""
        words = [str(word) for word in words]
        if self.nspawn is None:
            settings = [f"--setenv={name}={value}" for name, value in ENVIRONMENT.items()]
            command = [*NSPAWN, "--pipe", f"--directory={self.folder}", *settings, *words]
        else:
            init = next(iter(self.nspawn.children()), None)
            if init is None:
                return subprocess.CompletedProcess(words, 1, "", "not booted yet")
            inside = [f"{name}={value}" for name, value in ENVIRONMENT.items()]
            command = ["nsenter", "--target", str(init.pid), "--all", "env", "-i", *inside, *words]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=within_s, check=False, cwd="/"
        )
        assert not check or done.returncode == 0, (
            f"{words} ended with {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        )
        return done

    def shut_down(self):
        """Shut it down in order; kill it after a while."""
        if self.nspawn is None:
            return
        nspawn, self.nspawn = self.nspawn, None
        with contextlib.suppress(psutil.Error, OSError):
            init = next(iter(nspawn.children()), nspawn)
            subprocess.run(
                ["nsenter", "--target", str(init.pid), "--all", "systemctl", "poweroff"],
                capture_output=True,
                timeout=STOP_S,
                check=False,
            )
        try:
            nspawn.wait(STOP_S)
        except psutil.TimeoutExpired:
            nspawn.kill()
            nspawn.wait(STOP_S)
        for group in self._control_groups():
            for folder in sorted(filter(Path.is_dir, group.rglob("*")), reverse=True):
                folder.rmdir()
            group.rmdir()

    def files(self):
        """List the files of this Debian that packages and their scripts make: all but logs, caches and the files of a boot."""
        left_out = (
            "proc",
            "sys",
            "dev",
            "run",
            "tmp",
            "root",
            "var/log",
            "var/cache",
            "var/lib/apt",
            "var/lib/dpkg",
            "var/lib/systemd",
        )
        return {
            str(path.relative_to(self.folder))
            for path in self.folder.rglob("*")
            if not str(path.relative_to(self.folder)).startswith(left_out)
        }

    def remove(self):
        """Shut it down and remove its folder."""
        self.shut_down()
        shutil.rmtree(self.folder, ignore_errors=True)

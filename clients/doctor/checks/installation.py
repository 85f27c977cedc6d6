"""Checks of what is installed: versions, settings, home folder, addresses. Pure."""

import re
from collections.abc import Iterator

from hulak.clients.doctor.checks.facts import DoctorFacts, Version
from hulak.clients.doctor.checks.result import CheckResult, bad, fine, warn

PYTHON: Version = (3, 11)
LIBZMQ: Version = (4, 3, 2)
LONGEST_IPC = 107  # bytes of a path in sockaddr_un
NETWORK = ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph", "glusterfs", "fuse.glusterfs")
VOLATILE = ("tmpfs", "ramfs")
LAYERED = ("overlay", "aufs", "fuse.fuse-overlayfs")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
BOUND = re.compile(r"(>=|<=|==|!=|~=|>|<)\s*([0-9][^,\s]*)")


def dotted(version: Version) -> str:
    """Format a version: "4.3.5"."""
    return ".".join(map(str, version))


def version_of(text: str) -> Version:
    """Return the leading numbers of a version: (27, 1) for "27.1.0rc2" is (27, 1, 0)."""
    numbers = re.match(r"\d+(\.\d+)*", text)
    return tuple(map(int, numbers[0].split("."))) if numbers else ()


def name_of(requirement: str) -> str:
    """Return the package that a requirement such as "click>=8.2" names."""
    name = NAME.match(requirement)
    return name[0] if name else requirement


def unmet(requirement: str, version: str) -> str:
    """Return the first bound of a requirement, such as "supervisor>=4.3,<5", that a version does not keep; else an empty text."""
    have = version_of(version)
    for sign, number in BOUND.findall(requirement):
        wanted = version_of(number)
        width = max(len(have), len(wanted))
        a, b = (numbers + (0,) * (width - len(numbers)) for numbers in (have, wanted))
        kept = {">=": a >= b, "<=": a <= b, "==": a == b, "!=": a != b, ">": a > b}
        if not kept.get(sign, a < b if sign == "<" else a >= b):
            return f"{sign}{number}"
    return ""


def versions(facts: DoctorFacts) -> Iterator[CheckResult]:
    """Python, the libraries, and a broker that runs with another version."""
    known = facts.versions
    yield fine("versions", "hulak", known.hulak)
    if known.python[:2] < PYTHON:
        yield bad("versions", "python", dotted(known.python), f"install Python {dotted(PYTHON)} or newer")
    else:
        yield fine("versions", "python", dotted(known.python))
    yield _libraries(facts)
    if known.libzmq < LIBZMQ:
        advice = f"install a pyzmq with libzmq {dotted(LIBZMQ)} or newer: `pip install --force-reinstall pyzmq`"
        yield bad("versions", "libzmq", dotted(known.libzmq), advice)
    elif not known.curve:
        advice = "keys cannot be used; install a pyzmq that has libsodium, such as the wheel of PyPI"
        yield warn("versions", "libzmq", f"{dotted(known.libzmq)}, without encryption", advice)
    else:
        yield fine("versions", "libzmq", f"{dotted(known.libzmq)}, with encryption")
    if facts.broker is None:
        yield fine("versions", "broker", "no broker answers on this home", "start with `hulak up` or `systemctl start hulak`")
    elif facts.broker.version != known.hulak:
        seen = f"process {facts.broker.pid} runs {facts.broker.version}"
        yield warn(
            "versions", "broker", seen, f"restart: `systemctl restart hulak` or `hulak down` and `hulak up` start {known.hulak}"
        )
    else:
        yield fine("versions", "broker", f"process {facts.broker.pid} runs {facts.broker.version}")


def _libraries(facts: DoctorFacts) -> CheckResult:
    known, wrong = facts.versions, []
    for requirement in known.required:
        name = name_of(requirement)
        version = known.installed.get(name)
        if version is None:
            wrong.append(f"{name} is missing")
        elif bound := unmet(requirement, version):
            wrong.append(f"{name} is {version}, must be {bound}")
    if wrong:
        return bad("versions", "libraries", "; ".join(wrong), "install Hulak again, in a separate environment")
    return fine("versions", "libraries", f"{len(known.required)} packages, as required")


def settings(facts: DoctorFacts) -> Iterator[CheckResult]:
    """The settings file is right, and keeps its secrets."""
    known = facts.settings
    if known.error:
        yield bad("settings", "values", known.error, "correct the file or the variable; nothing starts with it")
    else:
        yield fine("settings", "values", f"read from {known.path}")
    if known.secrets and known.mode & 0o007:
        seen = f"{known.path} has mode {known.mode:04o} and holds {', '.join(known.secrets)}"
        yield warn("settings", "secrets", seen, f"keep others out: `chmod o= {known.path}`")


def home(facts: DoctorFacts) -> Iterator[CheckResult]:
    """The home folder can be written, by its owner only, and its sockets have paths that fit."""
    known = facts.home
    if not known.folder:
        seen = f"{known.path} {'is' if known.exists else 'lies below'} a file, not a folder"
        yield bad("home", "folder", seen, "choose another with --home or HULAK_HOME")
        return
    if not known.exists and not known.writable:
        advice = "choose another with --home or HULAK_HOME, or make it for the user that runs Hulak"
        yield bad("home", "folder", f"user {known.user} finds no folder {known.path}, and cannot make it", advice)
    elif not known.exists:
        yield fine("home", "folder", f"{known.path} does not exist yet; the first start makes it")
    elif not known.owned:
        seen = f"{known.path} belongs to {known.owner}, this is {known.user}"
        yield bad("home", "folder", seen, f"run Hulak as its owner: `sudo -u {known.owner} hulak ...`")
    elif not known.writable:
        advice = f"mount its disk for writing, or give the folder to {known.owner}: `chown {known.owner} {known.path}`"
        yield bad("home", "folder", f"{known.path} cannot be written", advice)
    else:
        yield fine("home", "folder", f"{known.path}, of {known.owner}")
    if known.exists and known.mode & 0o077:
        advice = f"keep other users out: `chmod 700 {known.path}`"
        yield warn("home", "mode", f"{known.path} has mode {known.mode:04o}", advice)
    over = known.longest_ipc - LONGEST_IPC
    if over > 0:
        seen = f"the path of a socket in it has {known.longest_ipc} bytes, the system allows {LONGEST_IPC}"
        yield bad("home", "socket paths", seen, f"choose a home whose path is {over} bytes shorter, with --home or HULAK_HOME")
    else:
        yield fine("home", "socket paths", f"{known.longest_ipc} bytes of {LONGEST_IPC}")


def file_system(facts: DoctorFacts) -> Iterator[CheckResult]:
    """The home lies on a local disk that outlives a restart."""
    known = facts.home
    if known.filesystem in NETWORK:
        advice = "locks and syncs of a network file system are not safe for a journal and a database; use a local disk"
        yield bad("disk", "file system", f"{known.path} lies on {known.filesystem}", advice)
    elif known.filesystem in VOLATILE:
        advice = "ticks and tasks are lost when the machine restarts; use a disk"
        yield warn("disk", "file system", f"{known.path} lies in memory ({known.filesystem})", advice)
    elif known.filesystem in LAYERED:
        advice = "ticks and tasks are lost with the container; mount a volume there"
        yield warn("disk", "file system", f"{known.path} lies in a container's layer ({known.filesystem})", advice)
    elif known.filesystem:
        yield fine("disk", "file system", known.filesystem)


def addresses(facts: DoctorFacts) -> Iterator[CheckResult]:
    """The addresses that Hulak binds are free, or its own."""
    machine = facts.machine
    for known in facts.addresses:
        name, where = known.setting, f"{known.host}:{known.port}"
        low, high = machine.ephemeral_ports or (0, -1)
        if not known.free and not known.ours:
            by = f"in use by {known.holder}" if known.holder else "in use by a process of another user"
            variable = f"HULAK_{name.replace('.', '__').upper()}"
            advice = f"stop that process (`ss -ltnp` shows it), or set {name} ({variable})"
            if " of home " in known.holder:
                advice = f"if you mean that one, name its home by HULAK_HOME or --home; else set {name} ({variable}), or stop it"
            yield bad("ports", name, f"{where} is {by}", advice)
        elif known.port < (machine.first_free_port or 0) and not machine.root:
            allow = f"`sysctl net.ipv4.ip_unprivileged_port_start={known.port}`"
            advice = f"set {name} to {machine.first_free_port} or above, or allow it: {allow}"
            yield bad("ports", name, f"{where}: ports below {machine.first_free_port} are for root only", advice)
        elif low <= known.port <= high:
            seen = f"{where} is one of the ports {low} to {high} that the kernel gives to connections"
            yield warn(
                "ports", name, seen, f"set another port, or reserve it: `sysctl net.ipv4.ip_local_reserved_ports={known.port}`"
            )
        else:
            yield fine("ports", name, f"{where} is {f'in use by {known.holder}' if known.ours else 'free'}")

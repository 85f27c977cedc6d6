"""The slots of a service in supervisord: the file that describes them, and a running supervisord that takes it up or drops it."""

import configparser
import contextlib
import os
import re
import sys
import time
import xmlrpc.client
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hulak.bus.errors import BusTimeout, ConfigError, HulakError
from hulak.bus.process.load_settings import shipped
from hulak.bus.process.settings import MOST_SLOTS
from hulak.bus.process.supervisor_rpc import BAD_NAME, STILL_RUNNING, ask, foreign_socket, list_processes, socket_path

SERVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*\Z")
COMMENT = re.compile(r"\s[;#]|[^\S ]")  # begins a comment in a file of supervisord, or ends its line
UP = ("running", "starting", "backoff", "stopping")  # states of a process that has to end before its slot can be removed
REMOVE_AGAIN_S = 0.1

FIRST = """\
; The slots of the service {service}, made by `hulak workers add`: the scaler starts and retires their workers.
; [scaling.{service}] in hulak.toml sets other bounds than {least} to {most}; `hulak workers remove {service}` ends them.
[group:{service}]
programs={programs}
priority=40
"""
PROGRAM = """
[program:{name}]
command="{python}" -P -m hulak worker {service} --module {module}{credit}
directory={directory}
process_name={service}_%(process_num)02d
numprocs={count}
numprocs_start={first}
autostart={autostart}
priority=40
autorestart={autorestart}
exitcodes=0
startsecs=3
startretries=10
stopwaitsecs=90
stopasgroup=false
killasgroup=true
stdout_logfile={logs}/log/{service}_%(process_num)02d.out
stdout_logfile_maxbytes=1MB
stdout_logfile_backups=1
stderr_logfile={logs}/log/{service}_%(process_num)02d.log
stderr_logfile_maxbytes=10MB
stderr_logfile_backups=5
{more}"""
# Values for the supervisord of `hulak up`, which sets these variables; the paths of logs are expanded twice.
VARIABLES = {"python": "%(ENV_HULAK_PYTHON)s", "logs": "%%(ENV_HULAK_HOME)s", "more": ""}


@dataclass(frozen=True, slots=True)
class PoolFile:
    """The slots of a service.

    Args:
        service: its name, which is also that of the group in supervisord.
        module: the Python module with its tasks.
        directory: absolute, where the module is.
        least: slots that start by themselves, 0 to `most`.
        most: slots.
        credit: tasks that a worker holds; None: it adapts to their duration.
    Raises:
        ConfigError: a value cannot be in such a file.
    """

    service: str
    module: str
    directory: Path
    least: int = 1
    most: int = 5
    credit: int | None = None

    def __post_init__(self) -> None:
        check_service(self.service)
        if not MODULE.match(self.module):
            raise ConfigError(f"module {self.module!r} must be the name of a Python module, such as shop or shop.tasks")
        if COMMENT.search(f" {self.directory}"):
            raise ConfigError(
                f"folder {str(self.directory)!r} has a line end, or a space before ; or #, which supervisord cannot read"
            )
        if not 0 <= self.least <= self.most <= MOST_SLOTS or self.most < 1:
            raise ConfigError(f"{self.least} to {self.most} workers, must be in order and from 0 to {MOST_SLOTS:,}")

    def text(self, values: Mapping[str, str] = VARIABLES) -> str:
        """Return the file for supervisord; `values` are those that differ between supervisords."""
        parts = [("first", self.least, 0, "true"), ("spare", self.most - self.least, self.least, "false")]
        parts = [part for part in parts if part[1]]
        autorestart = "true" if self.least == self.most else "unexpected"  # without spare slots it is no pool of the scaler
        common = {**values, "service": self.service, "module": self.module, "autorestart": autorestart}
        common["directory"] = str(self.directory).replace("%", "%%")
        credit = "" if self.credit is None else f" --credit {self.credit}"
        programs = ",".join(f"{self.service}_{name}" for name, *_ in parts)
        head = FIRST.format(service=self.service, least=self.least, most=self.most, programs=programs)
        return head + "".join(
            PROGRAM.format(**common, credit=credit, name=f"{self.service}_{name}", count=count, first=first, autostart=autostart)
            for name, count, first, autostart in parts
        )

    def write(self, home: Path) -> Path:
        """Write the file; return its path.

        Raises:
            ConfigError: the file exists, or another file has a program or group of this name.
        """
        path = path_of(home, self.service)
        refuse_taken(home, self.service)
        values = VARIABLES if foreign_socket(home) is None else literal_values(home)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(self.text(values))
        return path


def literal_values(home: Path) -> dict[str, str]:
    """Return the values for a supervisord of the machine, which sets no variables and may run as root."""
    once = str(home).replace("%", "%%")
    more = f'environment=HULAK_HOME="{once}"\numask=077\nuser={home.owner()}\n'
    return {"python": sys.executable.replace("%", "%%"), "logs": once.replace("%", "%%"), "more": more}


def check_service(service: str) -> None:
    """Check that supervisord can have a group of this name.

    Raises:
        ConfigError: it cannot, or the service is the broker's.
    """
    if not SERVICE.match(service) or service.startswith(("hulak.", "mmi.")):
        allowed = "1 to 100 letters, digits, dots, underscores and hyphens, not the broker's hulak.* and mmi.*"
        raise ConfigError(f"service {service!r} must have {allowed}")


def path_of(home: Path, service: str) -> Path:
    """Return the path of a service's file."""
    return home / "programs" / f"workers-{service}.conf"


def refuse_taken(home: Path, service: str) -> None:
    """Check that no file of supervisord has a group or program of this name.

    Raises:
        ConfigError: one has.
    """
    for file in (shipped("supervisord.conf"), *sorted((home / "programs").glob("*.conf"))):
        parser = configparser.RawConfigParser(strict=False, inline_comment_prefixes=(";", "#"))
        with contextlib.suppress(OSError, ValueError, configparser.Error):
            parser.read(file, encoding="utf-8")
        names = {section.partition(":")[2].strip() for section in parser.sections()}
        if names & {service, f"{service}_first", f"{service}_spare"}:
            hint = "`hulak workers remove` removes it" if file == path_of(home, service) else "choose another name"
            raise ConfigError(f"service {service!r} already has programs of supervisord in {file}; {hint}")


def start(home: Path, service: str) -> bool:
    """Request a running supervisord to start the slots of a new file; return false if none runs.

    Raises:
        HulakError: it cannot read its files, or does not include this one.
    """
    try:
        ask(home, "reloadConfig")
        ask(home, "addProcessGroup", service)
    except xmlrpc.client.Fault as fault:
        if fault.faultCode == BAD_NAME:
            where, file = foreign_socket(home) or socket_path(home), path_of(home, service)
            raise HulakError(f"the supervisord at {where} does not include {file}: add it there to files of [include]") from fault
        raise HulakError(f"the file is written, but supervisord refuses: {fault.faultString}") from fault
    except OSError:
        return False
    return True


def remove(home: Path, service: str, limit_s: float) -> None:
    """Remove the file; a running supervisord stops the workers, which finish their tasks, and drops the slots.

    Raises:
        ConfigError: there is no such file.
        BusTimeout: a worker is not finished within the limit; its slot stays until supervisord is restarted.
        HulakError: supervisord cannot read its files.
    """
    path = path_of(home, service)
    try:
        path.unlink()
    except FileNotFoundError:
        known = ", ".join(sorted(file.stem.removeprefix("workers-") for file in path.parent.glob("workers-*.conf"))) or "none"
        raise ConfigError(f"service {service!r} has no file {path}; services that have one: {known}") from None
    deadline = time.monotonic() + limit_s
    with contextlib.suppress(OSError):  # no supervisord runs
        try:
            ask(home, "reloadConfig")
            while not _is_dropped(home, service):
                if time.monotonic() > deadline:
                    raise BusTimeout(f"workers of {service} have not finished within {limit_s:g} s; see `hulak workers`")
                ask(home, "stopProcessGroup", service, False)
                time.sleep(REMOVE_AGAIN_S)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode != BAD_NAME:  # it had not taken up the file
                raise HulakError(f"the file is removed, but supervisord refuses: {fault.faultString}") from fault


def _is_dropped(home: Path, service: str) -> bool:
    """Drop the slots if none is up; return whether they are dropped. Raises Fault."""
    if any(row["group"] == service and row["state"] in UP for row in list_processes(home)):
        return False
    try:
        ask(home, "removeProcessGroup", service)
    except xmlrpc.client.Fault as fault:
        # The scaler may start a slot again until it sees the new configuration.
        if fault.faultCode != STILL_RUNNING:
            raise
        return False
    return True

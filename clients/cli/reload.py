"""`hulak reload`: let the running processes read the settings file again, and name the settings that need a restart.

Each process reads the file itself, at SIGHUP. `hulak up` records the settings of its start in run/settings.json of the home; the
command compares the file with them.
"""

import contextlib
import hashlib
import json
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hulak.bus.errors import HulakError
from hulak.clients.cli.command import Call, Command, print_json
from hulak.clients.cli.help_text import examples

if TYPE_CHECKING:
    from hulak.bus.process.settings import Settings

RECORD = "settings.json"
STARTS_S = 10.0  # to wait until a process that is starting handles SIGHUP
POLL_S = 0.05
HANGUP_BIT = 1 << (signal.SIGHUP - 1)


@dataclass(frozen=True, slots=True)
class SettingChange:
    """A setting with another value than at the start."""

    name: str  # broker.publisher
    before: str
    after: str
    live: bool  # applies without a restart

    @property
    def text(self) -> str:
        """Return "nepse.rate_per_s 2.0 -> 1.0 applies now, unless `hulak config` overrides it"."""
        effect = "applies now, unless `hulak config` overrides it" if self.live else "needs a restart"
        return f"{self.name} {self.before} -> {self.after} {effect}"


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The result of a reload."""

    changes: tuple[SettingChange, ...]
    processes: tuple[str, ...]  # that read the file again


@click.command(
    cls=Command,
    short_help="Apply changes of the settings file.",
    epilog=examples("hulak reload --home ./var", "hulak reload --json"),
)
def reload(call: Call) -> None:
    """Let the processes of `hulak up` on this home read the settings file again, and print what has changed since the start.

    Some settings apply at once, the others are named and need a restart. A wrong file is refused, and nothing changes. Sends
    SIGHUP to the processes, and nothing to the broker.
    """
    result = reload_settings(call)
    if call.as_json:
        rows = [{"name": row.name, "before": row.before, "after": row.after, "live": row.live} for row in result.changes]
        print_json({"changes": rows, "processes": list(result.processes)})
    else:
        report(result, click.echo)


def report(result: Reloaded, show: Callable[[str], object]) -> None:
    """Show a line for each change, and one for the whole."""
    for change in result.changes:
        show(change.text)
    restart = sum(not change.live for change in result.changes)
    more = (
        f", {restart} of {len(result.changes)} changes need a restart"
        if restart
        else ""
        if result.changes
        else ", nothing has changed"
    )
    show(f"settings reloaded by {len(result.processes)} processes{more}")


def reload_settings(call: Call) -> Reloaded:
    """Check the settings file, compare it with that of the start, and send SIGHUP to the processes.

    Raises:
        HulakError: nothing runs on this home.
        ConfigError: the file is wrong; nothing was sent.
    """
    from hulak.bus.process import load_settings
    from hulak.clients import supervisord

    rows = supervisord.processes(call.home)
    if not rows:
        raise HulakError(f"nothing that `hulak up` started runs on home {call.home}")
    theirs = _variables_of(supervisord.pid_of(call.home))
    fixed = overridden(theirs)
    for name in [name for setting, name in overridden(os.environ).items() if setting not in fixed]:
        del os.environ[name]  # of this shell, and not of the processes
    file = call.file or (Path(theirs["HULAK_CONFIG"]) if "HULAK_CONFIG" in theirs else None)
    settings = load_settings.load(call.home, file)
    before = recorded(call.home)
    changes = [change for change in changed(before, flat(settings)) if change.name not in fixed] if before else []
    names = _send({row["pid"]: row["name"] for row in rows if row["pid"]})
    if before:
        _write(call.home, before | {change.name: change.after for change in changes if change.live})
    return Reloaded(tuple(changes), tuple(names))


def _send(processes: dict[int, str]) -> list[str]:
    """Send SIGHUP to the processes that handle it; wait for our own that are starting and may have read the former file."""
    names, deadline = [], time.monotonic() + STARTS_S
    while processes:
        for pid, name in list(processes.items()):
            if catches_hangup(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGHUP)
                    names.append(name)
            elif _is_ours(pid) and time.monotonic() < deadline:
                continue
            del processes[pid]
        if processes:
            time.sleep(POLL_S)
    return sorted(names)


def _is_ours(pid: int) -> bool:
    import psutil

    with contextlib.suppress(psutil.Error):
        return any(word == "hulak" or word.startswith("hulak.") for word in psutil.Process(pid).cmdline())
    return False


def overridden(variables: Mapping[str, str]) -> dict[str, str]:
    """Map the settings that variables override, and a file therefore cannot change, to the names of the variables; pure."""
    names = [name for name in variables if name.startswith("HULAK_") and "__" in name]
    return {name.removeprefix("HULAK_").lower().replace("__", ".", 1): name for name in names}


def _variables_of(pid: int | None) -> dict[str, str]:
    """Return the variables of a process; empty if they cannot be read."""
    import psutil

    with contextlib.suppress(psutil.Error):
        return dict(psutil.Process(pid).environ()) if pid else {}
    return {}


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> list[SettingChange]:
    """Compare settings, as texts by name; pure. Settings of another version of Hulak are ignored."""
    from hulak.bus.live_config.keys import TABLE

    live = {key.setting for key in TABLE if key.setting}
    both = [name for name in after if name in before and before[name] != after[name]]
    return [SettingChange(name, before[name], after[name], name in live) for name in both]


def flat(settings: "Settings") -> dict[str, str]:
    """Return the settings as texts by name, `{"broker.publisher": "'tcp://...'"}`; of a secret only that it differs."""
    from hulak.bus.process.check_settings import PER_SERVICE
    from hulak.bus.process.settings import SECRET

    tables = {name: getattr(settings, name) for name in settings.__struct_fields__ if name != "services"}
    tables |= {f"{PER_SERVICE}{service}": own for service, own in settings.services.items()}
    values = {}
    for section, table in tables.items():
        for name in table.__struct_fields__:
            value: Any = getattr(table, name)
            secret = name in SECRET and value
            values[f"{section}.{name}"] = f"*** ({hashlib.sha256(value.encode()).hexdigest()[:8]})" if secret else repr(value)
    return values


def record(home: Path, settings: "Settings") -> None:
    """Record the settings of the start, for a later reload."""
    _write(home, flat(settings))


def recorded(home: Path) -> dict[str, str]:
    """Return the settings of the start as texts by name; empty if none are recorded."""
    with contextlib.suppress(OSError, ValueError):
        values = json.loads((home / "run" / RECORD).read_text(encoding="utf-8"))
        if isinstance(values, dict):
            return {name: text for name, text in values.items() if isinstance(text, str)}
    return {}


def _write(home: Path, values: Mapping[str, str]) -> None:
    path = home / "run" / RECORD
    with contextlib.suppress(OSError):  # a full disk must not prevent a start
        new = path.with_suffix(".new")
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(values, file, indent=1)
        new.replace(path)


def catches_hangup(pid: int) -> bool:
    """Return whether a process handles SIGHUP; others, such as an operator's program, would be ended by it. Linux only."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("SigCgt:"):
                return bool(int(line.split()[1], 16) & HANGUP_BIT)
    return False

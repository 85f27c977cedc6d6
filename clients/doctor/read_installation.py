"""Read the facts of an installation for `hulak doctor`: versions, settings, addresses, the broker that answers."""

import contextlib
import importlib.metadata
import os
import sys
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import psutil
import zmq

from hulak.bus.errors import BusError, ConfigError
from hulak.bus.process import endpoints, load_settings
from hulak.bus.process.check_settings import SECTIONS, types_of
from hulak.bus.process.settings import SECRET, Settings
from hulak.bus.version import VERSION
from hulak.clients.calls.client import BusClient
from hulak.clients.doctor.checks.facts import AddressFacts, BrokerFacts, SettingsFacts, VersionFacts
from hulak.clients.doctor.checks.installation import name_of

EXTRA = "extra =="  # in the marker of a requirement that is optional
ANY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - seen, not bound


def versions() -> VersionFacts:
    """Read the versions of Python, of the libraries that the package's metadata require, and of libzmq."""
    try:
        required = [line for line in importlib.metadata.requires("hulak") or () if EXTRA not in line]
    except importlib.metadata.PackageNotFoundError:
        required = []
    installed = {}
    for name in map(name_of, required):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            installed[name] = importlib.metadata.version(name)
    return VersionFacts(
        hulak=VERSION,
        python=sys.version_info[:3],
        libzmq=zmq.zmq_version_info(),
        curve=bool(zmq.has("curve")),
        required=required,
        installed=installed,
    )


def settings(home: Path, file: Path | None) -> tuple[Settings, SettingsFacts]:
    """Load the settings; the defaults with the error in the facts if they cannot be used."""
    error, loaded = "", Settings()
    try:
        loaded = load_settings.load(home, file)
    except ConfigError as wrong:
        error = str(wrong)
    path, mode, table = load_settings.shipped("hulak.toml"), 0o644, {}
    with contextlib.suppress(ConfigError, OSError, ValueError, RecursionError):  # ValueError: not TOML, which `load` has reported
        path = load_settings.find_file(home, file)
        mode = path.stat().st_mode & 0o7777
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    return loaded, SettingsFacts(
        path=str(path),
        error=error,
        mode=mode,
        secrets=secrets_of(table),
        ring_bytes=loaded.broker.ring_bytes,
        max_connections=loaded.broker.max_connections,
        max_task_bytes=loaded.broker.max_task_bytes,
        journal_bytes=loaded.journal.max_bytes,
        segment_bytes=loaded.journal.segment_bytes,
    )


def secrets_of(table: Mapping[str, Any]) -> list[str]:
    """List the settings of a file that are secret and not empty: "gateway.token"."""
    return [
        f"{section}.{name}"
        for section in SECTIONS
        for name in types_of(SECTIONS[section])
        if name in SECRET and isinstance(values := table.get(section), Mapping) and values.get(name)
    ]


def broker(loaded: Settings, home: Path, timeout_s: float) -> tuple[BrokerFacts | None, str]:
    """Ask the broker that this home's clients reach.

    Returns:
        its facts, and the path of its ring; None and an empty text if none answers.
    """
    with contextlib.suppress(BusError, KeyError):
        if endpoints.find(loaded, home, "frontend") is None:
            return None, ""
    with contextlib.suppress(BusError, KeyError), BusClient(loaded, home) as client:
        pong = client.call("hulak.ping", timeout_s=timeout_s)
        stats = client.call("hulak.stats", timeout_s=timeout_s)
        ring = stats.get("ring") or {}
        return BrokerFacts(pid=pong["pid"], version=pong["version"], home=pong.get("home", "")), str(ring.get("path", ""))
    return None, ""


def listeners() -> list[tuple[str, int, int | None]]:
    """List the addresses on which a process listens: host, port, and the process; None if that is not shown to this user."""
    with contextlib.suppress(psutil.Error, OSError):
        return [
            (row.laddr.ip, row.laddr.port, row.pid)
            for row in psutil.net_connections("tcp")
            if row.laddr and row.status == psutil.CONN_LISTEN
        ]
    return []


def addresses(
    wanted: Mapping[str, tuple[str, int]], taken: Collection[str], home: Path, known: BrokerFacts | None
) -> list[AddressFacts]:
    """Return for each address whether it is free, and the process that has it.

    Args:
        wanted: host and port by the name of their setting.
        taken: the settings whose addresses cannot be bound.
        home: of this installation.
        known: the broker that answers.
    """
    rows = listeners()
    ours = {pid for pid in psutil.pids() if _home_of(pid) == home.resolve()} if taken else set()
    if known is not None and Path(known.home).resolve() == home.resolve():
        ours.add(known.pid)
    facts = []
    for setting, (host, port) in wanted.items():
        pids = [pid for at, number, pid in rows if number == port and pid is not None and at in (host, *ANY_ADDRESS)]
        facts.append(
            AddressFacts(
                setting=setting,
                host=host,
                port=port,
                free=setting not in taken,
                holder=_holder(pids[0]) if pids and setting in taken else "",
                ours=bool(ours & set(pids)),
            )
        )
    return facts


def _holder(pid: int) -> str:
    with contextlib.suppress(psutil.Error):
        name, home = psutil.Process(pid).name(), _home_of(pid)
        return f"{name} (process {pid}{f' of home {home}' if home else ''})"
    return f"process {pid}"


def _home_of(pid: int) -> Path | None:
    """Return the home of a process of Hulak that supervisord has started; None of others, and where that is not shown."""
    with contextlib.suppress(psutil.Error, OSError):
        home = psutil.Process(pid).environ().get("HULAK_HOME")
        return Path(home).resolve() if home else None
    return None


def running_as(home: Path) -> int:
    """Return the user that runs the processes of a home: its owner, or the user of this process if it does not exist."""
    with contextlib.suppress(OSError):
        return home.stat().st_uid
    return os.geteuid()

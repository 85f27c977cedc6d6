"""Read all facts for `hulak doctor`. Nothing is changed: the only file that is made has no name, and is gone at once."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path

from hulak.bus.process.ring_file import SHARED_MEMORY
from hulak.bus.process.settings import Settings
from hulak.clients.doctor import read_home, read_installation, read_machine
from hulak.clients.doctor.checks.facts import DoctorFacts, SettingsFacts

PING_S = 2.0  # to wait for a broker that listens


def read(
    home: Path,
    loaded: Settings,
    settings: SettingsFacts,
    wanted: Mapping[str, tuple[str, int]],
    taken: Collection[str],
    now_s: float,
    timeout_s: float = PING_S,
) -> DoctorFacts:
    """Read the facts of an installation and its machine.

    Args:
        home: absolute; need not exist.
        loaded: the settings.
        settings: the facts of their file.
        wanted: addresses that Hulak binds: host and port by the name of their setting.
        taken: the settings whose addresses cannot be bound.
        now_s: seconds since 1970.
        timeout_s: seconds to wait for the broker.
    """
    broker, ring = read_installation.broker(loaded, home, timeout_s)
    owner_id = read_installation.running_as(home)
    pid = broker.pid if broker is not None else os.getpid()
    return DoctorFacts(
        versions=read_installation.versions(),
        settings=settings,
        home=read_home.read(home),
        limits=read_machine.limits(f"broker, process {pid}" if broker else "this command", pid, owner_id),
        machine=read_machine.machine(now_s, read_home.newest_file_s(home), owner_id),
        memory=read_machine.shared_memory(SHARED_MEMORY, ring),
        addresses=read_installation.addresses(wanted, taken, home, broker),
        broker=broker,
    )

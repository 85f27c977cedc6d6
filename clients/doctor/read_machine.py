"""Read the facts of the machine for `hulak doctor`: clock, kernel, limits, memory. Facts that cannot be read are None."""

import contextlib
import ctypes
import os
import resource
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import psutil

from hulak.clients.doctor.checks.facts import LimitFacts, MachineFacts, SharedMemoryFacts

CPUS = Path("/sys/devices/system/cpu")
CLOCK_SOURCE = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
SYSCTL = Path("/proc/sys")
CONTROL_GROUPS = Path("/sys/fs/cgroup")
UNSYNCHRONISED = 0x0040  # STA_UNSYNC of adjtimex(2)
TIMEX_BYTES, STATUS_OFFSET = 512, 40  # more than any struct timex has; its field `status` on 64-bit machines


def text_of(path: Path) -> str | None:
    """Return the text of a small file of the system; None if it cannot be read."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return path.read_text(encoding="utf-8").strip()
    return None


def numbers_of(path: Path) -> tuple[int, ...]:
    """Return the whole numbers in a small file of the system; empty if it cannot be read."""
    with contextlib.suppress(ValueError):
        return tuple(map(int, (text_of(path) or "").split()))
    return ()


def number_of(path: Path) -> int | None:
    """Return the first number of a small file of the system; None if there is none."""
    return next(iter(numbers_of(path)), None)


def chosen(text: str | None) -> str | None:
    """Return the choice in brackets: "madvise" of "always [madvise] never"."""
    return None if text is None else next((word.strip("[]") for word in text.split() if word.startswith("[")), None)


def synchronised() -> bool | None:
    """Ask the kernel whether its clock is synchronised; adjtimex(2), which needs no privilege to read."""
    if ctypes.sizeof(ctypes.c_long) != 8:
        return None
    buffer = ctypes.create_string_buffer(TIMEX_BYTES)
    with contextlib.suppress(AttributeError):
        if ctypes.CDLL(None).adjtimex(buffer) >= 0:
            return not int.from_bytes(buffer.raw[STATUS_OFFSET : STATUS_OFFSET + 4], "little") & UNSYNCHRONISED
    return None


def machine(now_s: float, newest_file_s: float | None, owner_id: int) -> MachineFacts:
    """Read clock, kernel and memory.

    Args:
        now_s: seconds since 1970.
        newest_file_s: time of the newest file of the journal.
        owner_id: the user who runs the processes of Hulak.
    """
    governors = Counter(filter(None, map(text_of, CPUS.glob("cpu[0-9]*/cpufreq/scaling_governor"))))
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    ports = numbers_of(SYSCTL / "net/ipv4/ip_local_port_range")
    return MachineFacts(
        now_s=now_s,
        newest_file_s=newest_file_s,
        synchronised=synchronised(),
        clock_source=text_of(CLOCK_SOURCE),
        cores=len(os.sched_getaffinity(0)),
        load=os.getloadavg()[0],
        governors=governors,
        huge_pages=chosen(text_of(HUGE_PAGES)),
        memory_bytes=memory.total,
        available_bytes=memory.available,
        swap_bytes=swap.total,
        swap_used_bytes=swap.used,
        swappiness=number_of(SYSCTL / "vm/swappiness"),
        somaxconn=number_of(SYSCTL / "net/core/somaxconn"),
        ephemeral_ports=(ports[0], ports[1]) if len(ports) == 2 else None,
        first_free_port=number_of(SYSCTL / "net/ipv4/ip_unprivileged_port_start"),
        root=owner_id == 0,
    )


def limits(whose: str, pid: int, owner_id: int) -> LimitFacts:
    """Read the limits of a process; those of this one if it ends or belongs to another user.

    Args:
        whose: for the table, such as "broker, process 12".
        pid: the process.
        owner_id: its user, whose processes and threads are counted.
    """
    process = psutil.Process()
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        process.rlimit(resource.RLIMIT_NOFILE)  # not allowed for the process of another user
        return _limits(whose, process, owner_id)
    return _limits("this command", psutil.Process(), owner_id)


def _limits(whose: str, process: psutil.Process, owner_id: int) -> LimitFacts:
    bound = {
        name: None if (hard := process.rlimit(number)[1]) in (resource.RLIM_INFINITY, -1) else hard
        for name, number in (
            ("open_files", resource.RLIMIT_NOFILE),
            ("processes", resource.RLIMIT_NPROC),
            ("file_bytes", resource.RLIMIT_FSIZE),
            ("address_bytes", resource.RLIMIT_AS),
        )
    }
    if owner_id == 0:  # the kernel does not hold root to it
        bound["processes"] = None
    used = 0 if bound["processes"] is None else threads_of(owner_id)
    groups = list(control_groups(text_of(Path(f"/proc/{process.pid}/cgroup"))))
    return LimitFacts(
        whose=whose,
        **bound,
        processes_used=used,
        cgroup_bytes=least(groups, "memory.max"),
        cgroup_processes=least(groups, "pids.max"),
    )


def threads_of(owner_id: int) -> int:
    """Count the threads of a user: the kernel counts each against RLIMIT_NPROC."""
    count = 0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            count += process.num_threads() if process.uids().real == owner_id else 0
    return count


def control_groups(listing: str | None) -> Iterable[Path]:
    """Return the folders of a process's control group and of all groups above it (cgroup v2).

    Args:
        listing: content of /proc/PID/cgroup.
    """
    for line in (listing or "").splitlines():
        if line.startswith("0::/"):
            folder = CONTROL_GROUPS / line.removeprefix("0::/")
            return [path for path in (folder, *folder.parents) if path.is_relative_to(CONTROL_GROUPS)]
    return []


def least(groups: Iterable[Path], name: str) -> int | None:
    """Return the smallest number in the files of this name; None if none of them sets a bound."""
    return min((number for group in groups if (number := number_of(group / name)) is not None), default=None)


def shared_memory(folder: Path, ring: str) -> SharedMemoryFacts:
    """Read the folder of the ring.

    Args:
        folder: usually /dev/shm.
        ring: path of this broker's ring; empty: it has none.
    """
    try:
        disk = os.statvfs(folder)
    except OSError:
        return SharedMemoryFacts(path=str(folder), exists=False, writable=False, ring=ring)
    return SharedMemoryFacts(
        path=str(folder),
        writable=os.access(folder, os.W_OK),
        disk_bytes=disk.f_blocks * disk.f_frsize,
        free_bytes=disk.f_bavail * disk.f_frsize,
        ring=ring,
    )

"""Checks of the machine: disk, clock, limits, kernel, memory. Pure."""

from collections.abc import Iterator

from hulak.clients.doctor.checks.facts import DoctorFacts
from hulak.clients.doctor.checks.result import CheckResult, bad, fine, size, warn

LEAST_FREE_BYTES = 64 << 20  # below, a start is refused by little: two segments of the journal
DISK_FULL, DISK_FILLING = 0.98, 0.90  # used share; as `disk` of `hulak check`
LEAST_FILES, FEW_FILES = 100, 10_000  # that the disk can still hold
SLOW_SYNC_MS, STUCK_SYNC_MS = 30.0, 500.0  # a posted task is accepted after one sync
SLOW_BYTES_PER_S = 20e6  # a journal at full load is about 15 MB/s
CLOCK_BACK_S = 60.0  # that the clock may be behind the newest file
GOOD_CLOCKS = ("tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page", "xen")
OTHER_FILES = 256  # descriptors that the broker needs beside its connections
LEAST_OPEN_FILES = 512
PROCESSES = 300  # processes and threads of an installation, at most, with room for user workers
OWN_BYTES = 1 << 30  # memory of all processes without tasks and ring, with room
LOW_MEMORY = 0.05  # available share
SWAP_USED = 64 << 20  # bytes of swap in use that are not worth a word
SLOW_GOVERNORS = ("powersave", "conservative", "ondemand")
LEAST_BACKLOG = 100  # libzmq's ZMQ_BACKLOG


def disk(facts: DoctorFacts) -> Iterator[CheckResult]:
    """There is room for the journal, and the disk is fast enough."""
    known, most = facts.home, facts.settings.journal_bytes
    if known.free_bytes is not None and known.disk_bytes:
        used, missing = 1 - known.free_bytes / known.disk_bytes, most - known.journal_bytes - known.free_bytes
        journal = f"the journal has {size(known.journal_bytes)} of {size(most)}"
        seen = f"{size(known.free_bytes)} of {size(known.disk_bytes)} free, {journal}"
        if known.free_bytes < LEAST_FREE_BYTES or used >= DISK_FULL:
            advice = "ticks are published without being journalled when the disk is full; free space, or lower journal.max_bytes"
            yield bad("disk", "space", seen, advice)
        elif missing > 0 or used >= DISK_FILLING:
            more = f"{size(missing)} are missing" if missing > 0 else f"the disk is {used:.0%} full"
            yield warn("disk", "space", f"{seen}: {more}", "free space, or lower journal.max_bytes or journal.max_hours")
        else:
            yield fine("disk", "space", seen)
    if known.free_files is not None and known.free_files < FEW_FILES:
        advice = "remove small files: this file system can hold no more than it was made for (`df -i`)"
        verdict = bad if known.free_files < LEAST_FILES else warn
        yield verdict("disk", "files", f"{known.free_files} more files can be made", advice)
    if known.sync_ms is not None:
        yield _sync(known.sync_ms)
    if known.write_bytes_per_s is not None:
        seen = f"{size(known.write_bytes_per_s)} per second written"
        if known.write_bytes_per_s < SLOW_BYTES_PER_S:
            yield warn("disk", "speed", seen, "a full load of ticks needs about 15 MB per second; use a faster disk")
        else:
            yield fine("disk", "speed", seen)


def _sync(sync_ms: float) -> CheckResult:
    seen = f"{sync_ms:.1f} ms for a small write to be on disk"
    if sync_ms >= STUCK_SYNC_MS:
        return bad(
            "disk", "sync", seen, "every posted task waits for it; look for a failing or overloaded disk (`dmesg`, `iostat -x`)"
        )
    if sync_ms >= SLOW_SYNC_MS:
        return warn("disk", "sync", seen, "every posted task waits for it; use an SSD, or move other writers to another disk")
    return fine("disk", "sync", seen)


def clock(facts: DoctorFacts) -> Iterator[CheckResult]:
    """The clock is right, and cheap to read."""
    known = facts.machine
    if known.newest_file_s is not None and (behind_s := known.newest_file_s - known.now_s) > CLOCK_BACK_S:
        seen = f"the clock is {behind_s:,.0f} s behind the newest file of the journal"
        yield bad("clock", "time", seen, "correct the clock before a start: ticks would be older than those of the past")
    if known.synchronised is False:
        advice = "start a time service, such as chrony: latencies and the age of ticks are measured with this clock"
        yield warn("clock", "synchronised", "with no time server", advice)
    elif known.synchronised:
        yield fine("clock", "synchronised", "with a time server")
    if known.clock_source is not None:
        if known.clock_source in GOOD_CLOCKS:
            yield fine("clock", "source", known.clock_source)
        else:
            advice = "each reading is a call of the kernel; where the machine has tsc, boot with `clocksource=tsc`"
            yield warn("clock", "source", known.clock_source, advice)


def limits(facts: DoctorFacts) -> Iterator[CheckResult]:
    """The limits of open files, processes, file sizes and memory leave room."""
    known, wanted = facts.limits, facts.settings.max_connections + OTHER_FILES
    advice = f"raise it to {max(wanted, 65_536)}: LimitNOFILE= of the unit, or nofile in /etc/security/limits.conf"
    if known.open_files is None:
        yield fine("limits", "open files", "no limit")
    elif known.open_files < LEAST_OPEN_FILES:
        yield bad("limits", "open files", f"{known.open_files:,} ({known.whose})", advice)
    elif known.open_files < wanted:
        seen = (
            f"{known.open_files:,} ({known.whose}), for {facts.settings.max_connections:,} connections (broker.max_connections)"
        )
        yield warn("limits", "open files", seen, advice)
    else:
        yield fine("limits", "open files", f"{known.open_files:,} ({known.whose})")
    room = min(
        (
            most - used
            for most, used in ((known.processes, known.processes_used), (known.cgroup_processes, 0))
            if most is not None
        ),
        default=None,
    )
    if room is not None and room < PROCESSES:
        advice = "raise it: LimitNPROC= and TasksMax= of the unit, or nproc in /etc/security/limits.conf"
        yield warn(
            "limits", "processes", f"room for {max(0, room):,} more, {PROCESSES} are needed at most ({known.whose})", advice
        )
    else:
        yield fine("limits", "processes", "no limit" if room is None else f"room for {room:,} more")
    yield from _sizes(facts)


def _sizes(facts: DoctorFacts) -> Iterator[CheckResult]:
    known = facts.limits
    if known.file_bytes is not None:
        seen = f"files of at most {size(known.file_bytes)} ({known.whose})"
        advice = "remove the limit: LimitFSIZE=infinity of the unit, or fsize in /etc/security/limits.conf"
        verdict = bad if known.file_bytes < facts.settings.segment_bytes else warn
        yield verdict("limits", "file size", seen, advice)
    if known.address_bytes is not None:
        advice = "remove the limit: LimitAS=infinity of the unit; limit the memory with MemoryMax= instead"
        yield warn("limits", "addresses", f"{size(known.address_bytes)} of addresses ({known.whose})", advice)
    wanted = OWN_BYTES + facts.settings.max_task_bytes + facts.settings.ring_bytes
    if known.cgroup_bytes is not None and known.cgroup_bytes < wanted:
        advice = f"allow {size(wanted)} (MemoryMax= of the unit, --memory of a container), or lower broker.max_task_bytes"
        yield warn("limits", "memory", f"{size(known.cgroup_bytes)} for the control group", advice)


def kernel(facts: DoctorFacts) -> Iterator[CheckResult]:
    """Settings of the kernel that cost latency."""
    known = facts.machine
    slow = {name: count for name, count in known.governors.items() if name in SLOW_GOVERNORS}
    if slow:
        seen = ", ".join(f"{name} on {count} of {known.cores} cores" for name, count in slow.items())
        yield warn(
            "kernel", "CPU governor", seen, "a core that has slowed down wakes up late: `cpupower frequency-set -g performance`"
        )
    else:
        yield fine("kernel", "CPU governor", ", ".join(known.governors) or "this machine has none")
    if known.huge_pages == "always":
        advice = "for lower latency: `echo madvise > /sys/kernel/mm/transparent_hugepage/enabled`"
        yield fine("kernel", "huge pages", "transparent for every process", advice)
    elif known.huge_pages is not None:
        yield fine("kernel", "huge pages", known.huge_pages)
    if known.somaxconn is not None and known.somaxconn < LEAST_BACKLOG:
        advice = "connections are refused when many start at once: `sysctl net.core.somaxconn=4096`"
        yield warn("kernel", "somaxconn", f"{known.somaxconn}", advice)
    elif known.somaxconn is not None:
        yield fine("kernel", "somaxconn", f"{known.somaxconn:,}")
    seen = f"{known.cores}, load {known.load:.1f}"
    if known.load > 2 * known.cores:
        yield warn("kernel", "cores", seen, "more processes want to run than there are cores; find them with `top`")
    elif known.cores < 2:
        yield warn("kernel", "cores", seen, "broker, feeds and workers share one core; give the machine a second one")
    else:
        yield fine("kernel", "cores", seen)


def memory(facts: DoctorFacts) -> Iterator[CheckResult]:
    """There is memory, and no process waits for swapped pages."""
    known = facts.machine
    seen = f"{size(known.available_bytes)} of {size(known.memory_bytes)} available"
    if known.available_bytes < LOW_MEMORY * known.memory_bytes or known.available_bytes < LEAST_FREE_BYTES:
        yield warn("memory", "available", seen, "find what uses it with `top`, or lower broker.max_task_bytes")
    else:
        yield fine("memory", "available", seen)
    if not known.swap_bytes:
        yield fine("memory", "swap", "none")
        return
    seen = f"{size(known.swap_used_bytes)} of {size(known.swap_bytes)} in use"
    tendency = "" if known.swappiness is None else f", vm.swappiness is {known.swappiness}"
    if known.swap_used_bytes > SWAP_USED:
        advice = "a page that is read back costs milliseconds: `sysctl vm.swappiness=1`, or MemorySwapMax=0 in the unit"
        yield warn("memory", "swap", seen + tendency, advice)
    elif known.swappiness is not None and known.swappiness > 10:
        yield fine("memory", "swap", seen + tendency, "for lower latency: `sysctl vm.swappiness=1`")
    else:
        yield fine("memory", "swap", seen + tendency)


def shared_memory(facts: DoctorFacts) -> Iterator[CheckResult]:
    """The ring of ticks has its place in memory."""
    known, wanted = facts.memory, facts.settings.ring_bytes
    if not wanted:
        yield fine("memory", "ring", "switched off (broker.ring_bytes is 0)")
    elif known.ring:
        yield fine("memory", "ring", known.ring)
    elif not known.exists or not known.writable:
        seen = f"{known.path} {'cannot be written' if known.exists else 'does not exist'}"
        advice = f"mount it: `mount -t tmpfs tmpfs {known.path}`; until then the ring is a file of the home folder"
        yield warn("memory", "ring", seen, advice)
    elif known.free_bytes < wanted:
        seen = f"{size(known.free_bytes)} of {size(known.disk_bytes)} free in {known.path}, broker.ring_bytes is {size(wanted)}"
        advice = "give it more (`mount -o remount,size=...`; --shm-size of a container), or lower broker.ring_bytes"
        yield warn("memory", "ring", seen, advice)
    else:
        yield fine("memory", "ring", f"{size(known.free_bytes)} free in {known.path}, {size(wanted)} are needed")

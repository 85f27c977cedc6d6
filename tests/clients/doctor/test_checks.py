"""The checks of `hulak doctor`, by numbers: every problem has its level and advice."""

from dataclasses import replace

import pytest

from hulak.clients.doctor.checks.all_checks import examine
from hulak.clients.doctor.checks.facts import (
    AddressFacts,
    BrokerFacts,
    DoctorFacts,
    HomeFacts,
    LimitFacts,
    MachineFacts,
    SettingsFacts,
    SharedMemoryFacts,
    VersionFacts,
)
from hulak.clients.doctor.checks.installation import unmet
from hulak.clients.doctor.checks.result import size
from hulak.clients.judge.situations import Level

GIB = 1 << 30
GOOD = DoctorFacts(
    versions=VersionFacts(
        hulak="1.2.0",
        python=(3, 11, 2),
        libzmq=(4, 3, 5),
        curve=True,
        required=("click>=8.2", "supervisor>=4.3,<5"),
        installed={"click": "8.5.1", "supervisor": "4.3.0"},
    ),
    settings=SettingsFacts(path="/etc/hulak/hulak.toml", mode=0o640),
    home=HomeFacts(
        path="/var/lib/hulak",
        user="root",
        owner="hulak",
        longest_ipc=34,
        filesystem="ext4",
        disk_bytes=100 * GIB,
        free_bytes=50 * GIB,
        free_files=1_000_000,
        sync_ms=2.0,
        write_bytes_per_s=300e6,
    ),
    limits=LimitFacts(whose="broker, process 12", open_files=65_536),
    machine=MachineFacts(
        now_s=1_800_000_000.0,
        newest_file_s=1_799_999_999.0,
        synchronised=True,
        clock_source="tsc",
        governors={"performance": 2},
        huge_pages="madvise",
        swappiness=1,
        somaxconn=4096,
        ephemeral_ports=(32_768, 60_999),
        first_free_port=1024,
    ),
    memory=SharedMemoryFacts(disk_bytes=4 * GIB, free_bytes=4 * GIB),
    addresses=(AddressFacts(setting="gateway.port", host="127.0.0.1", port=5570, free=True),),
    broker=BrokerFacts(pid=12, version="1.2.0", home="/var/lib/hulak"),
)


def changed(part, **values):
    """Return the good facts with some values of one part changed."""
    return replace(GOOD, **{part: replace(getattr(GOOD, part), **values)})


def address(**values):
    """Return the good facts with one other address."""
    return replace(GOOD, addresses=(replace(GOOD.addresses[0], **values),))


def problems(facts):
    """List the results that are not OK: area, check and level."""
    return [(row.area, row.what, row.level.name) for row in examine(facts) if row.level is not Level.OK]


def test_a_good_installation_has_no_problem_and_nothing_to_do():
    rows = examine(GOOD)
    assert problems(GOOD) == []
    assert [row for row in rows if row.advice] == []
    assert len(rows) == len({(row.area, row.what) for row in rows}), "a name of a check is unique"


CASES = [
    (changed("versions", python=(3, 10, 9)), "versions", "python", "CRITICAL"),
    (changed("versions", installed={"click": "8.5.1"}), "versions", "libraries", "CRITICAL"),
    (changed("versions", installed={"click": "8.1.7", "supervisor": "4.3.0"}), "versions", "libraries", "CRITICAL"),
    (changed("versions", installed={"click": "8.2", "supervisor": "5.0"}), "versions", "libraries", "CRITICAL"),
    (changed("versions", libzmq=(4, 2, 5)), "versions", "libzmq", "CRITICAL"),
    (changed("versions", curve=False), "versions", "libzmq", "WARNING"),
    (changed("broker", version="1.1.0"), "versions", "broker", "WARNING"),
    (changed("settings", error="setting broker.ring = 1 is unknown"), "settings", "values", "CRITICAL"),
    (changed("settings", mode=0o644, secrets=["feed.token"]), "settings", "secrets", "WARNING"),
    (changed("home", folder=False), "home", "folder", "CRITICAL"),
    (changed("home", folder=False, exists=False), "home", "folder", "CRITICAL"),
    (changed("home", exists=False, writable=False), "home", "folder", "CRITICAL"),
    (changed("home", owned=False, user="ann"), "home", "folder", "CRITICAL"),
    (changed("home", writable=False), "home", "folder", "CRITICAL"),
    (changed("home", mode=0o755), "home", "mode", "WARNING"),
    (changed("home", longest_ipc=108), "home", "socket paths", "CRITICAL"),
    (changed("home", filesystem="nfs4"), "disk", "file system", "CRITICAL"),
    (changed("home", filesystem="tmpfs"), "disk", "file system", "WARNING"),
    (changed("home", filesystem="overlay"), "disk", "file system", "WARNING"),
    (changed("home", free_bytes=63 << 20), "disk", "space", "CRITICAL"),
    (changed("home", free_bytes=GIB), "disk", "space", "CRITICAL"),  # 99 % full
    (changed("home", free_bytes=9 * GIB), "disk", "space", "WARNING"),  # 91 % full
    (changed("home", disk_bytes=4 * GIB, free_bytes=GIB), "disk", "space", "WARNING"),  # the journal may need 2 GiB
    (changed("home", free_files=9_999), "disk", "files", "WARNING"),
    (changed("home", free_files=99), "disk", "files", "CRITICAL"),
    (changed("home", sync_ms=30.0), "disk", "sync", "WARNING"),
    (changed("home", sync_ms=500.0), "disk", "sync", "CRITICAL"),
    (changed("home", write_bytes_per_s=19e6), "disk", "speed", "WARNING"),
    (address(free=False), "ports", "gateway.port", "CRITICAL"),
    (address(free=False, holder="nginx (process 3)"), "ports", "gateway.port", "CRITICAL"),
    (address(port=443), "ports", "gateway.port", "CRITICAL"),
    (address(port=32_768), "ports", "gateway.port", "WARNING"),
    (changed("machine", newest_file_s=1_800_000_061.0), "clock", "time", "CRITICAL"),
    (changed("machine", synchronised=False), "clock", "synchronised", "WARNING"),
    (changed("machine", clock_source="hpet"), "clock", "source", "WARNING"),
    (changed("limits", open_files=10_255), "limits", "open files", "WARNING"),
    (changed("limits", open_files=511), "limits", "open files", "CRITICAL"),
    (changed("limits", processes=1_000, processes_used=701), "limits", "processes", "WARNING"),
    (changed("limits", cgroup_processes=299), "limits", "processes", "WARNING"),
    (changed("limits", file_bytes=1 << 20), "limits", "file size", "CRITICAL"),
    (changed("limits", file_bytes=8 * GIB), "limits", "file size", "WARNING"),
    (changed("limits", address_bytes=8 * GIB), "limits", "addresses", "WARNING"),
    (changed("limits", cgroup_bytes=GIB), "limits", "memory", "WARNING"),
    (changed("machine", governors={"powersave": 1, "performance": 1}), "kernel", "CPU governor", "WARNING"),
    (changed("machine", somaxconn=99), "kernel", "somaxconn", "WARNING"),
    (changed("machine", cores=1), "kernel", "cores", "WARNING"),
    (changed("machine", load=4.1), "kernel", "cores", "WARNING"),
    (changed("machine", available_bytes=300 << 20), "memory", "available", "WARNING"),
    (changed("machine", swap_bytes=GIB, swap_used_bytes=65 << 20), "memory", "swap", "WARNING"),
    (changed("memory", exists=False, writable=False), "memory", "ring", "WARNING"),
    (changed("memory", writable=False), "memory", "ring", "WARNING"),
    (changed("memory", free_bytes=16 << 20 - 1), "memory", "ring", "WARNING"),
]


@pytest.mark.parametrize(
    ("facts", "area", "what", "level"), CASES, ids=[f"{area} {what} {level}" for _, area, what, level in CASES]
)
def test_each_problem_is_found_alone_and_has_advice(facts, area, what, level):
    assert problems(facts) == [(area, what, level)]
    (row,) = (row for row in examine(facts) if row.level is not Level.OK)
    assert row.seen
    assert row.advice


@pytest.mark.parametrize(
    "facts",
    [
        replace(GOOD, broker=None),
        changed("home", exists=False, owner="root"),
        changed("home", disk_bytes=None, free_bytes=None, free_files=None, sync_ms=None, write_bytes_per_s=None, filesystem=""),
        changed("home", free_bytes=11 * GIB),
        changed("home", disk_bytes=4 * GIB, free_bytes=GIB, journal_bytes=GIB),
        changed("settings", mode=0o644),
        changed("settings", ring_bytes=0),
        address(free=False, ours=True, holder="python (process 12)"),
        replace(address(port=443), machine=replace(GOOD.machine, root=True)),
        replace(address(port=443), machine=replace(GOOD.machine, first_free_port=0)),
        changed("machine", newest_file_s=None, synchronised=None, clock_source=None, huge_pages=None, somaxconn=None),
        changed("machine", governors={}),
        changed("machine", newest_file_s=1_800_000_059.0),
        changed("machine", huge_pages="always"),
        changed("machine", swap_bytes=GIB, swappiness=60),
        changed("limits", open_files=None, processes=1_000, processes_used=700),
        changed("limits", open_files=10_256),
        changed("limits", cgroup_bytes=2 * GIB, cgroup_processes=300),
    ],
)
def test_what_is_unknown_or_costs_little_is_no_problem(facts):
    assert problems(facts) == []


def test_a_broker_of_the_ring_needs_no_more_room_for_it():
    facts = changed("memory", free_bytes=0, ring="/dev/shm/hulak-01.ring")
    assert problems(facts) == []


@pytest.mark.parametrize(
    ("requirement", "version", "bound"),
    [
        ("click>=8.2", "8.2", ""),
        ("click>=8.2", "8.2.0", ""),
        ("click>=8.2", "8.1.99", ">=8.2"),
        ("click>=8.2", "10.0", ""),
        ("supervisor<5,>=4.3", "5.0.0", "<5"),
        ("supervisor<5,>=4.3", "4.10", ""),
        ("pyzmq>=27", "27.0.0rc1", ""),
        ("mdurl~=0.1", "0.2", ""),
        ("nepsepy==1.0.4", "1.0.5", "==1.0.4"),
        ("one", "0", ""),
        ("python-dateutil>2", "2", ">2"),
    ],
)
def test_the_bounds_of_a_requirement(requirement, version, bound):
    assert unmet(requirement, version) == bound


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0.0 kB"), (999_949, "999.9 kB"), (16 << 20, "16.8 MB"), (2e9, "2.0 GB"), (1.5e12, "1.5 TB")]
)
def test_sizes_are_shown_in_decimal_units(count, text):
    assert size(count) == text


@pytest.mark.parametrize(
    ("holder", "advice"),
    [
        ("nginx (process 3)", "stop that process"),
        ("python (process 3 of home /srv/hulak)", "if you mean that one, name its home by HULAK_HOME or --home"),
    ],
)
def test_an_address_of_another_home_may_be_the_one_that_was_meant(holder, advice):
    (row,) = [row for row in examine(address(free=False, holder=holder)) if row.area == "ports"]
    assert row.advice.startswith(advice)

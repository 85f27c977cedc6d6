"""The facts that the checks of `hulak doctor` judge: plain values, read at one moment. Pure. None: not known on this machine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionFacts:
    """Versions of Hulak and of what it needs."""

    hulak: str
    python: Version
    libzmq: Version
    curve: bool  # libzmq can encrypt
    required: Sequence[str] = ()  # as in the package's metadata: "click>=8.2"
    installed: Mapping[str, str] = field(default_factory=dict)  # package -> its version; a missing package is not in it


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsFacts:
    """The settings file, and the settings that other checks need; their defaults if the file cannot be used."""

    path: str
    error: str = ""  # why the settings cannot be used
    mode: int = 0o600  # of the file
    secrets: Sequence[str] = ()  # settings of the file that are secret, and set
    ring_bytes: int = 16 << 20
    max_connections: int = 10_000
    max_task_bytes: int = 256 << 20
    journal_bytes: int = 2 << 30
    segment_bytes: int = 32 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeFacts:
    """The home folder and its disk."""

    path: str
    user: str  # of the command
    exists: bool = True  # as far as the user can see
    folder: bool = True  # not a file; if it does not exist: the nearest path above it
    owner: str = ""  # of the folder; if it does not exist: of the nearest folder above it
    owned: bool = True  # by the user, or the user is root
    mode: int = 0o700
    writable: bool = True  # if it does not exist: it can be made
    longest_ipc: int = 0  # bytes of the longest path of a socket in it
    filesystem: str = ""  # such as "ext4"
    disk_bytes: int | None = None
    free_bytes: int | None = None
    free_files: int | None = None  # None: this file system has no bound
    journal_bytes: int = 0  # of the files in journal/
    sync_ms: float | None = None  # median of small writes that were synced
    write_bytes_per_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressFacts:
    """An address that Hulak binds."""

    setting: str  # such as "broker.frontend"
    host: str
    port: int
    free: bool
    holder: str = ""  # "nginx (process 12)"; empty: not known
    ours: bool = False  # the holder belongs to this home


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerFacts:
    """The broker of this home, if one answers."""

    pid: int
    version: str
    home: str = ""  # as the broker says


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitFacts:
    """Limits of processes; of the broker if one runs, else of the command itself."""

    whose: str  # "broker, process 12"
    open_files: int | None = None  # hard limit; None: no limit
    processes: int | None = None
    processes_used: int = 0  # processes and threads of the user
    file_bytes: int | None = None
    address_bytes: int | None = None
    cgroup_bytes: int | None = None  # memory of the control group
    cgroup_processes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFacts:
    """Clock, kernel and memory."""

    now_s: float  # since 1970, UTC
    newest_file_s: float | None = None  # time of the newest file of the journal
    synchronised: bool | None = None  # the kernel's clock, with a time server
    clock_source: str | None = None
    cores: int = 2
    load: float = 0.0  # of the last minute
    governors: Mapping[str, int] = field(default_factory=dict)  # CPU governor -> cores; empty: the machine has none
    huge_pages: str | None = None  # transparent huge pages: always, madvise or never
    memory_bytes: int = 8 << 30
    available_bytes: int = 4 << 30
    swap_bytes: int = 0
    swap_used_bytes: int = 0
    swappiness: int | None = None
    somaxconn: int | None = None
    ephemeral_ports: tuple[int, int] | None = None  # first and last port that the kernel gives to connections
    first_free_port: int | None = None  # lowest port that a user other than root may bind
    root: bool = False  # the processes of Hulak run as root, or would


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedMemoryFacts:
    """The folder of the ring."""

    path: str = "/dev/shm"  # noqa: S108 - a name to show
    exists: bool = True
    writable: bool = True
    disk_bytes: int = 0
    free_bytes: int = 0
    ring: str = ""  # path of this broker's ring; empty: it has none


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorFacts:
    """Everything that is examined."""

    versions: VersionFacts
    settings: SettingsFacts
    home: HomeFacts
    limits: LimitFacts
    machine: MachineFacts
    memory: SharedMemoryFacts
    addresses: Sequence[AddressFacts] = ()
    broker: BrokerFacts | None = None

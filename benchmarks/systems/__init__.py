"""All systems, by their names on the command line."""

from collections.abc import Callable
from functools import partial

from benchmarks.system import Place, System
from benchmarks.systems.hulak import Hulak
from benchmarks.systems.jetstream import JetStream
from benchmarks.systems.nats import Nats
from benchmarks.systems.redis import Redis
from benchmarks.systems.redis_streams import RedisStreams
from benchmarks.systems.zenoh import Zenoh
from benchmarks.systems.zeromq import Dropping, Plain

SYSTEMS: dict[str, Callable[[Place], System]] = {
    # Hulak: its topic `ticks`, symbol by symbol, and with the package's own Subscriber; by sockets, and by the ring
    "hulak-ticks": Hulak,
    "hulak-ticks-ipc": partial(Hulak, ipc=True),
    "hulak-ticks-shared": partial(Hulak, shared=True),
    "hulak-ticks-shared-ipc": partial(Hulak, shared=True, ipc=True),
    "hulak-ticks-unnumbered": partial(Hulak, numbered=False),
    "hulak-ticks-keys": partial(Hulak, keys=True),
    "hulak-symbols": partial(Hulak, take="symbols"),
    "hulak-symbols-keys": partial(Hulak, keys=True, take="symbols"),
    "hulak-symbols-ipc": partial(Hulak, take="symbols", ipc=True),
    "hulak-ring": partial(Hulak, transport="ring", polled=False),
    "hulak-ring-symbols": partial(Hulak, transport="ring", polled=False, take="symbols"),
    "hulak-ring-polled": partial(Hulak, transport="ring"),
    "hulak-ticks-msgpack": partial(Hulak, by="msgpack"),
    "hulak-symbols-msgpack": partial(Hulak, by="msgpack", take="symbols"),
    "hulak-ticks-msgspec": partial(Hulak, by="msgspec"),
    "hulak-symbols-msgspec": partial(Hulak, by="msgspec", take="symbols"),
    # No broker: PUB to SUB
    "raw": Plain,
    "raw-1f": partial(Plain, frames=1),
    "raw-ipc": partial(Plain, ipc=True),
    # Peers with their Python clients: first those that keep ticks on disk
    "jetstream": JetStream,
    "redis-streams": RedisStreams,
    "valkey-streams": partial(RedisStreams, server="valkey-server"),
    "nats": Nats,
    "nats-tls": partial(Nats, tls=True),
    "redis": Redis,
    "valkey": partial(Redis, server="valkey-server"),
    "zenoh": Zenoh,
    "zenoh-router": partial(Zenoh, router=True),
    "zenoh-advanced": partial(Zenoh, advanced=True),
    "zproxy": partial(Plain, proxy=True),
    "zproxy-1f": partial(Plain, proxy=True, frames=1),
    # Brokers alone: plain sockets at both ends
    "hulak-thin": partial(Hulak, by="thin"),
    "hulak-thin-ipc": partial(Hulak, by="thin", ipc=True),
    "redis-thin": partial(Redis, is_thin=True),
    "valkey-thin": partial(Redis, server="valkey-server", is_thin=True),
    "nats-thin": partial(Nats, is_thin=True),
    "zproxy-1f-thin": partial(Plain, proxy=True, frames=1, is_thin=True),
    "raw-thin": partial(Plain, is_thin=True),
    # Negative control
    "dropping": Dropping,
}
HULAK = ("hulak-ticks", "hulak-symbols", "hulak-ticks-ipc")
STORED = ("jetstream", "redis-streams", "valkey-streams")  # peers that keep ticks on disk, as Hulak does
PEERS = (*STORED, "zenoh-advanced", "nats", "redis", "valkey", "zenoh", "zenoh-router")
NATIVE = ("hulak-ticks", "hulak-ticks-shared", "hulak-symbols", "raw", "zproxy", *PEERS)
THIN = ("hulak-thin", "redis-thin", "valkey-thin", "nats-thin", "zproxy-1f-thin", "raw-thin")

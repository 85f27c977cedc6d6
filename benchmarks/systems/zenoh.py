"""Eclipse Zenoh: from peer to peer, through a router, and the advanced publisher, which repairs gaps from its memory."""

import importlib
import json
import time
from collections.abc import Sequence
from typing import Any

from benchmarks import installed, machine, tick
from benchmarks.board import STOP, Board
from benchmarks.machine import HOST
from benchmarks.recorder import Recorder
from benchmarks.system import SETTLES_S, WAKE_S, Place, Publisher, System
from hulak.bus.wire.codec import unpack

KEYS = [topic.decode().replace(".", "/") for topic in tick.TOPICS]
ALL = "tick/*"
KEPT = 2000  # ticks of each symbol that an advanced publisher keeps
HEARTBEAT_S = 0.25  # as Hulak's


def session(mode: str, *, listen: str = "", connect: str = "") -> Any:
    """Open a session that finds no other than the given one.

    Args:
        mode: peer, client or router.
        listen: endpoint, if it listens.
        connect: endpoint, if it connects.
    """
    zenoh: Any = importlib.import_module("zenoh")
    configuration = zenoh.Config()
    for key, value in {
        "mode": mode,
        "scouting/multicast/enabled": False,
        "scouting/gossip/enabled": False,
        "listen/endpoints": [listen] if listen else [],
        "connect/endpoints": [connect] if connect else [],
        "connect/timeout_ms": int(SETTLES_S * 1000),
        "connect/exit_on_failure": True,
    }.items():
        configuration.insert_json5(key, json.dumps(value))
    return zenoh.open(configuration)


class ZenohPublisher:
    """A publisher for each symbol; the library collects ticks into batches by itself."""

    def __init__(self, opened: Any, *, advanced: bool) -> None:
        zenoh: Any = importlib.import_module("zenoh")
        self.session = opened
        block = {"congestion_control": zenoh.CongestionControl.BLOCK}  # the default drops ticks
        if advanced:
            ext: Any = importlib.import_module("zenoh.ext")
            cache, detection = ext.CacheConfig(KEPT), ext.MissDetectionConfig(heartbeat=HEARTBEAT_S)
            options = {**block, "cache": cache, "sample_miss_detection": detection}
            self.publishers = [ext.declare_advanced_publisher(opened, key, **options) for key in KEYS]
        else:
            self.publishers = [opened.declare_publisher(key, **block) for key in KEYS]

    def send(self, number: int) -> None:
        """Send a tick."""
        self.publishers[number % tick.KINDS].put(tick.encode(number))

    def flush(self) -> None:
        """Do nothing: the library sends by itself."""

    def close(self) -> None:
        """Close the session."""
        for publisher in self.publishers:
            publisher.undeclare()
        self.session.close()


class Zenoh(System):
    """A session for the publisher and for each subscriber, over TCP.

    Args:
        place: of the cell.
        router: a router between them; without one, subscribers connect to the publisher.
        advanced: numbered ticks, heartbeats, and repairs from the publisher's memory.
    """

    def __init__(self, place: Place, *, router: bool = False, advanced: bool = False) -> None:
        super().__init__(place)
        self.router, self.advanced = router, advanced
        self.mode = "client" if router else "peer"
        self.endpoint = f"tcp/{HOST}:{place.ports[0]}"

    def missing(self) -> str | None:
        """Return what is not installed; None if nothing is missing."""
        return installed.missing(None, ["zenoh"])

    def start(self) -> None:
        """Start the router, if there is one."""
        if self.router:
            self.spawn_python("benchmarks.zenoh_router", self.endpoint)
            machine.connect_tcp(self.place.ports[0]).close()

    def publisher(self) -> Publisher:
        """Connect to the router, or listen."""
        where = {"connect": self.endpoint} if self.router else {"listen": self.endpoint}
        return ZenohPublisher(session(self.mode, **where), advanced=self.advanced)

    def consume(self, recorders: Sequence[Recorder], board: Board) -> None:
        """Subscribe to all symbols; the library calls back."""
        opened = [self._subscribe(recorder) for recorder in recorders]
        while not board.slots[STOP]:
            time.sleep(WAKE_S)
        for subscriber, connected in opened:
            subscriber.undeclare()  # before its session: else an advanced one does not end
            connected.close()

    def _subscribe(self, recorder: Recorder) -> tuple[Any, Any]:
        def take(sample: Any) -> None:
            recorder.record(unpack(sample.payload.to_bytes()))
            recorder.progress()

        connected = session(self.mode, connect=self.endpoint)
        if self.advanced:
            ext: Any = importlib.import_module("zenoh.ext")
            subscriber = ext.declare_advanced_subscriber(connected, ALL, take, recovery=ext.RecoveryConfig(heartbeat=True))
        else:
            subscriber = connected.declare_subscriber(ALL, take)
        recorder.ready()
        return subscriber, connected

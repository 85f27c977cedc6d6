"""The tick service of the broker: collector, publisher, journal and replays around the pure `BrokerState`. PROTOCOL.md section 3.

The ticks of one iteration are numbered, written to the journal with one `write`, and then published: no subscriber receives a
tick that a restarted broker would not know.
"""

import contextlib
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import zmq
from zmq.backend import zmq_poll

from hulak.bus.broker.bug_guard import BugGuard, internal
from hulak.bus.broker.connections import Connections
from hulak.bus.broker.slow_clients import ClientConnections
from hulak.bus.broker.socket_monitor import PeerConnection, connection_of
from hulak.bus.broker.storage.journal import Journal
from hulak.bus.broker.storage.journal_reader import JournalReader
from hulak.bus.broker.subscriber_cutoff import SlowSubscribers
from hulak.bus.broker.tick_keys import TickKeys
from hulak.bus.broker.tick_ring import TickRing
from hulak.bus.core.broker_state import BrokerState
from hulak.bus.core.control_requests import ReplayArguments, range_of
from hulak.bus.core.effects import Asker, Effect, ToClient
from hulak.bus.core.journal.record_format import Snapshot
from hulak.bus.core.ticks.intake import IntakeTurn
from hulak.bus.core.ticks.replay_queue import ReplayQueue
from hulak.bus.core.ticks.subscriber_roster import SubscriberRoster
from hulak.bus.errors import ConfigError, ProtocolError
from hulak.bus.process import listening, sockets
from hulak.bus.process.log_type import Log
from hulak.bus.process.settings import Settings
from hulak.bus.process.socket_poll import SocketPoll
from hulak.bus.wire.messages import Error, Part, Reply
from hulak.bus.wire.names import HEARTBEAT, HELLO
from hulak.bus.wire.subscriber_names import SUBSCRIBER, decode_note

MAX_TICKS = 512  # in an iteration: then waiting task messages are read; 512 ticks take about 1.3 ms
MAX_TICK_BYTES = 1 << 18  # in an iteration, likewise: 512 large ones would be one message of 32 MiB on `ticks`
SUBSCRIBING_S = 0.002  # in an iteration: some hundred subscriptions, or one snapshot of many topics
REBIND_TRIES = 200  # every 5 ms: libzmq releases an address in its own thread


class TickService:
    """The broker's sockets and journal of ticks.

    Args:
        context: of the broker.
        settings: checked.
        home: with the ipc sockets.
        journal: open.
        bus: the state.
        connections: of all sockets of the broker.
        reject: called for refused bytes with socket and error.
        guard: counts and logs bugs.
        log: of this process.
        entry: the peers that may connect by TCP.
    Raises:
        ConfigError: an address cannot be bound.
    """

    def __init__(
        self,
        context: "zmq.Context[zmq.Socket[bytes]]",
        settings: Settings,
        home: Path,
        journal: Journal,
        bus: BrokerState,
        connections: Connections,
        reject: Callable[[str, ProtocolError], None],
        guard: BugGuard,
        log: Log,
        entry: listening.TcpEntry,
    ) -> None:
        self.context = context
        self.settings = settings
        self.home = home
        self.journal = journal
        self.bus = bus
        self.reject = reject
        self.guard = guard
        self.log = log
        self.reader = JournalReader(journal)
        self.replays = ReplayQueue(self.reader)
        self.client_connections = ClientConnections()
        self.poller = SocketPoll()
        self.strange = False  # bytes that are no subscription came since the publisher's queue was last empty
        self.connections = connections
        self.subscribers: SubscriberRoster[PeerConnection] = SubscriberRoster()
        self.slow = SlowSubscribers(settings.broker.subscriber_bytes, self.subscribers)
        self.entry = entry
        terms = connections.terms("collector")
        self.collector = listening.bind(context, settings.broker, home, "collector", *terms, entry)
        self.publisher = self._bind_publisher()
        self.published = 0  # bytes
        self.ring: TickRing | None = None
        self.keys: TickKeys | None = None  # set if there are keys, before the first message is read

    def _bind_publisher(self) -> "zmq.Socket[bytes]":
        terms = self.connections.terms("publisher", self.slow.gone)
        return listening.bind(self.context, self.settings.broker, self.home, "publisher", *terms, self.entry)

    def open_ring(self) -> None:
        """Make the ring for readers on this machine, if the settings and the machine allow it."""
        self.ring = TickRing.make(self.settings.broker.ring_bytes, self.bus.epoch, self.home, self.log)
        self.bus.topics.ring = self.ring is not None

    def register(self, poller: SocketPoll) -> None:
        """Add both sockets to the loop's poll."""
        self.poller = poller
        poller.register(self.collector, zmq.POLLIN)
        poller.register(self.publisher, zmq.POLLIN)

    # Ticks

    def ticks(self, now: float) -> None:
        """Receive the ticks that have arrived, bounded: number them, write them to the journal, publish them."""
        frames = self._frames() if self.keys is None else self.keys.frames(self.collector, MAX_TICKS, MAX_TICK_BYTES)
        turn = self.bus.turn(frames, now, time.time_ns())
        if turn.taken:
            self._write_down(turn, now)
        elif turn.instances and not self.journal.degraded:
            self.bus.intake.journalled(turn.instances)  # all of them were refused: there is nothing to write
        if self.ring is not None and turn.rows is not None:
            self.ring.write_ticks(turn.rows)
        send, publisher = sockets.send_frame, self.publisher
        for message in turn.messages:
            send(publisher, message)
        self.published += sum(map(len, turn.messages))

    def _frames(self) -> list[bytes]:
        """Receive what has arrived, bounded. At a low rate it is one message: to ask for another costs more than to look."""
        receive, socket, room = sockets.receive_frame, self.collector, MAX_TICK_BYTES
        frames: list[bytes] = []
        with contextlib.suppress(zmq.Again):
            for _ in range(MAX_TICKS):
                frames.append(frame := receive(socket, sockets.NOBLOCK))
                room -= len(frame)
                if room <= 0 or (len(frames) == 1 and not zmq_poll([(socket, zmq.POLLIN)], 0)):
                    break
        return frames

    def _write_down(self, turn: IntakeTurn, now: float) -> None:
        if self.journal.append(turn.batch, now):
            self.bus.intake.journalled(turn.instances)
            return
        self._follow_epoch(turn)
        self.journal.hold(turn.batch)
        self.log_notices()

    def _follow_epoch(self, turn: IntakeTurn | None = None) -> None:
        """Adopt the journal's epoch, which changes when it degrades; `turn` was not published yet."""
        if self.bus.epoch != self.journal.epoch:
            self.bus.begin_epoch(self.journal.epoch, turn)

    def log_notices(self) -> None:
        """Write the journal's notices to the log."""
        for notice in self.journal.notices:
            notice.write(self.log)
        self.journal.notices.clear()

    def publish(self, message: bytes | None) -> None:
        """Publish a message of the bus, if it has subscribers."""
        if message is not None:
            sockets.send_frame(self.publisher, message)
            self.published += len(message)

    def beat(self, now: float) -> None:
        """Run the periodic work of the journal, and cut off subscribers that do not read."""
        if self.journal.beat(now, self.state):
            self.bus.intake.journalled(list(self.bus.intake.sources))
        self._follow_epoch()
        self.log_notices()
        there = self.connections.monitors["publisher"].known.values()
        for note, peer in self.slow.poll(there, self.published, now, partial(self.connections.end, "publisher")):
            self.bus.cut_off += 1
            fields = {"subscriber": note.name, "pid": note.pid, "peer": peer}
            self.log.warning("subscriber cut off", **fields, took_nothing_of_bytes=self.settings.broker.subscriber_bytes)

    def publish_last_sequences(self, now: float) -> None:
        """Publish the topics' last numbers."""
        del now
        message = self.bus.topics.heartbeat(time.time_ns())
        if self.ring is not None and message is not None:
            self.ring.write(message)
        if self.bus.topics.logs[HEARTBEAT].wanted:
            self.publish(message)

    def state(self) -> Snapshot:
        """Return the state that a segment of the journal begins with."""
        return self.bus.snapshot(self.journal.boot, time.time_ns())

    # Subscriptions

    def subscriptions(self) -> None:
        """Answer subscriptions with their last values, for `SUBSCRIBING_S` at most; the rest waits for the next iteration.

        In this mode of XPUB the send that follows an event goes to that event's subscriber alone, so a send must follow each
        subscription, and the last event of all. Bytes that are no subscription are not paired with a subscriber inside
        libzmq, which shifts the pairs behind them in its queue: if events follow such bytes before the queue was empty, in this
        iteration or a later one, the socket is rebound, so that all subscribers subscribe again.
        """
        receive, until, answered = sockets.receive_frame, time.monotonic() + SUBSCRIBING_S, True
        if self.ring is not None:
            self.bus.topics.hello["ring"] = self.ring.place()
        try:
            while True:
                frame = receive(self.publisher, sockets.NOBLOCK, False)  # a frame: it knows its connection and its key
                event = frame.bytes
                if event[:1] not in (b"\0", b"\1"):
                    self.strange, answered = True, False
                    if self.keys is not None:
                        self.keys.strange(frame)
                    self.reject("publisher", ProtocolError("BAD_FRAME", f"{len(event)} bytes are no subscription"))
                elif self.strange:
                    self._rebind_publisher()
                    return
                else:
                    answered = self._subscription(event[:1] == b"\1", event[1:], frame)
                if time.monotonic() >= until:
                    break
        except zmq.Again:
            self.strange = False
        if not answered:  # with keys it may go to a peer that must not know of the ring
            self.publish(self.bus.topics.welcome(HELLO, time.time_ns(), local=self.keys is None))

    def _subscription(self, on: bool, prefix: bytes, frame: zmq.Frame) -> bool:
        """Process one event; true if a message was sent to its subscriber."""
        topics, local = self.bus.topics, True
        if len(prefix) > sockets.MAX_SUBSCRIPTION:
            self.reject("publisher", ProtocolError("TOO_LARGE", f"a subscription of {len(prefix)} bytes"))
            if self.keys is not None:
                self.keys.too_large(frame)
            return False
        if prefix.startswith(SUBSCRIBER):
            if (self.keys is None or self.keys.note(frame)) and on:
                self._take_note(prefix, frame)
            return False
        if self.keys is not None:
            permitted, caller = self.keys.subscriber(self.publisher, frame)
            if not permitted:
                return on
            local = caller is None
        if on:
            self.publisher.setsockopt(zmq.SUBSCRIBE, prefix)
            topics.subscribe(prefix)
            self.publish(topics.welcome(prefix, time.time_ns(), local=local))
            return True
        self.publisher.setsockopt(zmq.UNSUBSCRIBE, prefix)
        topics.unsubscribe(prefix)
        return False

    def _take_note(self, subscription: bytes, frame: zmq.Frame) -> None:
        """Record a subscriber's note, which matches no topic, and is not subscribed to."""
        connection = connection_of(frame)
        try:
            note = decode_note(subscription)
        except ProtocolError as error:
            self.reject("publisher", error)
            return
        if connection is not None:
            self.subscribers.record(connection, note, time.monotonic())

    def _rebind_publisher(self) -> None:
        self.log.warning("publisher rebound", why="bytes that are no subscription came before subscriptions")
        self.poller.unregister(self.publisher)
        self.publisher.disable_monitor()
        self.publisher.close(linger=0)
        self.strange = False
        self.subscribers.clear()
        self.bus.topics.forget_subscriptions()
        if self.keys is not None:
            self.keys.rebound()
        for _ in range(REBIND_TRIES):
            with contextlib.suppress(ConfigError):
                self.publisher = self._bind_publisher()
                break
            time.sleep(0.005)
        else:
            raise ConfigError(f"the publisher's address {self.settings.broker.publisher} could not be bound again")
        self.poller.register(self.publisher, zmq.POLLIN)

    # Replays

    def replay(self, asker: Asker, args: ReplayArguments, now: float) -> list[Effect]:
        """Replay ticks from the journal, slice by slice; replaces a replay under way of the same client and topic.

        Raises:
            ProtocolError: `BAD_ARGUMENT`, `BAD_TOPIC`, `UNKNOWN_TOPIC`, `TOO_OLD`, `OTHER_EPOCH` or `BUSY`.
        """
        replay = self.reader.begin(range_of(args), self.bus.topics)
        replaced = self.replays.begin(asker.client, asker.request, replay, now)
        self.client_connections.note(asker.client, asker.connection)
        if replaced is None:
            return []
        text = "the same client asked for a replay of the same topic again"
        return [ToClient(asker.client, Error(replaced, "REPLACED", text))]

    def drop_replays(self, peer: bytes) -> None:
        """Drop the replays of a client, named as the frontend's messages name it."""
        for address in [address for address in self.replays.lines if address[1:] == peer]:
            self.replays.drop(address)

    def step_replays(self, now: float) -> list[Effect]:
        """Read one slice of one replay; returns the messages with its ticks."""
        effects: list[Effect] = []
        for turn in self.replays.turn(now, self.client_connections.reads):
            address, request_id, replay = turn.address, turn.request, turn.replay
            if turn.rows is not None:
                replay.parts += 1
                effects.append(ToClient(address, Part(request_id, replay.parts, turn.rows)))
            if turn.error is not None:
                self.guard.report("replays", turn.error)
                effects.append(ToClient(address, internal(request_id, turn.error)))
            elif replay.ended:
                effects.append(ToClient(address, Reply(request_id, replay.summary())))
        if not self.replays:
            self.client_connections.clear()
        return effects

    # Statistics, and the end

    def stats(self) -> dict[str, Any]:
        """Return the state of the journal."""
        journal = self.journal
        return {
            "state": "degraded" if journal.degraded else "live",
            "why": journal.degraded,
            "oldest": (journal.segments[0].ticks if journal.segments else self.bus.topics.ticks) + 1,
            "segments": len(journal.segments),
            "bytes": sum([segment.stored for segment in journal.segments]),
            "plain_bytes": sum([segment.size for segment in journal.segments]),
            "since_ns": journal.segments[0].since_ns if journal.segments else 0,
            **journal.upkeep.stats(),
            "held": journal.held.ticks,
            "lost": journal.lost,
            "let_go": journal.segment_files.gone,
            "corrupt_bytes": journal.recovered.corrupt_bytes,
            "torn_bytes": journal.recovered.torn_bytes,
            "aside": [path.name for path in journal.recovered.aside],
            **_space(journal.space),
            "syncs": journal.syncs,
            "replays": len(self.replays),
            "replays_served": self.replays.served,
        }

    def close(self) -> None:
        """Close the journal, remove the ring; the sockets end with the broker's context."""
        if self.ring is not None:
            self.ring.close()
        self.reader.close()
        self.journal.close()


def _space(sizes: tuple[int, int] | None) -> dict[str, int]:
    return {} if sizes is None else {"free_bytes": sizes[0], "disk_bytes": sizes[1]}

"""A site's stream in JetStream: made or compared, its last message, acknowledged publishing, reading from a sequence.

The server's reply says what a stream is: one before 2.10 leaves out options that it does not know, without an error.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nats.aio.client import Client as NatsClient
from nats.errors import Error as NatsError
from nats.errors import TimeoutError as NatsTimeout
from nats.js import api
from nats.js.client import JetStreamContext
from nats.js.errors import NotFoundError

from hulak.bus.errors import ConfigError
from hulak.bus.process.log_type import Log
from hulak.bus.process.settings import BridgeSettings
from hulak.clients.bridge.spans import live_subjects, stream_name, subjects
from hulak.clients.bridge.state import CONNECTED, CONNECTING, State

ANSWER_S = 5.0  # of the server, to any request
PING_S = 5  # between two checks of a silent connection, which ends after three
RECONNECT_S = 0.5
PENDING_BYTES = 16 << 20  # not written to the socket yet, at most
READ_MESSAGES = 64  # in one request of a reader
UNUSED_S = 60.0  # after which the server forgets a reader that is gone
MOST_NOTED = 100  # different errors of the connection in the log
FAILURES = (NatsError, OSError, asyncio.TimeoutError)  # of the connection or the server: tried again


async def connect(settings: BridgeSettings, log: Log, state: State) -> Any:
    """Connect to the servers of the settings, without limit of time; returns the client of nats-py.

    Raises:
        ConfigError: a file of the settings cannot be read.
    """

    noted: set[str] = set()

    async def note(error: Exception) -> None:
        text = repr(error)
        if text not in noted and len(noted) < MOST_NOTED:  # each attempt to reconnect has its own
            noted.add(text)
            log.warning("error of NATS", error=text)

    async def lost() -> None:
        log.warning("connection to NATS lost", servers=settings.servers)

    async def rows() -> None:
        log.info("connection to NATS restored", server=client.connected_url and client.connected_url.netloc)

    given: dict[str, Any] = {
        "tls": _tls(settings),
        "user_credentials": settings.credentials and str(settings.credentials),
        "reconnect_time_wait": RECONNECT_S,  # its type there is int, and any number of seconds does
    }
    options = {name: value for name, value in given.items() if value is not None}
    if settings.credentials is not None and not settings.credentials.is_file():
        raise ConfigError(f"setting bridge.credentials is {str(settings.credentials)!r}, must be a file that can be read")
    while True:
        client = NatsClient()
        try:
            await client.connect(
                servers=[server.strip() for server in settings.servers.split(",")],
                name=f"hulak bridge {settings.site}",
                error_cb=note,
                disconnected_cb=lost,
                reconnected_cb=rows,
                allow_reconnect=True,
                max_reconnect_attempts=-1,
                ping_interval=PING_S,
                pending_size=PENDING_BYTES,
                **options,
            )
        except FAILURES as error:
            with contextlib.suppress(*FAILURES):
                await client.close()
            if not state.why:
                log.warning("NATS not reached", servers=settings.servers, why=repr(error))
            state.become(CONNECTING, f"NATS at {settings.servers} is not reached: {error!r}")
            await asyncio.sleep(RECONNECT_S)
        else:
            log.info("connected to NATS", server=str(client.connected_server_version))
            state.become(CONNECTED)
            return client


def _tls(settings: BridgeSettings) -> ssl.SSLContext | None:
    if settings.tls_ca is None and settings.tls_cert is None:
        return None  # a server that wants TLS gets it, with the certificates of the system
    try:
        context = ssl.create_default_context(cafile=settings.tls_ca)
        if settings.tls_cert is not None:
            context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"setting bridge.tls_ca, tls_cert or tls_key: {error}; must be files in PEM that can be read"
        ) from error
    return context


@dataclass(frozen=True, slots=True)
class Stored:
    """A message of a stream."""

    sequence: int
    subject: str
    headers: Mapping[str, str] | None
    body: bytes


class Stream:
    """The stream of one site.

    Args:
        client: of nats-py, connected.
        site: its name.
    """

    def __init__(self, client: Any, site: str) -> None:
        self.client = client
        self.site = site
        self.name = stream_name(site)
        self.context: JetStreamContext = client.jetstream(timeout=ANSWER_S)

    async def make(self, settings: BridgeSettings) -> None:
        """Make the stream, or compare the one that is there.

        Raises:
            ConfigError: a stream of this name has another configuration.
            APIError: the server refused it.
        """
        await make_stream(self.context, configuration(settings), ", and the journal has the ticks")

    async def state(self) -> api.StreamState | None:
        """Return the stream's state; None if there is no such stream."""
        try:
            return (await self.context.stream_info(self.name)).state
        except NotFoundError:
            return None

    async def get(self, sequence: int) -> Stored | None:
        """Return one message; None if it is not there."""
        try:
            message = await self.context.get_msg(self.name, sequence)
        except NotFoundError:
            return None
        return Stored(sequence, message.subject or "", message.headers, message.data or b"")

    async def publish(self, subject: str, body: bytes, headers: dict[str, str]) -> api.PubAck:
        """Publish a message and wait until it is stored."""
        return await self.context.publish(subject, body, timeout=ANSWER_S, headers=headers)

    async def read_from(self, sequence: int) -> "StreamReader":
        """Make a reader of all messages from a sequence on."""
        config = api.ConsumerConfig(
            deliver_policy=api.DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=sequence,
            ack_policy=api.AckPolicy.NONE,
            inactive_threshold=UNUSED_S,
            mem_storage=True,
            num_replicas=1,
        )
        return StreamReader(await self.context.pull_subscribe(subjects(self.site), stream=self.name, config=config))


class StreamReader:
    """An ephemeral consumer; its user compares the numbers of the messages, and makes another one where they jump.

    Args:
        subscription: of nats-py.
    """

    def __init__(self, subscription: JetStreamContext.PullSubscription) -> None:
        self._subscription = subscription
        self.behind = 0  # messages behind the last one that was fetched

    async def fetch(self, wait_s: float) -> list[Stored]:
        """Return the next messages; none if there is none in time."""
        # nats-py waits until a batch is full: only messages that are there already are fetched together.
        count = max(1, min(READ_MESSAGES, self.behind))
        try:
            messages = await self._subscription.fetch(count, timeout=wait_s)
        except (TimeoutError, NatsTimeout):
            self.behind = 0
            return []
        rows = []
        for message in messages:
            about = message.metadata
            self.behind = about.num_pending or 0
            rows.append(Stored(about.sequence.stream, message.subject, message.headers, message.data))
        return rows

    async def close(self) -> None:
        """End the consumer, if the server can be reached."""
        with contextlib.suppress(*FAILURES):
            await self._subscription.unsubscribe()


def configuration(settings: BridgeSettings) -> api.StreamConfig:
    """Return what the stream of this site is to be: only its size bounds it, so that its last message always stays."""
    return api.StreamConfig(
        name=stream_name(settings.site),
        description="ticks of a Hulak broker, see docs/bridge.md; only its bridge may publish here",
        subjects=[subjects(settings.site)],
        retention=api.RetentionPolicy.LIMITS,
        storage=api.StorageType.FILE,
        discard=api.DiscardPolicy.OLD,
        max_bytes=settings.stream_bytes,
        max_msgs=-1,
        max_age=0,
        num_replicas=settings.replicas,
        republish=api.RePublish(src=subjects(settings.site), dest=live_subjects(settings.site)),
    )


COMPARED: dict[str, Callable[[Any], Any]] = {
    "subjects": list,
    "retention": str,
    "storage": str,
    "discard": str,
    "max_msgs": int,
    "max_age": float,
    "max_msgs_per_subject": int,
    "republish": lambda value: value and {"src": value.src, "dest": value.dest},
    "sealed": bool,
}


async def make_stream(context: JetStreamContext, wanted: api.StreamConfig, after: str = "") -> None:
    """Make a stream, or compare the one of its name that is there.

    Args:
        context: of the connection.
        wanted: its configuration.
        after: end of the error's text, for what a stream that is deleted and made again has.
    Raises:
        ConfigError: a stream of this name has another configuration.
        APIError: the server refused it.
    """
    try:
        info = await context.stream_info(wanted.name or "")
    except NotFoundError:
        info = await context.add_stream(wanted)
    if differences := compare(wanted, info.config):
        text = f"stream {wanted.name} in NATS is not as the bridge needs it: {'; '.join(differences)}"
        raise ConfigError(f"{text}; change it with the nats tool, or delete it: the bridge makes it again{after}")


def compare(wanted: api.StreamConfig, seen: api.StreamConfig) -> list[str]:
    """List what of a stream's configuration is not as wanted. The operator may change its size and its replicas."""
    return [
        f"{name} is {_plain(read, seen, name)!r}, must be {_plain(read, wanted, name)!r}"
        for name, read in COMPARED.items()
        if _plain(read, seen, name) != _plain(read, wanted, name)
    ]


def _plain(read: Callable[[Any], Any], config: api.StreamConfig, name: str) -> Any:
    value = getattr(config, name)
    value = getattr(value, "value", value)
    return None if value is None else read(value)

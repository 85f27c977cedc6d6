"""The second dialect around a dispatcher, without a socket: frames in, frames out."""

from hulak.bus.backoff import Backoff
from hulak.bus.broker.dialects import Dialects
from hulak.bus.broker.majordomo import Majordomo
from hulak.bus.core.effects import ToClient, ToWorker
from hulak.bus.core.tasks.dispatcher import Dispatcher
from hulak.bus.core.tasks.policy import Policy
from hulak.bus.errors import ProtocolError

ID = bytes.fromhex("101112131415161718191a1b1c1d1e1f")
GIVEN = ID + b"\0\0\0\1"  # the client's address as a worker gets it: the task and the attempt
SENDER = b"\0\1\2\3\4"
C, W = b"MDPC02", b"MDPW02"
LIMIT = 1000


class MajordomoFixture:
    """The second dialect of a dispatcher whose effects become the frames that would be sent."""

    def __init__(self):
        policy = Policy(heartbeat_s=0.25, lease_s=1.5, soft_s=20.0, hard_s=40.0, timeout_s=60.0, retries=3)
        self.now = 100.0
        self.core = Dispatcher(7, policy, Backoff(0.5, 60.0, lambda: 0.5), self.now)
        self.dialect = Majordomo(self.core, 7.5, LIMIT)
        self.peers = Dialects(self.core, self.dialect, lambda: ID, lambda *_: None)

    def sent(self, effects):
        """Return what goes out, without empty messages."""
        messages = [effect for effect in effects if isinstance(effect, ToClient | ToWorker)]
        return [parts for message in messages for parts in self.peers.encode(message.identity, message.message)]

    def worker(self, *rest, sender=SENDER):
        parts = [sender, W, *rest]
        try:
            return self.sent(self.peers.command(self.now, parts))
        except ProtocolError as error:
            return [error.code, *self.sent(self.peers.refused(self.now, parts, error))]

    def client(self, *body, service=b"echo", sender=b"c"):
        address, [request], _ = self.peers.requests([sender, C, b"\1", service, *body])
        return self.sent(self.core.request(self.now, address, request))

    def pass_time(self, seconds):
        self.now += seconds
        return self.sent(self.core.advance(self.now))

    def workers(self):
        return [worker.service for worker in self.core.roster]

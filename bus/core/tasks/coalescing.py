"""Equal reads that are under way at one time are done once, and answer all who asked. PROTOCOL.md section 4.2. Pure."""

from dataclasses import dataclass, field

from hulak.bus.wire.codec import pack
from hulak.bus.wire.messages import Request


@dataclass(slots=True)
class Coalescing:
    """Which task answers which requests.

    A request that allows it (option `share`) and is equal to a task that was made from such a one, in service, action and
    arguments, follows it.
    """

    _leaders: dict[bytes, bytes] = field(default_factory=dict)  # what is asked for -> the task that is at it
    led: dict[bytes, bytes] = field(default_factory=dict)  # such a task -> what it is asked for
    _followers: dict[bytes, dict[bytes, bytes]] = field(default_factory=dict)  # such a task -> request id -> client
    _leader_of: dict[bytes, bytes] = field(default_factory=dict)  # id of a request that follows -> the task

    def __contains__(self, task: bytes) -> bool:
        return task in self.led

    def lead(self, request: Request) -> None:
        """Note that this request's task is at it: equal ones may follow."""
        key = _key(request)
        self._leaders[key] = request.id
        self.led[request.id] = key

    def follow(self, request: Request, client: bytes) -> bytes | None:
        """Let a request follow the task that is at the same, and return that task's id; None if there is none.

        A request that follows already, and comes again from a new connection, is answered there.
        """
        leader = self._leader_of.get(request.id) or self._leaders.get(_key(request))
        if leader is None or leader == request.id:
            return None
        self._followers.setdefault(leader, {})[request.id] = client
        self._leader_of[request.id] = leader
        return leader

    def followers(self, task: bytes) -> list[tuple[bytes, bytes]]:
        """List who follows a task: client, request id."""
        return [(client, request_id) for request_id, client in self._followers.get(task, {}).items()]

    def end(self, task: bytes) -> None:
        """Forget a task that has ended, and who followed it."""
        key = self.led.pop(task, None)
        if key is None:
            return
        if self._leaders.get(key) == task:
            del self._leaders[key]
        for request_id in self._followers.pop(task, {}):
            del self._leader_of[request_id]


def _key(request: Request) -> bytes:
    return pack([request.service, request.action, sorted(request.args.items(), key=lambda one: one[0])])

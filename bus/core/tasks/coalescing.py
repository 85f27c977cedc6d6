"""Request coalescing: equal concurrent reads run once, and all requests get the answer. PROTOCOL.md section 4.2. Pure."""

from dataclasses import dataclass, field

from hulak.bus.wire.codec import pack
from hulak.bus.wire.messages import Request


@dataclass(slots=True)
class Coalescing:
    """The tasks that answer shared requests.

    A request with the option `share` follows a task that was made from such a request with equal service, action and arguments.
    """

    _leaders: dict[bytes, bytes] = field(default_factory=dict)  # service, action and arguments -> the task
    led: dict[bytes, bytes] = field(default_factory=dict)  # such a task -> its service, action and arguments
    _followers: dict[bytes, dict[bytes, bytes]] = field(default_factory=dict)  # such a task -> request id -> client
    _leader_of: dict[bytes, bytes] = field(default_factory=dict)  # id of a following request -> the task

    def __contains__(self, task: bytes) -> bool:
        return task in self.led

    def lead(self, request: Request) -> None:
        """Record this request's task: equal requests may follow it."""
        key = _key(request)
        self._leaders[key] = request.id
        self.led[request.id] = key

    def follow(self, request: Request, client: bytes) -> bytes | None:
        """Let a request follow an equal task, and return the task's id; None if there is none.

        A following request that is repeated on a new connection is answered there.
        """
        leader = self._leader_of.get(request.id) or self._leaders.get(_key(request))
        if leader is None or leader == request.id:
            return None
        self._followers.setdefault(leader, {})[request.id] = client
        self._leader_of[request.id] = leader
        return leader

    def followers(self, task: bytes) -> list[tuple[bytes, bytes]]:
        """Return the followers of a task: client, request id."""
        return [(client, request_id) for request_id, client in self._followers.get(task, {}).items()]

    def end(self, task: bytes) -> None:
        """Remove a task that has ended, and its followers."""
        key = self.led.pop(task, None)
        if key is None:
            return
        if self._leaders.get(key) == task:
            del self._leaders[key]
        for request_id in self._followers.pop(task, {}):
            del self._leader_of[request_id]


def _key(request: Request) -> bytes:
    return pack([request.service, request.action, sorted(request.args.items(), key=lambda item: item[0])])

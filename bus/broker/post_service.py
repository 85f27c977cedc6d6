"""The way of a posted task into the broker: room, the store, the dispatcher, the answer. PROTOCOL.md section 6.2.

What the store says is so: it alone knows which ids and keys there are, and does one post after the other. So a key whose task was
not written, or was dropped, is free; and of two posts with one key the second means what became of the first.
"""

import time
from collections.abc import Callable
from functools import partial

from bus.broker.callbacks import Answer, CarryOut
from bus.broker.storage import dead_letters, task_rows
from bus.broker.storage.database import Database
from bus.broker.storage.task_rows import PostingOutcome
from bus.broker.task_backlog import TaskBacklog
from bus.core import control_requests
from bus.core.tasks.dispatcher import Dispatcher
from bus.core.tasks.moments import Moment
from bus.core.tasks.policy import too_many, too_much
from bus.core.tasks.posted import Posting, posting_of
from bus.errors import ProtocolError
from bus.wire.messages import Reply, Request


class PostService:
    """Takes posts.

    Args:
        database: open.
        dispatcher: carries the tasks.
        backlog: of tasks that are older than any post.
        key_keep_s: seconds for which a key means the same task.
        moment: tells the present one.
        answer: sends a message to a client.
        carry_out: carries out effects.
    """

    def __init__(
        self,
        database: Database,
        dispatcher: Dispatcher,
        backlog: TaskBacklog,
        key_keep_s: float,
        moment: Callable[[], Moment],
        answer: Answer,
        carry_out: CarryOut,
    ) -> None:
        self.database = database
        self.dispatcher = dispatcher
        self.backlog = backlog
        self.key_keep_s = key_keep_s
        self.moment = moment
        self.answer = answer
        self.carry_out = carry_out
        self.coming = 0  # posts on their way to the store
        self.coming_bytes = 0  # of their arguments

    def post(self, client: bytes, request: Request, args: control_requests.PostArguments, now: float) -> None:
        """Take a task."""
        del now
        self._put(client, request.id, posting_of(request.id, args, self.dispatcher.policy))

    def retry(self, client: bytes, request: Request, args: control_requests.TaskIdArguments, now: float) -> None:
        """Post a dead letter anew: a task of its own, so that the old one has ended once."""
        del now
        task = args.task

        def then(posting: Posting | None, why: str) -> None:
            if why:
                raise ProtocolError("STORE_FAILED", why)
            if posting is None:
                raise ProtocolError("UNKNOWN_TASK", f"there is no dead letter {task.hex()}")
            self._put(client, request.id, posting, partial(dead_letters.post, letter=task))

        self.database.put(partial(dead_letters.read, task=task, new_id=request.id), then, (client, request.id))

    def _put(
        self, client: bytes, request_id: bytes, posting: Posting, how: Callable[..., PostingOutcome | None] = task_rows.post
    ) -> None:
        size = len(posting.args)
        full = self._full(size)
        self.coming += 1
        self.coming_bytes += size
        job = partial(how, posting=posting, moment=self.moment(), keep_s=self.key_keep_s, room=full is None)
        self.database.put(job, partial(self._posted, client, request_id, posting, full), (client, request_id))

    def _full(self, size: int) -> ProtocolError | None:
        """Say why there is no room for one more task with so many bytes of arguments; None: there is."""
        dispatcher, policy = self.dispatcher, self.dispatcher.policy
        count = len(dispatcher.tasks) + self.coming
        if count >= policy.max_tasks or self.backlog.more:  # those that wait in the store come first
            return too_many(count)
        taken = dispatcher.size + self.coming_bytes
        return too_much(taken, policy) if taken + size > policy.max_task_bytes else None

    def _posted(
        self,
        client: bytes,
        request_id: bytes,
        posting: Posting,
        full: ProtocolError | None,
        posted: PostingOutcome | None,
        why: str,
    ) -> None:
        self.coming -= 1
        self.coming_bytes -= len(posting.args)
        if why:
            raise ProtocolError("STORE_FAILED", f"the task was not accepted: {why}")
        if posted is None:
            raise full or ProtocolError("BUSY", "there is no room for it")
        if posted.new:
            now = time.monotonic()
            self.carry_out(self.dispatcher.accept(now, posting.task(now)), now)
        told = {"task": posted.task, "state": posted.state, "new": posted.new}
        self.answer(client, Reply(request_id, told))

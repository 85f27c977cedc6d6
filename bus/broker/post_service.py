"""The steps of a post: room, the store, the dispatcher, the answer. PROTOCOL.md section 6.2.

The store decides: it alone knows all ids and keys, and runs one post after the other. So a key whose task was not written, or was
dropped, is free; and of two posts with one key the second returns the task of the first.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby

from hulak.bus.broker.storage import dead_letters
from hulak.bus.broker.storage.database import Job
from hulak.bus.broker.storage.task_rows import PostingOutcome
from hulak.bus.broker.storage.task_writes import PostWrite
from hulak.bus.broker.store_effects import BrokerEffect, Post, Store, check_stored
from hulak.bus.broker.task_backlog import TaskBacklog
from hulak.bus.core.control_requests import PostArguments, TaskIdArguments
from hulak.bus.core.effects import Asker
from hulak.bus.core.tasks.dispatcher import Dispatcher
from hulak.bus.core.tasks.moments import Moment
from hulak.bus.core.tasks.policy import too_many, too_much
from hulak.bus.core.tasks.posted import Posting, posting_of
from hulak.bus.core.tasks.task_queue import CalledTask
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.trace_context import TaskTrace

NO_ROOM = ProtocolError("BUSY", "there is no room for it")


class PostService:
    """Accepts posts.

    Args:
        dispatcher: runs the tasks.
        backlog: the tasks that are older than any post.
        key_keep_s: seconds for which a key means the same task.
        moment: returns the present moment.
    """

    def __init__(self, dispatcher: Dispatcher, backlog: TaskBacklog, key_keep_s: float, moment: Callable[[], Moment]) -> None:
        self.dispatcher = dispatcher
        self.backlog = backlog
        self.key_keep_s = key_keep_s
        self.moment = moment
        self.coming = 0  # posts being written to the store
        self.coming_bytes = 0  # bytes of their arguments

    def post(self, asker: Asker, args: PostArguments, now: float) -> list[BrokerEffect]:
        """Accept a task; answers when it is in the store."""
        del now
        return [Post(asker, posting_of(asker.request, args, self.dispatcher.policy))]

    def retry(self, asker: Asker, args: TaskIdArguments, now: float) -> list[BrokerEffect]:
        """Post a dead letter again as a new task, so that each task ends once; see `dead_letters.post`."""
        del now
        task = args.task

        def then(posting: Posting | None, why: str) -> list[BrokerEffect]:
            check_stored(why)
            if posting is None:
                raise no_dead_letter(task)
            return self.put(asker, posting, partial(partial, dead_letters.post, letter=task))

        return [Store(partial(dead_letters.read, task=task, new_id=asker.request), then, [asker])]

    def put(self, asker: Asker, posting: Posting, how: Callable[..., Job]) -> list[BrokerEffect]:
        """Post a task in another way.

        Args:
            asker: is answered when the task is in the store.
            posting: the task.
            how: makes the job that writes it, of `posting` and the arguments of `PostWrite`; its value is one outcome.
        """
        full = self._reserve(posting)
        job = how(posting=posting, moment=self.moment(), keep_s=self.key_keep_s, room=full is None)

        def then(posted: PostingOutcome | None, why: str) -> list[BrokerEffect]:
            return self._posted([Post(asker, posting)], full, [posted], why)

        return [Store(job, then, [asker])]

    def put_together(self, posts: Sequence[Post]) -> list[Store]:
        """Post tasks with one job, as far as there is room for them; those without room have separate jobs."""
        stores: list[Store] = []
        for full, alike in groupby(posts, lambda post: self._reserve(post.posting)):
            some = list(alike)
            job = PostWrite([post.posting for post in some], self.moment(), self.key_keep_s, room=full is None)
            stores.append(Store(job, partial(self._posted, some, full), [post.asker for post in some]))
        return stores

    def room_for(self, most: int, each: int) -> int:
        """Return for how many tasks of at most `each` bytes of arguments there is room, at most `most`."""
        if not self.backlog.known or self._full(each) is not None:
            return 0
        policy = self.dispatcher.policy
        count = policy.max_tasks - len(self.dispatcher.tasks) - self.coming
        return min(most, count, (policy.max_task_bytes - self.dispatcher.size - self.coming_bytes) // each)

    def reserve(self, count: int, size: int) -> None:
        """Keep room for tasks that are being written to the store; give it back with negative numbers."""
        self.coming += count
        self.coming_bytes += size

    def _reserve(self, posting: Posting) -> ProtocolError | None:
        """Keep room for a task; returns why there is none."""
        size = len(posting.args)
        full = self._full(size)
        self.coming += 1
        self.coming_bytes += size
        return full

    def _full(self, size: int) -> ProtocolError | None:
        """Return why there is no room for one more task with `size` bytes of arguments; None if there is room."""
        dispatcher, policy = self.dispatcher, self.dispatcher.policy
        count = len(dispatcher.tasks) + self.coming
        if count >= policy.max_tasks or self.backlog.more:  # tasks that wait in the store come first
            return too_many(count)
        taken = dispatcher.size + self.coming_bytes
        return too_much(taken, policy) if taken + size > policy.max_task_bytes else None

    def _posted(
        self, posts: Sequence[Post], full: ProtocolError | None, outcomes: Sequence[PostingOutcome | None] | None, why: str
    ) -> list[BrokerEffect]:
        self.reserve(-len(posts), -sum([len(post.posting.args) for post in posts]))
        if why and len(posts) > 1:  # one of them may be the reason: each is tried alone
            return [store for post in posts for store in self.put_together([post])]
        check_stored(why, "the task was not accepted")
        now = time.monotonic()
        fresh: list[CalledTask] = []
        answers: list[BrokerEffect] = []
        for post, posted in zip(posts, outcomes or (), strict=True):
            asker, posting = post.asker, post.posting
            if posted is None or posted.is_gone or posted.is_other:
                answers.append(asker.refuse(_refusal(posting, posted, full)))
                continue
            if posted.new:
                task = posting.task(now)
                task.trace = None if asker.trace is None else TaskTrace(asker.trace, now)
                fresh.append(task)
            answers.append(asker.reply({"task": posted.task, "state": posted.state, "new": posted.new}))
        return [*self.dispatcher.accept(now, fresh), *answers]


def no_dead_letter(task: bytes) -> ProtocolError:
    """Return the error for a task that is no dead letter."""
    return ProtocolError("UNKNOWN_TASK", f"there is no dead letter {task.hex()}; `hulak dead ls` lists all")


def _refusal(posting: Posting, posted: PostingOutcome | None, full: ProtocolError | None) -> ProtocolError:
    """Return why a post was not accepted; of a task of another service it tells nothing: a key may have no rights for it."""
    if posted is None:
        return full or NO_ROOM
    if posted.is_gone:
        return no_dead_letter(posted.task)
    which = "this id" if posting.key is None else f"the key {posting.key!r} or this id"
    return ProtocolError("BAD_ARGUMENT", f"a task of another service has {which}; the task was not accepted, use another one")

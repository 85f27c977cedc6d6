"""The app of `taskiq worker benchmarks.tasks.apps.taskiq_app:broker`."""

import os
from typing import Any

from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend

from benchmarks.tasks import work
from benchmarks.tasks.apps import REDIS

broker = ListQueueBroker(url=os.environ[REDIS]).with_result_backend(
    RedisAsyncResultBackend(redis_url=os.environ[REDIS], result_ex_time=60)
)


async def _noop(given: dict[str, Any]) -> int:
    return work.noop(given)


noop = broker.task(task_name="noop")(_noop)

"""The app of `arq benchmarks.tasks.apps.arq_app.Settings`."""

import os
from collections.abc import Mapping
from typing import Any

from arq.connections import RedisSettings

from benchmarks.tasks import work
from benchmarks.tasks.apps import REDIS


async def noop(context: object, given: Mapping[str, Any]) -> int:
    """Run a task."""
    del context
    return work.noop(given)


class Settings:
    """The worker's settings; it polls for tasks as often as the client polls for results."""

    functions = (noop,)
    redis_settings = RedisSettings.from_dsn(os.environ[REDIS])
    poll_delay = 0.002  # s; the default of 0.5 s would dominate the measurement
    max_jobs = 100
    keep_result = 60  # s

"""The app of `celery -A benchmarks.tasks.apps.celery_app worker`."""

import os

from celery import Celery

from benchmarks.tasks import work
from benchmarks.tasks.apps import REDIS

app = Celery("benchmark", broker=os.environ[REDIS], backend=os.environ[REDIS])
app.conf.update(
    broker_connection_retry_on_startup=True,
    result_expires=600,
    task_track_started=False,
    worker_hijack_root_logger=False,
    worker_prefetch_multiplier=4,
    worker_send_task_events=False,
)
noop = app.task(name="noop")(work.noop)

"""The app of `dramatiq benchmarks.tasks.apps.dramatiq_app`."""

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

from benchmarks.tasks import work
from benchmarks.tasks.apps import REDIS

broker = RedisBroker(url=os.environ[REDIS])
broker.add_middleware(Results(backend=RedisBackend(url=os.environ[REDIS])))
dramatiq.set_broker(broker)
noop = dramatiq.actor(store_results=True, actor_name="noop")(work.noop)

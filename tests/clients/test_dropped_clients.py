"""Clients that a program drops without closing them: they go, also where they are part of a cycle of references."""

import asyncio
import gc
import weakref

import psutil
import pytest
from local_bus import LocalBus
from waiting import eventually

from hulak.clients.calls.async_client import AsyncBusClient
from hulak.clients.calls.client import BusClient
from hulak.clients.subscriber import Subscriber


@pytest.fixture(scope="module")
def local_bus():
    with LocalBus() as running:
        running.start_broker()
        yield running


def client(local_bus):
    made = BusClient(local_bus.settings, local_bus.home)
    made.call("hulak.stats", timeout_s=20)
    return made


def async_client(local_bus):
    made = AsyncBusClient(local_bus.settings, local_bus.home)
    asyncio.run(made.call("hulak.stats", timeout_s=20))
    return made


def subscriber(local_bus):
    made = Subscriber("ticks", settings=local_bus.settings, home=local_bus.home, timeout_s=20)
    assert made.wait_until_subscribed(20)
    return made


def drop(made):
    """Drop it as a part of a cycle; returns a reference that tells whether it is gone, and the descriptors there were."""
    made.part_of_a_cycle = [made]
    gone, before = weakref.ref(made), psutil.Process().num_fds()
    del made
    return gone, before


@pytest.mark.parametrize("make", [client, async_client, subscriber])
def test_a_client_that_is_dropped_lets_its_descriptors_go(local_bus, make):
    process, counts = psutil.Process(), []
    for _ in range(3):  # the first one may leave something behind that all share
        gone, before = drop(make(local_bus))
        gc.collect()
        assert gone() is None
        eventually(lambda: process.num_fds() < before, within_s=10)  # noqa: B023 - libzmq closes sockets in its own thread
        counts.append(process.num_fds())
    eventually(lambda: process.num_fds() <= counts[0], within_s=10)

"""The input of the gateway from the broker."""

import time
from types import SimpleNamespace

import pytest

from hulak.bus.process.settings import Settings
from hulak.bus.wire.messages import Tick
from hulak.clients.gateway.bus_source import BusSource
from hulak.clients.gateway.state_cache import StateCache


def test_ticks_are_loaded_again_when_topics_were_removed(tmp_path):
    source = BusSource(Settings(), tmp_path, StateCache(), lambda stats: None)

    def receive(removed):
        source._receive("stats", SimpleNamespace(body={"ticks": {"removed": removed}}))

    assert source.request_ticks(True)
    source.cache.take_ticks([Tick("X", 1.0, 1.1, 5, "x")])
    for removed in (3, 3):
        receive(removed)
        assert not source.request_ticks(True)
    assert list(source.cache.ticks) == ["X"]
    receive(4)
    assert source.request_ticks(True)
    assert (list(source.cache.ticks), source.request_ticks(True)) == ([], False)


def test_the_silence_of_a_broker_counts_from_its_last_heartbeat(tmp_path):
    source = BusSource(Settings(), tmp_path, StateCache(), lambda stats: None)
    assert source.broker_silence_s(time.monotonic() + 60) is None, "there was none yet"
    source._receive("heartbeat", SimpleNamespace(body={}))
    now = time.monotonic()
    assert source.broker_silence_s(now + 1.5) == pytest.approx(1.5, abs=0.1)

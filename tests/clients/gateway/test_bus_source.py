"""The input of the gateway from the broker."""

import time
from types import SimpleNamespace

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


def test_a_broker_is_silent_a_second_after_its_last_heartbeat(tmp_path):
    source = BusSource(Settings(), tmp_path, StateCache(), lambda stats: None)
    assert not source.is_silent(time.monotonic() + 60), "there was none yet"
    source._receive("heartbeat", SimpleNamespace(body={}))
    now = time.monotonic()
    assert [source.is_silent(now + later_s) for later_s in (0.5, 1.5)] == [False, True]

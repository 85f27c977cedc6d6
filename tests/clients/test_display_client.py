"""The display client's names, ticks and statistics, without a broker."""

import pytest

from hulak.bus.errors import BusError
from hulak.bus.wire.messages import Tick
from hulak.clients.displays.fx_names import config_of, tick_of
from hulak.clients.displays.stats import memory_usage, worker_stats


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("priceBucketMultiplier", "price_bucket_multiplier"),
        ("distributionDepthMode", "distribution_depth_mode"),
        ("adrLookbackDays", "adr_lookback_days"),
        ("maxMarkerDecay", "max_marker_decay_s"),
        ("performanceMonitoring", "performance_monitoring"),
        ("show_flash", "show_flash"),
    ],
)
def test_the_front_ends_names_mean_live_keys(name, key):
    assert config_of({name: 1}) == {key: 1}


def test_two_names_for_one_key_are_refused():
    with pytest.raises(BusError, match="twice"):
        config_of({"showFlash": True, "show_flash": False})


def test_a_tick_keeps_what_belongs_to_it_and_nothing_else():
    given = {"symbol": "eurusd", "bid": 1, "ask": 2.5, "timestamp": 1_701_234_567_890.9, "volume": 3}
    assert tick_of("EURUSD", given, "me") == Tick("EURUSD", 1.0, 2.5, 1_701_234_567_890, "me")
    assert tick_of("X", {"bid": 0, "ask": 0, "timestamp": 1_701_234_567_890}, "me").bid == 0.0  # the original dropped it


@pytest.mark.parametrize(
    "change",
    [
        {"bid": float("inf")},
        {"ask": None},
        {"ask": True},
        {"timestamp": 3},
        {"timestamp": 1_701_234_567},
        {"timestamp": "1"},
        {"symbol": "USDJPY"},
    ],
)
def test_what_is_no_tick_of_this_symbol_is_refused(change):
    with pytest.raises(BusError) as caught:
        tick_of("EURUSD", {"bid": 1.0, "ask": 2.0, "timestamp": 1_701_234_567_890, **change}, "me")
    assert caught.value.code == "BAD_TICK"


def stats(*workers, assigned=2):
    return {
        "broker": {"rss_bytes": 100},
        "journal": {"state": "live"},
        "ticks": {"taken": 50},
        "displays": {"displays": 2, "assigned": assigned, "most": 10, "created": 3, "removed": 1},
        "processes": [
            {"kind": "feed", "age_s": 0.1, "rss_bytes": 7},
            *({"kind": "display", "age_s": 0.1, **worker} for worker in workers),
        ],
    }


def test_worker_stats_are_weighed_over_all_workers():
    fast = {"ticks": 30, "catching_up": 0, "latency": {"mean_us": 1000.0, "count": 3}}
    slow = {"ticks": 10, "catching_up": 0, "latency": {"mean_us": 5000.0, "count": 1}}
    figures = worker_stats(stats(fast, slow))
    assert (figures["activeWorkers"], figures["maxWorkers"], figures["workersCreated"], figures["workersTerminated"]) == (
        2,
        10,
        3,
        1,
    )
    assert (figures["averageLatency"], figures["ticksFolded"], figures["ticksDispatched"]) == (2.0, 40, 50)
    assert figures["connectionHealthy"]
    assert worker_stats(stats(fast))["averageLatency"] == 1.0
    assert worker_stats(stats())["averageLatency"] is None


def test_displays_without_a_worker_or_behind_are_not_healthy():
    assert not worker_stats(stats(assigned=1))["connectionHealthy"]
    assert not worker_stats(stats({"catching_up": 1}))["connectionHealthy"]


def test_memory_and_its_trend_are_those_of_all_display_workers():
    trend = {"window_s": 60.0, "change": 10, "per_minute": 5.0, "direction": "increasing"}
    still = {"window_s": 30.0, "change": -1, "per_minute": -1.0, "direction": "stable"}
    figures = memory_usage(stats({"rss_bytes": 20, "memory": trend}, {"rss_bytes": 30, "memory": still}), 1000)
    assert (figures["available"], figures["current"], figures["total"], figures["limit"]) == (True, 50, 157, 1000)
    assert figures["trend"] == {"window_s": 30.0, "change": 9, "per_minute": 4.0, "direction": "increasing"}
    assert memory_usage(stats({"rss_bytes": 20, "memory": None}), 1000)["trend"] is None
    dead = {"rss_bytes": 90, "memory": trend, "age_s": 60.0}
    assert memory_usage(stats({"rss_bytes": 20, "memory": None}, dead), 1000)["current"] == 20, "of those that report"
    assert memory_usage(stats(), 1000) == memory_usage(stats(dead), 1000) == {"available": False}

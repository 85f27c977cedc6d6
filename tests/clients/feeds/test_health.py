"""A feed's health, with time as a number and chance as a constant: nothing here waits."""

import random

import pytest
from vectors import rows, vectors

from hulak.bus.backoff import Backoff
from hulak.bus.wire.messages import Tick
from hulak.clients.feeds.health import NEXT, SHOWN, FeedHealth, FeedState, HealthLimits, verdict
from hulak.clients.feeds.subscriptions import Subscriptions
from hulak.clients.feeds.venues.dialect import Heartbeat, Ready, Subscribed, SymbolError

LIMITS = HealthLimits(data_s=60.0, heartbeat_s=30.0, degraded_s=300.0)


def health(*symbols, now=0.0, chance=0.5):
    return FeedHealth(LIMITS, Backoff(0.5, 15.0, lambda: chance), Subscriptions(symbols, 15.0), now)


def connected(*symbols, now=0.0):
    feed = health(*symbols, now=now)
    feed.connect(now)
    feed.open(now)
    for symbol in symbols:
        feed.subscriptions.due(now)
        feed.record(Subscribed(symbol), now)
    assert feed.judge(now) == ""
    assert feed.state is FeedState.CONNECTED
    return feed


def tick(symbol="EURUSD"):
    return Tick(symbol, 1.0, 2.0, 7, "fx")


# States


def test_every_state_leads_to_connected_and_can_be_stopped():
    for state in FeedState:
        reached, front = {state}, [state]
        while front:
            for following in NEXT[front.pop()].values():
                if following not in reached:
                    reached.add(following)
                    front.append(following)
        assert FeedState.CONNECTED in reached, state
        assert "stop" in NEXT[state] or state is FeedState.DISCONNECTED


def test_transitions_that_the_original_forbids_are_forbidden():
    legal = vectors("fx_backend")["legal_moves"]
    names = {FeedState.RESTORING: "HANDSHAKING"}  # between the connection and being connected
    for state, moves in NEXT.items():
        if state is FeedState.STALE:
            continue  # the original drops the connection without a state for it
        ours = {names.get(move, move.name) for move in moves.values() if move is not FeedState.STALE}
        assert ours <= set(legal[names.get(state, state.name)]) | ({"DISCONNECTED"} if state is FeedState.BACKOFF else set())


def test_a_transition_that_is_not_in_the_table_raises():
    with pytest.raises(KeyError):
        health().open(0.0)


def test_after_twenty_refused_connections_attempt_21_is_made():
    feed, now, delays = health(), 0.0, []
    for _ in range(20):
        feed.connect(now)
        delays.append(feed.lose(now))
        assert feed.state is FeedState.BACKOFF
        now += delays[-1]
    assert delays == [0.25, 0.5, 1.0, 2.0, 4.0, *[7.5] * 15]
    feed.connect(now)
    assert (feed.state, feed.attempts) == (FeedState.CONNECTING, 20)
    feed.open(now)
    assert feed.state is FeedState.RESTORING


def test_any_walk_ends_connected_when_the_venue_comes_back():
    for seed in range(200):
        chance, feed, now = random.Random(seed), health("A"), 0.0
        for _ in range(60):
            now += chance.choice((0.1, 5.0, 40.0, 400.0))
            step(feed, chance.choice(("heartbeat", "tick", "ack", "error", "lose", "look", "connect")), now)
        for what in ("lose", "connect", "ack", "tick", "look"):
            now += 0.1
            step(feed, what, now)
        assert feed.state is FeedState.CONNECTED, seed


def step(feed, what, now):
    alive = feed.state in (FeedState.RESTORING, FeedState.CONNECTED, FeedState.DEGRADED)
    match what:
        case "connect" if feed.state in (FeedState.BACKOFF, FeedState.DISCONNECTED):
            feed.connect(now)
            feed.open(now)
            feed.subscriptions.due(now)
        case "lose" if feed.state not in (FeedState.BACKOFF, FeedState.DISCONNECTED):
            feed.lose(now)
        case "heartbeat" if alive:
            feed.record(Heartbeat(), now)
        case "tick" if alive:
            feed.record(tick("A"), now)
        case "ack" if alive:
            feed.record(Subscribed("A"), now)
        case "error" if alive:
            feed.record(SymbolError("A", "SYMBOL_NOT_FOUND", ""), now)
        case "look":
            feed.subscriptions.due(now)
            if feed.judge(now):
                feed.lose(now)


# Ages


def test_the_verdicts_of_the_originals_health_sensor():
    names = {"fresh": "HEALTHY", "quiet": "DEGRADED", "silence": "STALE"}
    data_ms = heartbeat_ms = 0
    checked = 0
    for row in rows(vectors("fx_backend")["health"]):
        match row["op"]:
            case "start":
                data_ms = heartbeat_ms = row["at_ms"]
            case "data":
                data_ms = row["at_ms"]
            case "hb":
                heartbeat_ms = row["at_ms"]
            case "check" if row["status"] != "UNKNOWN":
                seen = verdict((row["at_ms"] - data_ms) / 1000, (row["at_ms"] - heartbeat_ms) / 1000, LIMITS)
                assert names[seen] == row["status"], row
                checked += 1
    assert checked == 10


def test_heartbeats_alone_are_degraded_until_data_comes():
    feed = connected()
    feed.record(tick(), 10.0)
    feed.record(Heartbeat(), 60.0)
    assert (feed.judge(70.0), feed.state) == ("", FeedState.CONNECTED)
    assert (feed.judge(70.1), feed.state) == ("", FeedState.DEGRADED)
    feed.record(tick(), 80.0)
    assert (feed.judge(80.0), feed.state) == ("", FeedState.CONNECTED)


def test_neither_data_nor_heartbeats_is_stale_and_closes_the_connection():
    feed = connected()
    feed.record(tick(), 10.0)
    feed.record(Heartbeat(), 40.0)
    assert "no data for 60 s and no heartbeat for 30 s" in feed.judge(70.1)
    assert feed.state is FeedState.STALE
    feed.lose(70.2)
    assert feed.state is FeedState.BACKOFF


def test_degraded_becomes_stale_when_the_heartbeats_stop_too():
    feed = connected()
    feed.record(Heartbeat(), 60.0)
    assert feed.judge(61.0) == ""
    assert feed.state is FeedState.DEGRADED
    assert feed.judge(90.0) == ""
    assert feed.judge(90.1) != ""
    assert feed.state is FeedState.STALE


def test_a_weekend_of_heartbeats_reconnects_periodically():
    feed = connected()
    now, why = 0.0, ""
    while not why:
        now += 5.0
        feed.record(Heartbeat(), now)
        why = feed.judge(now)
    assert (why, now) == ("degraded for 300 s: heartbeats without data", 370.0)


def test_data_that_never_came_is_as_old_as_the_connection():
    feed = connected(now=1000.0)
    assert feed.judge(1060.0) == ""
    assert feed.judge(1060.1) != ""
    assert feed.report(1060.1)["data_age_s"] is None


def test_data_from_before_the_connection_does_not_count():
    feed = connected(now=0.0)
    feed.record(tick(), 1.0)
    feed.lose(2.0)
    feed.connect(500.0)
    feed.open(500.0)
    assert feed.judge(560.0) == ""
    assert feed.judge(560.1) != ""
    assert feed.report(560.1)["data_age_s"] == 559.1


def test_while_restoring_missing_data_is_tolerated_but_silence_is_not():
    feed = health("A", "B")
    feed.connect(0.0)
    feed.open(0.0, wait_for_ready=True)
    feed.record(Heartbeat(), 50.0)
    assert (feed.judge(70.0), feed.state) == ("", FeedState.RESTORING)
    assert feed.judge(80.1) != ""
    assert feed.state is FeedState.STALE


def test_a_connection_that_hangs_after_open_is_dropped():
    feed = health("A")
    feed.connect(0.0)
    feed.open(0.0, wait_for_ready=True)
    now = 0.0
    while not feed.judge(now):
        feed.subscriptions.due(now)
        now += 0.1
        assert now < 61.0
    assert feed.lose(now) < 1.0


# Attempts


@pytest.mark.parametrize(("brought_until", "attempts"), [(None, 4), (10.0, 4), (15.1, 1)])
def test_only_a_proven_connection_resets_the_delays(brought_until, attempts):
    feed = health()
    for _ in range(3):
        feed.connect(0.0)
        feed.lose(0.0)
    feed.connect(0.0)
    feed.open(0.0)
    if brought_until is not None:
        feed.record(tick(), brought_until)
    feed.lose(20.0)
    assert feed.attempts == attempts


# Symbols and reports


def test_each_symbol_has_its_own_age():
    feed = connected("EURUSD", "USDJPY", "GBPUSD")
    feed.record(tick("EURUSD"), 50.0)
    feed.record(tick("USDJPY"), 1.0)
    assert feed.stale_symbols(60.0) == []
    assert feed.stale_symbols(61.1) == ["USDJPY", "GBPUSD"]
    assert feed.state is FeedState.CONNECTED


def test_symbols_that_were_not_requested_have_ages_too():
    feed = connected()
    feed.record(tick("EURUSD"), 1.0)
    feed.record(tick("USDJPY"), 50.0)
    assert (feed.report(61.1)["symbols"], feed.stale_symbols(61.1)) == (2, ["EURUSD"])


def test_ready_releases_the_subscriptions():
    feed = health("A")
    feed.connect(0.0)
    feed.open(0.0, wait_for_ready=True)
    assert feed.subscriptions.due(1.0) == []
    feed.record(Ready(), 1.0)
    assert feed.subscriptions.due(1.0) == ["A"]


def test_a_report_is_complete_and_bounded():
    names = [f"S{number:02d}" for number in range(30)]
    feed = connected(*names)
    feed.record(Heartbeat(), 61.5)
    for name in names:
        feed.record(SymbolError(name, "SYMBOL_NOT_FOUND", "no such symbol"), 1.0)
    feed.judge(62.0)
    assert feed.report(63.0) == {
        "state": "degraded",
        "since_s": 1.0,
        "attempts": 0,
        "connections": 1,
        "asked_to_wait_s": 0.0,
        "data_age_s": None,
        "heartbeat_age_s": 1.5,
        "symbols_named": 30,
        "symbol_names": names,
        "symbol_changes": {},
        "symbols": 30,
        "stale": 30,
        "stale_symbols": names[:SHOWN],
        "errors": 30,
        "symbol_errors": dict.fromkeys(names[:SHOWN], "SYMBOL_NOT_FOUND: no such symbol"),
    }
    feed.stop(64.0)
    assert feed.report(64.0)["state"] == "disconnected"


def test_the_next_attempt_waits_as_long_as_the_venue_asks():
    feed = connected("A")
    assert (feed.lose(10.0, 86_400.0), feed.report(70.0)["asked_to_wait_s"]) == (86_400.0, 86_340.0)
    feed.connect(86_410.0)
    assert (feed.report(86_410.0)["asked_to_wait_s"], feed.lose(86_411.0) < 15.0) == (0.0, True)


def test_a_failing_feed_does_not_affect_another():
    broken, well = connected("A"), connected("A")
    well.record(tick("A"), 59.0)
    assert broken.judge(61.0) != ""
    assert (well.judge(61.0), well.state, well.attempts) == ("", FeedState.CONNECTED, 0)

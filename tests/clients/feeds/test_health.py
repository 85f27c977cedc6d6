"""A feed's health, with time as a number and chance as a constant: nothing here waits."""

import random

import pytest
from vectors import rows, vectors

from bus.backoff import Backoff
from bus.wire.messages import Tick
from clients.feeds.health import NEXT, SHOWN, FeedHealth, FeedState, HealthLimits, verdict
from clients.feeds.subscriptions import Subscriptions
from clients.feeds.venues.dialect import Heartbeat, Ready, Subscribed, SymbolError

LIMITS = HealthLimits(data_s=60.0, heartbeat_s=30.0, degraded_s=300.0)


def health(*symbols, now=0.0, chance=0.5):
    return FeedHealth(LIMITS, Backoff(0.5, 15.0, lambda: chance), Subscriptions(symbols, 15.0), now)


def connected(*symbols, now=0.0):
    one = health(*symbols, now=now)
    one.connect(now)
    one.open(now)
    for symbol in symbols:
        one.subscriptions.due(now)
        one.note(Subscribed(symbol), now)
    assert one.judge(now) == ""
    assert one.state is FeedState.CONNECTED
    return one


def tick(symbol="EURUSD"):
    return Tick(symbol, 1.0, 2.0, 7, "fx")


# States


def test_no_state_is_dead_each_leads_to_connected_and_can_be_stopped():
    for state in FeedState:
        reached, front = {state}, [state]
        while front:
            for following in NEXT[front.pop()].values():
                if following not in reached:
                    reached.add(following)
                    front.append(following)
        assert FeedState.CONNECTED in reached, state
        assert "stop" in NEXT[state] or state is FeedState.DISCONNECTED


def test_what_the_original_forbids_is_forbidden_here():
    legal = vectors("fx_backend")["legal_moves"]
    names = {FeedState.RESTORING: "HANDSHAKING"}  # between the connection and being connected
    for state, moves in NEXT.items():
        if state is FeedState.STALE:
            continue  # the original drops the connection without a state for it
        ours = {names.get(one, one.name) for one in moves.values() if one is not FeedState.STALE}
        assert ours <= set(legal[names.get(state, state.name)]) | ({"DISCONNECTED"} if state is FeedState.BACKOFF else set())


def test_a_move_that_is_not_in_the_table_is_a_bug_and_says_so():
    with pytest.raises(KeyError):
        health().open(0.0)


def test_after_twenty_refused_connections_attempt_21_is_made():
    one, now, delays = health(), 0.0, []
    for _ in range(20):
        one.connect(now)
        delays.append(one.lose(now))
        assert one.state is FeedState.BACKOFF
        now += delays[-1]
    assert delays == [0.25, 0.5, 1.0, 2.0, 4.0, *[7.5] * 15]
    one.connect(now)
    assert (one.state, one.attempts) == (FeedState.CONNECTING, 20)
    one.open(now)
    assert one.state is FeedState.RESTORING


def test_any_walk_ends_connected_when_the_venue_comes_back():
    for seed in range(200):
        chance, one, now = random.Random(seed), health("A"), 0.0
        for _ in range(60):
            now += chance.choice((0.1, 5.0, 40.0, 400.0))
            step(one, chance.choice(("heartbeat", "tick", "ack", "error", "lose", "look", "connect")), now)
        for what in ("lose", "connect", "ack", "tick", "look"):
            now += 0.1
            step(one, what, now)
        assert one.state is FeedState.CONNECTED, seed


def step(one, what, now):
    alive = one.state in (FeedState.RESTORING, FeedState.CONNECTED, FeedState.DEGRADED)
    match what:
        case "connect" if one.state in (FeedState.BACKOFF, FeedState.DISCONNECTED):
            one.connect(now)
            one.open(now)
            one.subscriptions.due(now)
        case "lose" if one.state not in (FeedState.BACKOFF, FeedState.DISCONNECTED):
            one.lose(now)
        case "heartbeat" if alive:
            one.note(Heartbeat(), now)
        case "tick" if alive:
            one.note(tick("A"), now)
        case "ack" if alive:
            one.note(Subscribed("A"), now)
        case "error" if alive:
            one.note(SymbolError("A", "SYMBOL_NOT_FOUND", ""), now)
        case "look":
            one.subscriptions.due(now)
            if one.judge(now):
                one.lose(now)


# Ages


def test_the_verdicts_of_the_originals_health_sensor():
    names = {"fresh": "HEALTHY", "quiet": "DEGRADED", "silence": "STALE"}
    data_ms = heartbeat_ms = 0
    checked = 0
    for one in rows(vectors("fx_backend")["health"]):
        match one["op"]:
            case "start":
                data_ms = heartbeat_ms = one["at_ms"]
            case "data":
                data_ms = one["at_ms"]
            case "hb":
                heartbeat_ms = one["at_ms"]
            case "check" if one["status"] != "UNKNOWN":
                seen = verdict((one["at_ms"] - data_ms) / 1000, (one["at_ms"] - heartbeat_ms) / 1000, LIMITS)
                assert names[seen] == one["status"], one
                checked += 1
    assert checked == 10


def test_heartbeats_alone_are_degraded_and_data_mends_it():
    one = connected()
    one.note(tick(), 10.0)
    one.note(Heartbeat(), 60.0)
    assert (one.judge(70.0), one.state) == ("", FeedState.CONNECTED)
    assert (one.judge(70.1), one.state) == ("", FeedState.DEGRADED)
    one.note(tick(), 80.0)
    assert (one.judge(80.0), one.state) == ("", FeedState.CONNECTED)


def test_neither_data_nor_heartbeats_is_stale_and_the_connection_is_dropped():
    one = connected()
    one.note(tick(), 10.0)
    one.note(Heartbeat(), 40.0)
    assert "no data for 60 s and no heartbeat for 30 s" in one.judge(70.1)
    assert one.state is FeedState.STALE
    one.lose(70.2)
    assert one.state is FeedState.BACKOFF


def test_degraded_turns_stale_when_the_heartbeats_end_too():
    one = connected()
    one.note(Heartbeat(), 60.0)
    assert one.judge(61.0) == ""
    assert one.state is FeedState.DEGRADED
    assert one.judge(90.0) == ""
    assert one.judge(90.1) != ""
    assert one.state is FeedState.STALE


def test_a_weekend_of_heartbeats_reconnects_now_and_then():
    one = connected()
    now, why = 0.0, ""
    while not why:
        now += 5.0
        one.note(Heartbeat(), now)
        why = one.judge(now)
    assert (why, now) == ("heartbeats without data for 300 s more", 370.0)


def test_what_never_came_is_as_old_as_the_connection():
    one = connected(now=1000.0)
    assert one.judge(1060.0) == ""
    assert one.judge(1060.1) != ""
    assert one.report(1060.1)["data_age_s"] is None


def test_what_came_before_the_connection_does_not_count_for_it():
    one = connected(now=0.0)
    one.note(tick(), 1.0)
    one.lose(2.0)
    one.connect(500.0)
    one.open(500.0)
    assert one.judge(560.0) == ""
    assert one.judge(560.1) != ""
    assert one.report(560.1)["data_age_s"] == 559.1


def test_while_restoring_being_without_data_is_tolerated_but_silence_is_not():
    one = health("A", "B")
    one.connect(0.0)
    one.open(0.0, held=True)
    one.note(Heartbeat(), 50.0)
    assert (one.judge(70.0), one.state) == ("", FeedState.RESTORING)
    assert one.judge(80.1) != ""
    assert one.state is FeedState.STALE


def test_a_hang_after_open_is_rescued_without_any_message():
    one = health("A")
    one.connect(0.0)
    one.open(0.0, held=True)
    now = 0.0
    while not one.judge(now):
        one.subscriptions.due(now)
        now += 0.1
        assert now < 61.0
    assert one.lose(now) < 1.0


# Attempts


@pytest.mark.parametrize(("brought_until", "attempts"), [(None, 4), (10.0, 4), (15.1, 1)])
def test_only_a_connection_that_proved_itself_starts_the_delays_anew(brought_until, attempts):
    one = health()
    for _ in range(3):
        one.connect(0.0)
        one.lose(0.0)
    one.connect(0.0)
    one.open(0.0)
    if brought_until is not None:
        one.note(tick(), brought_until)
    one.lose(20.0)
    assert one.attempts == attempts


# Symbols and reports


def test_each_symbol_has_its_own_age():
    one = connected("EURUSD", "USDJPY", "GBPUSD")
    one.note(tick("EURUSD"), 50.0)
    one.note(tick("USDJPY"), 1.0)
    assert one.stale_symbols(60.0) == []
    assert one.stale_symbols(61.1) == ["USDJPY", "GBPUSD"]
    assert one.state is FeedState.CONNECTED


def test_symbols_that_nobody_asked_for_have_ages_too():
    one = connected()
    one.note(tick("EURUSD"), 1.0)
    one.note(tick("USDJPY"), 50.0)
    assert (one.report(61.1)["symbols"], one.stale_symbols(61.1)) == (2, ["EURUSD"])


def test_ready_lets_the_subscriptions_go():
    one = health("A")
    one.connect(0.0)
    one.open(0.0, held=True)
    assert one.subscriptions.due(1.0) == []
    one.note(Ready(), 1.0)
    assert one.subscriptions.due(1.0) == ["A"]


def test_a_report_says_it_all_and_is_bounded():
    names = [f"S{number:02d}" for number in range(30)]
    one = connected(*names)
    one.note(Heartbeat(), 61.5)
    for name in names:
        one.note(SymbolError(name, "SYMBOL_NOT_FOUND", "no such symbol"), 1.0)
    one.judge(62.0)
    assert one.report(63.0) == {
        "state": "degraded",
        "since_s": 1.0,
        "attempts": 0,
        "connections": 1,
        "asked_to_wait_s": 0.0,
        "data_age_s": None,
        "heartbeat_age_s": 1.5,
        "symbols": 30,
        "stale": 30,
        "stale_symbols": names[:SHOWN],
        "errors": 30,
        "symbol_errors": dict.fromkeys(names[:SHOWN], "SYMBOL_NOT_FOUND: no such symbol"),
    }
    one.stop(64.0)
    assert one.report(64.0)["state"] == "disconnected"


def test_a_venue_that_asks_to_be_left_alone_is_left_alone():
    one = connected("A")
    assert (one.lose(10.0, 86_400.0), one.report(70.0)["asked_to_wait_s"]) == (86_400.0, 86_340.0)
    one.connect(86_410.0)
    assert (one.report(86_410.0)["asked_to_wait_s"], one.lose(86_411.0) < 15.0) == (0.0, True)


def test_one_feeds_failure_is_its_own():
    broken, well = connected("A"), connected("A")
    well.note(tick("A"), 59.0)
    assert broken.judge(61.0) != ""
    assert (well.judge(61.0), well.state, well.attempts) == ("", FeedState.CONNECTED, 0)

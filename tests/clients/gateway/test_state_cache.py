"""The frames of a client: the newest values, only changes, each frame encoded once. PROTOCOL.md section 12.3."""

import json
import math

import msgpack
import pytest

from hulak.bus.wire.messages import Tick
from hulak.clients.gateway.fanout import ClientPace, ClientState, Fanout
from hulak.clients.gateway.interest import NOTHING, Interest
from hulak.clients.gateway.state_cache import QUOTES, StateCache

ALL = Interest(displays=frozenset("*"), ticks=frozenset("*"), stats=True, config=True, markets=True)


def state(symbol="EURUSD", price=1.1, levels=(), ticks=1, bucket=0.0001, **more):
    profile = {"bucket": bucket, "levels": [list(level) for level in levels], "ticks": ticks, "trimmed": False}
    return msgpack.packb({"symbol": symbol, "price": price, "received_ns": 2_500_000, "profile": profile, **more})


def tick(symbol, bid=1.0, timestamp=5):
    return Tick(symbol, bid, bid + 0.1, timestamp, "test")


class Reader:
    """A client that stores its frames, as a page does."""

    def __init__(self, fanout, interest=ALL):
        self.fanout, self.client = fanout, ClientState(interest=interest)
        self.levels, self.state, self.last = {}, {}, None

    def read(self):
        self.fanout.begin(1.5)
        frame = self.fanout.serve(self.client)
        self.last = None if frame is None else json.loads(frame)
        for name, display in (self.last or {}).get("displays", {}).items():
            self.state[name] = display
            if "profile" in display:
                self.levels[name] = {level[0]: level for level in display["profile"]["levels"]}
            for level in display.get("profile_delta", {}).get("levels", []):
                self.levels[name][level[0]] = level
                if not level[1]:
                    del self.levels[name][level[0]]
        return self.last


def test_a_new_client_gets_everything_and_then_only_changes():
    cache = StateCache()
    reader = Reader(Fanout(cache))
    cache.take_state("d1", state(levels=[(1, 2, 1, 1)]))
    cache.take_ticks([tick("EURUSD", 1.0), tick("EURUSD", 2.0), tick("USDJPY")])
    cache.take_stats({"broker": {"pid": 7}})
    cache.take_config({"version": 3})
    cache.take_market("nepse", {"market": "nepse", "state": "closed"})
    first = reader.read()
    assert first["type"] == "frame"
    assert first["sent_ms"] == 1.5
    assert first["displays"]["d1"] == {
        "symbol": "EURUSD",
        "price": 1.1,
        "received_ms": 2.5,
        "profile": {"bucket": 0.0001, "levels": [[1, 2, 1, 1]], "ticks": 1, "trimmed": False},
    }
    assert first["ticks"]["EURUSD"] == {"bid": 2.0, "ask": 2.1, "timestamp": 5}, "the newest of a symbol"
    assert first["stats"] == {"broker": {"pid": 7}}
    assert first["config"] == {"version": 3}
    assert first["markets"] == {"nepse": {"market": "nepse", "state": "closed"}}
    assert reader.read() is None, "nothing new"
    cache.take_market("nepse", {"market": "nepse", "state": "open"})
    assert reader.read() == {"type": "frame", "sent_ms": 1.5, "markets": {"nepse": {"market": "nepse", "state": "open"}}}
    cache.take_ticks([tick("USDJPY", 3.0)])
    assert reader.read() == {"type": "frame", "sent_ms": 1.5, "ticks": {"USDJPY": {"bid": 3.0, "ask": 3.1, "timestamp": 5}}}


def test_a_profile_is_sent_as_its_changes():
    cache = StateCache()
    reader = Reader(Fanout(cache))
    cache.take_state("d1", state(levels=[(1, 2, 1, 1), (2, 1, 0, 1), (5, 1, 1, 0)], ticks=4))
    reader.read()
    cache.take_state("d1", state(levels=[(1, 3, 2, 1), (2, 1, 0, 1), (3, 1, 1, 0)], ticks=6))
    display = reader.read()["displays"]["d1"]
    assert display["profile_delta"] == {"ticks": 6, "trimmed": False, "levels": [[1, 3, 2, 1], [3, 1, 1, 0], [5, 0, 0, 0]]}
    assert "profile" not in display
    assert reader.levels["d1"] == {1: [1, 3, 2, 1], 2: [2, 1, 0, 1], 3: [3, 1, 1, 0]}
    cache.take_state("d1", state(price=1.2, levels=[(1, 3, 2, 1), (2, 1, 0, 1), (3, 1, 1, 0)], ticks=6))
    display = reader.read()["displays"]["d1"]
    assert display["price"] == 1.2
    assert "profile" not in display
    assert "profile_delta" not in display


def test_a_profile_with_another_bucket_or_day_is_sent_whole():
    cache = StateCache()
    reader = Reader(Fanout(cache))
    cache.take_state("d1", state(levels=[(1, 2, 1, 1)], ticks=2))
    reader.read()
    cache.take_state("d1", state(levels=[(9, 1, 1, 0)], ticks=3, bucket=0.0002))
    assert reader.read()["displays"]["d1"]["profile"]["levels"] == [[9, 1, 1, 0]]
    cache.take_state("d1", state(levels=[(9, 1, 0, 1)], ticks=1, bucket=0.0002))
    assert reader.read()["displays"]["d1"]["profile"]["ticks"] == 1


def test_a_client_that_skipped_states_has_the_same_profile_as_the_others():
    cache = StateCache()
    fanout = Fanout(cache)
    quick, slow = Reader(fanout), Reader(fanout)
    for turn in range(40):
        levels = [(index, 1 + turn * index % 7, 1, 0) for index in range(turn % 5, 12)]
        cache.take_state("d1", state(levels=levels, ticks=turn + 1))
        quick.read()
        if turn % 7 == 3:
            slow.read()
        if turn % 7 == 3:
            assert slow.levels == quick.levels
    slow.read()
    assert slow.levels == quick.levels == {"d1": {level[0]: list(level) for level in levels}}


def test_clients_with_equal_subscriptions_share_one_frame():
    cache = StateCache()
    fanout = Fanout(cache)
    cache.take_state("d1", state(levels=[(1, 2, 1, 1)]))
    client_states = [ClientState(interest=ALL) for _ in range(200)]
    fanout.begin(0.0)
    frames = {id(fanout.serve(client)) for client in client_states}
    assert len(frames) == 1
    assert fanout.encoded == 1
    behind, client_states = client_states[0], client_states[1:]
    for _ in range(3):
        cache.take_state("d1", state(levels=[(1, 3, 1, 1)]))
        fanout.begin(0.0)
        for client in client_states:
            fanout.serve(client)
        fanout.withhold(behind)
    assert fanout.encoded == 4
    assert behind.conflated == 3
    assert json.loads(fanout.serve(behind))["displays"]["d1"]["profile_delta"]["levels"] == [[1, 3, 1, 1]]


def test_a_new_subscription_is_sent_whole_and_the_rest_not_again():
    cache = StateCache()
    reader = Reader(Fanout(cache), Interest(displays=frozenset({"d1"})))
    cache.take_state("d1", state())
    cache.take_state("d2", state("USDJPY", levels=[(1, 1, 1, 0)]))
    assert list(reader.read()["displays"]) == ["d1"]
    reader.client.interest = reader.client.interest.plus(["d2"], [], stats=False, config=False)
    display = reader.read()["displays"]
    assert list(display) == ["d2"]
    assert "profile" in display["d2"]


def test_a_repeated_subscription_is_sent_whole_again():
    cache = StateCache()
    reader = Reader(Fanout(cache), Interest(displays=frozenset({"d1"})))
    cache.take_state("d1", state(levels=[(1, 1, 1, 0)]))
    reader.read()
    client = reader.client
    client.interest, client.before = NOTHING, NOTHING
    assert reader.read() is None
    client.interest = Interest(displays=frozenset({"d1"}))
    assert "profile" in reader.read()["displays"]["d1"]


def test_a_removed_display_is_reported_once_and_forgotten():
    cache = StateCache()
    reader = Reader(Fanout(cache))
    cache.take_state("d1", state())
    cache.take_state("d2", state("USDJPY"))
    cache.take_displays(["d1", "d2"])
    reader.read()
    cache.take_displays(["d2"])
    assert reader.read() == {"type": "frame", "sent_ms": 1.5, "removed": ["d1"]}
    cache.take_state("d1", state())
    assert reader.read() is None, "a state that was under way"
    cache.forget_removed(reader.client.at)
    assert cache.removed == {}
    cache.take_displays(["d1", "d2"])
    assert list(reader.read()["displays"]) == ["d1"], "it is there again"


def test_a_malformed_state_is_counted_and_does_not_affect_the_others():
    cache = StateCache()
    reader = Reader(Fanout(cache))
    cache.take_state("bad", b"\xc1")
    cache.take_state("odd", msgpack.packb({"symbol": "X", "profile": {"bucket": 1, "ticks": 1, "levels": [7]}}))
    cache.take_state("list", msgpack.packb([1]))
    cache.take_state("good", state())
    assert list(reader.read()["displays"]) == ["good"]
    assert cache.malformed == 3


@pytest.mark.parametrize("symbol", [None, 5, ["EURUSD"], {}])
def test_a_display_whose_symbol_is_no_text_is_malformed_and_can_be_removed(symbol):
    cache = StateCache()
    reader = Reader(Fanout(cache))
    cache.take_displays(["odd", "good"])
    cache.take_state("odd", state(symbol=symbol))
    cache.take_state("good", state())
    assert list(reader.read()["displays"]) == ["good"]
    assert cache.malformed == 1
    cache.take_displays(["good"])
    assert reader.read() == {"type": "frame", "sent_ms": 1.5, "removed": ["odd"]}


@pytest.mark.parametrize("odd", ["x", None, [], math.inf, math.nan])
def test_the_times_of_a_state_in_ms_are_those_of_its_times_in_ns(odd):
    cache = StateCache()
    reader = Reader(Fanout(cache))
    cache.take_state("d1", state(published_ns=odd, published_ms=odd, received_ms=odd))
    display = reader.read()["displays"]["d1"]
    assert "published_ms" not in display
    assert display["received_ms"] == 2.5


def test_a_symbol_gets_another_of_its_displays_when_one_is_removed():
    cache = StateCache()
    reader = Reader(Fanout(cache))
    cache.take_state("a", state())
    cache.take_state("b", state())
    cache.take_displays(["a", "b"])
    reader.read()
    removed = cache.of_symbol["EURUSD"]
    (rest,) = {"a", "b"} - {removed}
    cache.take_displays([rest])
    assert cache.of_symbol == {"EURUSD": rest}


def test_a_clients_pace():
    client, limit = ClientState(), 1 << 20
    assert client.pace(1 << 16, limit, 0.0) is ClientPace.READY
    assert client.pace((1 << 16) + 1, limit, 1.0) is ClientPace.BEHIND
    assert client.pace(0, limit, 10.9) is ClientPace.READY, "it has caught up: its time restarts"
    assert client.pace(1 << 17, limit, 11.0) is ClientPace.BEHIND
    assert client.pace(1 << 17, limit, 21.0) is ClientPace.BEHIND
    assert client.pace(1 << 17, limit, 21.1) is ClientPace.STALLED
    assert ClientState(0.5).pace(limit // 2, limit, 0.0) is ClientPace.READY
    over = ClientState()
    assert over.pace(limit + 1, limit, 0.0) is ClientPace.BEHIND, "a large first frame"
    assert over.pace(limit + 1, limit, 1.1) is ClientPace.STALLED


def test_values_that_json_cannot_express_are_omitted():
    cache = StateCache()
    reader = Reader(Fanout(cache))
    cache.take_state("odd", state(levels=[(1, msgpack.Timestamp(5), 1, 1)]))
    cache.take_state("good", state())
    assert list(reader.read()["displays"]) == ["good"]
    with pytest.raises(TypeError):
        cache.take_stats({"at": msgpack.Timestamp(5)})
    assert cache.malformed == 1


def test_the_verdict_comes_with_the_statistics_and_again_when_it_changes():
    cache = StateCache()
    interest = Interest(stats=True)
    assert cache.last_health() is None
    cache.take_health({"level": "OK", "problems": []})
    first = json.loads(cache.frame(interest, NOTHING, 0, 1.0))
    assert first["health"] == cache.last_health() == {"level": "OK", "problems": []}
    at = cache.revision
    assert cache.frame(interest, interest, at, 2.0) is None
    cache.take_health({"level": "CRITICAL", "problems": [{"what": "broker_silent"}]})
    assert json.loads(cache.frame(interest, interest, at, 3.0))["health"]["level"] == "CRITICAL"
    assert cache.frame(NOTHING, NOTHING, 0, 3.0) is None, "only for clients that want statistics"


def test_the_silence_of_the_broker_comes_once_and_its_end_too():
    cache = StateCache()
    interest = Interest(stats=True)
    cache.take_silence(False)
    assert cache.frame(interest, NOTHING, 0, 1.0) is None
    cache.take_silence(True)
    assert json.loads(cache.frame(interest, NOTHING, 0, 1.0))["silent"] is True
    at = cache.revision
    cache.take_silence(True)
    assert cache.frame(interest, interest, at, 2.0) is None
    cache.take_silence(False)
    assert json.loads(cache.frame(interest, interest, at, 3.0))["silent"] is False


def quotes_for(client, fanout):
    """Return the rows of the next frame of a client; None if it gets no frame."""
    fanout.begin(1_728_043_200_000.5)
    frame = fanout.serve(client)
    return None if frame is None else json.loads(frame)["quotes"]


def test_quotes_come_whole_at_the_subscription_then_those_that_changed_and_none_after_its_end():
    fanout, client = Fanout(cache := StateCache()), ClientState(interest=Interest(quotes=True))
    cache.take_quotes({"A": ["A", "x", 5, 1.5, None], "B": ["B", "x", 5, 2.5, math.nan]})
    assert quotes_for(client, fanout) == [["A", "x", 5, 1.5, None], ["B", "x", 5, 2.5, None]]
    assert quotes_for(client, fanout) is None
    for bid in (1.6, 1.7):  # a client that reads slowly gets the newest only
        cache.take_quotes({"A": ["A", "x", 5, bid, None]})
    assert quotes_for(client, fanout) == [["A", "x", 5, 1.7, None]]
    cache.take_quotes({"A": ["A", "x", 5, 1.8, None]})
    client.interest = NOTHING
    assert quotes_for(client, fanout) is None
    client.interest = Interest(quotes=True)
    assert len(quotes_for(client, fanout)) == 2, "all of them again"


def test_a_large_table_comes_in_parts_each_row_once_and_changed_ones_again():
    fanout, client = Fanout(cache := StateCache()), ClientState(interest=Interest(quotes=True))
    symbols = [f"S{number}" for number in range(2 * QUOTES + 500)]
    cache.take_quotes({symbol: [symbol, 1] for symbol in symbols})
    first = quotes_for(client, fanout)
    assert fanout.lacks_quotes(client)
    cache.take_quotes({symbol: [symbol, 2] for symbol in ("S0", "S2500", symbols[-1])})
    parts = [quotes_for(client, fanout), quotes_for(client, fanout)]
    assert [len(part) for part in (first, *parts)] == [QUOTES, QUOTES, 501]
    assert not fanout.lacks_quotes(client)
    got = [tuple(row) for part in (first, *parts) for row in part]
    later = {("S0", 2), ("S2500", 2), (symbols[-1], 2)}
    assert sorted(got) == sorted({*((symbol, 1) for symbol in symbols if symbol not in ("S2500", symbols[-1])), *later})
    assert quotes_for(client, fanout) is None


def test_clients_at_the_same_place_of_a_table_share_its_parts():
    fanout, clients = Fanout(cache := StateCache()), [ClientState(interest=Interest(quotes=True)) for _ in range(3)]
    cache.take_quotes({str(number): [str(number)] for number in range(3 * QUOTES)})
    for _ in range(3):
        fanout.begin(1.0)
        frames = [fanout.serve(client) for client in clients]
        assert frames[0] is frames[1] is frames[2]
    assert fanout.encoded == 3

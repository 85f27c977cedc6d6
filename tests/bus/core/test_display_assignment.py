"""The book of displays: exact keys, the least loaded worker, as few moves as needed, and tokens that fence off the former."""

import random

import pytest

from hulak.bus.core.display_assignment import Display, DisplayAssignment, DisplayStates
from hulak.bus.core.ticks.intake import Intake
from hulak.bus.core.ticks.topic_logs import TopicLogs
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import decode_publication, encode_publication, feed_frame, pack, unpack
from hulak.bus.wire.messages import Stamp


def assignment(*workers, displays=0, limit=1000):
    made = DisplayAssignment(limit)
    made.rebalance(set(workers))
    for number in range(displays):
        made.create(Display(f"d{number}", "EURUSD", {}, 1))
    return made


def loads(displays):
    return sorted(displays.loads().items())


def code(call, *args, **how):
    with pytest.raises(ProtocolError) as caught:
        call(*args, **how)
    return caught.value.code


def test_each_display_goes_to_the_worker_that_has_fewest():
    assert loads(assignment("a", "b", "c", displays=7)) == [("a", 3), ("b", 2), ("c", 2)]


def test_displays_that_have_no_worker_get_one_when_one_comes():
    displays = assignment(displays=3)
    assert {row.worker for row in displays.rows.values()} == {None}
    assert len(displays.rebalance({"a"})) == 3
    assert loads(displays) == [("a", 3)]
    assert displays.counters["moved"] == 3


def test_a_lost_workers_displays_go_to_the_others_and_nothing_else_moves():
    displays = assignment("a", "b", "c", displays=9)
    before = {row.id: (row.worker, row.token) for row in displays.rows.values()}
    moved = displays.rebalance({"a", "b"})
    assert {row.id for row in moved} == {display for display, (worker, _) in before.items() if worker == "c"}
    assert all(before[row.id] == (row.worker, row.token) for row in displays.rows.values() if row not in moved)
    assert [count for _, count in loads(displays)] in ([4, 5], [5, 4])


def test_a_worker_that_comes_gets_its_share_with_as_few_moves_as_possible():
    displays = assignment("a", "b", displays=10)
    moved = displays.rebalance({"a", "b", "c"})
    assert (len(moved), loads(displays)) == (3, [("a", 4), ("b", 3), ("c", 3)])


def test_every_assignment_has_a_token_larger_than_all_before():
    displays = assignment("a", displays=3)
    tokens = [row.token for row in displays.rows.values()]
    assert tokens == sorted(set(tokens))
    for living in ({"b"}, {"b", "c"}, set(), {"a"}):
        highest = displays.last_token
        assert all(row.token > highest for row in displays.rebalance(living))


def test_an_update_has_a_new_token_and_stays_where_it_is():
    displays = assignment("a", "b", displays=1)
    before = displays.rows["d0"].token
    row = displays.update("d0", {"price": 1.5})
    assert (row.worker, row.token > before, row.init) == ("a", True, {"price": 1.5})
    assert displays.update("gone", {}) is None


def test_after_a_restart_tokens_go_on_even_if_the_last_ones_were_not_written():
    displays = DisplayAssignment(10)
    displays.restore([Display("d", "X", {}, 1, "a", 5_000_000)], now_us=7)
    displays.rebalance({"b"})
    assert displays.rows["d"].token > 6_000_000
    displays.restore([Display("d", "X", {}, 1, "a", 5)], now_us=1_800_000_000_000_000)
    displays.rebalance({"b"})
    assert displays.rows["d"].token > 1_800_000_000_000_000


def test_after_a_restart_workers_that_come_back_keep_what_they_have():
    displays = DisplayAssignment(10)
    displays.restore([Display("d", "X", {}, 1, "a", 5), Display("e", "X", {}, 1, "b", 6), Display("f", "X", {}, 1)], now_us=7)
    assert displays.rebalance(set(), settled=False) == []
    assert [row.id for row in displays.rebalance({"b"}, settled=False)] == ["f"]
    assert displays.rows["d"].worker == "a"
    assert [row.id for row in displays.rebalance({"a", "b"}, settled=False)] == []
    assert [row.id for row in displays.rebalance({"b"}, settled=True)] == ["d"]
    assert (displays.rows["e"].token, displays.rows["d"].worker) == (6, "b")


def test_one_display_more_than_there_may_be_is_refused():
    displays = assignment(displays=2, limit=3)
    displays.check_room(0)
    assert code(displays.check_room, 1) == "BUSY"


def test_a_worker_in_the_slot_of_a_former_one_shows_that_it_does_not_come_back():
    displays = DisplayAssignment(10)
    workers = ("display_00/7", "display_00/7", "display_01/8", "display/9", None)
    displays.restore([Display(f"d{at}", "X", {}, 1, worker, 1) for at, worker in enumerate(workers)], 0)
    changed = displays.rebalance({"display_00/70"}, settled=False, slots={"display_00"})
    assert [row.id for row in changed] == ["d0", "d1", "d4"]
    assert [displays.rows[display].worker for display in ("d0", "d2", "d3")] == ["display_00/70", "display_01/8", "display/9"]
    changed = displays.rebalance({"display_00/70", "display_01/80"}, settled=False, slots={"display_00", "display_01"})
    assert [(row.id, row.worker) for row in changed] == [("d2", "display_01/80")]


def test_keys_are_exact_so_that_removing_a_symbol_leaves_those_that_begin_like_it():
    displays = assignment("a")
    for display, symbol in (("btc", "BTC"), ("btc-perp", "BTC-PERP"), ("b", "B")):
        displays.create(Display(display, symbol, {}, 1))
    assert displays.of_symbol("BTC") == ["btc"]
    assert displays.remove(["btc", "never"]) == ["btc"]
    assert set(displays.rows) == {"btc-perp", "b"}


def test_a_display_shows_one_symbol_only():
    displays = assignment("a", displays=1)
    assert displays.find("d0", "EURUSD") is displays.rows["d0"]
    assert code(displays.find, "d0", "USDJPY") == "BAD_ARGUMENT"


@pytest.mark.parametrize("seed", range(20))
def test_whatever_comes_and_goes_loads_are_even_and_only_what_must_moves(seed):
    draw, displays = random.Random(seed), assignment()
    for step in range(200):
        before = {row.id: (row.worker, row.token) for row in displays.rows.values()}
        workers = set(displays.workers)
        match draw.randrange(4):
            case 0:
                displays.create(Display(f"d{step}", "EURUSD", {}, 1))
            case 1 if displays.rows:
                displays.remove([draw.choice(list(displays.rows))])
                displays.rebalance(workers)
            case 2:
                workers.add(f"w{step}")
                displays.rebalance(workers)
            case 3 if workers:
                workers.remove(draw.choice(sorted(workers)))
                displays.rebalance(workers)
        counts = list(displays.loads().values())
        assert max(counts, default=0) - min(counts, default=0) <= 1
        for row in displays.rows.values():
            assert (row.worker in workers) if workers else row.worker is None
            was = before.get(row.id)
            if was is not None and was[0] != row.worker:
                assert row.token > max(token for _, token in before.values())


# States


class Collector:
    """A broker's collector with one display `d` under a token."""

    def __init__(self):
        self.topics = TopicLogs(7, 100)
        self.topics.subscribe(b"")
        self.assignment = assignment("a", displays=1)
        self.states = DisplayStates(self.topics, self.assignment)
        self.refused = []
        self.intake = Intake(self.topics, self.refused.append, max_bytes=1000, take_state=self.states.take)

    @property
    def token(self):
        return self.assignment.rows["d0"].token

    def take(self, number=1, display="d0", token=None, body=b"\x80"):
        stamp = Stamp(self.token if token is None else token, number, 5)
        turn = self.intake.turn([encode_publication(f"display.{display}".encode(), stamp, body)], 0.0, 99)
        assert (turn.taken, turn.batch.records) == (0, [])  # it is no tick, and not journalled
        return [decode_publication(message) for message in turn.messages]

    def codes(self):
        return [error.code for error in self.refused]


def test_a_state_is_numbered_published_and_kept_but_is_no_tick():
    collector = Collector()
    messages = collector.take(1, body=pack({"price": 1.5})) + collector.take(2)
    assert [(each.topic, each.stamp) for each in messages] == [("display.d0", Stamp(7, 1, 99)), ("display.d0", Stamp(7, 2, 99))]
    assert collector.topics.ticks == 0
    assert decode_publication(collector.topics.welcome(b"display.d0\0", 1)).stamp.sequence == 2
    assert collector.states.taken == 2


def test_a_worker_that_was_given_up_and_resumes_overwrites_nothing():
    collector = Collector()
    former = collector.token
    collector.take(5)
    collector.assignment.rebalance({"b"})
    assert collector.take(6, token=former) == []
    assert (collector.codes(), collector.states.fenced) == ([], 1)  # ignored and counted, but no fault
    assert len(collector.take(1)) == 1
    assert collector.take(2, token=collector.token + 1) == []
    assert (collector.codes(), collector.states.fenced) == (["NOT_YOURS"], 1)  # this token was never assigned


def test_states_of_displays_that_there_are_not_and_of_the_past_are_refused():
    collector = Collector()
    collector.take(3)
    for how in ({"display": "d"}, {"display": "d01"}, {"number": 3}, {"number": 2}, {"number": 4, "body": b"\x01"}):
        assert collector.take(**{"number": 9, **how}) == []
    assert collector.codes() == ["NOT_YOURS"] * 4 + ["BAD_BODY"]


@pytest.mark.parametrize(
    "body", [b"\x81\xa1a\xa1\xf6", b"\x81\xa1\xf6\x01", b"\x81\x01\x01", b"\x81\xa1a\x81\x90\x01", b"\x80\x80", b"\x81\xa1a"]
)
def test_a_state_that_a_reader_could_not_decode_is_refused_and_the_next_one_is_not(body):
    collector = Collector()
    assert collector.take(1, body=body) == []
    assert collector.codes() == ["BAD_BODY"]
    assert len(collector.take(2, body=pack({"profile": {"levels": [[1, 2.5, None, "é"]]}}))) == 1


@pytest.mark.parametrize("frame", [b"display.d0", b"display.d0\0", b"display.d0\0" + bytes(24)])
def test_a_malformed_frame_of_a_state_is_refused(frame):
    collector = Collector()
    assert collector.intake.turn([frame], 0.0, 9).messages == []
    assert collector.codes() == ["BAD_FRAME"]


def test_a_removed_displays_topic_is_free_again():
    collector = Collector()
    collector.take(1)
    token = collector.token
    collector.assignment.remove(["d0"])
    collector.states.forget(["d0"])
    assert b"display.d0\0" not in collector.topics.logs
    assert collector.take(2, token=token) == []  # its worker did not know yet
    assert (collector.codes(), collector.states.fenced) == ([], 1)
    assert b"display.d0\0" not in collector.topics.logs
    assert decode_publication(collector.topics.welcome(b"display.", 1)).body == b"\x90"


def test_a_feed_cannot_publish_under_the_topics_of_others_even_if_they_are_known():
    collector = Collector()
    collector.topics.publish(b"stats\0", b"\x80", 1)
    collector.intake.open(5, 1, 0.0)
    stamp = Stamp(5, 1, 1)
    assert collector.intake.turn([encode_publication(b"stats", stamp, b"\x80")], 0.0, 9).messages == []
    assert collector.codes() == ["NOT_YOURS"]
    assert unpack(decode_publication(collector.intake.turn([feed_frame("X", 5, 2, 1, b"\x80")], 0.0, 9).messages[0]).body) == {}

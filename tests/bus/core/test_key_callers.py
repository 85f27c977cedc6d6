"""Callers with keys: their refusals are counted and logged at a bounded rate; their subscriptions keep the counts right."""

import pytest

from hulak.bus.core.security.callers import LOG_AGAIN_S, MOST_UNKNOWN, Caller, Refusals, RefusedSubscriptions
from hulak.bus.core.security.needs import subscribes
from hulak.bus.wire.roles import Rights, parse_roles


class Log:
    def __init__(self):
        self.now = 0.0
        self.lines = []
        self.refusals = Refusals(lambda *line: self.lines.append(line), lambda: self.now)


def test_a_refusal_is_logged_once_for_each_key_and_reason_and_then_with_a_count():
    log = Log()
    for _ in range(5):
        log.refusals.count("alice", "read", "first")
    log.refusals.count("alice", "feed", "second")
    log.refusals.count("bob", "read", "third")
    assert log.lines == [("alice", "read", "first", 1), ("alice", "feed", "second", 1), ("bob", "read", "third", 1)]
    log.now = LOG_AGAIN_S
    log.refusals.count("alice", "read", "again")
    assert log.lines[3:] == [("alice", "read", "again", 5)]
    assert log.refusals.total == 8
    assert log.refusals.counts["alice"] == {"read": 6, "feed": 1}


def test_keys_that_are_not_authorised_are_logged_at_a_bounded_rate_and_all_are_counted_together():
    log = Log()
    for number in range(1000):
        log.refusals.count("", "unknown", f"key {number}", f"public {number}")
    assert [line[2] for line in log.lines] == [f"key {number}" for number in range(MOST_UNKNOWN)]
    assert log.refusals.counts == {"": {"unknown": 1000}}
    log.now = LOG_AGAIN_S
    log.refusals.count("", "unknown", "key 1000", "public 1000")
    assert log.lines[-1][2] == "key 1000"


def test_counts_of_keys_that_no_longer_exist_are_removed_those_of_unknown_keys_stay():
    log = Log()
    for name in ("alice", "bob", ""):
        log.refusals.count(name, "read", "text")
    log.refusals.forget({"bob"})
    assert list(log.refusals.counts) == ["bob", ""]


def test_a_callers_error_names_key_deed_and_role():
    log = Log()
    caller = Caller("alice#1", "alice", Rights(parse_roles(["read"])), log.refusals, "publisher", None)
    error = caller.forbid("subscribe to 'tick.A'", subscribes(caller.rights, b"tick.A\0"))
    assert (error.code, str(error)) == (
        "FORBIDDEN",
        "key 'alice' may not subscribe to 'tick.A': it lacks the role subscribe:tick.A",
    )
    assert log.refusals.counts == {"alice": {"subscribe": 1}}


def test_a_refused_topic_of_the_broker_lacks_the_role_read():
    rights = Rights(parse_roles(["submit:x"]))
    assert [subscribes(rights, prefix) for prefix in (b"stats\0", b"stats", b"displays\0", b"stats.x\0")] == [
        *["read"] * 3,
        "subscribe:stats.x",
    ]
    assert subscribes(Rights(parse_roles(["read"])), b"stats\0") == ""


def test_further_rights_of_a_feed_count_for_topics_that_were_refused():
    caller = Caller("a#1", "a", Rights(parse_roles(["feed:tick.A"])), Log().refusals, "collector", None)
    assert [caller.may_post(topic) for topic in (b"tick.A", b"tick.B", b"tick.B")] == [True, False, False]
    caller.widen(Rights(parse_roles(["feed:tick.*"])))
    assert caller.may_post(b"tick.B")


@pytest.mark.parametrize("ended", [["refused", "set"], ["set", "refused"]])
def test_in_any_order_of_their_ends_a_subscription_that_is_set_is_never_taken_for_the_last(ended):
    refused, wanted = RefusedSubscriptions(), 1  # a subscription that is set, and a refused one, of one prefix
    refused.add(b"tick.A\0")
    for which in ended:
        wanted -= not refused.take(b"tick.A\0")
        assert wanted >= ended[ended.index(which) + 1 :].count("set")
    assert wanted == 0
    assert not refused

"""Ticks of a feed that the broker refuses are counted over its restarts, named once, and reported."""

from hulak.clients.feeds.refusals import MAX_NAMED, Refusals


def test_refusals_are_counted_over_restarts_of_the_broker_and_each_symbol_is_named_once():
    refusals = Refusals()
    assert refusals.add({"taken": 5, "safe": 5, "epoch": 1}) == {}
    assert refusals.add({"refused": 3, "refusals": {"tick.X": "TOO_MANY_TOPICS"}}) == {"X": "TOO_MANY_TOPICS"}
    assert refusals.add({"refused": 4, "refusals": {"tick.X": "TOO_MANY_TOPICS"}}) == {}
    assert refusals.add({"refused": 1, "refusals": {"tick.Y": "BAD_BODY"}}) == {"Y": "BAD_BODY"}
    assert (refusals.count, refusals.named) == (5, {"X": "TOO_MANY_TOPICS", "Y": "BAD_BODY"})
    refusals.add({"refused": 2, "refusals": {f"tick.S{number}": "BAD_BODY" for number in range(100)}})
    assert len(refusals.named) == MAX_NAMED


def test_a_report_has_the_refusals_of_broker_and_venue():
    refusals = Refusals()
    assert refusals.report({"refused": 1}) == {"refused": 1}
    refusals.add({"refused": 3, "refusals": {"tick.X": "TOO_MANY_TOPICS"}})
    report = refusals.report({"refused": 1, "errors": 1, "symbol_errors": {"Z": "SYMBOL_NOT_FOUND: no such symbol"}})
    assert (report["refused"], report["errors"]) == (4, 2)
    assert report["symbol_errors"]["X"] == "TOO_MANY_TOPICS: refused by the broker"
    assert refusals.report({})["errors"] == 1

"""What the broker refuses of a feed is counted over its restarts, named once, and reported."""

from clients.feeds.refusals import MOST_NAMED, Refusals


def test_refusals_are_counted_over_restarts_of_the_broker_and_each_symbol_is_named_once():
    seen = Refusals()
    assert seen.told({"taken": 5, "safe": 5, "epoch": 1}) == {}
    assert seen.told({"refused": 3, "refusals": {"tick.X": "TOO_MANY_TOPICS"}}) == {"X": "TOO_MANY_TOPICS"}
    assert seen.told({"refused": 4, "refusals": {"tick.X": "TOO_MANY_TOPICS"}}) == {}
    assert seen.told({"refused": 1, "refusals": {"tick.Y": "BAD_BODY"}}) == {"Y": "BAD_BODY"}
    assert (seen.count, seen.named) == (5, {"X": "TOO_MANY_TOPICS", "Y": "BAD_BODY"})
    seen.told({"refused": 2, "refusals": {f"tick.S{number}": "BAD_BODY" for number in range(100)}})
    assert len(seen.named) == MOST_NAMED


def test_a_report_has_them_beside_what_the_venue_refuses():
    seen = Refusals()
    assert seen.report({"refused": 1}) == {"refused": 1}
    seen.told({"refused": 3, "refusals": {"tick.X": "TOO_MANY_TOPICS"}})
    told = seen.report({"refused": 1, "errors": 1, "symbol_errors": {"Z": "SYMBOL_NOT_FOUND: no such symbol"}})
    assert (told["refused"], told["errors"]) == (4, 2)
    assert told["symbol_errors"]["X"] == "TOO_MANY_TOPICS: the broker refuses its ticks"
    assert seen.report({})["errors"] == 1

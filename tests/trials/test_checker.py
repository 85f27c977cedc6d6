"""The checker sees what is planted: it is only worth something if it can find a fault."""

import pytest
from checker import covers, latencies, quantile, read_feed, read_subscriber, recoveries, report, slope


def attempts(count, symbols=("A", "B")):
    """Log a feed's ticks, turn by turn a symbol, one each tenth of a second from 1.0 on."""
    return [
        {"event": "attempt", "symbol": symbols[at % len(symbols)], "bid": 1 + at // len(symbols), "time": 1.0 + at / 10}
        for at in range(count)
    ]


def feed(count=20, confirmed=None):
    return read_feed([*attempts(count), {"event": "confirmed", "upto": count if confirmed is None else confirmed, "time": 9.0}])


def received(count=20, topic="ticks", epoch=1, delay=0.05):
    """Log what a subscriber to `ticks` gets of them."""
    return [
        {**tick, "event": "received", "topic": topic, "epoch": epoch, "sequence": at, "time": tick["time"] + delay}
        for at, tick in enumerate(attempts(count), 1)
    ]


def joined(topics=("ticks",), time=0.5):
    return {"event": "joined", "topics": list(topics), "time": time}


def check(events, of=None):
    of = of or feed()
    reader = read_subscriber("one", events, of)
    return reader, report(of, [reader])


def test_a_clean_log_is_clean():
    reader, report = check([joined(), *received()])
    assert report.clean()
    assert (report.attempted, report.confirmed, report.received, reader.reported) == (20, 20, 20, 0)
    assert "confirmed ticks lost 0, gaps unexplained 0, out of order 0, duplicates 0" in str(report)


def test_a_planted_loss_is_found_as_loss_and_as_gap():
    events = received()
    del events[6:8]
    reader, report = check([joined(), *events])
    assert (reader.lost, reader.gaps) == ([("A", 4), ("B", 4)], [("ticks", 7, 8)])
    assert not report.clean()


def test_a_lost_last_tick_is_found_though_no_gap_shows_it():
    reader, report = check([joined(), *received()[:-1]])
    assert (reader.lost, reader.gaps, report.clean()) == ([("B", 10)], [], False)


def test_what_was_never_confirmed_may_be_missing():
    assert check([joined(), *received()[:15]], feed(confirmed=15))[1].clean()


def test_what_was_posted_before_the_subscriber_joined_may_be_missing():
    events = [event for event in received() if event["sequence"] > 5]
    assert check([joined(time=1.45), *events])[1].clean()


def test_a_reported_gap_is_explained_and_a_confirmed_tick_in_it_is_still_lost():
    events = received()
    del events[6:8]
    events.insert(6, {"event": "gap", "topic": "ticks", "first": 7, "last": 8, "why": "gone"})
    reader, report = check([joined(), *events])
    assert (reader.gaps, reader.reported, len(reader.lost), report.clean()) == ([], 2, 2, False)


def test_a_gap_reported_for_another_topic_or_too_short_a_range_explains_nothing():
    events = received()
    del events[6:8]
    wrong = [
        {"event": "gap", "topic": "tick.A", "first": 7, "last": 8, "why": "gone"},
        {"event": "gap", "topic": "ticks", "first": 7, "last": 7, "why": "gone"},
    ]
    assert check([joined(), *wrong, *events])[0].gaps == [("ticks", 8, 8)]


def test_a_planted_duplicate_is_found_even_under_a_new_number():
    events = received()
    events.append({**events[3], "sequence": 21, "time": 4.0})
    reader, report = check([joined(), *events])
    assert (reader.duplicates, report.clean()) == ([("B", 2)], False)


def test_planted_reorderings_are_found():
    events = received()
    events[4], events[6] = events[6], events[4]
    reader, report = check([joined(), *events])
    assert ("ticks", 7, 6) in reader.disorder
    assert ("A", 4, 3) in reader.disorder
    assert not report.clean()


def test_ticks_swapped_under_numbers_in_order_are_found():
    events = received()
    events[4], events[6] = ({**events[6], "sequence": 5}, {**events[4], "sequence": 7})
    assert check([joined(), *events])[0].disorder == [("A", 4, 3)]


def test_a_number_used_again_under_a_larger_epoch_is_in_order():
    events = received()
    renumbered = [{**event, "epoch": 2, "sequence": event["sequence"] - 3} for event in events[10:]]
    assert check([joined(), *events[:10], *renumbered])[1].clean()


def test_a_subscriber_that_never_joined_is_not_counted():
    with pytest.raises(ValueError, match="one has never joined"):
        check(received())


def test_only_what_was_subscribed_to_is_missed():
    assert check([joined(topics=["tick.B"])])[0].lost == [("B", bid) for bid in range(1, 11)]
    assert covers(["tick."], "B")
    assert covers(["tick.A", "ticks"], "B")
    assert not covers(["tick.A"], "B")


def test_a_recovery_lasts_until_every_subscriber_has_a_tick_that_was_posted_after_the_kill():
    slow = [{**event, "time": event["time"] + (0.8 if event["sequence"] > 9 else 0)} for event in received()]
    readers = [read_subscriber("fast", [joined(), *received()], feed()), read_subscriber("slow", [joined(), *slow], feed())]
    (again_s,) = recoveries([1.85], readers)
    assert again_s == pytest.approx([1.9 + 0.05 + 0.8 - 1.85] * 2)


def test_kills_within_one_outage_are_one_recovery_and_an_outage_without_end_is_none():
    readers = [read_subscriber("one", [joined(), *received()], feed())]
    assert recoveries([1.83, 1.84], readers) == [pytest.approx((0.11, 0.12))]
    assert recoveries([99.0], readers) == []


def test_latencies_are_those_of_ticks_posted_within_the_time():
    readers = [read_subscriber("one", [joined(), *received()], feed())]
    report = latencies(readers, 1.2, 1.5)
    assert report == pytest.approx([50.0] * 3)
    assert quantile(list(range(100)), 0.99) == 99


def test_a_slope_is_fitted():
    assert slope([(0, 5.0), (1, 7.0), (2, 9.0)]) == pytest.approx(2.0)
    assert slope([(3, 5.0)]) == 0.0

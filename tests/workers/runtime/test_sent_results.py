"""The results that a worker keeps for the next broker: within bounds, the newest always."""

from hulak.bus.wire.messages import Result
from hulak.workers.runtime.sent_results import MOST, MOST_BYTES, SentResults
from hulak.workers.runtime.session import Send


def results(count, size=0):
    return [Send(Result(number.to_bytes(16), 1, True, None), bytes(size)) for number in range(count)]


def test_they_are_given_once_the_oldest_first():
    kept, (first, second) = SentResults(), results(2)
    kept.add([first])
    kept.beat()
    kept.add([second])
    assert kept.take() == [first, second]
    assert kept.take() == []


def test_of_many_at_least_the_newest_are_kept_and_not_many_more():
    kept, sent = SentResults(), results(10 * MOST)
    for result in sent:
        kept.add([result])
    taken = kept.take()
    assert taken == sent[-len(taken) :]
    assert MOST <= len(taken) <= 2 * (MOST + 1)


def test_of_large_ones_few_are_kept_and_the_newest_always():
    kept, sent = SentResults(), results(50, MOST_BYTES // 4)
    for result in sent:
        kept.add([result])
    taken = kept.take()
    assert taken == sent[-len(taken) :]
    assert 1 <= len(taken) <= 10
    huge = results(3, MOST_BYTES + 1)
    for result in huge:
        kept.add([result])
    assert kept.take() == huge[2:]

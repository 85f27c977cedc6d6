"""The bound on connections, refusals, and their log lines."""

import pytest

from hulak.bus.core.connection_admission import Admission, Bound

NONE = dict.fromkeys(("collector", "publisher", "frontend", "backend"), 0)


@pytest.mark.parametrize(
    ("wanted", "limit", "opened", "expected"),
    [
        (10_000, 1 << 20, 70, Bound(10_000, 625)),  # plenty of descriptors
        (10_000, 20_000, 70, Bound(10_000, 625)),
        (10_000, 4096, 70, Bound(2857, 219, "descriptors", False)),  # 4096 - 512 - 70 = 2857 + 3 * 219
        (10_000, 1024, 70, Bound(673, 51, "descriptors", False)),  # 1024 - 128 - 70 = 673 + 3 * 51
        (10_000, 256, 70, Bound(75, 5, "descriptors", False)),  # 256 - 96 - 70 = 75 + 3 * 5
        (64, 1024, 70, Bound(64, 4, local=False)),
        (10_000, 100, 70, Bound(13, 1, "descriptors", False)),  # less than is to be kept back
    ],
)
def test_the_bound_is_the_setting_or_the_number_that_descriptors_allow(wanted, limit, opened, expected):
    assert Bound.of(wanted, limit, opened) == expected


def test_all_places_together_leave_the_descriptors_that_are_kept_back():
    for limit in range(256, 20_000, 7):
        bound = Bound.of(10_000, limit, 70)
        assert bound.most + 3 * bound.kept + 70 + max(96, limit // 8) <= limit


def test_the_fullest_socket_stops_at_the_bound_and_the_others_later():
    bound = Bound(most=100, kept=5)
    there = {**NONE, "publisher": 90, "frontend": 9}
    assert bound.takes(there, "publisher")
    there["publisher"] = 91
    assert not bound.takes(there, "publisher")
    for name, more in (("frontend", 5), ("backend", 5), ("collector", 5)):  # each finds its places, though the others are full
        for _ in range(more):
            assert bound.takes(there, name)
            there[name] += 1
    assert not any(bound.takes(there, name) for name in there)
    assert sum(there.values()) == 115


def test_sockets_that_have_few_are_served_first():
    admission = Admission(Bound(most=10, kept=1), 0.0)
    there = {**NONE, "publisher": 40, "backend": 3}
    assert admission.excess(there, {"publisher": 40, "backend": 3}) == {"publisher": 33}
    assert admission.excess({**NONE, "publisher": 9, "backend": 1}, {"publisher": 9, "backend": 1}) == {}
    assert admission.excess({**NONE, "publisher": 12}, {"publisher": 1}) == {"publisher": 1}
    assert admission.excess({**NONE, "publisher": 12}, {}) == {}


def test_refusals_are_logged_once_a_minute_with_their_number():
    admission = Admission(Bound(10, 1), 0.0)
    assert admission.due(0.0) == {}
    admission.count("publisher", 3)
    assert admission.due(1.0) == {"publisher": 3}
    admission.count("publisher", 4)
    admission.count("frontend", 1)
    assert admission.due(60.9) == {}
    admission.count("publisher", 1)
    assert admission.due(61.0) == {"publisher": 5, "frontend": 1}
    assert admission.due(200.0) == {}


def test_statistics_of_connections():
    admission = Admission(Bound(10, 1, "descriptors"), 0.0)
    there = {**NONE, "publisher": 9, "backend": 1}
    admission.count("publisher", 3)
    admission.due(20.0)
    assert admission.stats(there, 25.0) == {
        "now": 10,
        "most": 10,
        "bound_by": "descriptors",
        "refused": 3,
        "recent": {"window_s": 25.0, "refused": 3},
        "sockets": there,
    }
    for second in range(30, 1000):
        admission.due(float(second))
    stats = admission.stats(there, 1000.0)
    assert (stats["refused"], stats["recent"]["refused"]) == (3, 0)


def test_near_is_before_full():
    admission = Admission(Bound(10, 1), 0.0)
    assert [admission.is_near(total) for total in (7, 8, 13)] == [False, True, True]

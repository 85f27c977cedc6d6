"""A display's profile and its deltas: a client that merges them has the whole profile, also after malformed ones."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hulak.clients.gateway.profile_deltas import ProfileDeltas

VOLUMES = st.integers(1, 3)
LEVELS = st.dictionaries(st.integers(-3, 6), VOLUMES, max_size=8).map(
    lambda levels: [[i, v, v, 0] for i, v in sorted(levels.items())]
)
TWICE = LEVELS.map(
    lambda levels: [*levels, *levels[:1], *([[*levels[0][:1], 9, 9, 0]] if levels else [])]
)  # an index more than once
PROFILES = st.fixed_dictionaries({"bucket": st.sampled_from([0.1, 0.2]), "ticks": st.integers(0, 3), "levels": LEVELS | TWICE})
NO_LEVELS = [
    None,
    "text",
    [[1]],
    [[]],
    [["a", 1, 1, 0]],
    [[[1], 1, 1, 0]],
    [{0: 1}],
    ["abcd"],
    {"abcd": 1},
    [[1.5, 1, 1, 0]],
    [5],
    [[True, 8, 8, 0]],
]
MALFORMED = [{"bucket": 0.1, "ticks": 1, "levels": levels} for levels in NO_LEVELS]
MALFORMED += [{"bucket": 0.1, "ticks": ticks, "levels": []} for ticks in (None, "1", [1], 1.5, float("nan"))]
MALFORMED += [{"bucket": 0.1, "levels": []}, {"ticks": 1, "levels": []}, {"bucket": 0.1, "ticks": 1}]


class Client:
    """Merges as `clients/web/store.js` does."""

    def __init__(self):
        self.at, self.profile, self.levels = 0, {}, {}

    def read(self, deltas, revision):
        if deltas.changed > self.at:
            whole = self.at < deltas.base
            news = json.loads(deltas.full() if whole else deltas.delta(self.at))
            self.levels = {} if whole else self.levels
            for index, *amounts in news.pop("levels"):
                if amounts[0] > 0:
                    self.levels[index] = amounts
                else:
                    self.levels.pop(index, None)
            self.profile.update(news)
        self.at = revision


@given(st.lists(st.tuples(PROFILES | st.sampled_from(MALFORMED), st.booleans()), max_size=12))
def test_a_client_that_merges_deltas_has_the_whole_profile(steps):
    deltas, quick, slow = ProfileDeltas(), Client(), Client()
    valid = {"levels": []}
    for revision, (profile, is_read) in enumerate(steps, 1):
        if profile in MALFORMED:
            with pytest.raises((KeyError, TypeError, IndexError)):
                deltas.update(profile, revision)
        else:
            deltas.update(valid := profile, revision)
        for client in (quick, slow) if is_read or revision == len(steps) else (quick,):
            client.read(deltas, revision)
            assert client.levels == {index: amounts for index, *amounts in valid["levels"]}
            assert {**client.profile, "levels": valid["levels"]} == valid


@pytest.mark.parametrize("malformed", MALFORMED, ids=repr)
@pytest.mark.parametrize("is_first", [True, False])
def test_a_malformed_profile_changes_nothing_for_the_next_one(malformed, is_first):
    deltas, client = ProfileDeltas(), Client()
    first = {"bucket": 0.1, "ticks": 1, "levels": [[1, 1, 1, 0]]}
    if not is_first:
        deltas.update(first, 1)
        client.read(deltas, 1)
    with pytest.raises((KeyError, TypeError, IndexError)):
        deltas.update(malformed, 2)
    assert deltas.levels == ({} if is_first else {1: [1, 1, 1, 0]})
    client.read(deltas, 2)
    deltas.update({"bucket": 0.1, "ticks": 2, "levels": [[2, 1, 0, 1]]}, 3)
    client.read(deltas, 3)
    assert (client.levels, client.profile["ticks"]) == ({2: [1, 0, 1]}, 2)

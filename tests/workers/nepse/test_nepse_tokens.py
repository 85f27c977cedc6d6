"""Tokens and body ids: every case on which public clients agree, and the limits of valid input."""

import pytest
from vectors import rows, vectors

from hulak.bus.errors import TaskFailed
from hulak.sim.nepse import tokens as simulated
from hulak.workers.nepse import tokens

FORMULAS = {
    "raw": tokens.raw_id,
    "index_graph": tokens.index_graph_id,
    "today_price": tokens.today_price_id,
    "floor_sheet": tokens.floor_sheet_id,
}


def test_cuts_and_decoded_tokens_are_those_on_which_four_public_clients_agree():
    examples = vectors("nepse_tokens")
    cuts, texts = rows(examples["cuts"]), rows(examples["tokens"])
    assert (len(cuts), len(texts)) == (155, 20)
    for case in cuts:
        salts = tuple(case["salts"])
        assert list(tokens.access_cuts(salts)) == case["access_cuts"]
        assert list(tokens.refresh_cuts(salts)) == case["refresh_cuts"]
    for case in texts:
        salts = tuple(case["salts"])
        assert tokens.decode_access(case["raw_access"], salts) == case["access"]
        assert tokens.decode_refresh(case["raw_refresh"], salts) == case["refresh"]


def test_the_four_body_ids_are_those_on_which_public_clients_agree():
    cases = rows(vectors("nepse_body_ids")["cases"])
    assert len(cases) == 251
    for case in cases:
        for name, formula in FORMULAS.items():
            assert formula(case["market_id"], tuple(case["salts"]), case["day"]) == case[name], (name, case)


def test_the_day_changes_at_midnight_in_nepal():
    for case in rows(vectors("nepse_body_ids")["nepal_days"]):
        day = tokens.nepal_day(case["server_time_ms"])
        assert day == case["day"]
        assert tokens.nepal_date(case["server_time_ms"]) == case["date"]
        for name, formula in FORMULAS.items():
            assert formula(case["market_id"], tuple(case["salts"]), day) == case[name]


def test_the_formulas_of_simulator_and_worker_agree_for_every_last_three_digits_market_and_day():
    for salt in [*range(1000), *range(10_000, 100_000, 7)]:
        assert list(tokens.access_cuts((0, salt, 0, 0, 0))) == simulated.junk_places(salt)
        assert list(tokens.refresh_cuts((salt, 0, 0, 0, 0))) == simulated.junk_places(salt)
    salts = (12345, 54321, 99999, 10000, 40404)
    names = {name: name.replace("_", "-") for name in FORMULAS}
    for market_id in range(100):
        for day in range(1, 32):
            for name, formula in FORMULAS.items():
                assert formula(market_id, salts, day) == simulated.body_id(names[name], market_id, salts, day)


def test_the_ids_of_prices_and_floor_sheet_differ_only_when_the_raw_one_ends_in_4():
    salts = (12345, 54321, 99999, 10000, 40404)
    differing = 0
    for market_id in range(100):
        for day in range(1, 32):
            price, sheet = (FORMULAS[name](market_id, salts, day) for name in ("today_price", "floor_sheet"))
            assert (price != sheet) == (tokens.raw_id(market_id, salts, day) % 10 == 4)
            differing += price != sheet
    assert differing > 0


def test_cuts_ascend_and_stay_below_129_for_every_salt():
    for salt in range(1000):
        cuts = tokens.access_cuts((0, salt, 0, 0, 0))
        assert list(cuts) == sorted(set(cuts))
        assert cuts[-1] <= 128


@pytest.mark.parametrize("salt", [-1, 2**31, 1.5, None, "x", True, "9" * 5000, ""])
def test_a_bad_salt_is_refused_without_quoting_it(salt):
    answer = {"salt1": 1, "salt2": 2, "salt3": salt, "salt4": 4, "salt5": 5}
    with pytest.raises(TaskFailed, match="salt3") as caught:
        tokens.parse_salts(answer)
    assert caught.value.code == "BAD_ANSWER"
    assert "9999" not in str(caught.value)


def test_salts_written_as_text_are_accepted():
    assert tokens.parse_salts({f"salt{n}": str(n * 11111) for n in range(1, 6)}) == (11111, 22222, 33333, 44444, 55555)


def test_a_token_shorter_than_the_positions_to_cut_means_a_changed_scheme():
    with pytest.raises(TaskFailed, match="token scheme changed") as caught:
        tokens.decode_access("x" * 100, (0, 999, 0, 0, 0))
    assert caught.value.code == "TOKEN_SCHEME"
    assert not caught.value.retryable


def test_only_tokens_that_begin_like_recorded_ones_have_the_known_header():
    assert tokens.has_known_header(tokens.KNOWN_HEADER + "iv.text.tag")
    assert not tokens.has_known_header("eyJhbGciOiJIUzI1NiJ9.payload.signature")

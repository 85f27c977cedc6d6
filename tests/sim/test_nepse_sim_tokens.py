"""The simulator's sessions and its WebAssembly module, judged by the worker's decoder and by a real runtime."""

import pytest

from hulak.sim.nepse.tokens import SessionBook, body_id, junk_places
from hulak.sim.nepse.wasm import css_wasm
from hulak.workers.nepse import tokens

SALTS = [f"salt{n}" for n in range(1, 6)]


def decoded(answer):
    salts = tuple(answer[name] for name in SALTS)
    return tokens.decode_access(answer["accessToken"], salts), tokens.decode_refresh(answer["refreshToken"], salts)


def test_tokens_have_the_recorded_shape_with_five_characters_of_junk():
    book = SessionBook(seed=1, lifetime_s=60.0)
    for _ in range(200):
        answer = book.prove(0.0, 1_776_968_000_123)
        for token in decoded(answer):
            assert [len(part) for part in token.split(".")] == [47, 0, 22, 150, 22]
            assert tokens.has_known_header(token)
        assert len(answer["accessToken"]) == len(decoded(answer)[0]) + 5
        assert answer["serverTime"] == 1_776_968_000_000
        assert all(10_000 <= answer[name] <= 99_999 for name in SALTS)


def test_an_access_token_is_taken_until_its_lifetime_is_over():
    book = SessionBook(seed=1, lifetime_s=60.0)
    access, _ = decoded(book.prove(100.0, 0))
    assert book.grant_of(access, 159.9) is not None
    assert book.grant_of(access, 160.0) is None


def test_an_undecoded_token_is_not_taken():
    book = SessionBook(seed=1, lifetime_s=60.0)
    assert book.grant_of(book.prove(0.0, 0)["accessToken"], 1.0) is None


def test_a_refresh_token_gives_one_new_session_and_the_old_access_token_lives_on():
    book = SessionBook(seed=1, lifetime_s=60.0)
    first = book.prove(0.0, 0)
    access, refresh = decoded(first)
    second = book.refresh(refresh, 50.0, 50_000)
    assert [second[name] for name in SALTS] != [first[name] for name in SALTS]
    assert book.refresh(refresh, 51.0, 0) is None
    assert book.grant_of(access, 59.0) is not None
    assert book.grant_of(decoded(second)[0], 105.0) is not None


def test_a_refresh_token_is_void_after_an_hour():
    book = SessionBook(seed=1, lifetime_s=60.0)
    _, refresh = decoded(book.prove(0.0, 0))
    assert book.refresh(refresh, 3600.0, 0) is None


def test_sessions_that_are_over_are_forgotten():
    book = SessionBook(seed=1, lifetime_s=60.0)
    for second in range(10_000):
        book.prove(float(second), 0)
    assert len(book._access) <= 61
    assert len(book._refresh) <= 3601


def test_the_floor_sheet_formula_differs_where_the_base_ends_in_4():
    salts = (12345, 54321, 99999, 10000, 40404)
    assert body_id("raw", 38, salts, 14) == 194
    assert body_id("floor-sheet", 38, salts, 14) == body_id("index-graph", 38, salts, 14)
    assert body_id("today-price", 38, salts, 14) != body_id("floor-sheet", 38, salts, 14)


def test_the_module_computes_the_places_in_a_real_webassembly_runtime():
    wasmtime = pytest.importorskip("wasmtime")
    store = wasmtime.Store()
    module = wasmtime.Module(store.engine, css_wasm())
    assert len(module.imports) == 0
    exports = wasmtime.Instance(store, module, []).exports(store)
    for salt in [*range(1000), 10_000, 54_321, 99_999, 2_147_483_647]:
        matches = [exports[name](store, 1, salt, 2, 3, 4) for name in ("cdx", "rdx", "bdx", "ndx", "mdx")]
        assert matches == junk_places(salt)


def test_the_module_begins_with_the_magic_number_and_version_1():
    assert css_wasm()[:8] == b"\0asm\x01\0\0\0"

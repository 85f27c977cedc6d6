"""The archive of the exchange's sessions: whole files, nothing asked twice, and the truth about what is missing."""

import csv
import sys
from datetime import date, timedelta

import pytest
from fake_exchange import CONTRACTS, DAY, FakeExchange, contract

from hulak.bus.errors import BusError, BusTimeout, ConfigError, TaskFailed
from hulak.clients.feeds.nepse.rows import INDEX_KEYS
from hulak.clients.nepse.archive.archive import Archive
from hulak.clients.nepse.archive.outcomes import Kind, State
from hulak.clients.nepse.archive.sessions import TOTALS, differences, read_sessions

BEFORE = DAY - timedelta(1)


@pytest.fixture
def exchange():
    return FakeExchange([DAY, BEFORE])


def run(folder, exchange, since=None, until=None, kinds=tuple(Kind), today=DAY):
    with Archive(folder, exchange, today=lambda: today) as archive:
        return {(outcome.day, outcome.kind): outcome for outcome in archive.run(since, until, kinds)}


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def states(outcomes):
    return {key: outcome.state for key, outcome in outcomes.items()}


def test_the_last_session_is_written_to_a_csv_and_a_parquet_file_of_each_kind(tmp_path, exchange):
    parquet = pytest.importorskip("pyarrow.parquet")
    outcomes = run(tmp_path, exchange)
    assert states(outcomes) == {(DAY, kind): State.ARCHIVED for kind in Kind}
    sheet = outcomes[DAY, Kind.SHEET]
    assert (sheet.rows, sheet.notes) == (
        CONTRACTS,
        (
            "totalTrades has the sum 8, totalTransactions of the session is 5",
            "totalQty has the sum 360, totalTradedShares of the session is 70",
            "totalAmount has the sum 36,180, totalTurnover of the session is 700.7",
        ),
    )
    assert [row["contractId"] for row in read(tmp_path / "floor-sheet" / f"{DAY}.csv")] == [
        str(row["contractId"]) for row in exchange.contracts
    ]
    assert parquet.read_table(tmp_path / "floor-sheet" / f"{DAY}.parquet").to_pylist() == exchange.contracts
    prices, indices = read(tmp_path / "today-price" / f"{DAY}.csv"), read(tmp_path / "indices" / f"{DAY}.csv")
    assert [row["symbol"] for row in prices] == ["NABIL", "NICAD85/86"]
    assert [(row["indexId"], row["symbol"], row["closingIndex"]) for row in indices] == [
        (str(number), symbol, str(1000.5 + number)) for number, symbol in INDEX_KEYS.items()
    ]
    names = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert names == sorted([".lock", *(f"{kind}/{DAY}.{end}" for kind in Kind for end in ("csv", "parquet"))])


def test_what_is_in_the_folder_is_not_asked_again(tmp_path, exchange):
    run(tmp_path, exchange)
    exchange.asked.clear()
    outcomes = run(tmp_path, exchange)
    assert states(outcomes) == {(DAY, kind): State.PRESENT for kind in Kind}
    assert exchange.actions() == ["market-status", "summary-history"]


@pytest.mark.parametrize("cut", [0, 1, 37])
def test_a_floor_sheet_that_was_cut_goes_on_where_it_was_and_a_torn_line_is_dropped(tmp_path, exchange, cut):
    exchange.fails = {("floor-sheet", 2): BusTimeout("no answer")}
    with pytest.raises(BusTimeout):
        run(tmp_path, exchange, kinds=[Kind.SHEET])
    part = tmp_path / "floor-sheet" / f".{DAY}.part"
    assert not (tmp_path / "floor-sheet" / f"{DAY}.csv").exists()
    with part.open("ab") as file:
        file.truncate(part.stat().st_size - cut)
    exchange.fails, exchange.asked = {}, []
    assert run(tmp_path, exchange, kinds=[Kind.SHEET])[DAY, Kind.SHEET].rows == CONTRACTS
    assert [page for action, page, _ in exchange.asked if action == "floor-sheet"] == ([2] if cut == 0 else [1, 2])
    assert [row["contractId"] for row in read(tmp_path / "floor-sheet" / f"{DAY}.csv")] == [
        str(row["contractId"]) for row in exchange.contracts
    ]
    assert not part.exists()


def test_a_floor_sheet_that_does_not_add_up_is_no_file_and_the_next_run_reads_all_pages_again(tmp_path, exchange):
    exchange.quantity_off = 5
    failed = run(tmp_path, exchange, kinds=[Kind.SHEET])[DAY, Kind.SHEET]
    assert (failed.state, failed.code) == (State.FAILED, "INCOMPLETE")
    assert "totalQty is 360, must be 365" in failed.why
    assert list((tmp_path / "floor-sheet").iterdir()) == []
    exchange.quantity_off, exchange.asked = 0, []
    assert run(tmp_path, exchange, kinds=[Kind.SHEET])[DAY, Kind.SHEET].state is State.ARCHIVED
    assert [page for action, page, _ in exchange.asked if action == "floor-sheet"] == [0, 1, 2]


def test_figures_and_rows_of_a_wrong_type_fail_their_kind_and_no_other(tmp_path, exchange):
    exchange.history_days = [BEFORE]
    exchange._sub_indices = lambda _: [7, {"id": []}, {"id": 51, "currentValue": 900.5}]
    answer = exchange._floor_sheet
    exchange._floor_sheet = lambda args: {
        **answer(args),
        "rows": [row | {"contractQuantity": "10"} for row in answer(args)["rows"]],
    }
    outcomes = run(tmp_path, exchange)
    assert outcomes[DAY, Kind.SHEET].code == "INCOMPLETE"
    assert "totalQty is 0, must be 360" in outcomes[DAY, Kind.SHEET].why
    assert (outcomes[DAY, Kind.PRICES].state, outcomes[DAY, Kind.INDICES].rows) == (State.ARCHIVED, 5)


def test_a_contract_that_is_on_two_pages_is_written_once(tmp_path, exchange):
    repeated = [*exchange.contracts[:3], exchange.contracts[2], *exchange.contracts[3:]]
    right = FakeExchange()._floor_sheet({"page": 0})

    def ask(action, args):
        if action != "floor-sheet":
            return exchange(action, args)
        page = args["page"]
        return right | {"rows": repeated[page * 3 : page * 3 + 3], "next": page + 1 if page < 2 else None}

    assert run(tmp_path, ask, kinds=[Kind.SHEET])[DAY, Kind.SHEET].rows == CONTRACTS


def test_a_sheet_that_changes_is_begun_again_once(tmp_path, exchange):
    answers = iter([8, 9, 9, 9, 9])

    def ask(action, args):
        if action == "floor-sheet":
            exchange.contracts = [contract(number) for number in range(1, next(answers) + 1)]
        return exchange(action, args)

    assert run(tmp_path, ask, kinds=[Kind.SHEET])[DAY, Kind.SHEET].rows == 9
    assert [page for action, page, _ in exchange.asked if action == "floor-sheet"] == [0, 1, 0, 1, 2]


@pytest.mark.parametrize(
    ("contracts", "state", "reason"),
    [
        ([contract(1, DAY + timedelta(3))], State.GONE, "the next session has begun"),
        ([contract(1, BEFORE)], State.FAILED, f"with contracts of {BEFORE}"),
        ([], State.FAILED, "without contracts"),
    ],
)
def test_a_sheet_of_another_session_is_never_taken_for_this_one(tmp_path, exchange, contracts, state, reason):
    exchange.contracts = contracts
    outcome = run(tmp_path, exchange, kinds=[Kind.SHEET])[DAY, Kind.SHEET]
    assert outcome.state is state
    assert reason in outcome.why
    assert list((tmp_path / "floor-sheet").iterdir()) == []


def test_a_range_has_the_prices_and_indices_of_each_session_and_names_the_sheets_that_are_missing_for_good(tmp_path, exchange):
    outcomes = run(tmp_path, exchange, since=BEFORE - timedelta(1))
    assert states(outcomes) == {
        **{(DAY, kind): State.ARCHIVED for kind in Kind},
        (BEFORE, Kind.PRICES): State.ARCHIVED,
        (BEFORE, Kind.INDICES): State.ARCHIVED,
        (BEFORE, Kind.SHEET): State.GONE,
        (BEFORE - timedelta(1), None): State.GONE,
    }
    assert "the last session only" in outcomes[BEFORE, Kind.SHEET].why
    assert f"since {BEFORE} only" in outcomes[BEFORE - timedelta(1), None].why
    assert exchange.actions().count("index-history") == len(INDEX_KEYS), "each index is read once for all days"


def test_a_sheet_that_the_next_session_has_cut_off_is_kept_and_named(tmp_path, exchange):
    exchange.fails = {("floor-sheet", 1): TaskFailed("UPSTREAM", "not now", retryable=True)}
    failed = run(tmp_path, exchange, kinds=[Kind.SHEET])[DAY, Kind.SHEET]
    assert (failed.state, failed.code) == (State.FAILED, "UPSTREAM")
    exchange.as_of, exchange.days = f"{DAY + timedelta(3)}T15:00:00", [DAY + timedelta(3), DAY, BEFORE]
    gone = run(tmp_path, exchange, DAY, DAY, [Kind.SHEET])[DAY, Kind.SHEET]
    assert gone.state is State.GONE
    assert f"3 of 8 contracts were read, they are in {tmp_path / 'floor-sheet' / f'.{DAY}.part'}" in gone.why


def test_a_day_that_the_exchange_does_not_serve_is_missing_for_good_and_another_failure_is_not(tmp_path, exchange):
    exchange.served, exchange.history_days = {DAY}, [DAY]
    outcomes = run(tmp_path, exchange, BEFORE, BEFORE)
    assert {outcome.state for outcome in outcomes.values()} == {State.GONE}
    exchange.fails = {("today-price", 0): TaskFailed("BLOCKED", "refused")}
    assert states(run(tmp_path, exchange, BEFORE, BEFORE, [Kind.PRICES])) == {(BEFORE, Kind.PRICES): State.FAILED}


def test_days_without_a_session_and_days_to_come(tmp_path, exchange):
    saturday, monday = DAY + timedelta(1), DAY + timedelta(3)
    assert states(run(tmp_path, exchange, saturday, saturday, today=DAY)) == {(saturday, None): State.LATER}
    assert states(run(tmp_path, exchange, saturday, saturday, today=monday)) == {(saturday, None): State.NO_SESSION}
    assert states(run(tmp_path, exchange, saturday, monday, today=monday)) == {
        (monday, None): State.LATER,
        (saturday, None): State.NO_SESSION,
    }
    exchange.as_of, exchange.days = f"{monday}T15:00:00", [monday, DAY, BEFORE]
    assert states(run(tmp_path, exchange, saturday, saturday, today=monday)) == {(saturday, None): State.NO_SESSION}


@pytest.mark.parametrize(
    ("is_open", "as_of"),
    [("OPEN", f"{DAY}T12:22:25.746796"), ("Pre Open", f"{DAY}T10:31:00"), ("Pre Open CLOSE", f"{BEFORE}T15:00:00")],
)
def test_a_session_that_is_not_over_is_not_archived_and_the_one_before_it_is_the_last(tmp_path, exchange, is_open, as_of):
    exchange.is_open, exchange.as_of = is_open, as_of
    assert states(run(tmp_path, exchange, DAY, DAY)) == {(DAY, None): State.LATER}
    assert states(run(tmp_path, exchange, kinds=[Kind.PRICES])) == {(BEFORE, Kind.PRICES): State.ARCHIVED}


def test_prices_that_do_not_add_up_fail_for_the_last_session_and_are_noted_for_an_earlier_one(tmp_path, exchange):
    days = [DAY, BEFORE]
    exchange._summary_history = lambda _: [{"businessDate": str(day), "totalTransactions": 6} for day in days]
    outcomes = run(tmp_path, exchange, BEFORE, None, [Kind.PRICES])
    assert (outcomes[DAY, Kind.PRICES].state, outcomes[DAY, Kind.PRICES].code) == (State.FAILED, "INCOMPLETE")
    assert outcomes[BEFORE, Kind.PRICES].notes == ("totalTrades has the sum 5, totalTransactions of the session is 6",)


def test_recorded_totals_are_exact_and_amounts_may_differ_by_rounding():
    rows = [{"totalTrades": 1, "totalTradedQuantity": 10, "totalTradedValue": 0.1}] * 10
    totals = {"totalTransactions": 10, "totalTradedShares": 100.0, "totalTurnover": 1.04}
    assert differences(TOTALS, rows, totals) == []
    assert len(differences(TOTALS, rows, totals | {"totalTurnover": 1.06, "totalTradedShares": 101})) == 2
    assert differences(TOTALS, [{"totalTrades": None}], totals) == [], "figures that are missing are not compared"


def test_indices_whose_history_has_not_the_session_yet_are_those_of_the_tables(tmp_path, exchange):
    exchange.history_days = [BEFORE]
    assert run(tmp_path, exchange, kinds=[Kind.INDICES])[DAY, Kind.INDICES].rows == len(INDEX_KEYS)
    by_symbol = {row["symbol"]: row for row in read(tmp_path / "indices" / f"{DAY}.csv")}
    assert (by_symbol["NEPSE"]["closingIndex"], by_symbol["NEPSE"]["absChange"]) == ("2700.25", "-0.2")
    assert (by_symbol["BANKING"]["closingIndex"], by_symbol["BANKING"]["highIndex"]) == ("900.5", "")


def test_without_pyarrow_there_are_csv_files_and_later_no_parquet_file_is_asked_for(tmp_path, exchange, monkeypatch):
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "pyarrow", None)
        assert run(tmp_path, exchange)[DAY, Kind.PRICES].files == (tmp_path / "today-price" / f"{DAY}.csv",)
    assert states(run(tmp_path, exchange)) == {(DAY, kind): State.PRESENT for kind in Kind}
    assert list(tmp_path.rglob("*.parquet")) == []


def test_a_csv_file_that_is_missing_is_made_of_the_parquet_file(tmp_path, exchange):
    pytest.importorskip("pyarrow.parquet")
    run(tmp_path, exchange)
    path = tmp_path / "floor-sheet" / f"{DAY}.csv"
    before = path.read_bytes()
    path.unlink()
    exchange.asked.clear()
    assert run(tmp_path, exchange)[DAY, Kind.SHEET].state is State.PRESENT
    assert path.read_bytes() == before
    assert "floor-sheet" not in exchange.actions()


def test_a_parquet_file_that_is_none_fails_alone(tmp_path, exchange):
    pytest.importorskip("pyarrow.parquet")
    (tmp_path / "today-price").mkdir()
    (tmp_path / "today-price" / f"{DAY}.parquet").write_text("half")
    outcomes = run(tmp_path, exchange)
    assert (outcomes[DAY, Kind.PRICES].state, outcomes[DAY, Kind.PRICES].code) == (State.FAILED, "BAD_FILE")
    assert "remove it" in outcomes[DAY, Kind.PRICES].why
    assert outcomes[DAY, Kind.SHEET].state is State.ARCHIVED


def test_temporary_files_of_a_killed_run_are_removed_and_two_runs_exclude_each_other(tmp_path, exchange):
    (tmp_path / "floor-sheet").mkdir()
    leftover = tmp_path / "floor-sheet" / f".{DAY}.csv.k3d9x_a1"
    leftover.write_text("half")
    with Archive(tmp_path, exchange, today=lambda: DAY) as archive:
        with pytest.raises(BusError, match="another process archives into") as caught:
            Archive(tmp_path, exchange)
        assert caught.value.code == "IN_USE"
        list(archive.run(None, None, [Kind.PRICES]))
    assert not leftover.exists()
    with Archive(tmp_path, exchange, today=lambda: DAY) as archive:
        assert archive.newest() == DAY


def test_a_folder_that_cannot_be_used_is_named(tmp_path, exchange):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"file cannot be used.*--into"):
        Archive(tmp_path / "file", exchange)


@pytest.mark.parametrize(("status", "history"), [({}, []), (None, None), ({"isOpen": "OPEN", "asOf": f"{DAY}T12:00:00"}, [])])
def test_answers_that_name_no_session_are_refused(status, history):
    with pytest.raises(TaskFailed) as caught:
        read_sessions(status, history, DAY)
    assert caught.value.code == "BAD_ANSWER"


def test_the_days_are_those_of_the_exchanges_list_on_any_day_of_the_week():
    sunday = date(2026, 3, 29)
    status, history = {"isOpen": "CLOSE", "asOf": f"{sunday}T15:00:00"}, [{"businessDate": "2026-03-26"}, {"other": 1}, None]
    sessions = read_sessions(status, history, DAY)
    assert (sorted(sessions.totals), sessions.last) == ([date(2026, 3, 26), sunday], sunday)

"""`hulak journal export --parquet` and `hulak query`, over a journal of several segments and two days, without a broker."""

import csv
import json
import shutil
from datetime import datetime

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from benchmarks import bulk
from hulak.bus.broker.storage import segment_jobs
from hulak.bus.process.settings import Settings
from hulak.clients.cli import cli
from hulak.clients.cli.journal_files import journal_id, segments

MIDNIGHT_NS = int(datetime.fromisoformat("2026-11-30T00:00:00+00:00").timestamp()) * 10**9
SETTINGS = replace(Settings(), journal=replace(Settings().journal, segment_bytes=1 << 16))


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A home with a journal of about 4,000 ticks, half of them before midnight."""
    home = tmp_path_factory.mktemp("home")
    ticks = bulk.fill(home, SETTINGS, 500_000, rare_every=1000, ends_ns=MIDNIGHT_NS + 2_000 * bulk.NS_PER_TICK).ticks
    return home, ticks


@pytest.fixture
def home(filled, tmp_path):
    shutil.copytree(filled[0] / "journal", tmp_path / "home" / "journal")
    return tmp_path / "home"


@pytest.fixture
def ticks(filled):
    return filled[1]


@pytest.fixture
def hulak(home):
    def run(*words, code=0):
        done = CliRunner().invoke(cli, [*map(str, words), "--home", str(home)])
        assert done.exit_code == code, done.output
        return done.stdout

    return run


@pytest.fixture
def export(hulak, tmp_path):
    """Export as Parquet, and return what the command says."""
    return lambda *words, code=0: json.loads(
        hulak("journal", "export", "--parquet", tmp_path / "export", "--json", *words, code=code) or "{}"
    )


def numbers(folder, table="ticks"):
    return sorted(
        number for path in folder.glob(f"{table}/**/*.parquet") for number in pq.ParquetFile(path).read()["number"].to_pylist()
    )


def grow(home, size=1):
    return bulk.fill(home, SETTINGS, size, ends_ns=MIDNIGHT_NS + 10_000 * bulk.NS_PER_TICK).ticks


def test_each_tick_is_exported_once_and_each_day_has_a_note_if_it_is_complete(export, tmp_path, ticks):
    done = export()
    assert numbers(tmp_path / "export") == list(range(1, ticks + 1))
    first, second = done["days"]
    assert (first["day"], first["complete"]) == ("2026-11-29", True)
    assert second["day"] == "2026-11-30"
    assert (first["first"], first["last"], second["last"]) == (1, second["first"] - 1, ticks)
    note = json.loads((tmp_path / "export" / "_hulak" / "days" / "2026-11-29.json").read_text())
    assert sum(file["rows"] for file in note["files"]) == note["rows"]["ticks"] == first["last"]


def test_other_programs_read_the_folder_by_its_days(export, tmp_path, ticks):
    export()
    counts = duckdb.sql(
        f"select day::text, count(*), count(distinct symbol) from read_parquet('{tmp_path}/export/ticks/**/*.parquet') group by 1"
    )
    rows = sorted(counts.fetchall())
    assert [row[0] for row in rows] == ["2026-11-29", "2026-11-30"]
    assert sum(row[1] for row in rows) == ticks
    assert {row[2] for row in rows} == {29}


def test_a_second_run_exports_what_is_new_only(export, home, tmp_path):
    first = export()
    assert (export()["exported"], export()["skipped"]) == (0, first["exported"])
    before = {path: path.stat().st_ino for path in (tmp_path / "export" / "ticks").rglob("*.parquet")}
    ticks = grow(home)
    assert export()["exported"] == 2  # the one that has grown, or ended, and a new one
    assert numbers(tmp_path / "export") == list(range(1, ticks + 1))
    kept = [path for path, inode in before.items() if path.stat().st_ino == inode]
    assert len(kept) >= len(before) - 2


def test_a_large_journal_is_exported_by_several_processes(export, tmp_path, ticks, monkeypatch):
    monkeypatch.setattr("hulak.clients.cli.journal_export.SMALL_BYTES", 0)
    assert export()["rows"] == ticks
    assert numbers(tmp_path / "export") == list(range(1, ticks + 1))


def test_a_run_after_a_kill_goes_on_with_what_is_missing(export, tmp_path, ticks):
    whole = export()
    folder = tmp_path / "export"
    notes = sorted((folder / "_hulak" / "segments").iterdir())
    notes[1].unlink()  # killed before its note was written: its files may be there
    (folder / "ticks" / "day=2026-11-29" / ".0000000002-x.parquet.abc").write_bytes(b"half")
    again = export()
    assert (again["exported"], again["rows"]) == (1, whole["rows"])
    assert numbers(folder) == list(range(1, ticks + 1))
    assert not list(folder.rglob(".*.parquet.*"))


def test_check_finds_files_and_ticks_that_are_not_as_they_were(export, home, tmp_path):
    export()
    assert export("--check")["ok"]
    files = sorted((tmp_path / "export" / "ticks").rglob("*.parquet"))
    files[0].unlink()
    data = bytearray(files[1].read_bytes())
    data[100] ^= 1
    files[1].write_bytes(data)
    shutil.copy(files[2], files[2].with_name("other.parquet"))
    segment = sorted((home / "journal").glob("*.hj"))[3]
    segment.write_bytes(segment.read_bytes()[:-200])
    wrong = export("--check", code=1)["wrong"]
    assert len(wrong) == 4
    for words, line in zip(["cannot be read", "has been changed", "belongs to no", "exported were"], wrong, strict=True):
        assert words in line


def test_an_export_by_symbol_has_a_folder_for_each(export, hulak, tmp_path, ticks):
    export("--by", "symbol")
    folder = tmp_path / "export"
    assert len(list(folder.glob("ticks/day=2026-11-30/symbol=*"))) == 29
    assert numbers(folder) == list(range(1, ticks + 1))
    schema = pq.read_schema(next(folder.glob("ticks/*/symbol=EURUSD/*.parquet")))
    assert "symbol" not in schema.names
    counts = "select count(*), count(distinct symbol), count(topic) from ticks where topic = 'tick.' || symbol"
    assert hulak("query", "--export", folder, counts, "--csv").splitlines()[1] == f"{ticks},29,{ticks}"


def test_files_that_may_not_be_open_at_once_are_written_in_parts(export, tmp_path, ticks, monkeypatch):
    monkeypatch.setattr("hulak.clients.tables.segment_export.OPEN_FILES", 1)
    monkeypatch.setattr("hulak.clients.cli.journal_frames.CHUNK", 100)
    export("--by", "symbol")
    assert list((tmp_path / "export").rglob("*.1.parquet"))
    assert numbers(tmp_path / "export") == list(range(1, ticks + 1))
    assert export("--check")["ok"]


def test_further_days_leave_no_file_of_the_run_before(export, tmp_path, ticks, monkeypatch):
    """With more days the files are full elsewhere: a row may be in another part than before."""
    monkeypatch.setattr("hulak.clients.tables.segment_export.OPEN_FILES", 1)
    monkeypatch.setattr("hulak.clients.cli.journal_frames.CHUNK", 100)
    export("--by", "symbol", "--since", "2026-11-30")
    export("--by", "symbol")
    assert numbers(tmp_path / "export") == list(range(1, ticks + 1))
    assert export("--check")["ok"]


def test_segments_are_archived_between_list_and_export(export, home, tmp_path, ticks, monkeypatch):
    """Without --archive they are counted as removed; with it the archive has them, compressed or not."""
    archive = tmp_path / "archive"
    archive.mkdir()
    monkeypatch.setenv("HULAK_JOURNAL__ARCHIVE", str(archive))

    def list_and_archive(*words):
        listed = segments(*words)
        for at, row in enumerate(listed[0][:4]):
            path = row.path if at % 2 else segment_jobs.compress(row.path, row.size, lambda: None)
            segment_jobs.archive(path, archive, journal_id(home / "journal"), lambda: None)
            row.path.unlink()
        return listed

    monkeypatch.setattr("hulak.clients.cli.journal_export.segments", list_and_archive)
    assert export("--archive")["rows"] == ticks
    monkeypatch.setattr("hulak.clients.cli.journal_export.segments", segments)
    assert export("--archive")["exported"] == 0
    assert export("--archive", "--check")["ok"]
    assert numbers(tmp_path / "export") == list(range(1, ticks + 1))


def test_days_are_those_of_the_time_zone(export):
    assert [day["day"] for day in export("--tz", "Asia/Kathmandu")["days"]] == ["2026-11-30"]


def test_since_and_until_choose_whole_days_and_further_days_are_added(export, tmp_path, ticks):
    second = export("--since", "2026-11-30T00:00:01")
    assert [day["day"] for day in second["days"]] == ["2026-11-30"]
    first = export("--until", "2026-11-29T12:00:00")
    assert [day["day"] for day in first["days"]] == ["2026-11-29", "2026-11-30"]
    assert first["exported"] < first["exported"] + first["skipped"]
    assert numbers(tmp_path / "export") == list(range(1, ticks + 1))


def test_topics_choose_rows_and_the_rest_comes_from_the_journal(export, hulak, tmp_path, ticks):
    rare = export("--topic", "tick.RARE", "--topic", "tick.EUR*")["rows"]
    assert 0 < rare < ticks
    counted = hulak("query", "--export", tmp_path / "export", "select count(*), count(distinct number) from ticks", "--csv")
    assert counted.splitlines()[1] == f"{ticks},{ticks}"


@pytest.mark.parametrize("form", ["csv", "arrow"])
def test_other_formats_have_the_same_rows(hulak, tmp_path, ticks, form):
    hulak("journal", "export", f"--{form}", tmp_path / form)
    files = sorted((tmp_path / form / "ticks").rglob(f"*.{form}"))
    if form == "csv":
        rows = [row for path in files for row in csv.DictReader(path.open())]
    else:
        rows = [row for path in files for row in pa.ipc.open_file(path).read_all().select(["number", "topic"]).to_pylist()]
    assert sorted(int(row["number"]) for row in rows) == list(range(1, ticks + 1))
    assert {row["topic"] for row in rows} >= {"tick.EURUSD", "tick.RARE"}
    assert json.loads(hulak("journal", "export", f"--{form}", tmp_path / form, "--check", "--json"))["ok"]


def test_a_folder_is_written_in_one_way_only(export, hulak, tmp_path):
    export()
    refused = export("--by", "symbol", code=78)
    assert "by 'day', not 'symbol'" in refused["error"]["text"]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / ".mine.json.old").write_text("x")
    assert (
        "has files and no export"
        in CliRunner()
        .invoke(cli, ["journal", "export", "--parquet", str(tmp_path / "other"), "--home", str(tmp_path / "home")])
        .output
    )
    assert [path.name for path in (tmp_path / "other").iterdir()] == [".mine.json.old"]
    assert "must be a time zone" in export("--tz", "Nowhere/Town", code=78)["error"]["text"]


def test_the_database_counts_what_verify_counts(export, hulak, home, tmp_path, ticks):
    verified = json.loads(hulak("journal", "verify", "--json"))
    count = sum(segment["ticks"] for segment in verified["segments"])
    assert json.loads(hulak("query", "select count(*) as n from ticks", "--json")) == [{"n": count}] == [{"n": ticks}]
    export()
    more = grow(home, 40_000)
    sql = "select count(*) as n, count(distinct number) as numbers, min(number) as low, max(number) as high from ticks"
    result = json.loads(hulak("query", "--export", tmp_path / "export", sql, "--json"))
    assert result == [{"n": more, "numbers": more, "low": 1, "high": more}]
    for segment in sorted((home / "journal").glob("*.hj"))[:2]:  # as retention does
        segment.unlink()
    assert json.loads(hulak("query", "--export", tmp_path / "export", sql, "--json")) == result


def test_a_table_can_be_read_twice_in_one_query(hulak, ticks):
    sql = "select count(*) from ticks a join ticks b using (number) where a.bid = b.bid"
    assert hulak("query", sql, "--csv").splitlines()[1] == str(ticks)


def test_a_result_is_a_table_csv_json_or_a_file(hulak, tmp_path):
    sql = "select symbol, time, flags, bid, 'ab'::blob as bytes from ticks where number = 2"
    row = json.loads(hulak("query", sql, "--json"))[0]
    assert (row["symbol"], row["bid"], row["flags"], row["bytes"]) == ("EURNZD", 2.0, None, "6162")
    assert row["time"].startswith("2026-11-29 23:59:5")
    assert hulak("query", sql).splitlines()[0].split("\t") == list(row)
    assert hulak("query", sql, "--csv").splitlines()[0] == ",".join(row)
    hulak("query", sql, "--parquet", tmp_path / "row.parquet")
    assert pq.read_table(tmp_path / "row.parquet")["time"].type == pa.timestamp("ns", "UTC")
    assert json.loads(hulak("query", "select 1 from ticks where false", "--json")) == []


def test_tables_are_listed_with_their_columns(hulak):
    rows = json.loads(hulak("query", "--tables", "--json"))
    assert {"table": "ticks", "column": "venue_time", "type": "TIMESTAMP WITH TIME ZONE"} in rows
    assert {row["table"] for row in rows} >= {"ticks", "trades", "markets", "others"}


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("select symbol\nfrom tick", "at line 2, column 6: 'tick'"),
        ("from app", "there is no table 'app'; `hulak query --tables` lists all; at line 1, column 6"),
        ("selec 1", "syntax error"),
        ("select nothing from ticks", "at line 1, column 8"),
        ("copy (select 1) to '/tmp/hulak-query-test'", "must be one SELECT"),
        ("select 1; select 2", "must be one SELECT"),
        ("create table a (b int)", "must be one SELECT"),
        ("set memory_limit = '10GB'", "must be one SELECT"),
        ("", "the query is nothing"),
        ("select * from read_csv('/etc/passwd')", "disabled by configuration"),
        ("select * from read_parquet('http://127.0.0.1:9/x.parquet')", "disabled by configuration"),
    ],
)
def test_a_query_that_is_no_select_of_the_tables_is_refused(hulak, sql, words):
    done = json.loads(hulak("query", sql, "--json", code=1))
    assert words in done["error"]["text"]


def test_an_export_of_another_journal_is_refused(export, hulak, home, tmp_path):
    export()
    shutil.rmtree(home / "journal")
    bulk.fill(home, SETTINGS, 1)
    assert (
        "is of journal"
        in json.loads(hulak("query", "--export", tmp_path / "export", "select 1", "--json", code=78))["error"]["text"]
    )
    assert "journal '" in export(code=78)["error"]["text"]


@pytest.mark.parametrize(
    ("words", "extra"),
    [(["journal", "export", "--parquet", "x"], "parquet"), (["query", "select 1"], "query"), (["query", "--tables"], "query")],
)
def test_a_missing_extra_is_named(hulak, monkeypatch, tmp_path, words, extra):
    monkeypatch.chdir(tmp_path)
    for module in ("pyarrow.parquet", "duckdb"):
        monkeypatch.setitem(__import__("sys").modules, module, None)
    text = json.loads(hulak(*words, "--json", code=78))["error"]["text"]
    assert f"pip install 'hulak[{extra}]'" in text


@pytest.mark.parametrize(
    "words",
    [
        ["journal", "export", "--check"],
        ["journal", "export", "--parquet", "a", "--csv", "b"],
        ["journal", "export", "--parquet", "a", "--format", "csv"],
        ["query"],
        ["query", "select 1", "--tables"],
        ["query", "select 1", "--csv", "--json"],
    ],
)
def test_options_that_exclude_each_other_are_a_usage_error(hulak, words):
    hulak(*words, code=2)

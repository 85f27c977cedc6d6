"""`hulak journal` reads compressed segments and archives like plain ones, says what is damaged, and what leaves next."""

import json

import pytest
from click.testing import CliRunner
from journal_fixture import JournalFixture
from waiting import eventually

from hulak.bus.broker.storage.segment_file import SegmentFile
from hulak.bus.core.journal.broker_clock import Aged, Clocks
from hulak.bus.core.journal.record_format import Snapshot
from hulak.bus.process.settings import JournalSettings
from hulak.clients.cli import cli
from hulak.clients.cli.journal_files import SegmentContents
from hulak.clients.cli.journal_info import journal_facts, rows_of

TICKS = 6000


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home whose journal has its older ticks in compressed segments, and its oldest in an archive."""
    home = tmp_path_factory.mktemp("home")
    (home / "archive").mkdir()
    settings = {"segment_bytes": 1 << 16, "max_bytes": 1 << 16, "plain_segments": 1, "archive": "archive"}
    fixture = JournalFixture(home / "journal", **settings)
    while fixture.topics.ticks < TICKS:
        fixture.write(300)
        fixture.beat(0.1)
    eventually(lambda: (fixture.beat(0.01), not fixture.journal.upkeep._thread.busy)[1], within_s=20)
    fixture.journal.close()
    (home / "hulak.toml").write_text('[journal]\narchive = "archive"\n')
    return home


def run(home, *words, code=0):
    done = CliRunner().invoke(cli, ["journal", *words, "--home", str(home)], env={"HULAK_HOME": str(home)})
    assert done.exit_code == code, done.output
    return done.stdout


def rows(home, *words):
    return json.loads(run(home, "ls", *words, "--json"))


def test_compressed_segments_are_listed_with_their_bytes_on_the_disk(home):
    listed = rows(home)
    packed = [row for row in listed if row["segment"].endswith(".zst")]
    assert packed
    assert all(row["stored"] < row["bytes"] / 2 for row in packed)
    assert all(row["ticks"] == row["last"] - row["first"] + 1 > 0 for row in packed)
    assert listed[-1]["last"] == TICKS
    assert listed[0]["first"] > 1


def test_archive_and_journal_together_have_each_tick_once(home):
    both = rows(home, "--archive")
    assert [row["first"] for row in both] == [1, *(row["last"] + 1 for row in both[:-1])]
    assert both[-1]["last"] == TICKS
    [folder] = (home / "archive").iterdir()
    assert rows(home, str(home / "archive")) == rows(home, str(folder)) == both[: len(both) - len(rows(home))]
    lines = run(home, "export", "--archive").splitlines()
    assert [json.loads(line)["bid"] for line in lines] == [*range(1, TICKS + 1)]


def test_an_archive_without_segments_is_empty_and_one_that_is_not_mounted_is_refused(home):
    [folder] = (home / "archive").iterdir()
    away = folder.rename(home / "elsewhere")
    try:
        assert rows(home, "--archive") == rows(home)
        folder.mkdir()  # the broker makes it before it puts anything there
        assert rows(home, "--archive") == rows(home)
        folder.rmdir()
        (home / "archive").rmdir()
        assert "does not exist: mount its disk" in run(home, "ls", "--archive", "--json", code=78)
    finally:
        folder.parent.mkdir(exist_ok=True)
        away.rename(folder)


def test_a_segment_in_archive_and_journal_counts_once(home, tmp_path):
    """So a kill leaves it."""
    first = home / "journal" / rows(home)[0]["segment"]
    [folder] = (home / "archive").iterdir()
    (folder / first.name).write_bytes(first.read_bytes())
    try:
        assert len(run(home, "export", "--archive").splitlines()) == TICKS
    finally:
        (folder / first.name).unlink()


def test_journal_and_archive_are_verified(home):
    assert f"{TICKS:,} ticks, 0 segments damaged" in run(home, "verify", "--archive")
    assert " 0 segments damaged" in run(home, "verify")
    assert json.loads(run(home, "verify", str(home / "archive"), "--json"))["ok"]
    assert "not both" in CliRunner().invoke(cli, ["journal", "verify", "--archive", str(home), "--home", str(home)]).output


def test_a_damaged_block_is_reported_by_bytes_and_by_ticks(home):
    path = sorted((home / "archive").rglob("*.zst"))[1]
    good = path.read_bytes()
    with SegmentFile(path) as file:
        offset, length = file.head.place(0)
    path.write_bytes(good[: offset + length // 2] + b"\0\0\0\0" + good[offset + length // 2 + 4 :])
    try:
        report = run(home, "verify", "--archive", code=1)
        row = next(row for row in rows(home, "--archive") if row["segment"] == path.name)
        assert f"{path.name}: ticks {row['first']} to " in report
        assert f"{path.name}: bytes 0 to " in report or f"{path.name}: the last " in report
        assert "1 segments damaged" in report
    finally:
        path.write_bytes(good)


def test_a_missing_segment_is_reported_by_its_ticks(home):
    both = rows(home, "--archive")
    path = next((home / "archive").rglob(both[1]["segment"]))
    moved = path.rename(path.with_name("elsewhere"))
    try:
        assert f"ticks {both[1]['first']} to {both[1]['last']} are missing" in run(home, "verify", "--archive")
    finally:
        moved.rename(path)


def test_without_an_archive_in_the_settings_there_is_an_error(tmp_path):
    JournalFixture(tmp_path / "journal").journal.close()
    done = CliRunner().invoke(cli, ["journal", "ls", "--archive", "--home", str(tmp_path)])
    assert done.exit_code == 78
    assert "`[journal] archive` is not set" in done.output


def test_info_has_the_archive_too(home):
    facts = json.loads(run(home, "info", "--json"))
    assert facts["compressed"] > 0
    assert facts["bytes"] < facts["plain_bytes"]
    assert (facts["archive"]["first"], facts["first"]) == (1, rows(home)[0]["first"])
    assert facts["next"]["last"] == rows(home)[1]["first"] - 1
    text = run(home, "info")
    assert "leaves next" in text
    assert str(home / "archive") in text


def segment(serial, begun_s, stored):
    head = Snapshot(1, "b", 0, serial * 100).written(serial, "id", Aged(begun_s, Clocks("b", begun_s, 10**18)))
    return SegmentContents(None, 4 * stored, serial=serial, before=serial * 100, stored=stored, head=head)


def test_info_counts_by_the_brokers_clock(monkeypatch):
    monkeypatch.setattr(SegmentContents, "compressed", True)
    row = [segment(serial, serial * 3600.0, 1_000_000) for serial in range(24)]
    for contents in row:
        contents.path = type("Named", (), {"name": f"{contents.serial}"})
    settings = JournalSettings(max_days=2.0, max_bytes=30_000_000, min_hours=5.0)
    facts = journal_facts(row, settings, age_s=24 * 3600.0, free=100_000_000)
    assert facts["bytes_per_day"] == pytest.approx(24_000_000)
    assert facts["disk_days"] == pytest.approx(100 / 24)
    assert facts["next"] == {"segment": "0", "first": 1, "last": 100, "in_s": 25 * 3600.0, "in_bytes": 6_000_000}
    texts = dict(rows_of(facts))
    assert texts["is kept"] == "2 d, at most 30.0 MB, but 5 h in any case"
    assert texts["leaves next"] == "ticks 1 to 100, in 25 h, or after 6.0 MB more"
    assert texts["free on the disk"] == "100.0 MB: enough for max_bytes, for 4.2 days at this rate"

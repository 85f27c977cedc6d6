"""`hulak query` shows on a terminal how much of the journal it has read."""

import os
import pty
import subprocess
import sys
import threading

import pytest

from benchmarks import bulk
from hulak.bus.process.settings import Settings

QUERY = "select count(*) as n from ticks"
BAR = "reading the journal"


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    home = tmp_path_factory.mktemp("query")
    return home, bulk.fill(home, Settings(), 100_000).ticks


@pytest.fixture
def terminal():
    """Return a function that runs a query with the given streams on a terminal: the text there, and standard output elsewhere."""

    def run(home, sql, *options, streams=("stderr",)):
        reader, writer = pty.openpty()
        text = bytearray()

        def read():
            while piece := _piece(reader):
                text.extend(piece)

        thread = threading.Thread(target=read)
        thread.start()
        there = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, **dict.fromkeys(streams, writer)}
        words = [sys.executable, "-m", "hulak", "query", "--home", str(home), sql, *map(str, options)]
        try:
            done = subprocess.run(words, env={**os.environ, "TERM": "xterm", "COLUMNS": "100"}, check=True, timeout=60, **there)
        finally:
            os.close(writer)
            thread.join()
            os.close(reader)
        return text.decode(), done.stdout

    return run


def _piece(descriptor):
    try:
        return os.read(descriptor, 4096)
    except OSError:  # the other end of a terminal is closed
        return b""


def test_the_bytes_that_were_read_are_shown_and_the_output_is_as_without_a_terminal(filled, terminal, tmp_path):
    home, ticks = filled
    text, output = terminal(home, QUERY, "--csv")
    assert BAR in text
    assert output.decode() == f"n\n{ticks}\n"
    text, _ = terminal(home, QUERY, "--parquet", tmp_path / "n.parquet", streams=("stderr", "stdout"))
    assert BAR in text
    assert "1 rows written" in text


def test_a_table_that_is_read_twice_counts_twice(filled, terminal):
    size = sum(path.stat().st_size for path in (filled[0] / "journal").glob("*.hj"))
    text, _ = terminal(filled[0], "select (select count(*) from ticks), (select max(bid) from ticks)", "--csv")
    assert f"{2 * size / 1e3:.1f}/{2 * size / 1e3:.1f} kB" in text


@pytest.mark.parametrize("options", [(), ("--csv",), ("--json",)])
def test_the_bar_is_gone_before_the_first_row_of_a_result_on_the_terminal(filled, terminal, options):
    text, _ = terminal(filled[0], QUERY, *options, streams=("stdout", "stderr"))
    _, bar, rest = text.rpartition(BAR)
    assert bar
    assert "\x1b[2K" in rest.partition(f"{filled[1]}")[0], "its line was cleared, then the rows came"


def test_without_a_terminal_there_is_no_bar(filled):
    words = [sys.executable, "-m", "hulak", "query", "--home", str(filled[0]), QUERY]
    assert subprocess.run(words, check=True, timeout=60, capture_output=True).stderr == b""

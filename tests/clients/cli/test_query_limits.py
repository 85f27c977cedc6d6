"""A query ends by Ctrl-C and at its bound of memory, also where the database does not look."""

import json
import os
import resource
import signal
import subprocess
import sys
import threading

import duckdb
import pytest
from click.testing import CliRunner

from benchmarks import bulk
from hulak.bus.process.settings import Settings
from hulak.clients.cli import cli
from hulak.clients.cli.query_limits import interruptible

ENDLESS = "select count(*) from range(100000000000) a, range(1000) b"
BUSY = """
import signal, sys
from pathlib import Path
from hulak.clients.cli.query_limits import interruptible

signal.signal(signal.SIGINT, lambda *_: None)
with interruptible(lambda: print("interrupted", flush=True), Path(sys.argv[1])):
    print("begun", flush=True)
    while True:
        pass
"""


def test_ctrl_c_interrupts_the_database(tmp_path):
    connection = duckdb.connect()
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))

    def run():
        with interruptible(connection.interrupt, tmp_path):
            timer.start()
            connection.sql(ENDLESS).to_arrow_reader(1000).read_all()

    with pytest.raises(KeyboardInterrupt):
        run()
    timer.join()
    assert tmp_path.exists()


def test_a_second_ctrl_c_ends_the_process_and_removes_the_temporary_files(tmp_path):
    folder = tmp_path / "temporary"
    folder.mkdir()
    with subprocess.Popen([sys.executable, "-c", BUSY, str(folder)], stdout=subprocess.PIPE, text=True) as process:
        for line in ("begun", "interrupted"):
            assert process.stdout.readline().strip() == line
            process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    assert not folder.exists()


def test_an_error_that_is_not_of_ctrl_c_stays_as_it_is(tmp_path):
    with pytest.raises(duckdb.Error), interruptible(lambda: None, tmp_path):
        duckdb.connect().sql("select nothing")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only there the memory is bounded")
def test_a_single_huge_value_is_refused_and_dates_beyond_9999_are_shown(tmp_path):
    bulk.fill(tmp_path, Settings(), 1)
    before = resource.getrlimit(resource.RLIMIT_DATA)

    def query(sql, code):
        done = CliRunner().invoke(cli, ["query", sql, "--json", "--home", str(tmp_path)])
        assert done.exit_code == code, done.output
        return json.loads(done.stdout)

    assert "Out of Memory" in query("select range(3000000000)", 1)["error"]["text"]
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    assert query("select date '2026-11-30' as day, 'infinity'::date as never", 0)[0]["day"] == "2026-11-30"

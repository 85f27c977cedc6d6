"""`hulak nepse`: the words in its help, and the arguments that are refused before anything is sent."""

import pytest
from click.testing import CliRunner

from hulak.clients.cli import cli
from hulak.workers.nepse.arguments import INDICES

NAMES = ("FRONTEND", "PUBLISHER", "BACKEND", "COLLECTOR")
NO_BROKER = {f"HULAK_BROKER__{name}": f"tcp://127.0.0.1:{port}" for port, name in enumerate(NAMES, 1)}


def run(*words, **variables):
    done = CliRunner().invoke(cli, [*map(str, words)], env=NO_BROKER | variables)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def help_of(*words):
    return " ".join(run("nepse", *words, "--help").stdout.split())


@pytest.mark.parametrize("action", ["index-graph", "index-history", "price-volume"])
def test_the_help_names_all_indices(action):
    assert ", ".join(INDICES) in help_of(action)


def test_the_help_names_words_and_columns():
    assert "one of debenture, government" in help_of("bonds")
    assert "CATEGORY is the category: one of weekly, monthly, annual, agm, other." in help_of("exchange-reports")
    assert "such as symbol,desc: symbol, securityName, openPrice" in help_of("today-price")
    assert "that of the last session by default" in help_of("margin-trades")
    assert "Save the file of a notice." in help_of()


def test_a_file_needs_a_place():
    done = run("nepse", "notice-file", "a.pdf")
    assert (done.exit_code, "Missing option '--output'" in done.stderr) == (2, True)


@pytest.mark.parametrize("option", ["--csv", "--parquet", "--output"])
def test_a_place_that_cannot_be_written_is_refused_before_the_request(tmp_path, option):
    words = ["nepse", "notice-file", "a.pdf"] if option == "--output" else ["nepse", "floor-sheet"]
    done = run(*words, option, tmp_path)
    assert (done.exit_code, f"File '{tmp_path}' is a directory" in done.stderr) == (2, True)
    done = run(*words, option, "/dev/null")
    assert (done.exit_code, "'/dev/null' must be a regular file" in done.stderr) == (2, True)
    done = run(*words, option, tmp_path / "none" / "file")
    assert done.exit_code == 2
    assert f"'{tmp_path}/none' does not" in done.stderr
    assert run(*words, option, tmp_path / "file", "--timeout", "0.2").exit_code == 3, "no broker: the place is good"
    assert list(tmp_path.iterdir()) == []


def test_a_worker_with_a_missing_file_of_certificates_is_refused_at_the_start(tmp_path):
    done = run("worker", "nepse", "--home", tmp_path, HULAK_NEPSE__CA_FILE=f"{tmp_path}/none.pem")
    assert done.exit_code == 78
    assert f"setting nepse.ca_file is '{tmp_path}/none.pem', must be a file of PEM certificates" in done.stderr

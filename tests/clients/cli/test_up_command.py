"""`hulak up` and `hulak down`: settings that are refused at the start, and the processes that a stop waits for."""

from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from hulak.clients import supervisord
from hulak.clients.cli import cli
from hulak.clients.cli.up import Waiting


@pytest.mark.parametrize(
    ("pids", "names"),
    [((7, 8, 9), "broker, feed and nepse_00"), ((8, 1), "feed"), ((8, 9), "broker and feed"), ((1, 5000), "supervisord")],
)
def test_a_stop_names_the_processes_that_it_waits_for(monkeypatch, tmp_path, pids, names):
    rows = [{"name": name, "pid": pid} for name, pid in (("nepse_00", 7), ("feed", 8), ("broker", 9), ("scaler", 0))]
    monkeypatch.setattr(supervisord, "processes", lambda _: rows)
    waiting = Waiting(tmp_path, 130.0)
    text = waiting.text(12.3, [SimpleNamespace(pid=pid) for pid in pids])
    assert text == f"stopping, 12 s of at most 130 s: waiting for {names}"


@pytest.mark.parametrize("words", [[], ["--demo"]])
def test_certificates_that_no_worker_could_use_are_refused_before_anything_is_started(tmp_path, words):
    result = CliRunner().invoke(
        cli, ["up", *words, "--home", str(tmp_path / "home")], env={"HULAK_NEPSE__CA_FILE": str(tmp_path / "none.pem")}
    )
    assert result.exit_code == 78
    assert f"nepse.ca_file is '{tmp_path}/none.pem', must be a file of PEM certificates" in result.output
    assert not (tmp_path / "home").exists()

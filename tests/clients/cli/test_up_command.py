"""`hulak up` and `hulak down`: the text that names the processes that a stop waits for."""

from types import SimpleNamespace

import pytest

from hulak.clients import supervisord
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

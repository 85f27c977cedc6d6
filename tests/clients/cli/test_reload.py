"""`hulak reload`: which settings have changed, and which of them apply without a restart."""

import json
import signal
import stat
import subprocess
import sys

import msgspec
import pytest

from hulak.bus.process.settings import Settings
from hulak.clients.cli import reload


def replaced(**sections):
    """Return the default settings with other values, `nepse={"rate_per_s": 1.0}`."""
    settings = Settings()
    changed = {name: msgspec.structs.replace(getattr(settings, name), **values) for name, values in sections.items()}
    return msgspec.structs.replace(settings, **changed)


def test_each_changed_setting_is_named_with_its_values_and_whether_it_is_live():
    before, after = reload.flat(Settings()), reload.flat(replaced(nepse={"rate_per_s": 1.0}, journal={"max_hours": 12.0}))
    changes = {change.name: change for change in reload.changed(before, after)}
    assert changes["nepse.rate_per_s"].text == "nepse.rate_per_s 2.0 -> 1.0 applies now, unless `hulak config` overrides it"
    assert changes["journal.max_hours"].text == "journal.max_hours 36.0 -> 12.0 needs a restart"
    assert len(changes) == 2


def test_settings_of_another_version_are_ignored():
    flat = reload.flat(Settings())
    without = {name: text for name, text in flat.items() if name != "journal.max_hours"}
    assert reload.changed(without, flat) == reload.changed(flat, without) == []


def test_settings_that_variables_override_are_known_by_name():
    variables = {"HULAK_NEPSE__RATE_PER_S": "3", "HULAK_HOME": "/h", "HULAK_CONFIG": "/c", "HULAKUP_DEMO": "true", "HOME": "/"}
    assert reload.overridden(variables) == {"nepse.rate_per_s": "HULAK_NEPSE__RATE_PER_S"}


def test_a_secret_is_compared_and_never_shown(tmp_path):
    (tmp_path / "run").mkdir()
    settings = replaced(feed={"token": "very-secret"})
    reload.record(tmp_path, settings)
    text = (tmp_path / "run" / "settings.json").read_text()
    assert "very-secret" not in text
    assert stat.S_IMODE((tmp_path / "run" / "settings.json").stat().st_mode) == 0o600
    (change,) = reload.changed(reload.recorded(tmp_path), reload.flat(replaced(feed={"token": "another"})))
    assert change.name == "feed.token"
    assert "another" not in change.text


@pytest.mark.parametrize("text", ["", "[]", "nonsense", json.dumps({"journal.max_hours": 3})])
def test_a_record_that_is_damaged_counts_as_none(tmp_path, text):
    (tmp_path / "run").mkdir()
    assert reload.recorded(tmp_path) == {}
    (tmp_path / "run" / "settings.json").write_text(text)
    assert reload.recorded(tmp_path) == {}


def test_only_a_process_that_handles_sighup_gets_it():
    code = "import signal, sys; {}; print(1, flush=True); sys.stdin.read()"
    for handles, line in ((True, "signal.signal(signal.SIGHUP, lambda *_: 0)"), (False, "pass")):
        with subprocess.Popen(
            [sys.executable, "-c", code.format(line)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            process.stdout.readline()
            assert reload.catches_hangup(process.pid) is handles
            process.stdin.close()
    assert signal.SIGHUP == 1
    assert not reload.catches_hangup(process.pid)

"""`hulak service`: the files of the unit, judged by systemd's own tools, and its refusals."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from hulak.clients.cli import cli, service, service_environment, service_files
from hulak.clients.cli.service_files import hidden_part, system_files, unit_word, user_files

SYSTEMD_CHECKER = shutil.which("systemd-analyze")
HIGHEST_EXPOSURE = 2.5
needs_systemd_analyze = pytest.mark.skipif(SYSTEMD_CHECKER is None, reason="this machine lacks the checker of systemd")


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.delenv("HULAK_HOME", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return lambda *words: CliRunner().invoke(cli, ["service", *words], prog_name="hulak")


def written(files, folder):
    """Write the unit of files to a folder; return its path."""
    (unit,) = [row for row in files if row.path.name == "hulak.service"]
    path = folder / "hulak.service"
    path.write_text(unit.text)
    return path


def check_unit(*words, **variables):
    env = {**os.environ, **variables}
    return subprocess.run([SYSTEMD_CHECKER, *words], env=env, capture_output=True, text=True, timeout=60, check=False)


def units(folder):
    folder.mkdir()
    python = str(shutil.which("true"))
    yield "system", written(system_files(python), folder)
    yield "user", written(user_files(python, Path("/srv/my 100% home"), folder), folder)


@needs_systemd_analyze
def test_systemd_finds_no_fault_in_the_units(tmp_path):
    for manager, unit in units(tmp_path / "units"):
        done = check_unit("verify", f"--{manager}", unit, XDG_RUNTIME_DIR=str(tmp_path))
        assert (done.returncode, done.stderr) == (0, ""), manager


@needs_systemd_analyze
def test_the_system_unit_is_exposed_at_most_as_far_as_it_has_to_be(tmp_path):
    unit = written(system_files("/opt/hulak/bin/python"), tmp_path)
    done = check_unit("security", "--offline=yes", unit)
    exposure = re.search(r"Overall exposure level for hulak.service: ([\d.]+)", done.stdout)
    assert float(exposure[1]) <= HIGHEST_EXPOSURE, done.stdout


def test_the_command_of_a_unit_is_quoted_where_it_has_to_be():
    assert unit_word("/opt/hulak/bin/python") == "/opt/hulak/bin/python"
    assert unit_word("/srv/my 100% $x") == '"/srv/my 100%% $$x"'
    assert unit_word('/a"b\\c') == '"/a\\"b\\\\c"'


def test_no_place_of_a_template_stays_empty():
    for row in (*system_files("/p"), *system_files("/p", packaged=True), *user_files("/p", Path("/h"), Path("/f"))):
        assert "@" not in re.sub(r"@(system-service|privileged|obsolete|chown)\b", "", row.text), row.path


def test_dry_run_prints_every_file_and_writes_none(run, tmp_path):
    result = run("install", "--system", "--dry-run", "--python", "/opt/hulak/bin/python")
    assert result.exit_code == 0
    for text in ("/etc/systemd/system/hulak.service, mode 0644", "/etc/sysusers.d/hulak.conf", "u hulak - ", "unless it exists"):
        assert text in result.stdout
    assert "ExecStart=/opt/hulak/bin/python -P -m hulak up --home /var/lib/hulak\n" in result.stdout
    result = run("install", "--user", "--dry-run", "--json", "--home", str(tmp_path / "home"))
    (file,) = json.loads(result.stdout)["files"]
    assert file["path"] == str(tmp_path / "config" / "systemd" / "user" / "hulak.service")
    assert f"up --home {tmp_path / 'home'}\n" in file["text"]
    assert list(tmp_path.iterdir()) == []


def test_dry_run_warns_of_a_unit_that_would_not_start_here(run, tmp_path):
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.touch()
    result = run("install", "--system", "--dry-run", "--python", str(python))
    assert (result.exit_code, f"ExecStart={python}" in result.stdout) == (0, True)
    assert f"here this unit would not start: {python} lies " in result.stderr


def test_the_files_of_a_package_lie_below_its_root_and_keep_the_settings_of_the_operator(run, tmp_path):
    settings = tmp_path / "etc" / "hulak" / "hulak.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text("# edited\n")
    result = run("install", "--root", str(tmp_path), "--python", "/usr/lib/hulak/bin/python3")
    assert result.exit_code == 0, result.output
    made = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert made == {"etc/hulak/hulak.toml", "usr/lib/systemd/system/hulak.service", "usr/lib/sysusers.d/hulak.conf"}
    assert settings.read_text() == "# edited\n"
    assert "ExecStart=/usr/lib/hulak/bin/python3 " in (tmp_path / "usr/lib/systemd/system/hulak.service").read_text()


def test_without_systemd_every_command_names_the_alternative(run, monkeypatch, tmp_path):
    monkeypatch.setattr(service, "BOOTED", tmp_path / "none")
    for words in (("install",), ("status",), ("uninstall",), ("install", "--user")):
        result = run(*words)
        assert result.exit_code == 1
        assert "systemd does not run on this machine; start Hulak with `hulak up --detach`" in result.stderr


def test_another_home_is_refused_for_the_system_service(run):
    result = run("install", "--system", "--dry-run", "--home", "/data/hulak")
    assert result.exit_code == 78
    assert "home /data/hulak is not /var/lib/hulak" in result.stderr


def test_a_relative_interpreter_is_refused(run):
    for command in ("install", "programs"):
        result = run(command, *(["--system", "--dry-run"] if command == "install" else []), "--python", "bin/python")
        assert result.exit_code == 78
        assert "interpreter bin/python must be an absolute path" in result.stderr


def test_an_interpreter_that_the_user_of_the_service_cannot_read_is_named():
    assert hidden_part(Path("/root/.local/pipx/venvs/hulak/bin/python")).endswith("below /root, which the service does not see")
    assert hidden_part(Path("/home/me/.venv/bin/python")) != ""
    assert hidden_part(Path("/opt/hulak/bin/python"), {Path("/opt/hulak"): 0o750}) == (
        "/opt/hulak/bin/python lies in /opt/hulak, which other users cannot enter"
    )
    assert hidden_part(Path("/opt/hulak/bin/python"), {}) == ""


def test_a_unit_of_a_package_is_not_removed(run, monkeypatch, tmp_path):
    unit = tmp_path / "hulak.service"
    unit.write_text("# of a package\n")
    monkeypatch.setattr(service, "_refuse_impossible", lambda **_: None)
    shown = dict.fromkeys(service.SHOWN, "") | {"LoadState": "loaded", "FragmentPath": str(unit)}
    monkeypatch.setattr(service, "_show", lambda _: shown)
    result = run("uninstall", "--system")
    assert result.exit_code == 1
    assert "was not written by `hulak service install`" in result.stderr
    assert unit.exists()


def test_the_state_of_the_service_is_the_exit_code(run, monkeypatch):
    monkeypatch.setattr(service, "_refuse_impossible", lambda **_: None)
    shown = {**dict.fromkeys(service.SHOWN, "1"), "LoadState": "loaded", "ActiveState": "active", "StatusText": "all is well"}
    monkeypatch.setattr(service, "_show", lambda _: shown)
    result = run("status")
    assert (result.exit_code, "all is well" in result.stdout) == (0, True)
    shown["ActiveState"] = "failed"
    assert run("status", "--json").exit_code == 1
    shown["LoadState"] = "not-found"
    assert "is not installed" in run("status").stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_root_does_not_start_processes_on_the_home_of_another_user(tmp_path):
    service_environment.refuse_other_owner(tmp_path)
    service_environment.refuse_other_owner(tmp_path / "none")
    os.chown(tmp_path, 65534, 65534)
    with pytest.raises(service_environment.ConfigError, match="belongs to user"):
        service_environment.refuse_other_owner(tmp_path)


def test_the_journal_is_recognised_by_its_device_and_inode_alone(tmp_path, monkeypatch):
    with (tmp_path / "log").open("w") as file:
        status = os.fstat(file.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        assert service_environment.is_journal(file.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:1")
        assert not service_environment.is_journal(file.fileno())
        monkeypatch.delenv("JOURNAL_STREAM")
        assert not service_environment.is_journal(file.fileno())


def test_run_is_linked_to_the_runtime_directory_unless_it_has_files(tmp_path, monkeypatch):
    home, folder = tmp_path / "home", tmp_path / "runtime"
    (home / "run").mkdir(parents=True)
    folder.mkdir()
    service_environment.use_runtime_folder(home)
    assert not (home / "run").is_symlink()
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(folder))
    (home / "run" / "file").touch()
    service_environment.use_runtime_folder(home)
    assert not (home / "run").is_symlink()
    (home / "run" / "file").unlink()
    for _ in range(2):
        service_environment.use_runtime_folder(home)
        assert (home / "run").readlink() == folder


def test_the_first_line_of_a_unit_is_the_mark_of_uninstall():
    for row in (*system_files("/p"), *user_files("/p", Path("/h"), Path("/f"))):
        if row.path.suffix == ".service":
            assert service_files.MARK in row.text.partition("\n")[0]

"""The facts that `hulak doctor` reads of the system, of a home folder and of addresses; and the command itself."""

import json
import os
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from hulak.bus.process.home import user_name
from hulak.bus.process.settings import SECRET
from hulak.clients.cli import cli
from hulak.clients.doctor import read_home, read_installation, read_machine

MOUNTS = """\
/dev/vda / ext4 rw 0 0
tmpfs /run tmpfs rw 0 0
server:/a /mnt/my\\040disk nfs4 rw 0 0
overlay /mnt/my\\040disk/deep overlay rw 0 0
/dev/vdb /mnt/my\\040disk/deep xfs rw 0 0
broken
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/var/lib/hulak", "ext4"),
        ("/run/hulak", "tmpfs"),
        ("/running", "ext4"),
        ("/mnt/my disk/hulak", "nfs4"),
        ("/mnt/my disk/deep/hulak", "xfs"),
    ],
)
def test_the_file_system_is_that_of_the_nearest_and_last_mount(path, kind):
    assert read_home.file_system(Path(path), MOUNTS) == kind


def test_a_home_that_does_not_exist_is_judged_by_the_folder_above_it(tmp_path):
    facts = read_home.read(tmp_path / "a" / "b")
    assert (facts.exists, facts.writable, facts.owner) == (False, True, user_name(os.geteuid()))
    assert facts.sync_ms > 0
    assert facts.write_bytes_per_s > 0
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"


def test_a_home_that_is_a_file_or_lies_below_one_is_no_folder(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for home, exists in ((tmp_path / "file", True), (tmp_path / "file" / "home", False)):
        facts = read_home.read(home)
        assert (facts.exists, facts.folder) == (exists, False)
        assert facts.disk_bytes is None


def test_the_place_above_a_folder_that_cannot_be_entered_is_judged(tmp_path, monkeypatch):
    def stat(path, **_):
        if path.parent != tmp_path.parent:
            raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "stat", stat)
    assert read_home.nearest(tmp_path / "closed" / "home") == tmp_path


def test_the_journal_of_a_home_is_measured(tmp_path):
    (tmp_path / "journal").mkdir()
    for number, count in enumerate((100, 23)):
        path = tmp_path / "journal" / f"{number}.hj"
        path.write_bytes(bytes(count))
        os.utime(path, (1_000 + number, 1_000 + number))
    assert read_home.read(tmp_path).journal_bytes == 123
    assert read_home.newest_file_s(tmp_path) == 1_001.0
    assert read_home.newest_file_s(tmp_path / "none") is None


def test_files_of_the_system_that_are_missing_or_odd_are_not_known(tmp_path):
    (tmp_path / "number").write_text("4096\n")
    (tmp_path / "two").write_text("32768\t60999\n")
    (tmp_path / "word").write_text("max\n")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    numbers = [read_machine.number_of(tmp_path / name) for name in ("number", "two", "word", "bytes", "missing")]
    assert numbers == [4096, 32768, None, None, None]
    assert read_machine.numbers_of(tmp_path / "two") == (32768, 60999)
    assert [read_machine.chosen(text) for text in ("always [madvise] never", "[always] never", "", None)] == [
        "madvise",
        "always",
        None,
        None,
    ]


def test_the_bound_of_a_control_group_is_the_least_of_those_above_it(tmp_path, monkeypatch):
    monkeypatch.setattr(read_machine, "CONTROL_GROUPS", tmp_path)
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "memory.max").write_text("max")
    (tmp_path / "a" / "memory.max").write_text("1000")
    groups = list(read_machine.control_groups("3:cpu:/x\n0::/a/b\n"))
    assert groups == [tmp_path / "a" / "b", tmp_path / "a", tmp_path]
    assert read_machine.least(groups, "memory.max") == 1000
    assert read_machine.least(groups, "pids.max") is None
    assert list(read_machine.control_groups(None)) == []


def test_limits_of_a_process_that_has_ended_are_those_of_the_command():
    assert read_machine.limits("broker, process 1", 2**22 + 1, os.geteuid()).whose == "this command"
    assert read_machine.limits("broker, process 1", os.getpid(), os.geteuid()).whose == "broker, process 1"


def test_secrets_of_a_file_are_named_and_not_shown():
    assert set(SECRET) >= {"token"}
    assert read_installation.secrets_of({"feed": {"token": "a"}, "gateway": {"token": ""}, "log": 3}) == ["feed.token"]


def run(*words, home, **variables):
    return CliRunner().invoke(cli, ["doctor", "--home", str(home), *words], env=variables)


@pytest.fixture
def port():
    """A port on which this process listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_taken_port_is_critical_and_its_process_is_named(tmp_path, port):
    done = run("--json", home=tmp_path, HULAK_GATEWAY__PORT=str(port))
    report = json.loads(done.stdout)
    assert (done.exit_code, report["level"]) == (2, "CRITICAL")
    (row,) = (row for row in report["results"] if row["what"] == "gateway.port")
    assert row["level"] == "CRITICAL"
    assert f"127.0.0.1:{port} is in use by" in row["seen"]
    assert f"(process {os.getpid()})" in row["seen"]
    assert "HULAK_GATEWAY__PORT" in row["advice"]


def test_a_wrong_setting_does_not_end_the_examination(tmp_path):
    (tmp_path / "hulak.toml").write_text('[broker]\nfrontent = "x"\n')
    done = run("--problems", home=tmp_path)
    assert done.exit_code == 2
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("settings\t"))
    assert "setting broker.frontent = 'x' is unknown" in line
    assert not [line for line in done.stdout.splitlines() if "\tOK\t" in line]


def test_a_file_that_is_not_toml_and_one_that_is_missing_are_named(tmp_path):
    (tmp_path / "hulak.toml").write_text("[broker\n")
    assert f"settings file {tmp_path}/hulak.toml cannot be read" in run(home=tmp_path).stdout
    done = run("--config", "/is/not/there", home=tmp_path)
    assert "settings file /is/not/there not found" in done.stdout
    assert done.exit_code == 2


def test_a_usage_error_is_unknown(tmp_path):
    done = run("--nonsense", home=tmp_path)
    assert done.exit_code == 3

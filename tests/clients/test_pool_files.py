"""The file with the slots of a service: its sections, and the values that are refused."""

import configparser
import sys
import xmlrpc.client
from pathlib import Path

import pytest

from hulak.bus.errors import ConfigError, HulakError
from hulak.bus.process.supervisor_rpc import BAD_NAME, STILL_RUNNING
from hulak.clients import pool_files
from hulak.clients.pool_files import PoolFile, path_of, refuse_taken, remove, start

FOLDER = Path("/srv/50% shop")


def sections(**values):
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"))
    parser.read_string(PoolFile("sums", "shop.tasks", FOLDER, **values).text())
    return {name: dict(parser[name]) for name in parser.sections()}


def test_the_file_has_a_group_of_slots_of_which_the_least_number_starts_by_itself():
    group, first, spare = sections(least=2, most=5, credit=7).values()
    assert group == {"programs": "sums_first,sums_spare", "priority": "40"}
    assert first["command"] == '"%(ENV_HULAK_PYTHON)s" -P -m hulak worker sums --module shop.tasks --credit 7'
    assert first["directory"] == "/srv/50%% shop"
    assert [program["process_name"] for program in (first, spare)] == ["sums_%(process_num)02d"] * 2
    fields = ("numprocs", "numprocs_start", "autostart", "autorestart")
    assert [first[name] for name in fields] == ["2", "0", "true", "unexpected"]
    assert [spare[name] for name in fields] == ["3", "2", "false", "unexpected"]


def test_a_pool_may_be_empty_and_a_fixed_number_has_no_spare_slot():
    assert list(sections(least=0, most=2)) == ["group:sums", "program:sums_spare"]
    fixed = sections(least=2, most=2)
    assert list(fixed) == ["group:sums", "program:sums_first"]
    assert fixed["program:sums_first"]["autorestart"] == "true"


def test_for_a_supervisord_of_the_machine_the_file_has_values_instead_of_variables(tmp_path):
    home = tmp_path / "50%"
    (home / "run").mkdir(parents=True)
    (home / "run" / "supervisor.sock").symlink_to("/run/supervisor.sock")
    text = PoolFile("sums", "shop", FOLDER).write(home).read_text()
    assert "ENV_HULAK" not in text
    assert f'command="{sys.executable}" -P -m hulak worker sums --module shop\n' in text
    written = str(home).replace("%", "%%")
    assert f'environment=HULAK_HOME="{written}"\numask=077\nuser={home.owner()}\n' in text
    assert f"stderr_logfile={str(home).replace('%', '%%%%')}/log/sums_%(process_num)02d.log" in text


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"service": "a b"}, "service 'a b' must have"),
        ({"service": "a:b"}, "service 'a:b' must have"),
        ({"service": "hulak.x"}, "service 'hulak.x' must have"),
        ({"service": "sums\n[x]"}, "must have"),
        ({"service": ""}, "must have"),
        ({"module": "shop; rm"}, "module 'shop; rm' must be"),
        ({"module": "shop.py --x"}, "must be the name of a Python module"),
        ({"directory": Path("/srv/a ;b")}, "folder '/srv/a ;b' has"),
        ({"directory": Path("/srv/a\nb")}, "has a line end"),
        ({"least": 3, "most": 2}, "3 to 2 workers, must be in order"),
        ({"least": 0, "most": 0}, "0 to 0 workers"),
        ({"most": 1001}, "1 to 1001 workers"),
    ],
)
def test_what_cannot_be_in_the_file_is_refused(values, error):
    with pytest.raises(ConfigError) as caught:
        PoolFile(**{"service": "sums", "module": "shop", "directory": FOLDER, **values})
    assert error in str(caught.value)


@pytest.mark.parametrize("service", ["broker", "nepse", "display", "feed", "scaler", "gateway", "nepse_00"])
def test_a_name_of_the_shipped_programs_is_refused(tmp_path, service):
    with pytest.raises(ConfigError, match=r"already has programs of supervisord in .*/etc/supervisord.conf; choose another name"):
        PoolFile(service, "shop", FOLDER).write(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_service_is_added_once_and_a_name_in_another_file_of_the_operator_is_refused(tmp_path):
    path = PoolFile("sums", "shop", FOLDER).write(tmp_path)
    assert path == path_of(tmp_path, "sums")
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConfigError, match="`hulak workers remove` removes it"):
        refuse_taken(tmp_path, "sums")
    (tmp_path / "programs" / "more.conf").write_text("[program:other]\ncommand=/bin/cat\n")
    (tmp_path / "programs" / "odd.conf").write_bytes(b"\xff[[[")
    with pytest.raises(ConfigError, match=r"more\.conf; choose another name"):
        refuse_taken(tmp_path, "other")
    refuse_taken(tmp_path, "third")


def test_without_supervisord_the_file_waits_for_the_next_start_and_is_removed(tmp_path):
    path = PoolFile("sums", "shop", FOLDER).write(tmp_path)
    assert start(tmp_path, "sums") is False
    remove(tmp_path, "sums", limit_s=1.0)
    assert not path.exists()
    with pytest.raises(ConfigError, match=r"service 'sums' has no file .*; services that have one: none"):
        remove(tmp_path, "sums", limit_s=1.0)


@pytest.mark.parametrize("code", [STILL_RUNNING, BAD_NAME, 92])
def test_slots_that_the_scaler_starts_again_during_the_removal_are_stopped_again(tmp_path, monkeypatch, code):
    PoolFile("sums", "shop", FOLDER).write(tmp_path)
    asked, refusals = [], [xmlrpc.client.Fault(code, "refused: sums")]

    def ask(home, method, *arguments):
        asked.append(method)
        if method == "removeProcessGroup" and refusals:
            raise refusals.pop()

    monkeypatch.setattr(pool_files, "ask", ask)
    monkeypatch.setattr(pool_files, "list_processes", lambda home: [])
    monkeypatch.setattr(pool_files, "REMOVE_AGAIN_S", 0.0)
    if code == 92:
        with pytest.raises(HulakError, match="supervisord refuses: refused: sums"):
            remove(tmp_path, "sums", limit_s=10.0)
        return
    remove(tmp_path, "sums", limit_s=10.0)
    again = ["stopProcessGroup", "removeProcessGroup"] if code == STILL_RUNNING else []
    assert asked == ["reloadConfig", "removeProcessGroup", *again]

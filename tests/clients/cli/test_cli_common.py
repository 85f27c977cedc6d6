"""The common part of every command: options, exit codes, one sentence on failure."""

import inspect
import json
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from local_bus import LocalBus, free_ports
from msgpack import ExtType

from hulak.bus.errors import AlreadyRuns, BusError, BusTimeout, ConfigError, HulakError
from hulak.bus.process.settings import Settings
from hulak.clients.cli import COMMANDS, SECTIONS, cli
from hulak.clients.cli.command import BrokerSilent, Call, Command, NoBroker, report, to_json
from hulak.clients.cli.nepse import nepse as nepse_commands
from hulak.clients.nepse.async_client import AsyncNepseClient
from hulak.clients.nepse.client import NepseClient
from hulak.workers.display.quantities.day_start import FX_NAMES, OWN_NAMES, Init
from hulak.workers.nepse.actions import build_actions
from hulak.workers.nepse.endpoints import ENDPOINTS, SESSION_ACTIONS


def leaves(group=cli, path=()):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from leaves(command, (*path, name))
        else:
            yield pytest.param([*path, name], id=" ".join([*path, name]))


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the command line on a temporary home, with unused addresses."""
    for name, port in zip(("COLLECTOR", "PUBLISHER", "FRONTEND", "BACKEND"), free_ports(4), strict=True):
        monkeypatch.setenv(f"HULAK_BROKER__{name}", f"tcp://127.0.0.1:{port}")
    monkeypatch.setenv("HULAK_HOME", str(tmp_path))
    monkeypatch.delenv("HULAK_CONFIG", raising=False)
    return lambda *words: CliRunner().invoke(cli, words, prog_name="hulak")


@pytest.mark.parametrize("words", list(leaves()))
def test_every_command_has_the_shared_options_and_an_example(run, words):
    result = run(*words, "--help")
    assert result.exit_code == 0
    for option in ("--json", "--timeout SECONDS", "--home DIR", "--config FILE"):
        assert option in result.stdout
    assert re.search(r"\n +Examples:\n +(\w+=\S+ )?hulak ", result.stdout)


def test_the_help_lists_every_command_in_its_order(run):
    text = run("--help").stdout.partition(next(iter(SECTIONS)) + ":")[2]
    assert re.findall(r"^  (\w+)  +\S", text, re.MULTILINE) == list(COMMANDS)
    assert re.findall(r"^(\S.*):$", text, re.MULTILINE) == list(SECTIONS)[1:]


def test_each_action_of_the_worker_is_a_command_and_a_method_of_both_clients():
    worker = build_actions(Settings().nepse)
    known = {*SESSION_ACTIONS, *(endpoint.action for endpoint in ENDPOINTS)}
    assert known == set(worker) == set(nepse_commands.commands) - {"archive", "archiver"}
    page = (Path(__file__).resolve().parents[3] / "docs" / "howto" / "exchange.md").read_text(encoding="utf-8")
    table = page.partition("| about | actions |")[2]
    assert known == set(re.findall(r"`([a-z-]+)`", table.partition("\n\n")[0]))
    for action in known:
        name = "get_" + action.replace("-", "_")
        blocking, awaited = getattr(NepseClient, name), getattr(AsyncNepseClient, name)
        assert blocking.__doc__ == awaited.__doc__
        assert inspect.signature(blocking) == inspect.signature(awaited)
        assert inspect.iscoroutinefunction(awaited)


@pytest.mark.parametrize(("loopback", "place"), [("owner", "{home}/run/frontend.ipc"), ("open", "tcp://127.0.0.1:1")])
def test_without_a_broker_the_sentence_names_the_place_and_what_to_do(run, monkeypatch, tmp_path, loopback, place):
    monkeypatch.setenv("HULAK_BROKER__FRONTEND", "tcp://127.0.0.1:1")
    monkeypatch.setenv("HULAK_SECURITY__LOOPBACK", loopback)
    result = run("stats", "--timeout", "0.1")
    assert result.exit_code == 3
    assert f"no broker answers at {place.format(home=tmp_path)} within 0.1 s" in result.stderr
    assert "`hulak up`" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    "words",
    [
        ["ping"],
        ["status"],
        ["nepse", "salts"],
        ["sub", "tick.EURUSD"],
        ["workers", "drain", "w"],
        ["workers"],
        ["scale", "nepse", "3"],
    ],
)
def test_with_json_a_failure_is_an_object_on_standard_output(run, words):
    result = run(*words, "--timeout", "0.1", "--json")
    assert result.exit_code == 3
    assert json.loads(result.stdout)["error"]["code"] == "NO_BROKER"
    assert result.stderr == ""


def test_an_unknown_setting_is_refused_with_its_name_and_value(run, tmp_path):
    (tmp_path / "hulak.toml").write_text("[broker]\npublsher = 'tcp://127.0.0.1:5551'\n")
    result = run("stats")
    assert result.exit_code == 78
    assert "broker.publsher = 'tcp://127.0.0.1:5551' is unknown" in result.stderr
    assert "broker.publisher" in result.stderr, "the allowed name"


@pytest.mark.parametrize("words", [["broker"], ["worker", "nepse"], ["feed"], ["up"], ["sim", "venue"], ["sub"]])
def test_an_address_beyond_the_loopback_is_refused_with_the_reason(run, monkeypatch, words):
    monkeypatch.setenv("HULAK_BROKER__PUBLISHER", "tcp://0.0.0.0:5551")
    result = run(*words)
    assert result.exit_code == 78
    assert "broker.publisher = 'tcp://0.0.0.0:5551'" in result.stderr
    assert "beyond this machine" in result.stderr


def test_an_unknown_variable_is_refused(run, monkeypatch):
    monkeypatch.setenv("HULAK_BROKR__PUBLISHER", "x")
    result = run("ping", "--json")
    assert result.exit_code == 78
    assert "HULAK_BROKR__PUBLISHER='x' is unknown" in json.loads(result.stdout)["error"]["text"]


def test_a_settings_file_that_is_not_there_is_refused(run):
    result = run("ping", "--config", "/nowhere.toml")
    assert result.exit_code == 78
    assert "/nowhere.toml not found" in result.stderr


@pytest.mark.parametrize(
    "words", [["sub", "--count", "0"], ["ping", "--timeout", "-1"], ["nepse", "salts", "--what"], ["scale", "nepse", "few"]]
)
def test_wrong_usage_ends_with_2_and_with_json_as_an_object(run, words):
    assert run(*words).exit_code == 2
    result = run(*words, "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"]["code"] == "USAGE"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (HulakError("no"), 1, "FAILED"),
        (AlreadyRuns("one runs"), 1, "ALREADY_RUNS"),
        (BusError("BUSY", "too many"), 1, "BUSY"),
        (BusTimeout("late"), 3, "TIMEOUT"),
        (NoBroker("no broker answers"), 3, "NO_BROKER"),
        (BrokerSilent("broker is silent"), 3, "BROKER_SILENT"),
        (ConfigError("wrong"), 78, "CONFIG"),
    ],
)
def test_exit_codes_show_the_side_of_the_fault(tmp_path, capsys, error, status, code):
    assert report(Call(tmp_path, None, True, None), error) == status
    payload = json.loads(capsys.readouterr().out)["error"]
    assert payload["code"] == code
    assert str(error) in payload["text"]


def test_json_makes_the_log_lines_of_a_daemon_json(run, monkeypatch):
    monkeypatch.setenv("HULAK_LOG__FORMAT", "console")
    seen = []

    @click.command(cls=Command, daemon=True)
    def serve(call):
        seen.append(call.settings.log.format)

    CliRunner().invoke(serve, ["--json"])
    CliRunner().invoke(serve, [])
    assert seen[0] == "json"


@pytest.mark.parametrize(
    ("words", "near"),
    [(["statsu"], "'status'"), (["nepse", "market-dept"], "'market-depth'"), (["xyzzy"], "")],
)
def test_an_unknown_command_is_refused_with_a_suggestion(run, words, near):
    result = run(*words)
    assert result.exit_code == 2
    assert f"No such command {words[-1]!r}" in result.stderr
    assert near in result.stderr
    assert ("id you mean" in result.stderr) == bool(near)


def test_unknown_settings_and_variables_are_refused_with_a_suggestion(run, monkeypatch, tmp_path):
    (tmp_path / "hulak.toml").write_text("[broker]\nfrontned = 'tcp://127.0.0.1:1'\n[borker]\n")
    text = run("status").stderr
    assert "did you mean 'broker.frontend'?" in text
    assert "did you mean 'broker'?" in text
    monkeypatch.setenv("HULAK_BORKER__FRONTEND", "x")
    assert "did you mean 'HULAK_BROKER__FRONTEND'" in run("status").stderr


def test_an_unknown_name_of_init_is_a_usage_error(run):
    result = run("displays", "create", "EURUSD", "--init", "opne=1.1")
    assert result.exit_code == 2
    assert "did you mean 'open'?" in " ".join(result.stderr.split())
    assert run("displays", "create", "EURUSD", "--init", "open=1.1", "--init", "todaysHigh=2", "--timeout", "0.1").exit_code == 3
    read = inspect.getsource(Init.from_values)
    assert all(f'"{name}"' in read for name in (*OWN_NAMES, *FX_NAMES))
    assert set(re.findall(r'"(\w+)"', read)) <= {"Init", *OWN_NAMES, *FX_NAMES}


def test_a_command_for_a_named_home_does_nothing_at_the_broker_of_another_home(tmp_path):
    with LocalBus() as local_bus:
        local_bus.start_broker()
        elsewhere = local_bus.hulak("config", "set", "kind:feed", "stale_s=5", "--home", tmp_path)
        assert elsewhere.wait(30) == 1
        assert f"home {tmp_path} has no broker; the broker that answers is of home {local_bus.home}" in elsewhere.log.read_text()
        assert local_bus.stats()["config"]["version"] == 0
        assert local_bus.hulak("check", "--home", tmp_path).wait(30) == 3, "UNKNOWN"
        here = local_bus.hulak("ping")
        assert here.wait(30) == 0
        assert "has no broker" not in here.log.read_text()


NAN, INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"bid": NAN, "ask": [INFINITE, -INFINITE, 1.5]}, '{"bid":null,"ask":[null,null,1.5]}'),
        ({(1, 2): NAN, b"\x01\xff": 1, None: 2, True: 3, 4: 5}, '{"(1, 2)":null,"01ff":1,"null":2,"true":3,"4":5}'),
        ({NAN: 1, 1.5: {(): ({"a": NAN},)}}, '{"NaN":1,"1.5":{"()":[{"a":null}]}}'),
        ([2**53 + 1, -(2**63), 2**64 - 1, b"\x00", ExtType(5, b"\x07"), "\u0930"], None),
        (ExtType(5, b"\x07"), '[5,"07"]'),
        (NAN, "null"),
    ],
)
def test_whatever_a_value_holds_it_is_written_as_valid_json(value, text):
    def refused(word):
        raise AssertionError(word)

    payload = json.loads(to_json(value), parse_constant=refused)
    assert text is None or to_json(value) == text
    assert text is not None or payload == [2**53 + 1, -(2**63), 2**64 - 1, "00", [5, "07"], "\u0930"]

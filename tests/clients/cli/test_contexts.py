"""Contexts: the file, which one counts, and the commands that change it."""

import json
import os
import stat
import subprocess
import sys

import pytest
from click.testing import CliRunner
from local_bus import ROOT, LocalBus
from waiting import eventually

from hulak.bus.errors import ConfigError
from hulak.clients.cli import cli, contexts
from hulak.clients.cli.contexts import Context, Contexts

LIVE, FAR = Context(home="/var/lib/hulak"), Context(host="10.0.0.5", key="/keys/far.key")
BOTH = Contexts({"live": LIVE, "far": FAR}, "live")


def test_a_written_file_is_read_back_and_is_for_its_owner_alone(tmp_path):
    path = tmp_path / "deep" / "hulak" / "contexts.toml"
    known = Contexts({"live": Context(home='/with "quotes"/and \\é'), "a.b-c": FAR}, "a.b-c")
    contexts.write(path, known)
    assert contexts.read(path) == known
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [item.name for item in path.parent.iterdir()] == ["contexts.toml"]
    assert contexts.read(tmp_path / "none.toml") == Contexts()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("use = ", "is wrong: "),
        ("usee = 'live'", "'usee' is unknown; allowed are use, [contexts.NAME]; did you mean 'use'?"),
        ("use = 'live'", "context 'live' of use is unknown; there is none; `hulak context add` adds one"),
        ("use = 3", "use must be a name"),
        ("[contexts]\nlive = 3", "[contexts.live] must be a table with home, config, host, key"),
        ("[contexts.live]\nhmoe = '/a'", "[contexts.live] has 'hmoe'; allowed are home, config, host, key; did you mean 'home'?"),
        ("[contexts.live]\nhome = 'var'", "home = 'var': must be an absolute path"),
        ("[contexts.live]\nhome = 5", "home = 5: must be a text"),
        ('[contexts.live]\nhome = "/a\\u001b"', "without control characters"),
        ("[contexts.live]", "names no broker: it needs a home, or a host and a key"),
        ("[contexts.live]\nhost = '10.0.0.5'", "takes only clients with a key; name its file"),
        ("[contexts.live]\nhost = '10.0.0.5:5552'\nkey = '/k'", "must be a name or an address, without a port"),
        ("[contexts.'li ve']\nhome = '/a'", "context 'li ve': a name has 1 to 64 letters"),
        ("use = 'lvie'\n[contexts.live]\nhome = '/a'", "there are live; did you mean 'live'?"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path, text, error):
    path = tmp_path / "contexts.toml"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ConfigError) as caught:
        contexts.read(path)
    assert error in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_file_that_others_can_write_and_odd_files_are_refused(tmp_path):
    path = tmp_path / "contexts.toml"
    path.write_text("")
    path.chmod(0o620)
    with pytest.raises(ConfigError, match="can be written by other users"):
        contexts.read(path)
    path.write_bytes(b"\xff" * 10)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="is wrong: 'utf-8'"):
        contexts.read(path)
    path.write_bytes(b"#" * (contexts.MOST_BYTES + 1))
    with pytest.raises(ConfigError, match="has more than"):
        contexts.read(path)
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        contexts.read(tmp_path)


@pytest.mark.parametrize(
    ("option", "environment", "name"),
    [
        (None, {}, "live"),
        (None, {"HULAK_CONTEXT": "far"}, "far"),
        (None, {"HULAK_CONTEXT": "far", "HULAK_HOME": "/a"}, ""),
        ("far", {"HULAK_CONTEXT": "live", "HULAK_HOME": "/a"}, "far"),
    ],
)
def test_the_option_goes_before_the_home_before_the_variable_before_the_used_one(option, environment, name):
    assert contexts.chosen(BOTH, option, environment) == (name, BOTH.by_name.get(name))


def test_an_unknown_context_is_refused_with_a_suggestion():
    with pytest.raises(ConfigError, match=r"'liv' of --context is unknown; there are far, live; did you mean 'live'\?"):
        contexts.chosen(BOTH, "liv", {})
    with pytest.raises(ConfigError, match="'x' of HULAK_CONTEXT is unknown"):
        contexts.chosen(BOTH, None, {"HULAK_CONTEXT": "x"})


def test_a_context_of_another_machine_has_the_usual_ports_or_those_of_its_settings_file(tmp_path):
    assert contexts.variables(LIVE) == {"HULAK_HOME": "/var/lib/hulak"}
    assert contexts.variables(FAR) == {
        "HULAK_KEY": "/keys/far.key",
        "HULAK_BROKER__COLLECTOR": "tcp://10.0.0.5:5550",
        "HULAK_BROKER__PUBLISHER": "tcp://10.0.0.5:5551",
        "HULAK_BROKER__FRONTEND": "tcp://10.0.0.5:5552",
        "HULAK_BROKER__BACKEND": "tcp://10.0.0.5:5553",
    }
    file = tmp_path / "far.toml"
    file.write_text('[broker]\nfrontend = "tcp://0.0.0.0:7002"\n')
    made = contexts.variables(Context(host="far", key="/k", config=str(file)))
    assert made["HULAK_BROKER__FRONTEND"] == "tcp://far:7002"
    assert made["HULAK_BROKER__BACKEND"] == "tcp://far:5553"
    with pytest.raises(ConfigError, match="settings file /none of the context cannot be read"):
        contexts.variables(Context(host="far", key="/k", config="/none"))


def test_variables_go_before_a_context_but_not_before_the_option():
    values = {"HULAK_HOME": "/b", "HULAK_KEY": "/b.key"}
    environment = {"HULAK_SECURITY__KEY": "/a.key"}
    contexts.apply(values, environment, by_option=False)
    assert environment == {"HULAK_SECURITY__KEY": "/a.key", "HULAK_HOME": "/b"}
    environment = {"HULAK_KEY": "/a.key", "HULAK_BROKER__FRONTEND": "tcp://a:1", "HULAK_LOG__LEVEL": "debug"}
    contexts.apply({"HULAK_HOME": "/b"}, environment, by_option=True)
    assert environment == {"HULAK_LOG__LEVEL": "debug", "HULAK_HOME": "/b"}, "another broker's key is not used"


def test_the_commands_change_the_file_and_errors_name_the_context(tmp_path):
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("HULAK_", "XDG_"))}
    environment |= {"XDG_CONFIG_HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}

    def hulak(*words, **variables):
        command = [sys.executable, "-P", "-m", "hulak", *words]
        done = subprocess.run(
            command, env={**environment, **variables}, capture_output=True, text=True, timeout=30, check=False, cwd=tmp_path
        )
        return done.returncode, done.stdout, done.stderr

    assert hulak("context")[:2] == (0, "no context; `hulak context add` adds one\n")
    assert hulak("context", "add", "live", "--home", "var", "--use")[:2] == (0, "context live is in use\n")
    assert hulak("context", "add", "test", HULAK_HOME="test")[:2] == (0, "added; `hulak context use test` uses it\n")
    rows = json.loads(hulak("context", "--json")[1])
    assert rows == [
        {"name": "live", "used": True, "home": str(tmp_path / "var")},
        {"name": "test", "used": False, "home": str(tmp_path / "test")},
    ]
    code, _, error = hulak("ping", "--timeout", "0.1")
    assert (code, f"{tmp_path}/var/" in error, error[-15:]) == (3, True, "(context live)\n"), error
    code, output, _ = hulak("--context", "test", "ping", "--timeout", "0.1", "--json", HULAK_HOME="/a")
    assert (code, json.loads(output)["error"]["text"][-14:]) == (3, "(context test)")
    assert "(context" not in hulak("ping", "--timeout", "0.1", "--home", "var")[2]
    assert hulak("--context", "test", "ping", "--home", "var")[0] == 2
    code, _, error = hulak("--context", "tets", "ping")
    assert (code, "did you mean 'test'?" in error) == (78, True)
    assert hulak("context", "show", "--name-only")[1] == "live\n"
    assert hulak("context", "rm", "live")[:2] == (0, "removed, no context is in use now\n")
    assert hulak("context", "show")[0] == 1


UNUSABLE = {
    "no file": (None, "context 'live' of --context is unknown; there is none; `hulak context add` adds one"),
    "unknown name": ("[contexts.lvie]\nhome = '/a'", "is unknown; there are lvie; did you mean 'lvie'?"),
    "malformed": ("[contexts.live", "contexts.toml is wrong: "),
    "wrong value": ("[contexts.live]\nhome = 5", "[contexts.live] home = 5: must be a text"),
    "no settings file": ("[contexts.live]\nconfig = '/no.toml'\nhost = 'a'\nkey = '/k'", "settings file /no.toml of the context"),
}


@pytest.mark.parametrize("what", UNUSABLE)
@pytest.mark.parametrize("words", [("ping",), ("top",), ("status", "--json"), ("check",)], ids=" ".join)
def test_a_command_with_a_context_that_cannot_be_used_is_refused_with_the_reason(tmp_path, words, what):
    text, error = UNUSABLE[what]
    if text is not None:
        path = contexts.file_path({"XDG_CONFIG_HOME": str(tmp_path)})
        path.parent.mkdir()
        path.write_text(text)
        path.chmod(0o600)
    done = CliRunner().invoke(cli, ["--context", "live", *words], env={"XDG_CONFIG_HOME": str(tmp_path), "HULAK_HOME": None})
    assert (done.exit_code, len(done.output.splitlines())) == (3 if words == ("check",) else 78, 1)
    assert error in (json.loads(done.stdout)["error"]["text"] if "--json" in words else done.output)


def test_a_check_with_a_context_and_a_home_is_unknown_not_critical(tmp_path):
    variables = {"XDG_CONFIG_HOME": str(tmp_path), "HULAK_HOME": None}
    done = CliRunner().invoke(cli, ["--context", "live", "check", "--home", str(tmp_path)], env=variables)
    assert (done.exit_code, done.stdout[:50]) == (3, "HULAK UNKNOWN - --home and --context exclude each ")


@pytest.mark.system
def test_a_context_whose_broker_is_that_of_another_home_is_refused(tmp_path):
    """The home of the context has no broker, and its settings file has the addresses of another broker."""
    with LocalBus() as local_bus:
        local_bus.start("-m", "hulak", "broker")
        settings = tmp_path / "hulak.toml"
        lines = [
            "[security]",
            'loopback = "open"',
            "[broker]",
            *(f'{name} = "{where}"' for name, where in local_bus.addresses.items()),
        ]
        settings.write_text("\n".join(lines))
        contexts.write(
            contexts.file_path({"XDG_CONFIG_HOME": str(tmp_path)}),
            Contexts({"wrong": Context(home=str(tmp_path), config=str(settings)), "right": Context(home=str(local_bus.home))}),
        )
        environment = {name: text for name, text in os.environ.items() if not name.startswith("HULAK_")}

        def hulak(context, *words):
            command = [sys.executable, "-m", "hulak", "--context", context, *words]
            variables = {**environment, "XDG_CONFIG_HOME": str(tmp_path)}
            return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)

        eventually(lambda: hulak("right", "ping").returncode == 0, within_s=60)
        done = hulak("wrong", "ping")
        assert (done.returncode, done.stdout) == (1, "")
        reason = f"home {tmp_path} has no broker; the broker that answers is of home {local_bus.home}"
        assert reason in done.stderr
        assert done.stderr.endswith("(context wrong)\n")
        checked = hulak("wrong", "check")
        assert (checked.returncode, reason in checked.stdout) == (3, True)

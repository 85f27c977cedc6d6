"""Settings: complete, documented, and refused at the start with their name, value and allowed values."""

import os
import re
import tomllib
from pathlib import Path

import msgspec
import pytest
import zmq

from hulak.bus.errors import ConfigError
from hulak.bus.process import key_files, listening
from hulak.bus.process.check_settings import SECTIONS
from hulak.bus.process.load_settings import PLAIN_VARIABLES, load, shipped
from hulak.bus.process.settings import BrokerSettings, ServiceScaling, Settings, loopback_endpoint

DOCUMENTED_ONLY = {  # shown as comments: TOML has no value for none
    ("nepse", "ca_file"),
    ("archive", "folder"),
    ("journal", "archive"),
    ("scaling", "supervisor_socket"),
    ("security", "key"),
    ("gateway", "tls_cert"),
    ("gateway", "tls_key"),
    ("bridge", "credentials"),
    ("bridge", "tls_ca"),
    ("bridge", "tls_cert"),
    ("bridge", "tls_key"),
}


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for name in [name for name in os.environ if name.upper().startswith("HULAK_")]:
        monkeypatch.delenv(name)


def settings(tmp_path, text="", **options):
    file = tmp_path / "test.toml"
    file.write_text(text, encoding="utf-8")
    return load(tmp_path, file, options)


def refusal(tmp_path, text="", **options):
    with pytest.raises(ConfigError) as caught:
        settings(tmp_path, text, **options)
    return str(caught.value)


# The shipped file


def test_the_shipped_file_and_the_models_defaults_are_equal_in_every_setting():
    table = tomllib.loads(shipped("hulak.toml").read_text(encoding="utf-8"))
    for section, model in SECTIONS.items():
        for name in DOCUMENTED_ONLY:
            if name[0] == section:
                table[section][name[1]] = None
        assert table.get(section) == msgspec.structs.asdict(model()), f"[{section}]"
    assert set(table) == set(SECTIONS)


def test_the_shipped_file_loads_to_the_defaults(tmp_path):
    assert load(tmp_path, shipped("hulak.toml")) == Settings()


def test_every_setting_of_the_shipped_file_has_a_comment():
    silent, section = [], ""
    for line in shipped("hulak.toml").read_text(encoding="utf-8").splitlines():
        if match := re.fullmatch(r"\[(\w+)\]", line):
            section = match[1]
        elif match := re.match(r"#? ?(\w+) = ", line):
            comment = line.split("#")[-1] if line.count("#") > line.startswith("#") else ""
            if not comment.strip():
                silent.append(f"{section}.{match[1]}")
    assert silent == []


# Unknown and wrong ones


def test_an_unknown_setting_is_refused_and_the_known_ones_are_named(tmp_path):
    error = refusal(tmp_path, "[broker]\nmax_topic = 5\n")
    assert "setting broker.max_topic = 5 is unknown; allowed are broker.collector, " in error
    assert "broker.max_topics" in error
    assert "test.toml" in error


def test_an_unknown_section_is_refused_and_the_known_ones_are_named(tmp_path):
    error = refusal(tmp_path, "[brokr]\nx = 1\n")
    assert "setting brokr = {'x': 1} is unknown; allowed are [broker], " in error


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[broker]\nmax_tasks = 0", "setting broker.max_tasks = 0: must be a whole number from 1 to 1,000,000"),
        ('[broker]\nmax_tasks = "many"', "setting broker.max_tasks = 'many': must be a whole number from 1"),
        ("[task]\nretries = 21", "setting task.retries = 21: must be a whole number from 0 to 20"),
        ("[task]\nlease_s = nan", "setting task.lease_s = nan: must be a number from 0.2 to 60"),
        ('[log]\nlevel = "loud"', "setting log.level = 'loud': must be one of debug, info, warning, error"),
        ('[nepse]\nbase_url = "ftp://x"', "setting nepse.base_url = 'ftp://x': must be http:// or https:// and a host"),
        ('[feed]\nurl = "tcp://x"', "setting feed.url = 'tcp://x'"),
        ('[sim]\nhost = "0.0.0.0"', "setting sim.host = '0.0.0.0'"),
        (
            "[scaling]\nmin_workers = 4\nmax_workers = 3",
            "setting scaling.min_workers is 4, must not be above scaling.max_workers",
        ),
        ("[scaling]\nmax_workers = 6", "setting scaling.max_workers = 6"),
        (
            "[scaling.sums]\nmin_workers = 4\nmax_workers = 3",
            "setting scaling.sums.min_workers is 4, must not be above scaling.sums.max_workers",
        ),
        ("[scaling.sums]\nmax_workers = 0", "setting scaling.sums.max_workers = 0: must be a whole number from 1 to 1,000"),
        ("[scaling.sums]\nidle_timeout_s = -1", "setting scaling.sums.idle_timeout_s = -1: must be a number above 0"),
        ("[scaling.sums]\nlook_s = 1", "setting scaling.sums.look_s = 1 is unknown; allowed are scaling.sums.min_workers, "),
        ("[scaling.nepse]\nmin_workers = 1", "section [scaling.nepse]: the settings of nepse are in [scaling]; move them there"),
        ('[scaling."a:b"]\nmin_workers = 1', "section [scaling.a:b]: no service has this name"),
        ("[supervisor]\nretry_cap_s = 1.0", "setting supervisor.retry_cap_s is below supervisor.retry_base_s"),
        ("[task]\nsoft_s = 75.0", "setting task.hard_s is 75.0, must be above task.soft_s, which is 75.0"),
        ("[task]\nheartbeat_s = 1.0", "setting task.lease_s is 1.5, must be at least twice task.heartbeat_s (1.0)"),
        ("[task]\nmdp_lease_s = 0.4", "setting task.mdp_lease_s is 0.4, must be at least twice task.heartbeat_s (0.25)"),
        (
            "[broker]\nmax_task_bytes = 1_000_000",
            "setting broker.max_task_bytes is 1000000, must be at least broker.max_message_bytes, which is 8388608",
        ),
        ("[feed]\nbackoff_cap_s = 0.1", "backoff_cap_s of [feed] or [task] is below backoff_base_s"),
        ('[broker]\nfrontend = "tcp://127.0.0.1:5553"', "must all differ"),
        ("[broker", "cannot be read"),
        ("broker = 5", "setting broker = 5: must be a table, [broker]"),
        ("[broker]\ndrain_s = inf", "setting broker.drain_s = inf: must be a number above 0 and at most 86,400"),
        ("[broker]\nmax_tasks = true", "setting broker.max_tasks = True: must be a whole number from 1"),
        ('[broker]\nmax_tasks = "5"', "setting broker.max_tasks = '5': must be a whole number from 1"),
        ("[feed]\ntoken = 54321", "setting feed.token = ***: must be a text"),
        ("[nepse]\nca_file = 5", "setting nepse.ca_file = 5: must be a text"),
        (
            '[gateway]\nhost = "127.0.0.1\\n"',
            "setting gateway.host = '127.0.0.1\\n': must be localhost or the number of an address",
        ),
        (
            '[gateway]\nhost = "desk.example"',
            "setting gateway.host = 'desk.example': must be localhost or the number of an address",
        ),
        ('[gateway]\ntoken = "x"', "setting gateway.token = *** is unknown; allowed are gateway.host, gateway.port"),
        ('[gateway]\nhosts = "https://desk.example"', "setting gateway.hosts = 'https://desk.example': must be a text like"),
        ('[gateway]\nlocal_users = "all"', "setting gateway.local_users = 'all': must be one of owner, open"),
        ('[gateway]\ntls_cert = "/x"', "setting gateway.tls_key is missing, must be set together with gateway.tls_cert"),
        ('[gateway]\ntls_key = "/x"', "setting gateway.tls_cert is missing, must be set together with gateway.tls_key"),
        ('[gateway]\nhost = "0.0.0.0"', "setting gateway.host is 0.0.0.0, an address beyond this machine"),
        ('[gateway]\nhost = "::"', "set gateway.tls_cert and gateway.tls_key, or gateway.behind_proxy = true"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_name_its_value_and_what_is_allowed(tmp_path, text, error):
    assert error in refusal(tmp_path, text)


def test_all_wrong_settings_are_reported_together(tmp_path):
    error = refusal(tmp_path, "[broker]\nmax_tasks = 0\n[task]\nretries = 99\n")
    assert "broker.max_tasks = 0" in error
    assert "task.retries = 99" in error


def test_a_token_is_never_shown(tmp_path):
    assert "s3cret" not in refusal(tmp_path, '[feed]\ntoken = "s3cret and more"\n')
    loaded = settings(tmp_path, '[feed]\ntoken = "s3cret"\n')
    assert loaded.feed.token == "s3cret"
    assert "s3cret" not in repr(loaded)


def test_the_address_of_a_site_may_end_with_a_slash(tmp_path):
    assert settings(tmp_path, '[nepse]\nbase_url = "http://127.0.0.1:9/"').nepse.base_url == "http://127.0.0.1:9/"


def test_a_path_may_be_given_as_one(tmp_path):
    assert settings(tmp_path, nepse={"ca_file": tmp_path}).nepse.ca_file == tmp_path
    assert settings(tmp_path, '[nepse]\nca_file = "/x"').nepse.ca_file == Path("/x")
    assert settings(tmp_path, '[archive]\nfolder = ""').archive.folder is None, "and not the working directory"


def test_settings_cannot_be_changed_afterwards(tmp_path):
    with pytest.raises(AttributeError, match="immutable"):
        settings(tmp_path).broker.max_tasks = 5


def test_each_service_has_its_own_scaling_and_those_of_nepse_are_unchanged(tmp_path, monkeypatch):
    text = "[scaling]\nmax_workers = 3\n[scaling.sums]\nmin_workers = 0\n[scaling.'x.y']\nidle_timeout_s = 5\n"
    monkeypatch.setenv("HULAK_SCALING__SUMS__MAX_WORKERS", "8")
    monkeypatch.setenv("HULAK_SCALING__MIN_WORKERS", "2")
    loaded = settings(tmp_path, text)
    assert (loaded.scaling.min_workers, loaded.scaling.max_workers) == (2, 3)
    assert loaded.services == {
        "sums": ServiceScaling(min_workers=0, max_workers=8),
        "x.y": ServiceScaling(idle_timeout_s=5),
    }


@pytest.mark.parametrize("name", ["HULAK_SCALING__SUMS__MAX", "HULAK_SCALING____MAX_WORKERS", "HULAK_OTHER__SUMS__MAX_WORKERS"])
def test_a_wrong_variable_of_a_service_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.setenv(name, "8")
    assert re.search("is unknown|is missing", refusal(tmp_path))


# Addresses


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "tcp://127.9.9.9:65535", "tcp://[::1]:5550"])
def test_an_address_on_the_loopback_is_kept_unchanged(address):
    assert loopback_endpoint(address) == address


@pytest.mark.parametrize("address", ["tcp://0.0.0.0:5550", "tcp://192.168.1.5:5550", "tcp://[::]:5550", "tcp://8.8.8.8:1"])
def test_an_address_beyond_the_loopback_is_refused_with_the_reason(tmp_path, address):
    error = refusal(tmp_path, f'[broker]\nfrontend = "{address}"\n')
    reason = "is an address beyond this machine: a program that reaches it could read"
    assert f"setting broker.frontend = '{address}': {reason}" in error
    assert "without keys; allowed are 127.0.0.0/8 and [::1], and any address once there is a key (`hulak key new`)" in error


@pytest.mark.parametrize(
    ("address", "error"),
    [
        ("tcp://localhost:5550", "must name an address by its number"),
        ("tcp://*:5550", "must name an address by its number"),
        ("tcp://127.0.0.1:0", "port from 1 to 65535"),
        ("tcp://127.0.0.1:65536", "port from 1 to 65535"),
        ("tcp://127.0.0.1", "must be tcp://HOST:PORT"),
        ("ipc:///tmp/x", "must be tcp://HOST:PORT"),
        ("", "must be tcp://HOST:PORT"),
    ],
)
def test_a_malformed_address_is_refused(tmp_path, address, error):
    assert error in refusal(tmp_path, f'[broker]\nbackend = "{address}"\n')


# Where a setting comes from


def test_an_option_overrides_a_variable_which_overrides_the_file_which_overrides_the_default(tmp_path, monkeypatch):
    assert settings(tmp_path).broker.max_tasks == 10_000
    text = "[broker]\nmax_tasks = 2\nmax_topics = 22\n"
    assert settings(tmp_path, text).broker.max_tasks == 2
    monkeypatch.setenv("HULAK_BROKER__MAX_TASKS", "3")
    loaded = settings(tmp_path, text)
    assert (loaded.broker.max_tasks, loaded.broker.max_topics) == (3, 22)
    loaded = settings(tmp_path, text, broker={"max_tasks": 4})
    assert (loaded.broker.max_tasks, loaded.broker.max_topics, loaded.task) == (4, 22, Settings().task)


def test_an_option_is_checked_like_any_other_setting(tmp_path):
    assert "publisher = 'tcp://0.0.0.0:1': is an address beyond this machine" in refusal(
        tmp_path, broker={"publisher": "tcp://0.0.0.0:1"}
    )
    assert "must be above task.soft_s" in refusal(tmp_path, task={"hard_s": 1.0})


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("HULAK_BROKR__MAX_TASKS", "variable HULAK_BROKR__MAX_TASKS='5' is unknown; allowed are HULAK_ARCHIVE__NAME, "),
        ("HULAK_BROKER", "variable HULAK_BROKER='5' is unknown"),
        ("HULAK_VERBOSE", "variable HULAK_VERBOSE='5' is unknown"),
        ("HULAK_BROKER__MAX_TASK", "setting broker.max_task = '5' is unknown; allowed are broker.collector"),
        ("HULAK_BROKER__PUBLISHER", "setting broker.publisher = '5': must be tcp://HOST:PORT"),
    ],
)
def test_an_unknown_or_wrong_variable_is_refused(tmp_path, monkeypatch, name, error):
    monkeypatch.setenv(name, "5")
    assert error in refusal(tmp_path)


def test_variables_that_are_no_settings_are_ignored(tmp_path, monkeypatch):
    for name in PLAIN_VARIABLES - {"HULAK_CONFIG"}:
        monkeypatch.setenv(name, str(tmp_path))
    assert settings(tmp_path) == Settings()


def test_the_file_is_the_one_named_then_the_variables_then_the_homes_then_the_shipped_one(tmp_path, monkeypatch):
    named, by_variable, at_home = (tmp_path / name for name in ("named.toml", "variable.toml", "hulak.toml"))
    assert load(tmp_path) == Settings() or Path("/etc/hulak/hulak.toml").exists()
    at_home.write_text("[broker]\nmax_tasks = 1\n")
    assert load(tmp_path).broker.max_tasks == 1
    by_variable.write_text("[broker]\nmax_tasks = 2\n")
    monkeypatch.setenv("HULAK_CONFIG", str(by_variable))
    assert load(tmp_path).broker.max_tasks == 2
    named.write_text("[broker]\nmax_tasks = 3\n")
    assert load(tmp_path, named).broker.max_tasks == 3


def test_a_named_file_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.toml not found; name another with --config"):
        load(tmp_path, tmp_path / "nowhere.toml")


# Keys


def test_a_variable_names_the_key_and_an_empty_one_does_not(tmp_path, monkeypatch):
    monkeypatch.setenv("HULAK_KEY", "/etc/alice.secret")
    assert settings(tmp_path).security.key == Path("/etc/alice.secret")
    monkeypatch.setenv("HULAK_SECURITY__KEY", "/etc/bob.secret")
    assert settings(tmp_path).security.key == Path("/etc/bob.secret")
    monkeypatch.delenv("HULAK_SECURITY__KEY")
    monkeypatch.setenv("HULAK_KEY", "")
    assert settings(tmp_path).security.key is None


@pytest.mark.parametrize("owner", ["client", "broker"])
def test_an_address_beyond_the_loopback_is_allowed_with_a_key(tmp_path, owner):
    text = '[broker]\nfrontend = "tcp://bus.example:5552"\n'
    if owner == "client":
        text += '[security]\nkey = "alice.secret"\n'
    else:
        pair = key_files.new_pair()
        key_files.write_broker_key(tmp_path, key_files.BrokerKey(pair.public, pair.secret))
    assert settings(tmp_path, text).broker.frontend == "tcp://bus.example:5552"


def test_a_clients_key_in_the_settings_does_not_let_a_broker_without_keys_listen_beyond_the_loopback(tmp_path):
    text = '[broker]\nfrontend = "tcp://0.0.0.0:5552"\n[security]\nkey = "alice.secret"\nloopback = "open"\n'
    checked = settings(tmp_path, text).broker
    with zmq.Context() as context, pytest.raises(ConfigError, match="is an address beyond this machine"):
        listening.bind(context, checked, tmp_path, "frontend", lambda _: None, True, listening.OPEN)


@pytest.mark.parametrize("why", ["path", "files"])
def test_a_broker_without_keys_and_files_does_not_start_and_names_the_remedies(tmp_path, why):
    home = tmp_path / ("x" * 110 if why == "path" else "home")
    (home / "run").mkdir(parents=True)
    remedy = "hulak key new.*security.loopback = 'open'"
    with zmq.Context() as context, pytest.raises(ConfigError, match=remedy) as refused:
        listening.bind(context, BrokerSettings(), home, "frontend", lambda _: None, why == "path", listening.TcpEntry())
    assert {"path": "more than 107 bytes", "files": "too few files may be open"}[why] in str(refused.value)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("", "http://127.0.0.1:5570/"),
        ('host = "::1"', "http://[::1]:5570/"),
        ('host = "127.0.0.7"\ntls_cert = "/c"\ntls_key = "/k"', "https://127.0.0.7:5570/"),
        ('host = "0.0.0.0"\nbehind_proxy = true', "http://localhost:5570/"),
        ('host = "::"\nhosts = "desk.example,desk"\ntls_cert = "/c"\ntls_key = "/k"', "https://desk.example:5570/"),
        ('host = "192.0.2.7"\nbehind_proxy = true', "http://192.0.2.7:5570/"),
    ],
)
def test_the_gateways_address_as_seen_from_this_machine(tmp_path, text, url):
    assert settings(tmp_path, f"[gateway]\n{text}").gateway.url == url


# The bridge


@pytest.mark.parametrize(
    ("setting", "value", "why"),
    [
        ("servers", "nats://user:secret@host:4222", "credentials are in a file"),
        ("servers", "http://host", "must be nats://HOST:PORT"),
        ("servers", "", "must be nats://HOST:PORT"),
        ("receive", "a,a", "each once"),
        ("receive", "live", "not live"),
        ("receive", "A", "must be names of sites"),
        ("site", "live", "must be a text like"),
        ("site", "-a", "must be a text like"),
        ("config", "A", "must be a text like"),
        ("site", "a" * 17, "must be a text like"),
    ],
)
def test_a_wrong_setting_of_the_bridge_is_refused(tmp_path, setting, value, why):
    assert why in refusal(tmp_path, f'[bridge]\n{setting} = "{value}"')


def test_a_password_in_an_address_is_not_shown(tmp_path):
    text = refusal(tmp_path, '[bridge]\nservers = "nats://n,nats://user:password1@host:4222"')
    assert "nats://n,nats://***@host:4222" in text
    assert "password1" not in text


def test_the_names_of_other_sites_may_have_spaces_between_them(tmp_path):
    assert settings(tmp_path, '[bridge]\nreceive = "a, b-2"').bridge.sites == ["a", "b-2"]
    assert settings(tmp_path, '[bridge]\nservers = "nats://h:1, tls://[::1]:4222,nats://n"').bridge.servers.count(",") == 2

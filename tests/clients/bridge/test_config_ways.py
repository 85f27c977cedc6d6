"""Owner and follower of the shared configuration, with a stream and brokers in memory: order, refusals, races."""

import asyncio
from types import SimpleNamespace

import pytest
from nats.js.errors import APIError

from hulak.bus.errors import BusError, ProtocolError
from hulak.bus.live_config.keys import check_values
from hulak.bus.process.settings import BridgeSettings
from hulak.bus.wire import codec
from hulak.bus.wire.messages import Stamp
from hulak.clients.bridge import shared_config
from hulak.clients.bridge.config_follower import MOST_OLDER, ConfigFollower
from hulak.clients.bridge.config_owner import ConfigOwner, OtherOwner
from hulak.clients.bridge.config_stream import published_ns
from hulak.clients.bridge.stream import Stored

LOG = SimpleNamespace(info=lambda *_, **__: None, warning=lambda *_, **__: None)
CLIENT = SimpleNamespace(jetstream=lambda timeout: None)


class MemoryBroker:
    """The live configuration of a broker, as `hulak.last` and `hulak.config.set` of it."""

    def __init__(self):
        self.hulak, self.version, self.scopes, self.sets = "1", 0, {}, []
        self.before_set = None

    async def call(self, service, action, args, *, timeout_s):
        if service == "hulak.last":
            body = {"version": self.version, "at_ns": 1, "by": "", "note": "", "scopes": self.scopes}
            return [codec.encode_publication(b"config", Stamp(1, 1, 1), codec.pack(body))]
        if service == "hulak.ping":
            return {"version": self.hulak}
        self.sets.append(args)
        if self.before_set is not None:
            self.before_set()
        if args["if_version"] != self.version:
            raise BusError("OTHER_VERSION", "changed meanwhile")
        try:
            self.change(args["scope"], args["values"], args["unset"])
        except ProtocolError as error:
            raise BusError(error.code, str(error), error.details) from error
        return {"version": self.version, "changed": True}

    def change(self, scope, values, unset=()):
        values = {**self.scopes.get(scope, {}), **check_values(scope, values)}
        self.scopes[scope] = {key: value for key, value in values.items() if key not in unset}
        self.version += 1


class MemoryStream:
    """One message, replaced only behind the one that was seen, as JetStream does."""

    name = "HULAK_CONFIG_A"

    def __init__(self):
        self.message = None
        self.before_publish = None

    async def make(self, settings):
        """It is there."""

    async def last(self):
        return self.message

    async def publish(self, body, time_ns, after):
        if self.before_publish is not None:
            self.before_publish()
        sequence = 0 if self.message is None else self.message.sequence
        if after != sequence:
            raise APIError(code=400, err_code=10071, description=f"wrong last sequence: {sequence}")
        self.put(body, time_ns)
        return self.message

    def put(self, body, time_ns=1):
        sequence = 0 if self.message is None else self.message.sequence
        self.message = Stored(sequence + 1, "hulak-config.a", {"Hulak-Published-Ns": str(time_ns)}, body)

    def put_scopes(self, version, scopes, time_ns=1):
        self.put(codec.pack({"version": version, "at_ns": 1, "by": "", "note": "", "scopes": scopes}), time_ns)

    @property
    def version(self):
        return shared_config.decode(self.message.body).version


def owner(stream, broker):
    way = ConfigOwner(BridgeSettings(site="a", config="a"), CLIENT, broker, LOG, lambda: 50)
    way.stream = stream
    return way


def follower(stream, broker):
    way = ConfigFollower(BridgeSettings(site="b", config="a"), CLIENT, broker, LOG)
    way.stream = stream
    return way


def check(way, times=1):
    for _ in range(times):
        asyncio.run(way._check())


def test_each_version_goes_out_once_and_a_lost_message_again():
    stream, broker = MemoryStream(), MemoryBroker()
    way = owner(stream, broker)
    check(way, 3)
    broker.change("kind:nepse", {"rate_per_s": 1.5})
    check(way, 3)
    assert (stream.version, way.messages) == (1, 2)
    stream.message = None
    check(way)
    assert (stream.version, way.messages) == (1, 3)


def test_an_older_document_never_replaces_a_newer_one():
    stream, broker = MemoryStream(), MemoryBroker()
    way = owner(stream, broker)
    stream.put_scopes(9, {})
    stream.before_publish = lambda: stream.put_scopes(1, {})  # of another bridge of this site, with a newer document
    with pytest.raises(APIError):
        check(way)
    assert stream.version == 1


def test_the_present_document_counts_whatever_its_version_is_and_times_only_grow():
    stream, broker = MemoryStream(), MemoryBroker()
    stream.put_scopes(9, {}, time_ns=80)  # of the database before, or of a clock that was set back
    check(owner(stream, broker))
    assert (stream.version, published_ns(stream.message)) == (0, 81)


def test_a_second_broker_of_the_same_name_is_reported_and_does_not_alternate_with_this_one():
    stream, broker = MemoryStream(), MemoryBroker()
    way = owner(stream, broker)
    check(way)
    stream.put_scopes(3, {})
    with pytest.raises(OtherOwner, match="needs another name"):
        check(way)
    broker.change("kind:nepse", {"rate_per_s": 1.5})
    check(way)
    assert stream.version == 1


def test_a_message_that_cannot_be_read_is_replaced():
    stream, broker = MemoryStream(), MemoryBroker()
    stream.put(b"\xc1")
    check(owner(stream, broker))
    assert stream.version == 0


def test_a_follower_sets_what_differs_once_and_overwrites_a_local_change():
    stream, broker = MemoryStream(), MemoryBroker()
    way = follower(stream, broker)
    check(way)
    assert way.state.name == "waiting"
    stream.put_scopes(4, {"global": {"log_level": "debug"}, "kind:nepse": {"rate_per_s": 1.5}, "feed:x": {"stale_s": 4.0}})
    check(way, 3)
    assert broker.scopes == {"global": {"log_level": "debug"}, "kind:nepse": {"rate_per_s": 1.5}}
    assert [(row["by"], row["note"]) for row in broker.sets] == [("bridge of b", "version 4 of a")] * 2
    broker.change("kind:nepse", {"cache_s": 9.0})
    check(way, 2)
    assert broker.scopes["kind:nepse"] == {"rate_per_s": 1.5}
    values = way.values()
    assert [values[name] for name in ("state", "version", "changes", "overwritten")] == ["receiving", 4, 3, 1]


def test_values_that_the_follower_refuses_are_counted_and_named_and_the_rest_applies():
    stream, broker = MemoryStream(), MemoryBroker()
    way = follower(stream, broker)
    stream.put_scopes(1, {"kind:nepse": {"rate_per_s": 1e9, "later": 5, "cache_s": 3.0}, "kind:later": {"x": 1}})
    check(way)
    assert broker.scopes == {"kind:nepse": {"cache_s": 3.0}}
    asked = len(broker.sets)
    check(way, 3)
    assert len(broker.sets) == asked
    values = way.values()
    assert (values["refused_values"], values["refused_now"], values["version"]) == (3, 3, 1)
    assert any(text.startswith("kind:nepse rate_per_s: ") for text in values["refused_named"])
    broker.hulak = "2"
    check(way)
    assert len(broker.sets) == asked + 3
    stream.put_scopes(2, {"kind:nepse": {"rate_per_s": 2.5, "cache_s": 3.0}})
    check(way)
    assert broker.scopes == {"kind:nepse": {"cache_s": 3.0, "rate_per_s": 2.5}}
    assert way.values()["refused_now"] == 0


def test_an_older_document_is_applied_only_if_the_owner_does_not_replace_it():
    stream, broker = MemoryStream(), MemoryBroker()
    way = follower(stream, broker)
    stream.put_scopes(5, {"global": {"log_level": "debug"}}, time_ns=7)
    check(way)
    stream.put_scopes(4, {"global": {"log_level": "error"}}, time_ns=6)
    check(way, MOST_OLDER)
    assert (broker.scopes, way.state.name) == ({"global": {"log_level": "debug"}}, "waiting")
    stream.put_scopes(1, {"global": {"log_level": "info"}}, time_ns=8)  # the owner has another database
    check(way)
    stream.put_scopes(1, {"global": {"log_level": "error"}}, time_ns=2)
    check(way, MOST_OLDER)
    assert broker.scopes == {"global": {"log_level": "info"}}
    check(way, 2)
    assert (broker.scopes, way.state.name) == ({"global": {"log_level": "error"}}, "receiving")


def test_a_change_between_check_and_set_is_compared_again():
    stream, broker = MemoryStream(), MemoryBroker()
    way = follower(stream, broker)
    stream.put_scopes(5, {"global": {"log_level": "debug"}})
    broker.before_set = lambda: broker.change("global", {"log_level": "error"})  # of another bridge, with a newer document
    check(way)
    assert broker.scopes == {"global": {"log_level": "error"}}
    assert way.applied_ns == 0
    broker.before_set = None
    check(way)
    assert (broker.scopes, way.failures) == ({"global": {"log_level": "debug"}}, 0)


def test_a_malformed_message_changes_nothing_and_is_counted_once():
    stream, broker = MemoryStream(), MemoryBroker()
    way = follower(stream, broker)
    stream.put(b"\xc1")
    check(way, 3)
    assert (way.malformed, way.state.name, broker.sets) == (1, "failing", [])

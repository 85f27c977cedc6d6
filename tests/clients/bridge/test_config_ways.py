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
from hulak.clients.bridge.config_follower import ConfigFollower
from hulak.clients.bridge.config_owner import ConfigOwner, NewerInStream
from hulak.clients.bridge.stream import Stored

LOG = SimpleNamespace(info=lambda *_, **__: None, warning=lambda *_, **__: None)
CLIENT = SimpleNamespace(jetstream=lambda timeout: None)


class MemoryBroker:
    """The live configuration of a broker, as `hulak.last` and `hulak.config.set` of it."""

    def __init__(self, epoch=1):
        self.epoch, self.version, self.scopes, self.sets = epoch, 0, {}, []
        self.before_set = None

    async def call(self, service, action, args, *, timeout_s):
        if service == "hulak.last":
            body = {"version": self.version, "at_ns": 1, "by": "", "note": "", "scopes": self.scopes}
            return [codec.encode_publication(b"config", Stamp(self.epoch, 1, 1), codec.pack(body))]
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

    async def publish(self, body, epoch, behind):
        if self.before_publish is not None:
            self.before_publish()
        sequence = 0 if self.message is None else self.message.sequence
        if behind != sequence:
            raise APIError(code=400, err_code=10071, description=f"wrong last sequence: {sequence}")
        self.put(body, epoch)

    def put(self, body, epoch=1):
        sequence = 0 if self.message is None else self.message.sequence
        self.message = Stored(sequence + 1, "hulak-config.a", {"Hulak-Epoch": str(epoch)}, body)

    def put_scopes(self, version, scopes, epoch=1):
        self.put(codec.pack({"version": version, "at_ns": 1, "by": "", "note": "", "scopes": scopes}), epoch)

    @property
    def version(self):
        return shared_config.decode(self.message.body).version


def owner(stream, broker):
    way = ConfigOwner(BridgeSettings(site="a", config="a"), CLIENT, broker, LOG)
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
    stream, broker = MemoryStream(), MemoryBroker(epoch=5)
    way = owner(stream, broker)
    stream.put_scopes(9, {}, epoch=6)
    with pytest.raises(NewerInStream, match="version 9 of epoch 6"):
        check(way)
    stream.put_scopes(9, {}, epoch=4)
    stream.before_publish = lambda: stream.put_scopes(1, {}, epoch=5)  # of another bridge of this site
    with pytest.raises(APIError):
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
    broker.epoch += 1  # a restart, perhaps of another version of Hulak
    check(way)
    assert len(broker.sets) == asked + 3
    stream.put_scopes(2, {"kind:nepse": {"rate_per_s": 2.5, "cache_s": 3.0}})
    check(way)
    assert broker.scopes == {"kind:nepse": {"cache_s": 3.0, "rate_per_s": 2.5}}
    assert way.values()["refused_now"] == 0


def test_an_older_document_is_not_applied_behind_a_newer_one():
    stream, broker = MemoryStream(), MemoryBroker()
    way = follower(stream, broker)
    stream.put_scopes(5, {"global": {"log_level": "debug"}}, epoch=7)
    check(way)
    stream.put_scopes(4, {"global": {"log_level": "error"}}, epoch=7)
    check(way)
    assert (broker.scopes, way.state.name) == ({"global": {"log_level": "debug"}}, "waiting")
    stream.put_scopes(1, {"global": {"log_level": "error"}}, epoch=8)  # the owner has a new home
    check(way)
    assert broker.scopes == {"global": {"log_level": "error"}}


def test_a_change_between_check_and_set_is_compared_again():
    stream, broker = MemoryStream(), MemoryBroker()
    way = follower(stream, broker)
    stream.put_scopes(5, {"global": {"log_level": "debug"}})
    broker.before_set = lambda: broker.change("global", {"log_level": "error"})  # of another bridge, with a newer document
    check(way)
    assert broker.scopes == {"global": {"log_level": "error"}}
    assert way.applied == (0, 0)
    broker.before_set = None
    check(way)
    assert (broker.scopes, way.failures) == ({"global": {"log_level": "debug"}}, 0)


def test_a_malformed_message_changes_nothing_and_is_counted_once():
    stream, broker = MemoryStream(), MemoryBroker()
    way = follower(stream, broker)
    stream.put(b"\xc1")
    check(way, 3)
    assert (way.malformed, way.state.name, broker.sets) == (1, "failing", [])

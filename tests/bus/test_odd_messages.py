"""Nothing that a client or a worker sends meets a bug of the broker, or leaves anything behind that others cannot read."""

import itertools
import time

import pytest
import structlog
from local_bus import LocalBus
from odd_messages import ENOUGH, odd_requests, of_worker

from hulak.bus.broker.control_services import SERVICES, Answers
from hulak.bus.broker.loop import Broker
from hulak.bus.core.effects import Asker, ToClient
from hulak.bus.core.tasks.dispatcher import BEAT
from hulak.bus.core.tasks.posted import Posting
from hulak.bus.errors import ProtocolError
from hulak.bus.process import lifecycle
from hulak.bus.process.settings import Settings
from hulak.bus.wire import codec
from hulak.bus.wire.messages import Ready, Request
from hulak.clients.cli import feeds
from hulak.clients.displays.stats import memory_usage, worker_stats
from hulak.clients.gateway import metrics
from hulak.clients.gateway.health import GatewayHealth
from hulak.clients.judge.processes import processes


class BrokerFixture:
    """A broker whose loop is turned by hand."""

    def __init__(self, fixture):
        lifecycle.make_home(fixture.home)
        self.broker = Broker(fixture.settings, fixture.home, lifecycle.Stop(), structlog.wrap_logger(None, processors=[_silent]))
        self.broker.outbox.flush = self.no_peers
        self.ids = itertools.count(1 << 64)

    def no_peers(self):
        """Drop the queued messages: the peers do not exist."""
        self.broker.outbox.waiting.clear()
        return []

    def client(self, frame):
        """Process a frame of a client, as the loop does; returns the effects of a malformed one."""
        try:
            address, asked, unread = self.broker.dialects.requests([b"client", frame])
        except ProtocolError as error:
            return self.broker.dialects.unread([b"client", frame], error)
        assert not unread
        self.broker.requests.accept(address, asked, time.monotonic())
        return []

    def worker(self, frame):
        """Process a frame of a worker."""
        now = time.monotonic()
        try:
            effects = self.broker.dialects.command(now, [b"worker", frame])
        except ProtocolError:
            return
        self.broker.carry_out(effects)

    def turn(self):
        """Run one iteration of the loop, with all timers that may be due."""
        broker = self.broker
        broker.beat_due = broker.bus.stats_due = 0.0
        broker._turn(0.0)
        assert (broker.guard.total, broker.guard.last) == (0, "")

    def task(self):
        """Post a task of a new service, and let the worker have it; returns its id."""
        now, number = time.monotonic(), next(self.ids)
        task_id, service = number.to_bytes(16, "big"), f"odd-{number}"
        posting = Posting(task_id, None, service, "a", b"\x80", 2, float("inf"))
        self.broker.carry_out(self.broker.bus.dispatcher.ready(now, b"\0worker", Ready(service, "odd/1", 1024)))
        self.broker.carry_out(self.broker.bus.dispatcher.accept(now, [posting.task(now)]))
        return task_id

    def close(self):
        self.broker._shut_down()


@pytest.fixture(scope="module")
def fixture():
    with LocalBus(**{"broker.drain_s": 0.1}) as local_bus:
        broker_fixture = BrokerFixture(local_bus)
        yield broker_fixture
        broker_fixture.close()


def _silent(*_):
    raise structlog.DropEvent


def read_by_all(stats):
    """Read the statistics as all their readers do."""
    known = processes(stats)
    assert all(process.state for process in known)
    verdict = GatewayHealth(0.0, Settings(), stats, 1.0, 1.0).verdict(1.0, ())
    assert verdict.line()
    assert metrics.text(stats, 0.1, {}, verdict)
    worker_stats({**stats, "journal": {"state": "live"}})
    memory_usage(stats, 1 << 30)
    return [(feeds.cells(row), feeds.remarks(row)) for row in feeds.feeds_of(stats)]


@pytest.mark.parametrize("service", SERVICES)
def test_no_odd_argument_of_a_control_request_meets_a_bug(fixture, service):
    for number, (_, _, frame) in enumerate(request for request in odd_requests() if request[0] == service):
        fixture.client(frame)
        if number % 20 == 0 or service == "hulak.report":
            fixture.turn()
            read_by_all(fixture.broker.bus.stats(time.monotonic(), fixture.broker._shell()))
            fixture.broker.config.processes(time.monotonic())
    fixture.turn()
    fixture.broker.database.close()
    assert fixture.broker.database.failed == ""
    fixture.turn()


@pytest.mark.parametrize("service", [name for name, service in SERVICES.items() if service.answers is Answers.AT_ONCE])
def test_services_that_answer_at_once_in_the_registry_do(fixture, service):
    asker = Asker(b"\0client", bytes(16))
    effects = fixture.broker.requests.serve(asker, Request(bytes(16), service, "", ENOUGH.get(service, {})), time.monotonic())
    assert [effect.message.id for effect in effects if isinstance(effect, ToClient)] == [bytes(16)]


def test_no_odd_field_of_a_workers_message_meets_a_bug(fixture):
    now = time.monotonic()
    for number, frame in enumerate(of_worker(bytes(16), 1)):
        task_id = fixture.task()
        fixture.worker(frame.replace(bytes(16), task_id))
        if number % 20 == 0:
            fixture.turn()
            read_by_all(fixture.broker.bus.stats(time.monotonic(), fixture.broker._shell()))
    fixture.turn()
    assert fixture.broker.bus.dispatcher.counters["failed"] > 0
    assert time.monotonic() - now < 100


def test_a_request_that_meets_a_bug_is_answered_and_logged_and_the_others_are_served(monkeypatch):
    with LocalBus(**{"broker.drain_s": 0.1}) as local_bus:
        fixture = BrokerFixture(local_bus)
        broker = fixture.broker
        effects_sent = []
        monkeypatch.setattr(broker.outbox, "put", lambda effects: effects_sent.extend(effects) or [])

        def broken(*_):
            raise RuntimeError("a bug")

        monkeypatch.setitem(broker.handlers, "hulak.tasks", broken)
        asked = [Request(bytes([number]) * 16, name, "", {}, {}) for number, name in enumerate(("hulak.tasks", "hulak.ping"))]
        broker.requests.accept(b"\0c", asked, time.monotonic())
        assert [type(effect.message).__name__ for effect in effects_sent] == ["Error", "Reply"]
        assert (effects_sent[0].message.id, effects_sent[0].message.code) == (bytes(16), "INTERNAL")
        broker.requests.accept(b"\0c", asked, time.monotonic())
        seen = broker.bus.stats(time.monotonic(), broker._shell())["internal"]
        assert seen == {"total": 2, "recent": 2, "last": "hulak.tasks: RuntimeError: a bug"}
        monkeypatch.undo()
        fixture.close()


def test_a_part_of_a_beat_that_fails_does_not_prevent_the_others(monkeypatch):
    with LocalBus(**{"broker.drain_s": 0.1}) as local_bus:
        fixture = BrokerFixture(local_bus)
        broker, done = fixture.broker, []

        def broken(*_):
            raise RuntimeError("a bug")

        for service, name in ((broker.ticks, "beat"), (broker.displays, "turn"), (broker.bus, "publish_stats")):
            monkeypatch.setattr(service, name, broken)
        monkeypatch.setattr(broker.tasks, "beat", lambda now: done.append(now) or [])
        monkeypatch.setattr(broker.ticks, "publish_last_sequences", done.append)
        workers = [b"\0a", b"\0b", b"\0c"]
        for name in workers:
            broker.bus.dispatcher.ready(0.0, name, Ready("odd", name.decode(), 1))
        lost, put = broker.bus.dispatcher.lost, []
        monkeypatch.setattr(
            broker.bus.dispatcher, "lost", lambda now, sender, why: broken() if sender == b"\0b" else lost(now, sender, why)
        )
        monkeypatch.setattr(broker.outbox, "put", lambda effects: put.extend(effects) or [])
        broker.beat_due = broker.bus.stats_due = 0.0
        broker.bus.dispatcher.timers.set(BEAT, 0.0)
        broker._turn(0.0)
        assert len(done) == 2
        assert broker.guard.total == 4
        assert [worker.identity for worker in broker.bus.dispatcher.roster] == [b"\0b"]
        monkeypatch.undo()
        fixture.close()


def test_a_message_that_cannot_be_encoded_is_answered_internal(monkeypatch):
    with LocalBus(**{"broker.drain_s": 0.1}) as local_bus:
        fixture = BrokerFixture(local_bus)
        broker = fixture.broker
        ping = codec.encode(Request(bytes(16), "hulak.ping", "", {}, {}))
        monkeypatch.setitem(broker.handlers, "hulak.ping", lambda asker, args, now: [asker.reply(1 << 70)])
        fixture.client(ping)
        assert broker.guard.total == 1
        assert "int cannot be packed" in broker.guard.last
        fixture.close()


def test_every_service_is_tried():
    assert set(ENOUGH) <= set(SERVICES)

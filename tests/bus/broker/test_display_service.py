"""The display service around a real database: answered when stored, kept over restarts, one display for one id."""

import random
from types import SimpleNamespace

import pytest
import structlog
from effect_fixture import EffectFixture
from request_arguments import serve

from hulak.bus.backoff import Backoff
from hulak.bus.broker.display_service import DisplayService
from hulak.bus.core.broker_state import BrokerState, Limits
from hulak.bus.core.effects import Asker
from hulak.bus.core.tasks.policy import Policy
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import decode_publication, unpack
from hulak.bus.wire.messages import Ready


class Config:
    """A config service that accepts every key but `bad`."""

    def __init__(self):
        self.scopes = {}

    def change(self, args, then):
        if "bad" in args.values:
            return then(None, ProtocolError("BAD_CONFIG", "bad"))
        self.scopes[args.scope] = args.values
        return then({}, None)

    def drop_scope(self, scope, by):
        self.scopes.pop(scope, None)
        return []


class Broker(EffectFixture):
    """The parts of a broker that the service uses; `settle` lets the store finish."""

    def __init__(self, folder, *workers, limit=10):
        super().__init__(folder)
        policy = Policy(heartbeat_s=0.25, lease_s=1.5, soft_s=1, hard_s=2, timeout_s=1, retries=0, max_tasks=9)
        self.bus = BrokerState(7, "0", Limits(max_displays=limit), policy, lambda _: None, 0.0, Backoff(1, 2, random.random))
        self.database.start()
        self.config = Config()
        settings = SimpleNamespace(task=SimpleNamespace(lease_s=0.0))
        self.bus.topics.subscribe(b"displays\0")
        self.display_service = DisplayService(settings, self.bus, self.database, self.config, structlog.get_logger())
        self.carry_out(self.display_service.begin())
        for at, name in enumerate(workers):
            self.bus.dispatcher.ready(0.0, b"\0" + bytes([at]), Ready("display", name, 1))
        self.carry_out(self.display_service.turn(1e12))

    @property
    def documents(self):
        return [unpack(decode_publication(message).body) for message in self.published]

    def ask(self, service, client=b"c", number=1, **args):
        asker = Asker(client, bytes([number]) * 16)
        try:
            self.carry_out(serve(f"hulak.display.{service}", asker, 0.0, args, displays=self.display_service))
        except ProtocolError as error:
            return error.code
        return None

    def settle(self):
        """Let the store finish its jobs; returns the answers."""
        super().settle()
        self.carry_out(self.display_service.turn(1e12))
        return self.take()


@pytest.fixture
def start(tmp_path):
    started = []

    def one(*workers, **how):
        started.append(Broker(tmp_path, *workers, **how))
        return started[-1]

    yield one
    for broker in started:
        broker.database.close()


def test_a_display_is_answered_when_it_is_in_the_store_and_then_published(start):
    broker = start("w")
    broker.ask("create", symbol="X", display="d", init={"price": 1.5})
    assert (broker.answers, broker.bus.displays.rows) == ([], {})
    assert broker.settle() == [{"display": "d", "new": True}]
    (row,) = broker.documents[-1]["rows"]
    assert {name: row[name] for name in ("display", "symbol", "init", "from", "worker")} == {
        "display": "d",
        "symbol": "X",
        "init": {"price": 1.5},
        "from": 1,
        "worker": "w",
    }


def test_a_repeated_request_means_the_same_display(start):
    broker = start("w")
    for _ in range(2):
        broker.ask("create", symbol="X", number=9)
    answers = broker.settle()
    broker.ask("create", symbol="X", number=9)
    answers += broker.settle()
    assert [answer["new"] for answer in answers] == [True, False, False]
    assert len({answer["display"] for answer in answers}) == len(broker.bus.displays.rows) == 1


def test_an_id_that_shows_another_symbol_is_refused_while_it_is_written_and_after(start):
    broker = start("w")
    broker.ask("create", symbol="X", display="d")
    assert broker.ask("create", symbol="Y", display="d") == "BAD_ARGUMENT"
    broker.settle()
    assert broker.ask("create", symbol="Y", display="d") == "BAD_ARGUMENT"


def test_a_display_above_the_bound_is_refused_counting_those_being_written(start):
    broker = start("w", limit=2)
    assert [broker.ask("create", symbol="X", display=name) for name in "abc"] == [None, None, "BUSY"]


def test_with_a_refused_config_nothing_is_created(start):
    broker = start("w")
    broker.ask("create", symbol="X", display="d", config={"bad": 1})
    broker.ask("create", symbol="X", display="e", config={"good": 1})
    assert broker.settle() == ["BAD_CONFIG", {"display": "e", "new": True}]
    assert (list(broker.bus.displays.rows), broker.config.scopes) == (["e"], {"display:e": {"good": 1}})
    broker.ask("remove", display="e")
    broker.settle()
    assert broker.config.scopes == {}


def test_displays_survive_a_restart_with_their_workers_and_larger_tokens(start):
    broker = start("w")
    broker.ask("create", symbol="X", display="d")
    broker.settle()
    before = broker.bus.displays.rows["d"]
    again = start()
    after = again.bus.displays.rows["d"]
    assert (after.symbol, after.worker, after.token > before.token) == ("X", None, True)  # it was settled without the worker


def test_an_unknown_display_cannot_be_updated_but_may_be_removed(start):
    broker = start("w")
    assert broker.ask("update", display="d", init={}) == "UNKNOWN_DISPLAY"
    assert broker.ask("remove") == broker.ask("remove", display="d", symbol="X") == "BAD_ARGUMENT"
    broker.ask("remove", display="d")
    assert broker.settle() == [{"removed": []}]


def test_a_days_beginning_is_accepted_only_with_the_present_token(start):
    broker = start("w")
    broker.ask("create", symbol="X", display="d")
    broker.settle()
    row = broker.bus.displays.rows["d"]
    day = {"display": "d", "from": 40, "init": {"digits": 3}}
    assert broker.ask("day", **day, token=row.token - 1) == "NOT_YOURS"
    broker.ask("day", **day, token=row.token)
    assert broker.settle() == [{"display": "d", "from": 40}]
    assert (row.first, row.init, broker.documents[-1]["rows"][0]["from"]) == (40, {"digits": 3}, 40)
    assert start("w").bus.displays.rows["d"].first == 40


def test_the_source_of_a_display_stays_over_updates_until_another_is_given(start):
    broker = start("d0")
    broker.ask("create", symbol="X", display="d", source="kraken", init={"price": 1.0})
    broker.settle()
    row = broker.bus.displays.rows["d"]
    assert row.init == {"price": 1.0, "only_source": "kraken"}
    broker.ask("update", display="d", init={"open": 2.0, "late_ticks": True})
    broker.settle()
    assert row.init == {"open": 2.0, "only_source": "kraken", "late_ticks": True}
    broker.ask("update", display="d", init={"only_source": None})
    broker.settle()
    assert row.init == {"only_source": None, "late_ticks": True}
    broker.ask("day", display="d", token=row.token, init={"digits": 3, "kept_source": "kraken"}, **{"from": 7})
    broker.settle()
    broker.ask("update", display="d", init={"open": 2.0})
    broker.settle()
    assert row.init == {"open": 2.0, "kept_source": "kraken"}


def test_an_update_while_a_day_is_written_holds_in_the_store_too(start):
    broker = start("w")
    broker.ask("create", symbol="X", display="d")
    broker.settle()
    token = broker.bus.displays.rows["d"].token
    broker.ask("update", display="d", init={"price": 2.0})
    broker.ask("day", display="d", token=token, **{"from": 40}, init={"digits": 3})
    broker.settle()
    rows = [broker.bus.displays.rows["d"], start("w").bus.displays.rows["d"]]
    assert [(row.init, row.first) for row in rows] == [({"price": 2.0}, 1)] * 2


@pytest.mark.parametrize(
    "args", [{}, {"symbol": "x"}, {"symbol": "X", "init": [1]}, {"symbol": "X", "from": 0}, {"symbol": "X", "colour": 1}]
)
def test_arguments_that_are_wrong_are_refused(start, args):
    assert start("w").ask("create", **args) == "BAD_ARGUMENT"


def test_on_a_full_disk_nothing_is_created(start):
    broker = start("w")
    broker.database.put(lambda connection: connection.execute("DROP TABLE displays"), lambda *_: None)
    broker.ask("create", symbol="X", display="d", config={"good": 1})
    assert broker.settle() == ["STORE_FAILED"]
    assert (broker.bus.displays.rows, broker.config.scopes) == ({}, {})


@pytest.mark.parametrize(("slot", "taken"), [("display_00", True), ("", False), (7, False), ([], False)])
def test_a_worker_in_a_former_workers_slot_gets_its_displays_before_the_grace_is_over(start, slot, taken):
    broker = start("w")
    broker.ask("create", symbol="X", display="d")
    broker.settle()
    row = broker.bus.displays.rows["d"]
    row.worker = "display_00/4711"  # as it was when the broker was restarted
    broker.display_service.settled, broker.display_service.settles = False, 1e15
    broker.bus.dispatcher.ready(0.0, b"\0new", Ready("display", "display_00/4712", 1, info={"slot": slot}))
    broker.carry_out(broker.display_service.turn(1e12))
    assert (row.worker != "display_00/4711") == taken

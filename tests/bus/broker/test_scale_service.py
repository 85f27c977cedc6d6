"""The number of workers that was set by hand, in a real store."""

import sqlite3

import pytest
from request_arguments import arguments

from bus.backoff import Backoff
from bus.broker.scale_service import ScaleService
from bus.broker.storage.database import Database
from bus.core.broker_state import BrokerState, Limits
from bus.core.tasks.policy import Policy
from bus.errors import ProtocolError
from bus.wire.messages import Error, Reply, Request


class House:
    """A bus and its store, as a broker has them."""

    def __init__(self, folder, **limits):
        self.bus = BrokerState(1, "test", Limits(**limits), Policy(), lambda _: None, 0.0, Backoff(0.5, 60.0, lambda: 0.5))
        self.database = Database(folder)
        self.told, self.effects = [], []
        self.database.open()
        self.desk = ScaleService(self.bus, self.database, self.answer, lambda effects, now: self.effects.extend(effects))
        self.database.start()

    def answer(self, client, message):
        self.told.append(message)
        return True

    def scale(self, workers):
        args = arguments("hulak.scale", service="nepse", workers=workers)
        self.desk.serve(b"client", Request(b"i" * 16, "hulak.scale", ""), args, 1.0)

    def end(self):
        self.database.close()
        self.database.finished()


def test_what_was_set_by_hand_outlives_the_broker_until_it_is_automatic_again(tmp_path):
    first = House(tmp_path)
    first.scale(3)
    assert (first.told, first.bus.targets) == ([], {}), "nothing is told, and nothing holds, before it is safe"
    first.end()
    assert first.told == [Reply(b"i" * 16, {"service": "nepse", "workers": 3})]
    assert [note.event for note in first.effects] == ["scale target set"]
    second = House(tmp_path)
    assert second.bus.targets == {"nepse": 3}
    second.scale("auto")
    second.end()
    third = House(tmp_path)
    assert third.bus.targets == {}
    third.end()


def test_a_number_that_the_settings_no_longer_allow_becomes_the_nearest_one(tmp_path):
    house = House(tmp_path)
    house.scale(5)
    house.end()
    house = House(tmp_path, max_workers=2)
    assert house.bus.targets == {"nepse": 2}
    house.end()


def test_what_cannot_be_kept_is_refused_and_nothing_changes(tmp_path):
    house = House(tmp_path)
    house.scale(2)
    with pytest.raises(ProtocolError, match="1 to 5"):
        house.scale(6)
    house.end()
    house = House(tmp_path)
    with sqlite3.connect(tmp_path / "tasks.db") as other:
        other.execute("DROP TABLE targets")
    house.scale(4)
    house.end()
    [message] = house.told
    assert isinstance(message, Error)
    assert message.code == "STORE_FAILED"
    assert house.bus.targets == {"nepse": 2}

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


class ScaleFixture:
    """A bus and its store, as a broker has them."""

    def __init__(self, folder, **limits):
        self.bus = BrokerState(1, "test", Limits(**limits), Policy(), lambda _: None, 0.0, Backoff(0.5, 60.0, lambda: 0.5))
        self.database = Database(folder)
        self.told, self.effects = [], []
        self.database.open()
        self.scale_service = ScaleService(self.bus, self.database, self.answer, lambda effects, now: self.effects.extend(effects))
        self.database.start()

    def answer(self, client, message):
        self.told.append(message)
        return True

    def scale(self, workers):
        args = arguments("hulak.scale", service="nepse", workers=workers)
        self.scale_service.serve(b"client", Request(b"i" * 16, "hulak.scale", ""), args, 1.0)

    def end(self):
        self.database.close()
        self.database.finished()


def test_what_was_set_by_hand_outlives_the_broker_until_it_is_automatic_again(tmp_path):
    first = ScaleFixture(tmp_path)
    first.scale(3)
    assert (first.told, first.bus.targets) == ([], {}), "nothing is told, and nothing holds, before it is safe"
    first.end()
    assert first.told == [Reply(b"i" * 16, {"service": "nepse", "workers": 3})]
    assert [note.event for note in first.effects] == ["scale target set"]
    second = ScaleFixture(tmp_path)
    assert second.bus.targets == {"nepse": 3}
    second.scale("auto")
    second.end()
    third = ScaleFixture(tmp_path)
    assert third.bus.targets == {}
    third.end()


def test_a_number_that_the_settings_no_longer_allow_becomes_the_nearest_one(tmp_path):
    fixture = ScaleFixture(tmp_path)
    fixture.scale(5)
    fixture.end()
    fixture = ScaleFixture(tmp_path, max_workers=2)
    assert fixture.bus.targets == {"nepse": 2}
    fixture.end()


def test_what_cannot_be_kept_is_refused_and_nothing_changes(tmp_path):
    fixture = ScaleFixture(tmp_path)
    fixture.scale(2)
    with pytest.raises(ProtocolError, match="1 to 5"):
        fixture.scale(6)
    fixture.end()
    fixture = ScaleFixture(tmp_path)
    with sqlite3.connect(tmp_path / "tasks.db") as other:
        other.execute("DROP TABLE targets")
    fixture.scale(4)
    fixture.end()
    [message] = fixture.told
    assert isinstance(message, Error)
    assert message.code == "STORE_FAILED"
    assert fixture.bus.targets == {"nepse": 2}

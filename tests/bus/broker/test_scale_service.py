"""The target number of workers, in a real store."""

import sqlite3

import pytest
from effect_fixture import EffectFixture
from request_arguments import serve
from structlog.testing import capture_logs

from hulak.bus.backoff import Backoff
from hulak.bus.broker.scale_service import ScaleService
from hulak.bus.core.broker_state import BrokerState, Limits
from hulak.bus.core.effects import Asker
from hulak.bus.core.tasks.policy import Policy
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.messages import Error, Reply


class ScaleFixture(EffectFixture):
    """A bus and its store, as in a broker."""

    def __init__(self, folder, **limits):
        super().__init__(folder)
        self.bus = BrokerState(1, "test", Limits(**limits), Policy(), lambda _: None, 0.0, Backoff(0.5, 60.0, lambda: 0.5))
        self.scale_service = ScaleService(self.bus)
        self.carry_out(self.scale_service.begin())
        self.database.start()

    def scale(self, workers, service="nepse"):
        args = {"service": service, "workers": workers}
        self.carry_out(serve("hulak.scale", Asker(b"client", b"i" * 16), 1.0, args, scale=self.scale_service))

    def end(self):
        self.database.close()
        self.database.finished()


def test_a_target_survives_the_broker_until_the_scaler_decides_again(tmp_path):
    first = ScaleFixture(tmp_path)
    first.scale(3)
    assert (first.answers, first.bus.targets) == ([], {}), "nothing is answered or in force before it is stored"
    with capture_logs() as logged:
        first.end()
    assert first.answers == [(b"client", Reply(b"i" * 16, {"service": "nepse", "workers": 3}))]
    assert logged == [{"event": "scale target set", "log_level": "info", "service": "nepse", "workers": 3}]
    assert first.bus.stats(1.0, {})["scaling"] == {"nepse": {"workers": 3, "queued": 0}}
    second = ScaleFixture(tmp_path)
    assert second.bus.targets == {"nepse": 3}
    second.scale("auto")
    second.end()
    third = ScaleFixture(tmp_path)
    assert third.bus.targets == {}
    third.end()


def test_a_target_that_the_settings_no_longer_allow_becomes_the_nearest_allowed_one(tmp_path):
    fixture = ScaleFixture(tmp_path)
    fixture.scale(5)
    fixture.end()
    fixture = ScaleFixture(tmp_path, max_workers=2)
    assert fixture.bus.targets == {"nepse": 2}
    fixture.end()


def test_a_target_that_cannot_be_stored_is_refused_and_nothing_changes(tmp_path):
    fixture = ScaleFixture(tmp_path)
    fixture.scale(2)
    with pytest.raises(ProtocolError, match="argument workers is 6, must be 'auto' or a number from 1 to 5") as caught:
        fixture.scale(6)
    assert caught.value.code == "BAD_ARGUMENT"
    fixture.end()
    fixture = ScaleFixture(tmp_path)
    with sqlite3.connect(tmp_path / "tasks.db") as other:
        other.execute("DROP TABLE targets")
    fixture.scale(4)
    fixture.end()
    [(_, message)] = fixture.answers
    assert isinstance(message, Error)
    assert message.code == "STORE_FAILED"
    assert fixture.bus.targets == {"nepse": 2}


@pytest.mark.parametrize("workers", [0, 6, -1, 2.0, True, "3", "Auto", None])
def test_a_number_of_workers_out_of_bounds_is_refused(tmp_path, workers):
    fixture = ScaleFixture(tmp_path)
    with pytest.raises(ProtocolError, match=r"must be 'auto' or a (number from 1 to 5|whole number)") as caught:
        fixture.scale(workers)
    fixture.end()
    assert (caught.value.code, fixture.bus.targets, fixture.answers) == ("BAD_ARGUMENT", {}, [])


def pools(fixture, **bounds):
    """Report pools, as a scaler does."""
    values = {
        service: {"wanted": 1, "live": 1, "least": least, "most": most, "by_hand": False}
        for service, (least, most) in bounds.items()
    }
    fixture.bus.reports.take(1.0, "scaler", "scaler", 7, {"pools": values})


def test_a_service_that_a_scaler_reports_is_scaled_within_the_reported_bounds_and_its_target_survives_the_broker(tmp_path):
    first = ScaleFixture(tmp_path)
    with pytest.raises(ProtocolError, match="must be one of the scaled services: nepse; `hulak workers add` makes slots"):
        first.scale(2, service="sums")
    pools(first, sums=(0, 3), display=(2, 8))
    with pytest.raises(ProtocolError, match=r"a number from 0 to 3 \(\[scaling.sums\] min_workers, max_workers, and"):
        first.scale(4, service="sums")
    first.scale(0, service="sums")
    first.end()
    assert first.bus.stats(1.0, {})["scaling"] == {
        "nepse": {"workers": "auto", "queued": 0},
        "sums": {"workers": 0, "queued": 0},
        "display": {"workers": "auto", "queued": 0},
    }
    second = ScaleFixture(tmp_path)
    assert "sums" not in second.bus.stats(1.0, {})["scaling"], "no scaler has reported it yet"
    pools(second, sums=(0, 3))
    assert second.bus.stats(1.0, {})["scaling"]["sums"]["workers"] == 0
    second.end()


def test_a_service_that_is_not_scaled_is_refused(tmp_path):
    fixture = ScaleFixture(tmp_path)
    with pytest.raises(ProtocolError, match="service is 'chess', must be one of the scaled services: nepse"):
        fixture.scale(2, service="chess")
    fixture.end()

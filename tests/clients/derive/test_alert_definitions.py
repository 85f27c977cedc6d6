"""The prices of the day and the firings that are read of the past of alerts, as feeds have posted them."""

from types import SimpleNamespace

import pytest
import structlog

from hulak.bus.process.settings import Settings
from hulak.clients.derive import alert_definitions
from hulak.clients.derive.alert_definitions import AlertDefinitions
from hulak.clients.derive.rules.alert_rule import AlertRule
from hulak.clients.derive.rules.alert_track import DAY_MS


@pytest.fixture
def definitions(monkeypatch, tmp_path):
    made = AlertDefinitions(Settings(), tmp_path, structlog.get_logger())
    monkeypatch.setattr(made, "_connected", lambda: None)
    return made


@pytest.mark.parametrize(("last", "wanted"), [(2, 2.0), (2.5, 2.5), (True, None), ("2", None), (None, None), (10**400, None)])
def test_the_last_price_of_the_day_may_be_a_whole_number(definitions, monkeypatch, last, wanted):
    monkeypatch.setattr(definitions, "_first", lambda *_: {"bid": 1, "ask": 3.0, "last": last})
    rule = AlertRule("0" * 32, "n", "X", "change", side="last", above=1.0)
    assert definitions.opens((rule,), 3 * DAY_MS + 5) == {"X": (3, 1.0, 3.0, wanted)}


def test_of_the_past_only_what_is_a_firing_counts(definitions, monkeypatch):
    body = {"alert": "n", "id": "a", "symbol": "X", "fired": 2, "at": 5}
    odd = [7, [], {}, {**body, "fired": -1}, {**body, "at": 2**53}, {**body, "symbol": ["X"]}, {**body, "id": None}]
    events = [SimpleNamespace(body=value) for value in [*odd, body]]
    monkeypatch.setattr(alert_definitions, "last_events", lambda *_: events)
    assert definitions.past() == {("a", "X"): (2, 5)}

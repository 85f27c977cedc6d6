"""The service of alerts around a real database: rows, roles, and whether alerts are evaluated."""

import time

import pytest
from posted_task_fixture import COUNT, PostedTaskFixture
from request_arguments import serve

from hulak.bus.broker.alert_service import NOT_RUNNING, AlertService, why_not_evaluated
from hulak.bus.broker.control_services import find
from hulak.bus.broker.storage import alert_rows
from hulak.bus.core.control_arguments import read
from hulak.bus.core.effects import Asker
from hulak.bus.core.process_reports import ProcessReport, ProcessReports
from hulak.bus.core.security import needs
from hulak.bus.core.security.callers import Caller, Refusals
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import encode_publication, pack
from hulak.bus.wire.messages import Reply, Stamp
from hulak.bus.wire.roles import Rights, parse_roles


class Log:
    def __init__(self, frame):
        self.frame = frame


class Bus:
    """The parts of the broker's state that the service reads."""

    def __init__(self):
        self.reports, self.topics, self.frames = ProcessReports(), self, []

    def under(self, prefix):
        return [Log(frame) for frame in self.frames if frame.startswith(prefix)]


class Fixture(PostedTaskFixture):
    def __init__(self, folder):
        super().__init__(folder)
        self.bus = Bus()
        self.alerts, self.caller = AlertService(self.bus), None

    def ask(self, control, request_id=None, **args):
        asker = Asker(b"c", request_id or b"%016d" % next(COUNT), caller=self.caller)
        before = len(self.answers_to(asker.request))
        try:
            self.carry_out(serve(f"hulak.alert.{control}", asker, time.monotonic(), args, alerts=self.alerts))
        except ProtocolError as error:
            self.carry_out([asker.refuse(error)])
        self.until(lambda: len(self.answers_to(asker.request)) > before)
        message = self.answers_to(asker.request)[-1]
        self.text = getattr(message, "text", "")
        return message.value if isinstance(message, Reply) else message.code

    def add(self, name="n", **args):
        return self.ask("add", **{"name": name, "symbol": "X", "on": "price", "above": 1.5, **args})


@pytest.fixture
def fixture(tmp_path):
    fixture = Fixture(tmp_path)
    yield fixture
    fixture.close()


def key(name, *roles):
    return Caller("1", name, Rights(parse_roles(roles)), Refusals(lambda *_: None, lambda: 0.0), "frontend", None)


def test_an_alert_is_kept_with_what_goes_with_its_kind_and_a_repeated_request_finds_it(fixture):
    row = fixture.add(request_id=b"r" * 16)
    assert (row["new"], row["above"], row["side"], row["enabled"], "window_s" in row) == (True, 1.5, "mid", True, False)
    assert fixture.add(request_id=b"r" * 16)["new"] is False
    assert fixture.add(above=1.6) == "BAD_ARGUMENT"
    assert "another name" in fixture.text
    assert [row["name"] for row in fixture.ask("list")["alerts"]] == ["n"]
    assert fixture.ask("enable", name="n", enabled=False)["enabled"] is False
    assert fixture.ask("remove", name="n")["name"] == "n"
    assert fixture.ask("list")["alerts"] == []
    assert fixture.ask("remove", name="n") == "UNKNOWN_ALERT"


@pytest.mark.parametrize(
    ("args", "why"),
    [
        ({"on": "stale"}, "above"),
        ({"above": None}, "above is missing"),
        ({"below": 1.5}, "below is 1.5, must be less than above"),
        ({"above": float("nan")}, "above"),
        ({"window_s": 60}, "window_s is 60, must be left out"),
        ({"on": "stale", "above": None}, "after_s is missing"),
        ({"symbol": "A*B"}, "symbol"),
        ({"symbol": "x" * 60}, "symbol"),
        ({"note": "x" * 201}, "note"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused_by_name(fixture, args, why):
    assert fixture.add(**args) == "BAD_ARGUMENT"
    assert why in fixture.text


def test_the_number_of_alerts_is_bounded_of_all_and_of_each_key(fixture, monkeypatch):
    monkeypatch.setattr(alert_rows, "SHARE", 1)
    monkeypatch.setattr(alert_rows, "MOST", 3)
    fixture.add("a")
    fixture.add("b")
    fixture.caller = key("k", "control")
    assert fixture.add("c")["owner"] == "k"
    assert fixture.add("d") == "BUSY"
    fixture.caller = None
    assert fixture.add("d") == "BUSY"


def test_a_definition_of_the_same_revision_is_answered_without_the_rows(fixture):
    fixture.add()
    revision = fixture.ask("list")["revision"]
    assert fixture.ask("list", revision=revision)["alerts"] is None
    fixture.add("m")
    assert len(fixture.ask("list", revision=revision)["alerts"]) == 2


def test_the_last_firing_is_that_of_the_same_alert_and_bad_ones_are_left_out(fixture):
    row = fixture.add()
    body = {"alert": "n", "id": row["id"].hex(), "symbol": "X", "fired": 3, "at": 5}
    rows = [
        body,
        {**body, "fired": 1, "at": 9},
        {**body, "id": "other", "fired": 7},
        {"alert": "n"},
        5,
        {**body, "fired": 2**64 - 1},
        {**body, "fired": -1},
        {**body, "at": "9"},
        {**body, "at": 2**53 - 1},
        {**body, "at": -1},
        {**body, "at": None},
        {**body, "symbol": ["X"]},
        {**body, "alert": {"n": 1}},
        {**body, "at": 10, "note": "x" * 10_000},
    ]
    fixture.bus.frames = [encode_publication(b"alert.n.%d" % at, Stamp(1, at + 1, 1), pack(row)) for at, row in enumerate(rows)]
    (listed,) = fixture.ask("list")["alerts"]
    assert (listed["firings"], listed["last"]["at"]) == (4, 9)


def test_a_list_has_the_reason_why_alerts_are_not_evaluated(fixture):
    assert fixture.ask("list")["why"] == NOT_RUNNING
    revision = fixture.ask("list")["revision"]
    fixture.bus.reports.take(time.monotonic(), "feed", "derive", 1, {"alerts_revision": revision})
    assert fixture.ask("list")["evaluated"] is True
    fixture.add()
    assert "takes the newest" in fixture.ask("list")["why"]
    report = ProcessReport("feed", "derive", 1, {"alerts_revision": 7, "alerts_why": "it reads"}, 100.0)
    assert why_not_evaluated(report, 7, 101.0) == "it reads"
    assert why_not_evaluated(report, 7, 106.0) == NOT_RUNNING


def test_a_key_sees_and_changes_its_own_alerts_and_with_read_or_control_all(fixture):
    fixture.add("owner")
    fixture.caller = key("k", "subscribe:tick.X")
    assert fixture.add("mine")["owner"] == "k"
    assert [row["name"] for row in fixture.ask("list")["alerts"]] == ["mine"]
    assert fixture.ask("remove", name="owner") == "FORBIDDEN"
    assert fixture.ask("enable", name="mine", enabled=False)["enabled"] is False
    body = {"alert": "mine", "id": fixture.ask("list")["alerts"][0]["id"].hex(), "symbol": "X", "fired": 1, "at": 5, "bid": 1.6}
    fixture.bus.frames = [encode_publication(b"alert.mine.X", Stamp(1, 1, 1), pack(body))]
    assert fixture.ask("list")["alerts"][0]["last"] == body
    fixture.caller = key("k", "subscribe:tick.Y")  # it lost the role: it sees its alert, and no price of these ticks
    assert [(row["firings"], row["last"]) for row in fixture.ask("list")["alerts"]] == [(1, None)]
    fixture.caller = key("r", "read")
    assert len(fixture.ask("list")["alerts"]) == 2
    fixture.caller = key("c", "control")
    assert fixture.ask("remove", name="mine")["name"] == "mine"


@pytest.mark.parametrize(
    ("roles", "symbol", "missing"),
    [
        ("subscribe:tick.X", "X", ""),
        ("subscribe:tick.X", "X*", "control or subscribe:tick.X*"),
        ("subscribe:tick.X*", "X*", ""),
        ("subscribe:tick.Y", "X", "control or subscribe:tick.X"),
        ("control", "*", ""),
        ("read", "X", "control or subscribe:tick.X"),
    ],
)
def test_an_alert_needs_the_role_to_read_its_ticks(roles, symbol, missing):
    args = read(find("hulak.alert.add").args, {"symbol": symbol, "on": "price", "above": 1.0})
    assert needs.alerter(Rights(parse_roles([roles])), args) == missing

"""The requests of a display worker to the broker, how often they are sent, and which replies count; time is a number."""

from types import SimpleNamespace

import pytest

from hulak.bus.process.sockets import BrokerAddress
from hulak.bus.wire.messages import Error, Part, Reply
from hulak.workers.display import broker_link
from hulak.workers.display.broker_link import AGAIN_S, BrokerLink


class Requests:
    """A fake channel: it records requests and returns prepared replies."""

    def __init__(self, *_, **__):
        self.asked, self.forgotten, self.came, self.connected = [], [], [], True

    def ask_now(self, service, args, *, about=None, timeout_s):
        assert timeout_s > AGAIN_S
        if not self.connected:
            return None
        self.asked.append(SimpleNamespace(service=service, args=args, about=about))
        return self.asked[-1]

    def forget(self, request):
        self.forgotten.append(request)

    def step(self):
        return []

    def answers(self):
        while self.came:
            yield self.came.pop(0)

    def close(self):
        pass


class Desk:
    """A link, and what was given by it."""

    def __init__(self, context):
        self.link = BrokerLink(context, BrokerAddress("ipc:///nowhere/collector.ipc"), None, None)
        self.requests = self.link.requests
        self.days, self.rows = [], []

    def answer(self, *came):
        self.requests.came.extend(came)
        self.link.answers(lambda *day: self.days.append(day), self.rows.append)


@pytest.fixture
def desk(context, monkeypatch):
    monkeypatch.setattr(broker_link, "RequestChannel", Requests)
    desk = Desk(context)
    yield desk
    desk.link.close()


def display(day_from=5, token=1):
    return SimpleNamespace(id="a", token=token, day_from=day_from, day=lambda: {"from": day_from})


def test_a_day_is_sent_periodically_until_it_is_stored(desk):
    for now in (0.0, AGAIN_S - 0.1, AGAIN_S):
        desk.link.send_day(display(), now)
    first, second = desk.requests.asked
    assert first.service == "hulak.display.day"
    assert first.args == {"display": "a", "token": 1, "from": 5, "init": {"from": 5}}
    desk.answer((second, Reply(bytes(16), None)))
    assert desk.days == [("a", 5, {"from": 5})]


def test_a_refused_day_is_sent_again_later_under_the_current_token(desk):
    desk.link.send_day(display(), 0.0)
    desk.answer((desk.requests.asked[0], Error(bytes(16), "FENCED", "x")))
    desk.link.send_day(display(token=2), AGAIN_S - 0.1)
    desk.link.send_day(display(token=2), AGAIN_S)
    assert [request.args["token"] for request in desk.requests.asked] == [1, 2]
    assert desk.days == []


def test_the_next_day_is_sent_at_once(desk):
    desk.link.send_day(display(5), 0.0)
    desk.link.send_day(display(9), 0.1)
    assert [request.args["from"] for request in desk.requests.asked] == [5, 9]


def test_without_a_connection_a_day_is_sent_later(desk):
    desk.requests.connected = False
    desk.link.send_day(display(), 0.0)
    desk.requests.connected = True
    desk.link.send_day(display(), AGAIN_S)
    assert len(desk.requests.asked) == 1


def test_only_the_newest_answer_with_all_displays_counts(desk):
    for now in (0.0, AGAIN_S - 0.1, AGAIN_S):
        desk.link.ask_rows(now)
    first, second = desk.requests.asked
    assert (first.service, desk.requests.forgotten) == ("hulak.display.list", [first])
    desk.answer((second, Reply(bytes(16), {"displays": []})))
    assert (desk.rows, desk.days) == ([{"displays": []}], [])


def test_what_is_no_reply_changes_nothing(desk):
    desk.link.ask_rows(0.0)
    (rows,) = desk.requests.asked
    desk.answer((None, Error(None, "BAD_BODY", "x")), (rows, Part(bytes(16), 1, {})), (rows, Error(bytes(16), "BUSY", "x")))
    assert (desk.rows, desk.days) == ([], [])

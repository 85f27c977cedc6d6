"""The rows of a stream: fields of ticks and trades, and the whole body of an own topic."""

import json

import pytest

from hulak.bus.wire.codec import pack
from hulak.bus.wire.messages import Stamp
from hulak.clients.gateway import protocol
from hulak.clients.gateway.tick_streams import _row
from hulak.clients.subscriber import Event


def row_of(topic, body):
    message = json.loads(protocol.tick_rows(1, [_row(Event(topic, Stamp(7, 3, 5_000_000), pack(body)))], live=True))
    [row] = message["rows"]
    assert (row.pop("topic"), row.pop("epoch"), row.pop("sequence"), row.pop("time_ms")) == (topic, 7, 3, 5.0)
    return row


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ({"topic": "tick.X", "sequence": 9, "bid": 1.0}, {"topic": "tick.X", "sequence": 9, "bid": 1.0}),
        ([1, None], [1, None]),
        (42, 42),
        (b"\0\1", "AAE="),
        (float("nan"), None),
    ],
)
def test_the_row_of_an_own_topic_has_its_body_whatever_its_fields_are_called(body, shown):
    assert row_of("app.signals", body) == {"body": shown}


def test_the_row_of_a_tick_has_its_fields_alone():
    assert row_of("tick.A", {"symbol": "A", "bid": 1.0, "more": 2}) == {"symbol": "A", "bid": 1.0}

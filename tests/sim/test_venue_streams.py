"""Which client gets what, and in which words."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hulak.sim.fx_market import Quote
from hulak.sim.venue_streams import MOST_STREAMS, ClientStreams, Form, client_of, encode_quote

EURUSD = Quote("EURUSD", 1.08, 1.0801, 0.0, 5)


@pytest.mark.parametrize(
    ("target", "form", "euro", "yen"),
    [
        ("/stream?streams=eurusd@bookTicker/gbpusd@bookTicker", Form.COMBINED, "eurusd@bookTicker", None),
        ("/stream?streams=!bookTicker", Form.COMBINED, "!bookTicker", "!bookTicker"),
        ("/stream?streams=%21bookTicker", Form.COMBINED, "!bookTicker", "!bookTicker"),
        ("/stream", Form.COMBINED, None, None),
        ("/ws", Form.RAW, None, None),
        ("/ws/eurusd@bookTicker", Form.RAW, "eurusd@bookTicker", None),
        ("/ws/usdjpy@bookTicker/eurusd@depth", Form.RAW, None, "usdjpy@bookTicker"),
        ("/ws/!bookTicker", Form.RAW, "!bookTicker", "!bookTicker"),
        ("/json", Form.JSON, "!bookTicker", "!bookTicker"),
        ("/json?symbols=EURUSD,GBPUSD", Form.JSON, "eurusd@bookTicker", None),
    ],
)
def test_the_path_has_the_form_and_the_symbols(target, form, euro, yen):
    client = client_of(target)
    assert (client.form, client.stream_of("EURUSD"), client.stream_of("USDJPY")) == (form, euro, yen)


@pytest.mark.parametrize("target", ["/", "/wss", "/json/x", "/stream/x", "/ws/" + "a@b/" * (MOST_STREAMS + 1)])
def test_other_paths_are_not_there(target):
    assert client_of(target) is None


def test_subscriptions_change_by_request_and_are_acknowledged():
    client = ClientStreams(Form.RAW)
    assert client.receive('{"method":"SUBSCRIBE","params":["eurusd@bookTicker"],"id":1}') == '{"result":null,"id":1}'
    assert client.stream_of("EURUSD") == "eurusd@bookTicker"
    assert client.receive('{"method":"LIST_SUBSCRIPTIONS","id":2}') == '{"result":["eurusd@bookTicker"],"id":2}'
    assert client.receive('{"method":"UNSUBSCRIBE","params":["eurusd@bookTicker"],"id":3}') == '{"result":null,"id":3}'
    assert client.stream_of("EURUSD") is None


@pytest.mark.parametrize(
    "message",
    [
        *("", "[]", "{", b"\xff", '{"method":"STOP","id":4}', '{"method":"SUBSCRIBE","params":[1],"id":4}'),
        json.dumps({"method": "SUBSCRIBE", "params": [str(number) for number in range(MOST_STREAMS + 1)], "id": 4}),
        json.dumps({"method": "SUBSCRIBE", "params": ["x" * 65], "id": 4}),
    ],
)
def test_a_bad_request_is_answered_with_an_error(message):
    answer = json.loads(ClientStreams(Form.COMBINED).receive(message))
    assert answer["error"]["msg"].startswith("Invalid")


def test_the_plain_form_has_no_requests():
    assert ClientStreams(Form.JSON).receive("hello") is None


@given(st.text() | st.binary(), st.sampled_from([Form.RAW, Form.COMBINED]))
def test_any_message_is_answered(message, form):
    assert {"error", "id"} == json.loads(ClientStreams(form).receive(message)).keys()


def test_binance_quotes_are_text_with_all_their_digits():
    raw = '{"u":10,"s":"EURUSD","b":"1.08000","B":"2000000","a":"1.08010","A":"4000000"}'
    assert encode_quote(Form.RAW, "eurusd@bookTicker", EURUSD, 10, 5) == raw
    combined = encode_quote(Form.COMBINED, "eurusd@bookTicker", EURUSD, 10, 5)
    assert combined == f'{{"stream":"eurusd@bookTicker","data":{raw}}}'


def test_plain_quotes_are_numbers_with_the_venues_time():
    text = encode_quote(Form.JSON, "!bookTicker", Quote("USDJPY", 151.2, 151.21, 0.0, 3), 1, 1_701_234_567_890)
    assert text == '{"symbol":"USDJPY","bid":151.200,"ask":151.210,"timestamp":1701234567890}'

"""The depth of a client's JSON is bounded, whatever the decoder would take, and no name is twice in one object."""

import pytest

from hulak.bus.errors import ProtocolError
from hulak.clients.gateway import protocol
from hulak.clients.gateway.api.problems import Problem
from hulak.clients.gateway.api.request_reader import decode_body
from hulak.clients.gateway.fx import protocol as fx_protocol
from hulak.clients.gateway.json_form import MOST, check_form


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[" * MOST + "]" * MOST,
        '{"a":' * MOST,
        "[]" * 1000,
        '"' + "[" * 1000 + '"',
        '["\\"' + "[" * 1000 + '"]',
        '"never ended' + "[" * 1000,
    ],
)
def test_a_message_that_is_not_deep_is_for_the_decoder(text):
    check_form(text)


@pytest.mark.parametrize("text", ["[" * (MOST + 1), '{"a":' * (MOST + 1), '["x",' * (MOST + 1), "[]" * 50 + '[{"b":' * 51])
def test_a_deep_message_is_refused(text):
    with pytest.raises(ProtocolError, match="nested deeper than 100 levels"):
        check_form(text)


@pytest.mark.parametrize(
    "text", ['{"a":1,"b":{"a":2},"c":[{"a":3},{"a":4}]}', "{", '{"a":1,"a"', "NaN", '"{"', '{"a":' + "9" * 9999 + "}"]
)
def test_a_name_may_be_in_several_objects_and_what_is_no_json_is_for_the_decoder(text):
    check_form(text)


TWICE = ['{"a":1,"a":1}', '{"a":1,"b":2,"\\u0061":3}', '[{"x":{"a":[],"a":{}}}]', '{"a":' + "9" * 9999 + ',"a":NaN}']


@pytest.mark.parametrize("text", TWICE)
def test_a_name_twice_in_one_object_is_refused(text):
    with pytest.raises(ProtocolError, match="name 'a' is there twice in one object, must occur once"):
        check_form(text)


def test_every_entry_of_the_gateway_refuses_a_name_twice():
    with pytest.raises(Problem, match="'service' is there twice") as refused:
        decode_body(b'{"service":"a","service":"b"}')
    assert (refused.value.status, refused.value.members()["code"]) == (400, "BAD_ARGUMENT")
    with pytest.raises(ProtocolError, match="'id' is there twice"):
        protocol.decode('{"type":"ping","id":1,"id":2}')
    with pytest.raises(fx_protocol.BadRequest, match="'symbol' is there twice"):
        fx_protocol.decode('{"type":"get_symbol_data_package","symbol":"A","symbol":"B"}')

"""The depth of a client's JSON is bounded, whatever the decoder would take."""

import pytest

from hulak.bus.errors import ProtocolError
from hulak.clients.gateway.nesting import MOST, check_nesting


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
    check_nesting(text)


@pytest.mark.parametrize("text", ["[" * (MOST + 1), '{"a":' * (MOST + 1), '["x",' * (MOST + 1), "[]" * 50 + '[{"b":' * 51])
def test_a_deep_message_is_refused(text):
    with pytest.raises(ProtocolError, match="nested deeper than 100 levels"):
        check_nesting(text)

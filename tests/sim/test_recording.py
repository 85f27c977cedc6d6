"""Recorded lines in, messages with their times out; quotes at the pace of their times."""

import pytest
import venue_messages

from hulak.bus.errors import ConfigError
from hulak.sim.fx_market import Quote
from hulak.sim.recording import Playback, Recorded, Recording, load_recording, parse_recording

LINES = [
    "wss://venue/stream?streams=eurusd@bookTicker <-> 1633998511.159679\n",
    'wss://venue/stream <- 1633998511.2: {"method":"SUBSCRIBE"}\n',
    '1633998512.0: {"a": 1}\n',
    "\n",
    '1633998512.5: {"text": "x: y <- z"}\r\n',
    '1633998512.25: {"late": true}\n',
    '1633998514: {"b": 2}',
]


def quotes(*times):
    return [Quote("EURUSD", 1.0, 1.1, time_s, 5) for time_s in times]


def test_only_messages_of_the_venue_are_taken_with_the_time_since_the_first():
    assert list(parse_recording(LINES, "x.txt")) == [
        Recorded(0.0, '{"a": 1}'),
        Recorded(0.5, '{"text": "x: y <- z"}'),
        Recorded(0.5, '{"late": true}'),
        Recorded(2.0, '{"b": 2}'),
    ]


def test_a_line_of_another_format_is_named():
    with pytest.raises(ConfigError, match=r"x\.txt line 2 is 'EURUSD,1.1,1.2', must be"):
        list(parse_recording(["1.0: {}", "EURUSD,1.1,1.2"], "x.txt"))


def test_a_message_is_due_by_the_speed():
    message = Recorded(6.0, "{}")
    assert [Recording((message,), speed).due_s(message) for speed in (1.0, 3.0, None)] == [6.0, 2.0, 0.0]


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan"), float("inf")])
def test_a_speed_that_makes_no_sense_is_refused(speed):
    with pytest.raises(ConfigError, match="speed is"):
        Recording((), speed)
    with pytest.raises(ConfigError, match="speed is"):
        Playback([], speed)


def test_a_file_without_messages_or_without_a_file_is_refused(tmp_path):
    (tmp_path / "empty.txt").write_text(LINES[0])
    with pytest.raises(ConfigError, match="has no message"):
        load_recording(tmp_path / "empty.txt")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_recording(tmp_path / "absent.txt")


def test_half_a_minute_of_binance_is_loaded(tmp_path):
    recording = load_recording(venue_messages.write_recording(tmp_path / "binance.txt", venue_messages.binance()))
    assert len(recording.messages) == 265
    assert 27 < recording.messages[-1].after_s < 31
    assert recording.messages[0].text.startswith('{"stream":"nknusdt@depth@100ms"')


def test_a_playback_gives_quotes_when_their_time_has_come():
    playback = Playback(quotes(100.0, 100.5, 102.0))
    assert [quote.time_s for quote in playback.advance(0.5)] == [0.0, 0.5]
    assert playback.advance(1.0) == []
    assert [quote.time_s for quote in playback.advance(9.0)] == [2.0]
    assert playback.advance(1.0) == []
    assert playback.now_s == 11.5


def test_a_playbacks_speed_shortens_the_time_between_quotes():
    assert [quote.time_s for quote in Playback(quotes(0.0, 20.0), speed=10.0).advance(2.0)] == [0.0, 2.0]

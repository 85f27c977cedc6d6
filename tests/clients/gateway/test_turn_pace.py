"""How long the gateway's loop rests between two turns."""

import pytest

from hulak.clients.gateway.turn_pace import rest_s


@pytest.mark.parametrize(
    ("interval_s", "took_s", "rest"),
    [
        (0.008, 0.0, 0.008),
        (0.008, 0.003, 0.005),  # a short turn: the interval as configured
        (0.008, 0.006, 0.006),  # a longer one: as long a rest
        (0.008, 0.012, 0.004),  # up to the interval of a screen
        (0.008, 0.030, 0.0),
        (0.040, 0.012, 0.028),  # a longer interval as configured
        (0.040, 0.050, 0.0),
        (0.001, 0.0002, 0.0008),
    ],
)
def test_the_interval_is_as_configured_until_turns_take_half_of_it(interval_s, took_s, rest):
    assert rest_s(interval_s, took_s) == pytest.approx(rest)

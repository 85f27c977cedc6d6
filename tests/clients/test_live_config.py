"""The requests of `LiveConfig`."""

import pytest

from hulak.clients.live_config import LiveConfig

ROWS = [{"name": "a", "version": 7}, {"name": "b", "version": 6}]


class Client:
    """Takes calls down."""

    def __init__(self):
        self.calls = []

    def call(self, service, args, timeout_s):
        self.calls.append((service, args, timeout_s))
        return ROWS


@pytest.mark.parametrize(
    ("timeout_s", "wait_ms"), [(2.0, 2000), (0, 0), (-1, 0), (0.0006, 1), (3600, 3_600_000), (4000, 3_600_000)]
)
def test_waiting_for_a_version_is_one_request_that_outlasts_the_wait(timeout_s, wait_ms):
    client = Client()
    assert LiveConfig(client, timeout_s=5.0).wait(7, timeout_s) == (ROWS, ROWS[1:])
    assert client.calls == [("hulak.config.applied", {"version": 7, "wait_ms": wait_ms}, 5.0 + wait_ms / 1000)]

"""Where a process finds its broker: an address counts if somebody listens there."""

import socket

import pytest

from hulak.bus.process import sockets
from hulak.bus.process.settings import BrokerSettings


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_probe_that_has_connected_to_itself_has_found_no_broker(tmp_path, monkeypatch, host):
    class Unlucky(socket.socket):
        """A socket that the system has given the port to which it connects."""

        def connect(self, address):
            self.bind(address)
            super().connect(address)

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip("this machine has no IPv6")
    port = listener.getsockname()[1]
    settings = BrokerSettings(frontend=f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}")
    with listener:
        assert sockets.endpoint(settings, tmp_path, "frontend") == settings.frontend
    monkeypatch.setattr(sockets.plain, "socket", Unlucky)
    with Unlucky(family) as alone:
        alone.connect((host, port))
        assert alone.getsockname() == alone.getpeername()
    assert sockets.endpoint(settings, tmp_path, "frontend") is None

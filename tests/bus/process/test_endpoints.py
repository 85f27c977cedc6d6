"""Where the broker is, and why a connection with keys is not made: against real sockets with CURVE."""

import socket
import threading

import pytest
import zmq
from curve_peer import CurvePeer

from hulak.bus.errors import ConfigError, HandshakeFailed
from hulak.bus.process import endpoints, key_files, sockets
from hulak.bus.process.connection_events import CONNECTED, LOST, MOST_UNANSWERED, REFUSED, UNANSWERED, ConnectionEvents

A, B = b"tcp://127.0.0.1:1", b"tcp://0.0.0.0:0;127.0.0.1:1"
AUTH = int(zmq.EVENT_HANDSHAKE_FAILED_AUTH)


@pytest.fixture
def peer():
    peer = CurvePeer()
    yield peer
    peer.end()


def code_of(peer, key, name="frontend"):
    with pytest.raises(HandshakeFailed) as error:
        endpoints.find(peer.settings(key), peer.home, name)
    assert peer.addresses[name] in str(error.value)
    return error.value.code


@pytest.mark.parametrize("name", sockets.NAMES)
def test_a_known_key_finds_each_of_the_brokers_sockets(peer, name):
    peer.bind(name)
    path = peer.key()
    assert endpoints.find(peer.settings(path), peer.home, name) == sockets.BrokerAddress(
        peer.addresses[name], key_files.read_client_key(path)
    )


@pytest.mark.parametrize("name", sockets.NAMES)
def test_the_four_reasons_are_distinguished(peer, name):
    peer.bind(name)
    other = key_files.new_pair().public
    assert code_of(peer, peer.key(accepted=False), name) == "UNKNOWN_KEY"
    assert code_of(peer, peer.key(server=other), name) == "WRONG_SERVER_KEY"
    assert code_of(peer, peer.key(server=other, server_next=key_files.new_pair().public), name) == "WRONG_SERVER_KEY"
    assert code_of(peer, None, name) == "KEY_NEEDED"
    peer.unbind()
    assert endpoints.find(peer.settings(peer.key()), peer.home, name) is None
    peer.bind(name, keys=False)
    assert code_of(peer, peer.key(), name) == "NO_KEYS"


def test_the_next_key_of_the_broker_is_tried_too(peer):
    peer.bind("frontend")
    path = peer.key(server=key_files.new_pair().public, server_next=peer.pair.public)
    assert endpoints.find(peer.settings(path), peer.home, "frontend") is not None
    unknown = peer.key(accepted=False, server=key_files.new_pair().public, server_next=peer.pair.public)
    assert code_of(peer, unknown) == "UNKNOWN_KEY"


def test_with_a_key_the_sockets_files_are_not_used(peer):
    """So that the roles of the key hold on the broker's own machine too."""
    peer.bind("frontend")
    (peer.home / "run").mkdir()
    path = peer.home / "run" / "frontend.ipc"
    peer.sockets["frontend"].bind(f"ipc://{path}")
    assert endpoints.find(peer.settings(), peer.home, "frontend") == sockets.BrokerAddress(f"ipc://{path}")
    assert endpoints.find(peer.settings(peer.key()), peer.home, "frontend").address == peer.addresses["frontend"]


def test_an_owner_waits_for_the_own_broker_and_gets_no_error(peer):
    """Its file may come after its address, and go before it."""
    peer.bind("frontend")
    key_files.write_broker_key(peer.home, key_files.BrokerKey(peer.pair.public, peer.pair.secret))
    assert endpoints.find(peer.settings(), peer.home, "frontend") is None


def test_the_file_of_the_key_is_named_if_it_is_missing(peer):
    with pytest.raises(ConfigError, match=r"missing\.secret"):
        endpoints.find(peer.settings(peer.home / "missing.secret"), peer.home, "frontend")


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff\0\0", bytes(64)])
def test_a_peer_that_is_no_broker_has_no_mechanism(sent):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            connection, _ = server.accept()
            connection.sendall(sent)
            connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        assert endpoints.mechanism_at(f"tcp://127.0.0.1:{server.getsockname()[1]}") == ""
        thread.join()


def test_a_silent_peer_is_found_without_a_key_and_not_with_one(peer, monkeypatch):
    """It may be a broker that is stopped for a moment; with a key its identity cannot be checked."""
    monkeypatch.setattr(endpoints, "REACH_S", 0.05)
    monkeypatch.setattr(endpoints, "HANDSHAKE_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as server:
        peer.addresses["frontend"] = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        address = endpoints.find(peer.settings(loopback="open"), peer.home, "frontend")
        assert address == sockets.BrokerAddress(peer.addresses["frontend"])
        assert endpoints.find(peer.settings(peer.key()), peer.home, "frontend") is None


def test_an_open_address_is_used_only_if_that_was_asked_for(peer):
    """Any user of this machine could listen there."""
    peer.bind("frontend", keys=False)
    address = peer.addresses["frontend"]
    assert endpoints.find(peer.settings(), peer.home, "frontend") is None
    assert endpoints.find(peer.settings(loopback="open"), peer.home, "frontend") == sockets.BrokerAddress(address)
    assert endpoints.expected(peer.settings(), peer.home, "frontend") == f"{peer.home}/run/frontend.ipc"
    assert endpoints.expected(peer.settings(loopback="open"), peer.home, "frontend") == address
    path = peer.key()
    assert endpoints.expected(peer.settings(path), peer.home, "frontend") == f"{address} (with the key of {path})"


def test_a_mechanism_is_read_from_the_greeting(peer):
    peer.bind("frontend")
    peer.bind("backend", keys=False)
    assert endpoints.mechanism_at(peer.addresses["frontend"]) == "CURVE"
    assert endpoints.mechanism_at(peer.addresses["backend"]) == "NULL"
    assert endpoints.mechanism_at(peer.addresses["publisher"]) is None


@pytest.mark.parametrize(
    ("events", "connections", "connected", "refused"),
    [
        ([], 0, False, False),
        ([(CONNECTED, A)], 1, True, False),
        ([(CONNECTED, A), (LOST, A)], 1, False, False),
        ([(CONNECTED, A), (LOST, A), (CONNECTED, A)], 2, True, False),
        ([(AUTH, A), (LOST, A)], 0, False, True),
        ([(CONNECTED, A), (LOST, A), (AUTH, A)], 1, False, True),
        ([(UNANSWERED, A), (LOST, A)] * (MOST_UNANSWERED - 1), 0, False, False),
        ([(UNANSWERED, A), (LOST, A)] * MOST_UNANSWERED, 0, False, True),
        # of two keys of the broker, one is always the wrong one
        ([(CONNECTED, A), *[(UNANSWERED, B), (LOST, B)] * 2 * MOST_UNANSWERED], 1, True, False),
        ([(CONNECTED, A), *[(UNANSWERED, B)] * 9, (LOST, A), (UNANSWERED, A), (CONNECTED, B)], 2, True, False),
        ([(AUTH, A), (CONNECTED, A)], 1, True, False),
    ],
)
def test_what_events_mean_for_a_connection(events, connections, connected, refused):
    state = ConnectionEvents()
    for event, address in events:
        state.take(event, address)
    assert (state.connections, state.connected, state.refused) == (connections, connected, refused)
    assert REFUSED & AUTH


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_probe_that_has_connected_to_itself_has_found_no_broker(monkeypatch, host):
    class Unlucky(socket.socket):
        """A socket that the system has given the port to which it connects."""

        def connect(self, address):
            self.bind(address)
            super().connect(address)

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, 0), family=family) as listener:
            port = listener.getsockname()[1]
    except OSError:
        pytest.skip("this machine has no IPv6")
    monkeypatch.setattr(endpoints.plain, "socket", Unlucky)
    with Unlucky(family) as alone:
        alone.connect((host, port))
        assert alone.getsockname() == alone.getpeername()
    assert endpoints.mechanism_at(f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}") is None

"""The user of a connection, from netlink and from /proc."""

import contextlib
import os
import socket

import pytest

from hulak.clients.gateway import peer_users
from hulak.clients.gateway.peer_users import PeerUsers

OTHER_USER = 54321
HOSTS = ["127.0.0.1", "::1"]


@pytest.fixture(params=["netlink", "proc"])
def users(request):
    asked = PeerUsers()
    if request.param == "proc":
        asked.close()
    elif asked._netlink is None:
        pytest.skip("netlink is refused here")
    yield asked
    asked.close()


@contextlib.contextmanager
def listening(host):
    with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as server:
        yield server


def ends(server):
    """Accept a connection; returns it and both of its addresses."""
    accepted, _ = server.accept()
    return accepted, accepted.getpeername()[:2], accepted.getsockname()[:2]


@pytest.mark.parametrize("host", HOSTS)
def test_an_open_connection_belongs_to_its_user_and_a_closed_one_to_no_user(users, host):
    with listening(host) as server:
        client = socket.create_connection(server.getsockname()[:2])
        accepted, peer, ours = ends(server)
        with accepted:
            assert users.user_of(peer, ours) == os.geteuid()
            client.shutdown(socket.SHUT_WR)
            assert users.user_of(peer, ours) == os.geteuid(), "half-closed, it still has its program"
            client.close()
            assert users.user_of(peer, ours) is None, "the kernel says user 0, and must not be believed"
        assert users.user_of(("127.0.0.1", 1), ("127.0.0.1", 2)) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("host", HOSTS)
def test_the_connection_of_another_user_belongs_to_that_user_also_when_it_is_gone(users, host):
    with listening(host) as server:
        child = os.fork()
        if not child:
            with contextlib.suppress(BaseException):
                os.setuid(OTHER_USER)
                kept_open, closed = (socket.create_connection(server.getsockname()[:2]) for _ in range(2))
                closed.sendall(b"GET / HTTP/1.1\\r\\n\\r\\n")
                closed.close()
                kept_open.recv(1)
            os._exit(0)
        (kept, peer, ours), (gone, gone_peer, gone_ours) = ends(server), ends(server)
        with kept, gone:
            assert users.user_of(peer, ours) == OTHER_USER
            while gone.recv(100):  # up to its end
                pass
            assert users.user_of(gone_peer, gone_ours) is None
        os.waitpid(child, 0)


def test_an_ipv6_socket_can_have_a_connection_of_ipv4(users):
    with listening("127.0.0.1") as server, socket.socket(socket.AF_INET6) as client:
        client.connect((f"::ffff:{server.getsockname()[0]}", server.getsockname()[1]))
        accepted, peer, ours = ends(server)
        with accepted:
            assert users.user_of(peer, ours) == os.geteuid()


def test_a_listener_at_the_port_of_a_peer_that_is_gone_is_not_that_peer(users):
    with listening("127.0.0.1") as server, listening("127.0.0.1") as other:
        assert users.user_of(other.getsockname()[:2], server.getsockname()[:2]) is None


def test_where_the_kernel_has_no_answer_proc_is_read(monkeypatch):
    users = PeerUsers()
    if users._netlink is None:
        pytest.skip("netlink is refused here")
    monkeypatch.setattr(peer_users, "SOCK_DIAG_BY_FAMILY", 9999)  # a kernel without it
    with listening("127.0.0.1") as server, socket.create_connection(server.getsockname()[:2]):
        accepted, peer, ours = ends(server)
        with accepted:
            assert users.user_of(peer, ours) == os.geteuid()
    assert users._netlink is None

"""Questions of libzmq whether a peer may connect, as literal frames (ZeroMQ RFC 27)."""

import os

import pytest
from zmq.utils import z85

from hulak.bus.broker.zap import reply
from hulak.bus.errors import ProtocolError

KEY = bytes(range(32))


def question(version=b"1.0", mechanism=b"CURVE", credentials=(KEY,)):
    return [version, b"42", b"hulak", b"10.1.2.3", b"", mechanism, *credentials]


def issue(public, address):
    assert (public, address) == (z85.encode(KEY).decode(), "10.1.2.3")
    return "alice#7"


def test_an_authorised_key_gets_its_user_id():
    assert reply(question(), issue) == [b"1.0", b"42", b"200", b"OK", b"alice#7", b""]


@pytest.mark.parametrize(("code", "status"), [("FORBIDDEN", b"400"), ("TRY_AGAIN", b"300")])
def test_a_refused_key_gets_no_user_id_and_libzmq_tries_again_only_if_it_was_removed_a_moment_ago(code, status):
    def refuse(public, address):
        raise ProtocolError(code, "x" * 300)

    assert reply(question(), refuse) == [b"1.0", b"42", status, b"x" * 255, b"", b""]


@pytest.mark.parametrize(
    "request_frames",
    [
        [],
        [b"1.0"],
        [b"1.0", b"42"],
        question(version=b"2.0"),
        question(mechanism=b"NULL", credentials=()),
        question(mechanism=b"PLAIN", credentials=(b"alice", b"password")),
        question(credentials=(KEY[:31],)),
        question(credentials=(KEY, KEY)),
        [os.urandom(8) for _ in range(9)],
    ],
)
def test_any_other_question_is_refused(request_frames):
    answer = reply(request_frames, lambda *_: pytest.fail("it is no question about a key"))
    assert answer[0] == b"1.0"
    assert answer[2] == b"500"
    assert answer[4:] == [b"", b""]

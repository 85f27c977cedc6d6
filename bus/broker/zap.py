"""Answers libzmq's question whether a peer may connect (ZAP, ZeroMQ RFC 27), in the broker's own loop.

So no second thread can end alone. libzmq asks once for each connection with CURVE, after the peer has proved to have its key; it
does not ask for connections to the ipc files, which have no mechanism and no domain.
"""

import contextlib
from collections.abc import Callable
from typing import Any

import zmq
from zmq.utils import z85

from hulak.bus.core.security.key_table import TRY_AGAIN
from hulak.bus.errors import ProtocolError
from hulak.bus.process import sockets

ADDRESS = "inproc://zeromq.zap.01"
VERSION, CURVE = b"1.0", b"CURVE"
MOST = 64  # in an iteration of the loop
ALLOWED, TEMPORARY, DENIED, FAILED = b"200", b"300", b"400", b"500"


class ZapHandler:
    """The handler of one context.

    Args:
        context: of the broker's sockets.
        issue: returns the user id for a public key in Z85 and the address of its peer; raises ProtocolError for a refused one.
    """

    def __init__(self, context: "zmq.Context[Any]", issue: Callable[[str, str], str]) -> None:
        self.socket = sockets.make(context, zmq.ROUTER)
        self.socket.bind(ADDRESS)
        self._issue = issue

    def take(self) -> None:
        """Answer the questions that have come."""
        with contextlib.suppress(zmq.Again):
            for _ in range(MOST):
                identity, _, *request = self.socket.recv_multipart(zmq.NOBLOCK)
                self.socket.send_multipart([identity, b"", *reply(request, self._issue)])


def reply(request: list[bytes], issue: Callable[[str, str], str]) -> list[bytes]:
    """Return the answer to one question.

    Args:
        request: version, id, domain, address, identity, mechanism, and the credentials: of CURVE a key of 32 bytes.
        issue: see `ZapHandler`.
    """
    version, request_id = (*request[:2], b"", b"")[:2]
    user_id = b""
    if version != VERSION or len(request) != 7 or request[5] != CURVE or len(request[6]) != 32:
        code, text = FAILED, "not a question about a key"
    else:
        try:
            user_id = issue(z85.encode(request[6]).decode(), request[3].decode(errors="replace")).encode()
            code, text = ALLOWED, "OK"
        except ProtocolError as error:
            code, text = TEMPORARY if error.code == TRY_AGAIN else DENIED, str(error)
    return [VERSION, request_id, code, text.encode()[:255], user_id, b""]

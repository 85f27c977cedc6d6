"""HTTP/1.1 of the simulated exchange: requests in, `Reply` out; every connection is closed at the end."""

import contextlib
import socket
import socketserver
import ssl
import struct
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from hulak.sim.nepse.request_gate import Reply

POLL_S = 0.1  # between two checks of the stop flag in the accepting thread
LONGEST_BODY = 65_536  # the POST of a client has one small object
IDLE_S = 60.0  # after which a connection without requests is closed


class HttpServer(ThreadingHTTPServer):
    """A server with a thread per connection.

    Args:
        address: address to bind.
        answer: returns the response to a request and its body.
        tls: serves HTTPS with this context; HTTP without one.
    """

    daemon_threads = True
    timeout = POLL_S
    request_queue_size = 128

    def __init__(
        self,
        address: tuple[str, int],
        answer: Callable[[BaseHTTPRequestHandler, bytes], Reply],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.answer = answer
        self._tls = tls
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, Handler)

    def server_bind(self) -> None:
        # that of HTTPServer looks up the name of the address, which can take seconds without a name server
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        if self._tls is not None:
            # the handshake takes place at the first read, in the connection's own thread
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):  # the client may have closed it
                # past TLS, whose state belongs to the thread that reads
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore broken connections, which are normal; print any other error, which is a bug."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """Reads the requests of a connection, one after the other."""

    protocol_version = "HTTP/1.1"
    server_version = "nginx"
    sys_version = ""
    timeout = IDLE_S
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave in one packet
    server: HttpServer

    def _handle(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isascii() or not length.isdigit() or int(length[:9]) > LONGEST_BODY:
            self.close_connection = True  # the end of the body, and the start of the next request, are unknown
            self._send(Reply(400, b"", "text/plain"))
            return
        self._send(self.server.answer(self, self.rfile.read(int(length))))

    def _send(self, reply: Reply) -> None:
        if reply.cut:
            # a linger time of 0 makes the close a reset
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    do_GET = do_POST = _handle  # noqa: N815 - the names that http.server looks for

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Print nothing: requests are counted instead."""

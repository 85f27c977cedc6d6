"""The lines of an endless HTTP answer and WebSockets, over real sockets, and what a transport refuses."""

import asyncio
import http
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from websockets.asyncio.server import serve

from hulak.bus.errors import ConfigError
from hulak.clients.feeds.transports import BROKEN, KEEPALIVE_S, VenueRefused, check_url, connection

LIMIT_S = 10.0


class Stream(BaseHTTPRequestHandler):
    """Answers with the server's pieces, each as a chunk, and then ends or stays silent."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.seen.append((self.path, self.headers.get("Authorization")))
        self.send_response(self.server.status)
        self.send_header("Transfer-Encoding", "chunked")
        for header in self.server.headers.items():
            self.send_header(*header)
        self.end_headers()
        for piece in self.server.pieces:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.flush()
        if self.server.hangs:
            self.server.released.wait(LIMIT_S)
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_):
        """Log nothing."""


@contextmanager
def serving(*pieces, status=200, headers=None, hangs=False):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stream)
    server.pieces, server.status, server.hangs = pieces, status, hangs
    server.headers = headers or {}
    server.seen, server.released = [], threading.Event()
    server.url = f"http://127.0.0.1:{server.server_address[1]}/stream"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


def received(url, count=None, *, token="", read_s=5.0):
    async def story():
        lines = []
        async with asyncio.timeout(LIMIT_S), connection(url, token=token, connect_s=5.0, read_s=read_s) as venue:
            try:
                while count is None or len(lines) < count:
                    lines.append(await venue.receive())
            except BROKEN as error:
                lines.append(str(error))
        return lines

    return asyncio.run(story())


def test_lines_are_joined_across_chunks():
    with serving(b'{"a":1}\n{"b"', b":2}", b"\r\n\n\n", b'{"c":3}\n') as server:
        assert received(server.url) == [b'{"a":1}', b'{"b":2}', b'{"c":3}', "the venue ended the response"]


def test_a_burst_of_lines_is_handed_over_in_order():
    lines = [b'{"n":%d}' % number for number in range(2000)]
    with serving(b"\n".join(lines) + b"\n") as server:
        assert received(server.url, 2000) == lines


def test_the_token_goes_into_the_header_and_nowhere_else():
    with serving(b"x\n") as server:
        received(server.url + "?instruments=EUR_USD", 1, token="s3cret")
        received(server.url, 1)
        assert server.seen == [("/stream?instruments=EUR_USD", "Bearer s3cret"), ("/stream", None)]


def test_silence_beyond_the_read_timeout_ends_the_connection():
    with serving(b"x\n", hangs=True) as server:
        lines = received(server.url, read_s=0.1)
    assert lines[0] == b"x"
    assert "timed out" in lines[1]


def test_closing_does_not_wait_for_a_silent_venue():
    with serving(b"x\n", hangs=True) as server:
        assert received(server.url, 1, read_s=LIMIT_S * 2) == [b"x"]


def test_a_refusal_has_the_venues_text():
    with (
        serving(b'{"errorMessage":"Insufficient authorization"}', status=401) as server,
        pytest.raises(OSError, match="401") as error,
    ):
        received(server.url, token="s3cret")
    assert "Insufficient authorization" in str(error.value)
    assert "s3cret" not in str(error.value)


def test_retry_after_of_a_venue_is_read():
    with serving(b"slow down", status=429, headers={"Retry-After": "60"}) as server, pytest.raises(VenueRefused) as error:
        received(server.url)
    assert error.value.again_s == 60.0
    with serving(b"", status=503) as server, pytest.raises(VenueRefused) as error:
        received(server.url)
    assert error.value.again_s == 0.0


@pytest.mark.parametrize(
    ("headers", "again_s"),
    [
        ({"Retry-After": "60"}, 60.0),
        ({"retry-after": "999999"}, 86_400.0),
        ({"Retry-After": "Sun, 29 Nov 2026 10:01:00 GMT", "Date": "Sun, 29 Nov 2026 10:00:00 GMT"}, 60.0),
        ({"Retry-After": "soon"}, 0.0),
        ({}, 0.0),
    ],
)
def test_retry_after_of_a_refused_websocket_is_read(headers, again_s):
    def refuse(connection, request):
        response = connection.respond(http.HTTPStatus.TOO_MANY_REQUESTS, "slow down")
        for name in headers:
            response.headers.pop(name, None)
            response.headers[name] = headers[name]
        return response

    async def story():
        async with serve(lambda _: None, "127.0.0.1", 0, process_request=refuse) as server:
            port = server.sockets[0].getsockname()[1]
            async with connection(f"ws://127.0.0.1:{port}/", token="", connect_s=LIMIT_S, read_s=LIMIT_S):
                pytest.fail("it stands")

    with pytest.raises(VenueRefused, match="the venue answered 429 Too Many Requests: slow down") as error:
        asyncio.run(story())
    assert error.value.again_s == again_s


@pytest.mark.parametrize(("keepalive", "ping_s"), [(True, KEEPALIVE_S), (False, None)])
def test_a_websocket_is_not_pinged_where_the_venue_leaves_pings_unanswered(keepalive, ping_s):
    """Otherwise it would be closed as dead after 40 s, by ourselves."""

    async def story():
        async with serve(lambda socket: socket.wait_closed(), "127.0.0.1", 0) as server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            async with connection(url, token="", connect_s=5.0, read_s=5.0, keepalive=keepalive) as venue:
                return venue._socket.ping_interval

    assert asyncio.run(story()) == ping_s


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_websocket_is_closed_with_1000_also_on_a_signal(cancelled):
    async def story():
        codes = asyncio.Queue()

        async def venue(connection):
            await connection.wait_closed()
            codes.put_nowait(connection.close_code)

        async def feed(port):
            async with connection(f"ws://127.0.0.1:{port}/", token="", connect_s=LIMIT_S, read_s=LIMIT_S):
                if cancelled:
                    standing.set()
                    await connection.receive()

        standing = asyncio.Event()
        async with serve(venue, "127.0.0.1", 0) as server:
            task = asyncio.ensure_future(feed(server.sockets[0].getsockname()[1]))
            if cancelled:
                await standing.wait()
                task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return await asyncio.wait_for(codes.get(), LIMIT_S)

    assert asyncio.run(story()) == 1000


@pytest.mark.parametrize("url", ["http://example.invalid/", "ws://example.invalid/"])
def test_a_token_is_not_sent_unencrypted(url):
    with pytest.raises(OSError, match="the token is not sent over"):
        received(url, token="s3cret")


@pytest.mark.parametrize("url", ["", "EURUSD", "ftp://host/", "ws:///path", "tcp://127.0.0.1:5550"])
def test_a_bad_url_is_refused(url):
    with pytest.raises(ConfigError, match="must be ws://HOST"):
        check_url(url)

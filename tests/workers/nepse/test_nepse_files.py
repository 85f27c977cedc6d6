"""Files of the exchange: recognised, refused if they are something else or cut short, and sent in parts."""

import base64
import hashlib
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from nepse_worker_fixture import Settings

from hulak.bus.errors import TaskFailed
from hulak.sim.nepse.files import pdf, png
from hulak.sim.nepse.request_gate import Reply
from hulak.sim.nepse.server import serve
from hulak.workers.nepse import http
from hulak.workers.nepse.actions import build_actions
from hulak.workers.nepse.endpoint import Shape
from hulak.workers.nepse.faults import HttpRequest, HttpResponse
from hulak.workers.nepse.files import KNOWN, PART_BYTES, NepseFile, file_of, parts_of

REQUEST = HttpRequest("GET", "/api/nots/news/notice/fetchFiles/a.pdf")
PDF, PNG = pdf("Notice").body, png(80).body
JPEG = b"\xff\xd8\xff\xe0" + bytes(100) + b"\xff\xd9"
CSV = b"SYMBOL,CLOSE_PRICE\nNABIL,520.0\n"


def response(body, kind="application/octet-stream", *, length=True, status=200):
    headers = {"content-type": kind} | ({"content-length": str(len(body))} if length else {})
    return HttpResponse(status, headers, body)


def envelope(content):
    return response(b'{"content": "%b"}' % content, "application/json")


def drained(parts):
    values = []
    while True:
        try:
            values.append(next(parts))
        except StopIteration as end:
            return values, end.value


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (PDF, "application/pdf"),
        (PNG, "image/png"),
        (JPEG, "image/jpeg"),
        (b"PK\x03\x04...PK\x05\x06" + bytes(18), "application/zip"),
        (KNOWN["application/x-ole-storage"][0] + bytes(600), "application/x-ole-storage"),
        (b"{\\rtf1 text}\n", "application/rtf"),
    ],
)
def test_a_file_is_recognised_by_its_content_and_not_by_its_stated_type(body, kind):
    for stated in ("application/octet-stream", "text/plain", "application/json"):
        for length in (True, False):
            assert file_of(REQUEST, response(body, stated, length=length), Shape.FILE) == NepseFile(kind, body)


@pytest.mark.parametrize(
    ("answer", "shape", "code", "retryable"),
    [
        (response(b"<!DOCTYPE html><html>", "text/html"), Shape.FILE, "NOT_A_FILE", True),
        (response(b"\xef\xbb\xbf\n<HTML><body>", "application/pdf"), Shape.FILE, "NOT_A_FILE", True),
        (response(b'{"status":404,"error":"Not Found"}', "application/json"), Shape.FILE, "NOT_A_FILE", False),
        (response(b"no such file", "text/plain"), Shape.FILE, "NOT_A_FILE", False),
        (response(CSV, "text/csv"), Shape.FILE, "NOT_A_FILE", False),
        (response(b" "), Shape.FILE, "EMPTY", True),
        (response(PDF[:-20], length=False), Shape.FILE, "NETWORK", True),
        (response(PNG[:-9], length=False), Shape.FILE, "NETWORK", True),
        (response(b"<html>,</html>", "text/csv"), Shape.TABLE, "NOT_A_FILE", True),
        (response(b'{"a": 1, "b": 2}', "text/csv"), Shape.TABLE, "NOT_A_FILE", False),
        (response(b"[1, 2]", "text/csv"), Shape.TABLE, "NOT_A_FILE", False),
        (response(b'"a","b"', "application/json"), Shape.TABLE, "NOT_A_FILE", False),
        (response(b"Searched Date", "text/plain"), Shape.TABLE, "NOT_A_FILE", False),
        (response(PDF, "text/csv"), Shape.TABLE, "NOT_A_FILE", False),
        (response(b"\xff\xfe,", "text/csv"), Shape.TABLE, "NOT_A_FILE", False),
        (response(CSV[:-3], length=False), Shape.TABLE, "NETWORK", True),
        (response(PNG), Shape.PICTURE, "NOT_JSON", True),
        (response(b"[]", "application/json"), Shape.PICTURE, "BAD_ANSWER", False),
        (response(b'{"content": null}', "application/json"), Shape.PICTURE, "BAD_ANSWER", False),
        (envelope(b"!!!"), Shape.PICTURE, "BAD_ANSWER", False),
        (envelope(base64.b64encode(PDF)), Shape.PICTURE, "BAD_ANSWER", False),
        (envelope(base64.b64encode(PNG[:-9])), Shape.PICTURE, "BAD_ANSWER", False),
    ],
)
def test_a_page_an_error_and_half_a_file_are_refused_without_being_quoted(answer, shape, code, retryable):
    with pytest.raises(TaskFailed) as caught:
        file_of(REQUEST, answer, shape)
    assert (caught.value.code, caught.value.retryable) == (code, retryable)
    assert REQUEST.name in str(caught.value)
    assert "Not Found" not in str(caught.value)


def test_a_table_without_a_body_has_no_rows_and_one_with_a_mark_of_its_encoding_is_a_table():
    assert file_of(REQUEST, response(b""), Shape.TABLE) is None
    for body in (CSV, b"\xef\xbb\xbf" + CSV, CSV.replace(b"\n", b"\r\n")):
        assert file_of(REQUEST, response(body, "text/plain", length=False), Shape.TABLE) == NepseFile("text/csv", body)


def test_a_picture_in_base64_is_decoded_with_and_without_padding_and_line_ends():
    packed = base64.b64encode(JPEG)
    for content in (packed, packed.rstrip(b"="), b"\\r\\n".join((packed[:60], packed[60:]))):
        assert file_of(REQUEST, envelope(content), Shape.PICTURE) == NepseFile("image/jpeg", JPEG)


def test_a_file_is_sent_in_parts_that_fit_the_smallest_frame_and_add_up():
    content = bytes(range(256)) * 1000
    parts, end = drained(parts_of(NepseFile("application/pdf", content)))
    assert [part["offset"] for part in parts] == list(range(0, len(content), PART_BYTES))
    assert b"".join(part["content"] for part in parts) == content
    assert end == {"type": "application/pdf", "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def test_a_body_beyond_the_limit_is_not_read_further(monkeypatch):
    monkeypatch.setattr(http, "LARGEST_BODY", 100_000)
    with serve(seed=5) as exchange:
        actions = build_actions(Settings(exchange.url))
        exchange.plan("/api/nots/nepse-index", Reply(200, b"[" + b" " * 200_000 + b"]"))
        with pytest.raises(TaskFailed, match="more than 0 MiB") as caught:
            actions["nepse-index"]({})
        assert (caught.value.code, caught.value.retryable) == ("TOO_LARGE", False)
        assert len(actions["nepse-index"]({})) == 4


def test_files_that_the_exchange_does_not_have_are_named_and_their_names_reach_it_as_they_are():
    with serve(seed=5) as exchange:
        actions = build_actions(Settings(exchange.url))
        for name in ("../../security", "a b?c#d%41.pdf", "सूचना.pdf"):
            with pytest.raises(TaskFailed, match="the exchange knows no such file") as caught:
                drained(actions["notice-file"]({"name": name}))
            assert caught.value.code == "NOT_FOUND"
        paths = [path for path in exchange.by_path if "fetchFiles" in path]
        assert len(paths) == 3
        assert all(path.startswith("/api/nots/news/notice/fetchFiles/") and path.count("/") == 6 for path in paths)
        assert "/api/nots/news/notice/fetchFiles/a%20b%3Fc%23d%2541.pdf" in paths
        with pytest.raises(TaskFailed, match="no such file"):
            drained(actions["security-file"]({"location": "/images/../etc/passwd"}))
        assert drained(actions["day-export"]({"date": "2026-11-28"}))[1] is None, "a Saturday"


@pytest.mark.parametrize("stated", [len(PDF), None], ids=["with its length", "until the connection closes"])
def test_a_file_that_is_cut_on_its_way_is_a_network_failure(stated):
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as pool:

        def serve_half():
            connection, _ = listening.accept()
            with connection:
                connection.recv(10_000)
                length = "" if stated is None else f"Content-Length: {stated}\r\n"
                connection.sendall(f"HTTP/1.1 200 OK\r\nConnection: close\r\n{length}\r\n".encode() + PDF[:-40])

        served = pool.submit(serve_half)
        fetch = http.HttpFetch(Settings(f"http://127.0.0.1:{listening.getsockname()[1]}"))
        with pytest.raises(TaskFailed) as caught:
            file_of(REQUEST, fetch(REQUEST), Shape.FILE)
        served.result(10)
        fetch.close()
    assert (caught.value.code, caught.value.retryable) == ("NETWORK", True)

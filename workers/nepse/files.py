"""Files of the exchange: a response is checked to be a whole file, and is cut into parts for the bus. Pure.

The exchange may answer 200 with a page of HTML, with an error in JSON, or with nothing. A file is therefore recognised by its
first bytes, and one whose length the server did not state by its last bytes too.
"""

import base64
import binascii
import hashlib
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

from hulak.bus.errors import TaskFailed
from hulak.workers.nepse.endpoint import Shape
from hulak.workers.nepse.faults import HttpRequest, HttpResponse, bad_answer, parse_object

PART_BYTES = 60_000  # the smallest broker.max_message_bytes is 65,536

PICTURES = ("image/jpeg", "image/png", "image/gif")
# type -> first bytes, last bytes (empty: any), and how far from the end these may be
KNOWN: dict[str, tuple[bytes, bytes, int]] = {
    "application/pdf": (b"%PDF-", b"%%EOF", 1024),
    "image/jpeg": (b"\xff\xd8\xff", b"\xff\xd9", 64),
    "image/png": (b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82", 64),
    "image/gif": (b"GIF8", b";", 64),
    "application/zip": (b"PK\x03\x04", b"PK\x05\x06", 65_557),  # also the newer files of office programs
    "application/x-ole-storage": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"", 0),  # the older ones
    "application/vnd.rar": (b"Rar!\x1a\x07", b"", 0),
    "application/rtf": (b"{\\rtf", b"}", 64),
}
NAMES = "PDF, JPEG, PNG, GIF, ZIP, RTF, RAR, a document of an office program"


@dataclass(frozen=True, slots=True)
class NepseFile:
    """A file of the exchange."""

    type: str  # as in Content-Type, found from the content
    content: bytes = field(repr=False)


def file_of(request: HttpRequest, response: HttpResponse, shape: Shape) -> NepseFile | None:
    """Return the file of a successful response.

    Args:
        request: for texts.
        response: of status 2xx.
        shape: FILE, TABLE or PICTURE.
    Returns:
        the file; None if a TABLE has no body, which means no rows.
    Raises:
        TaskFailed: NOT_A_FILE, it is a page, an error, or something unknown; NETWORK, it ends too early; EMPTY; as
            `faults.parse_object` for a PICTURE.
    """
    if shape is Shape.PICTURE:
        return _picture(request, parse_object(request, response))
    if not response.body.strip():
        if shape is Shape.TABLE:
            return None
        raise TaskFailed("EMPTY", f"{request.name} was answered without a body, wanted a file: try again later", retryable=True)
    file = _table(response) if shape is Shape.TABLE else _known(response.body)
    if file is None:
        raise _no_file(request, response, "CSV" if shape is Shape.TABLE else NAMES)
    if not _has_length(response) and not _ends(file):
        raise TaskFailed("NETWORK", f"{request.name}: the file ended too early; try again later", retryable=True)
    return file


def parts_of(file: NepseFile) -> Generator[dict[str, Any], None, dict[str, Any]]:
    """Yield the content in parts, `offset` and `content`; return its `type`, `size` and `sha256`."""
    for offset in range(0, len(file.content), PART_BYTES):
        yield {"offset": offset, "content": file.content[offset : offset + PART_BYTES]}
    return {"type": file.type, "size": len(file.content), "sha256": hashlib.sha256(file.content).hexdigest()}


def _picture(request: HttpRequest, value: dict[str, Any]) -> NepseFile:
    text = value.get("content")
    if not isinstance(text, str) or not text.strip():
        raise bad_answer(request.name, "an object without a text as content", "a picture in base64 there")
    packed = "".join(text.split())
    try:
        content = base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise bad_answer(request.name, "a content that is no base64", "a picture in base64") from None
    file = _known(content)
    if file is None or file.type not in PICTURES or not _ends(file):
        raise bad_answer(request.name, f"{len(content)} bytes that are no whole picture", "JPEG, PNG or GIF")
    return file


def _known(content: bytes) -> NepseFile | None:
    return next((NepseFile(kind, content) for kind, (first, _, _) in KNOWN.items() if content.startswith(first)), None)


def _table(response: HttpResponse) -> NepseFile | None:
    try:
        text = response.body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    head = text.lstrip().partition("\n")[0]
    if _is_html(response) or "json" in _kind(response) or head[:1] in {"<", "{", "["} or "," not in head or "\0" in text:
        return None
    return NepseFile("text/csv", response.body)


def _ends(file: NepseFile) -> bool:
    if file.type == "text/csv":
        return file.content.endswith(b"\n")
    _, last, within = KNOWN[file.type]
    return last in file.content[-within - len(last) :]


def _has_length(response: HttpResponse) -> bool:
    """Return whether HTTP itself shows the end of the body; then a shorter one was no response."""
    return "content-length" in response.headers or "chunked" in response.headers.get("transfer-encoding", "").lower()


def _no_file(request: HttpRequest, response: HttpResponse, wanted: str) -> TaskFailed:
    is_html = _is_html(response)
    what = "a page of HTML" if is_html else f"{_kind(response) or 'no content type'}, {len(response.body)} bytes"
    text = f"{request.name} was answered with {what}, which is no such file, wanted {wanted}: check the name"
    return TaskFailed("NOT_A_FILE", text, retryable=is_html, details={"status": response.status})  # a page also comes under load


def _kind(response: HttpResponse) -> str:
    return response.headers.get("content-type", "").partition(";")[0].strip().lower()[:60]


def _is_html(response: HttpResponse) -> bool:
    start = response.body[:2000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return start.startswith((b"<!doctype html", b"<html"))

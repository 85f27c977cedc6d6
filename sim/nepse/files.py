"""Files of the simulated exchange: documents as PDF, pictures as PNG, prices as CSV."""

import csv
import hashlib
import io
import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

COLUMNS = {  # of the CSV -> of the JSON
    "BUSINESS_DATE": "businessDate",
    "SECURITY_ID": "securityId",
    "SYMBOL": "symbol",
    "SECURITY_NAME": "securityName",
    "OPEN_PRICE": "openPrice",
    "HIGH_PRICE": "highPrice",
    "LOW_PRICE": "lowPrice",
    "CLOSE_PRICE": "closePrice",
    "TOTAL_TRADED_QUANTITY": "totalTradedQuantity",
    "TOTAL_TRADED_VALUE": "totalTradedValue",
    "PREVIOUS_DAY_CLOSE_PRICE": "previousDayClosePrice",
    "TOTAL_TRADES": "totalTrades",
}


@dataclass(frozen=True, slots=True)
class Document:
    """A response that is no JSON."""

    body: bytes
    content_type: str


def encrypted_id(number: int) -> str:
    """Return the encrypted id of a document: 128 hexadecimal digits, as recorded."""
    return hashlib.sha512(str(number).encode()).hexdigest()


def logo_of(symbol: str) -> str:
    """Return the place of a company's logo."""
    return f"/images/{symbol}/logo.png"


def pdf(title: str) -> Document:
    """Return a document of one page; `title` is printable ASCII without brackets."""
    text = f"BT /F1 18 Tf 72 720 Td ({title}) Tj ET".encode("ascii", "replace")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(text), text),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    content, places = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(objects, 1):
        places.append(len(content))
        content += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    start = len(content)
    content += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    content += b"".join(b"%010d 00000 n \n" % place for place in places)
    content += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return Document(bytes(content), "application/pdf")


def png(shade: int) -> Document:
    """Return a picture of one grey pixel."""
    head, pixel = struct.pack(">2I5B", 1, 1, 8, 0, 0, 0, 0), zlib.compress(bytes((0, shade % 256)))
    packed = b""
    for name, body in ((b"IHDR", head), (b"IDAT", pixel), (b"IEND", b"")):
        packed += struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    return Document(b"\x89PNG\r\n\x1a\n" + packed, "image/png")


def table(rows: Iterable[Mapping[str, Any]]) -> Document:
    """Return rows of prices as CSV."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows([row.get(key) for key in COLUMNS.values()] for row in rows)
    return Document(text.getvalue().encode(), "text/csv")

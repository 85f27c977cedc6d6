"""The page's files: the file of a path, and its headers. Reads files, no other I/O."""

import hashlib
import importlib.resources
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(str(importlib.resources.files("hulak.clients") / "web"))
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
_PLAIN = re.compile(r"(/[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*)+").fullmatch  # no part begins with a dot


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file as sent."""

    type: str
    etag: str
    body: bytes


class StaticFiles:
    """The files under one folder; each is read again after it has changed on the disk.

    Args:
        root: the folder.
    """

    def __init__(self, root: Path = ROOT) -> None:
        self.root = root.resolve()
        self._read: dict[Path, tuple[int, int, StaticFile]] = {}

    def find(self, path: str) -> StaticFile | None:
        """Return the file of a path without its query; None if there is none, or it is not one of the page's."""
        if path == "/":
            path = "/index.html"
        if not _PLAIN(path):
            return None
        name = (self.root / path[1:]).resolve()
        kind = TYPES.get(name.suffix)
        if kind is None or not name.is_relative_to(self.root) or not name.is_file():
            return None
        stat = name.stat()
        known = self._read.get(name)
        if known is None or known[:2] != (stat.st_mtime_ns, stat.st_size):
            body = name.read_bytes()
            etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
            known = self._read[name] = (stat.st_mtime_ns, stat.st_size, StaticFile(kind, etag, body))
        return known[2]


def page_headers(host: str) -> dict[str, str]:
    """Return the headers of the page's files: only own resources, no framing, revalidated each time.

    Args:
        host: checked, as the browser sent it; not every browser includes WebSockets in 'self'.
    """
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; manifest-src 'self'; "
        f"connect-src 'self' ws://{host} wss://{host}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return {
        "Cache-Control": "no-cache",
        "Content-Security-Policy": policy,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }

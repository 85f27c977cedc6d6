"""WebSocket clients that cost little: `python -m trial_browsers PORT READING STALLED SECONDS` prints what they saw as JSON.

It stays connected until it is killed.
Bare sockets: only the length of a frame and its times are read. Stalling clients subscribe, and never read again.
"""

import asyncio
import base64
import json
import os
import re
import socket
import struct
import sys
import time

PUBLISHED = re.compile(rb'"published_ms":([0-9.]+)')
SMALL = 1 << 16  # bytes that the system keeps for one that stalls
JOIN_S = 30
WINDOW_S = 2


def masked(text):
    """Write a client's frame."""
    data = text.encode()
    head = bytes((0x81, 0x80 | len(data))) if len(data) < 126 else struct.pack(">BBH", 0x81, 0xFE, len(data))
    return head + bytes(4) + data  # a mask of zeros changes nothing


class Browser(asyncio.Protocol):
    """One client."""

    def __init__(self, stalls):
        self.stalls = stalls
        self.buffer = bytearray()
        self.open = asyncio.get_running_loop().create_future()
        self.late_ms, self.frames, self.bytes, self.closed = [], 0, 0, None
        self.counting = False

    def connection_made(self, transport):
        self.transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        host = f"127.0.0.1:{transport.get_extra_info('peername')[1]}"
        transport.write(
            f"GET /ws HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def data_received(self, data):
        self.buffer += data
        if not self.open.done():
            head, parts, rest = bytes(self.buffer).partition(b"\r\n\r\n")
            if not parts:
                return
            assert b" 101 " in head, head
            self.buffer = bytearray(rest)
            self.transport.write(masked(json.dumps({"type": "subscribe", "displays": ["*"], "ticks": ["*"], "stats": True})))
            self.open.set_result(None)
            if self.stalls:
                self.transport.pause_reading()
                return
        while (frame := self.next_frame()) is not None:
            self.take(*frame)

    def next_frame(self):
        buffer = self.buffer
        if len(buffer) < 2:
            return None
        length, at = buffer[1], 2
        if length == 126:
            if len(buffer) < 4:
                return None
            length, at = int.from_bytes(buffer[2:4], "big"), 4
        elif length == 127:
            if len(buffer) < 10:
                return None
            length, at = int.from_bytes(buffer[2:10], "big"), 10
        if len(buffer) < at + length:
            return None
        kind, data = buffer[0], bytes(buffer[at : at + length])
        del buffer[: at + length]
        return kind, data

    def take(self, kind, data):
        if kind == 0x88:
            self.closed = int.from_bytes(data[:2], "big")
        elif kind == 0x89:
            self.transport.write(bytes((0x8A, 0x80 | len(data))) + bytes(4) + data)
        elif self.counting:
            self.frames += 1
            self.bytes += len(data)
            oldest = data.rfind(b'"published_ms":')  # the newest stands first
            if oldest >= 0:
                now = time.time()
                self.late_ms.append((now, now * 1000 - float(PUBLISHED.match(data, oldest)[1])))

    def connection_lost(self, _):
        self.closed = self.closed or 1006


def quantile(values, percent):
    """Return a quantile of sorted values."""
    return values[len(values) * percent // 100]


def send(line):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def main(port, reading, stalled, seconds):
    loop, browsers = asyncio.get_running_loop(), []
    for at in range(reading + stalled):
        plain = socket.socket()
        if at >= reading:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        plain.setblocking(False)
        await loop.sock_connect(plain, ("127.0.0.1", port))
        _, browser = await loop.create_connection(lambda at=at: Browser(at >= reading), sock=plain)
        browsers.append(browser)
    async with asyncio.timeout(JOIN_S):
        await asyncio.gather(*[browser.open for browser in browsers])
    send("joined")
    await asyncio.sleep(1.0)
    for browser in browsers:
        browser.counting = True
    await asyncio.sleep(seconds)
    readers = browsers[:reading]
    late_ms = sorted(late for browser in readers for _, late in browser.late_ms)
    windows = {}
    for browser in readers:
        for at, late in browser.late_ms:
            windows.setdefault(int(at // WINDOW_S), []).append(late)
    of_windows = sorted(quantile(sorted(window), 99) for window in windows.values())
    figures = {
        "p50_ms": quantile(late_ms, 50),
        "p99_ms": quantile(late_ms, 99),
        "window_p99_ms": quantile(of_windows, 50),
        "max_ms": late_ms[-1],
        "frames_per_s": sum(browser.frames for browser in readers) / seconds / reading,
        "bytes_per_s": sum(browser.bytes for browser in readers) / seconds / reading,
        "closed": [browser.closed for browser in readers if browser.closed],
        "cpu_s": time.process_time(),
    }
    send(json.dumps(figures))
    await loop.create_future()  # until it is killed: the gateway is to disconnect those that stall, however long that takes


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))

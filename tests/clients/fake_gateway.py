"""A gateway without a bus, for the page alone: serves its files, and random displays over its JSON protocol.

    python tests/clients/fake_gateway.py --displays 24 --rate 1000

Prints its port on a separate line. SIGUSR1 stops the market, and starts it again; SIGUSR2 makes problems, and ends them.
"""

import argparse
import asyncio
import random
import signal
import time
from pathlib import Path

import msgspec
from fake_alerts import REQUESTS, VIEWERS, FakeAlerts
from fake_market import PAIRS, Market, bar_of, past_bars
from websockets.asyncio.server import serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Response

from hulak.clients.gateway.static_files import page_headers

WEB = Path(__file__).resolve().parents[2] / "clients" / "web"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".mjs": "text/javascript", ".svg": "image/svg+xml"}
FRAME_S = 0.016
LONG = "tasks wait for services that have no worker: report, statements, settlement; and the feed of the simulated venue is late"
SILENT = "nepse_00 is silent: no sign of life for 2 s, it is frozen or dead"
PROBLEMS = [
    {"what": "no_worker", "severity": "warning", "text": LONG},
    {"what": "process_silent", "severity": "warning", "text": SILENT},
    {"what": "dead_letters", "severity": "warning", "text": "2 new dead letters; see `hulak dead ls`"},
]
VIEWERS_REQUESTS = ["config.get", "config.history", "dead.list", "ticks.read", "ticks.stop", *VIEWERS]
OPERATORS = [*VIEWERS_REQUESTS, "config.set", "display.create", "display.remove", *REQUESTS]
KEYS = [
    {
        "key": "stale_s",
        "type": "number",
        "default": 60.0,
        "help": "data older than this is stale",
        "allowed": "a number above 0, at most 86400 (s)",
    },
    {
        "key": "log_level",
        "type": "text",
        "default": "info",
        "help": "level of the processes' logs",
        "allowed": "debug or info or warning or error",
    },
]


class FakeGateway:
    """All states to send, and the clients that receive them."""

    def __init__(self, displays, rate, stale_s, seed=5, role="operate"):
        self.draw, self.rate, self.still, self.ill = random.Random(seed), rate, False, False
        self.markets = {}
        for at in range(displays):
            symbol, price = list(PAIRS.items())[at % len(PAIRS)]
            self.add(symbol + (f".{at // len(PAIRS)}" if at >= len(PAIRS) else ""), price)
        scopes = {"kind:feed": {"stale_s": stale_s}}
        self.config = {"version": 3, "at_ns": time.time_ns(), "by": "asha", "note": "calmer", "scopes": scopes}
        self.clients, self.removed, self.sending, self.second = {}, [], set(), 0.0
        self.streams = {}  # (client, id) -> topic of bars
        self.alerts, self.role = FakeAlerts(), role

    def add(self, symbol, price=1.0):
        """Make a display."""
        display = f"{symbol.lower()}-1"
        self.markets[display] = Market(display, symbol, price, self.draw)
        return display

    async def run(self):
        """Move the market and update all clients, once a frame."""
        last, owed = time.monotonic(), 0.0
        while True:
            await asyncio.sleep(FRAME_S)
            now = time.monotonic()
            owed, last = owed + (now - last) * self.rate, now
            moved = set()
            for _ in range(int(owed)):
                display = self.draw.choice(tuple(self.markets))
                if not self.still:
                    self.markets[display].tick(time.time() * 1000)
                    moved.add(display)
            owed -= int(owed)
            with_stats = now - self.second >= 1
            self.second = now if with_stats else self.second
            self._update(moved, with_stats)

    def _update(self, moved, with_stats):
        news = {display: self.markets[display].state_of(whole=False) for display in moved if display in self.markets}
        for client, seen in self.clients.items():
            frame = {"type": "frame", "sent_ms": time.time() * 1000}
            fresh = self.markets.keys() - seen
            states = {**news, **{display: self.markets[display].state_of(whole=True) for display in fresh}}
            frame |= {"displays": states} if states else {}
            frame |= {"removed": self.removed} if self.removed else {}
            frame |= {"stats": self.stats()} if with_stats or not seen else {}
            frame |= {"config": self.config} if with_stats or not seen else {}
            frame |= {"health": self.health()} if with_stats or not seen else {}
            seen |= fresh
            if len(frame) > 2:
                self.sending.add(task := asyncio.ensure_future(send(client, frame)))
                task.add_done_callback(self.sending.discard)
        self.removed = []
        fired = self.alerts.take()
        for (client, stream), topic in self.streams.items() if fired else ():
            if topic == "alert.*":
                self.send_rows(client, stream, fired)
        for (client, stream), topic in self.streams.items() if with_stats else ():
            self.send_rows(client, stream, [bar_of(market, topic) for market in self.markets_of(topic)])
        for market in self.markets.values():
            market.changed.clear()

    def markets_of(self, topic):
        """Return the markets whose bars a topic or prefix has."""
        symbol = topic.split(".", 2)[2] if topic.startswith("bar.") else ""
        return [market for market in self.markets.values() if symbol in ("*", market.state["symbol"])]

    def send_rows(self, client, stream, rows, *, live=True):
        """Send rows of a stream."""
        message = {"type": "ticks", "id": stream, "live": live, "rows": rows}
        self.sending.add(task := asyncio.ensure_future(send(client, message)))
        task.add_done_callback(self.sending.discard)

    def stream(self, client, message):
        """Begin a stream of bars: an hour of them, the mark, then live ones."""
        topic = message["topic"]
        for market in self.markets_of(topic):
            self.send_rows(client, message["id"], past_bars(market, topic), live=False)
        self.send_rows(client, message["id"], [])
        self.streams[client, message["id"]] = topic

    async def serve(self, client):
        """Talk with one page."""
        hello = {"type": "hello", "protocol": 1, "version": "fake", "frame_ms": 16, "server_time_ms": time.time() * 1000}
        await send(
            client,
            {**hello, "role": self.role, "requests": OPERATORS if self.role == "operate" else VIEWERS_REQUESTS},
        )
        try:
            async for text in client:
                message = msgspec.json.decode(text)
                if message["type"] == "subscribe":
                    self.clients[client] = set()
                elif message["type"] == "ticks.read":
                    self.stream(client, message)
                elif message["type"] == "ticks.stop":
                    self.streams.pop((client, message["id"]), None)
                elif message["type"] == "ping":
                    await send(client, {"type": "pong", "id": message["id"]})
                else:
                    await send(client, {"id": message["id"], **self.answer(message)})
        except ConnectionClosed:
            pass
        finally:
            self.clients.pop(client, None)
            self.streams = {key: topic for key, topic in self.streams.items() if key[0] is not client}

    def answer(self, message):
        """Do what a page asks for."""
        match message:
            case {"type": "config.get", "scope": scope}:
                set_here = self.config["scopes"].get(scope, {})
                value = {"rows": [row | {"value": set_here.get(row["key"], row["default"]), "from": scope} for row in KEYS]}
            case {"type": "config.history"}:
                value = []
            case {"type": "dead.list"}:
                value = [
                    {"service": "nepse", "action": "floor-sheet", "attempt": 4, "trouble": "TASK_FAILED: the exchange says 500"}
                ]
            case {"type": "config.set", "values": {"stale_s": float() | int() as seconds}} if seconds <= 0:
                return {"type": "error", "code": "BAD_CONFIG", "text": f"key stale_s is {seconds}, must be a number above 0"}
            case {"type": "config.set", "scope": scope, "values": values}:
                value = self.configure(scope, values, message.get("unset", []))
            case {"type": "bars.read"}:
                value = {"bars": [], "before": None}
            case {"type": "display.create", "symbol": symbol}:
                value = {"display": self.add(symbol)}
            case {"type": "display.remove", "display": display}:
                value = bool(self.markets.pop(display))
                self.removed.append(display)
            case _:
                value = self.alerts.answer(message)
                if value is None:
                    return {"type": "error", "code": "BAD_MESSAGE", "text": "unknown type"}
        return {"type": "answer", "value": value}

    def configure(self, scope, values, unset):
        """Make a new version of the configuration."""
        scopes = {**self.config["scopes"], scope: {**self.config["scopes"].get(scope, {}), **values}}
        for name in unset:
            scopes[scope].pop(name)
        self.config = {**self.config, "version": self.config["version"] + 1, "scopes": scopes, "by": "gateway", "note": ""}
        return {"version": self.config["version"]}

    def health(self):
        """Make a report of the judge."""
        return {"level": "WARNING" if self.ill else "OK", "problems": PROBLEMS if self.ill else []}

    def stats(self):
        """Make statistics in the broker's form."""
        uptime = time.monotonic()
        versions = {"display": self.config["version"], "gateway": self.config["version"], "feed": 3}
        processes = [
            {
                "kind": kind,
                "name": f"{kind}_{at}",
                "pid": 1000 + at,
                "age_s": 0.3,
                "rss_bytes": 48_000_000 + at * 1_500_000,
                "cpu_s": uptime * (0.1 + at / 10),
                "config_version": versions[kind],
            }
            for at, kind in enumerate(("display", "display", "gateway", "feed"))
        ]
        processes[-1] |= {
            "state": "connected",
            "data_age_s": 0.1,
            "heartbeat_age_s": 1.2,
            "symbols": 24,
            "stale": 1,
            "stale_symbols": ["AUDNZD"],
            "resent": 12,
            "errors": 1,
            "symbol_errors": {"XYZ": "the venue does not know it"},
            "name": "binance",
        }
        ways = {
            "send": {"state": "sending", "number": 812_345, "lag": 0},
            "receive": {"ldn": {"state": "failing", "why": "it is away"}},
        }
        processes.append(
            {"kind": "bridge", "name": "nyc", "pid": 1010, "age_s": 0.2, "rss_bytes": 41_000_000, "cpu_s": 1.0, **ways}
        )
        worker = {"service": "nepse", "credit": 1, "failed": 0, "age_s": 90.0, "rss_bytes": 57_000_000, "cpu_s": uptime * 0.02}
        return {
            "broker": {"version": "fake", "pid": 999, "rss_bytes": 54_000_000, "cpu_s": uptime * 0.21, "uptime_s": uptime},
            "ticks": {"per_s": self.rate, "symbols": len(self.markets), "taken": 12_345_678 + int(uptime * self.rate)},
            "journal": {"state": "live", "bytes": 412_000_000, "lost": 0},
            "tasks": {
                "queued": 2,
                "waiting": 1,
                "running": 2,
                "done": 1245,
                "failed": 1,
                "expired": 0,
                "retried": 6,
                "per_s": 1.4,
            },
            "workers": [
                {**worker, "name": f"nepse_0{at}/{2000 + at}", "pid": 2000 + at, "state": state, "held": at, "done": 600 + at}
                for at, state in enumerate(("ready", "busy"))
            ],
            "scaling": {"nepse": {"workers": "auto", "queued": 2}},
            "processes": processes,
        }


async def send(client, message):
    """Send one message; a closed connection is ignored."""
    try:
        await client.send(msgspec.json.encode(message).decode())
    except ConnectionClosed:
        return


def serve_file(connection, request):
    """Answer a request for one of the page's files; a WebSocket's handshake goes on."""
    path = request.path.partition("?")[0]
    if path == "/ws":
        return None
    file = WEB / ("index.html" if path == "/" else path[1:])
    if not file.is_file() or not file.resolve().is_relative_to(WEB):
        return Response(404, "Not Found", Headers(), b"")
    body = file.read_bytes()
    headers = {"Content-Type": TYPES[file.suffix], "Content-Length": str(len(body)), "Connection": "close"}
    return Response(200, "OK", Headers({**page_headers(request.headers["Host"]), **headers}), body)


async def main(gateway, port):
    """Serve until the process is ended."""

    def stand_still():
        gateway.still = not gateway.still

    def fall_ill():
        gateway.ill = not gateway.ill

    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, stand_still)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, fall_ill)
    async with serve(gateway.serve, "127.0.0.1", port, process_request=serve_file, compression=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201
        await gateway.run()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--displays", type=int, default=24)
    parser.add_argument("--rate", type=float, default=1000.0)
    parser.add_argument("--stale", type=float, default=30.0, help="seconds after which data is stale")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--role", default="operate")
    options = parser.parse_args()
    asyncio.run(main(FakeGateway(options.displays, options.rate, options.stale, role=options.role), options.port))

"""A NEPSE worker's whole outside as plain numbers: the simulated exchange without a socket, its time set by the test."""

import json
from dataclasses import dataclass
from pathlib import Path

from hulak.sim.nepse.request_gate import Reply, RequestGate
from hulak.workers.nepse.faults import HttpResponse


@dataclass
class Settings:
    """Settings of a worker whose exchange answers at once."""

    base_url: str
    rate_per_s: float = 1e6
    ca_file: Path | None = None
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 20.0
    cache_s: float = 0.0


class ExchangeFetch:
    """A `Fetch` that asks a simulated exchange, remembers requests, and can be set to answer otherwise."""

    def __init__(self, *, market_id=80, server_s=1_776_968_000.0, token_lifetime_s=60.0):
        self.gate = RequestGate(seed=7, token_lifetime_s=token_lifetime_s, hours="open", market_id=market_id)
        self.now = 1000.0  # monotonic seconds, of both sides
        self.server_s = server_s  # the exchange's clock at now = 1000.0
        self.requests = []
        self.planned = {}  # path -> replies to give first

    def clock(self):
        return self.now

    def plan(self, path, *replies):
        self.planned.setdefault(path, []).extend(replies)

    def paths(self):
        return [request.path for request in self.requests]

    def __call__(self, request):
        self.requests.append(request)
        path = request.path.partition("?")[0]
        reply = self.planned[path].pop(0) if self.planned.get(path) else self._ask(request)
        headers = {"content-type": reply.content_type} | {name.lower(): text for name, text in reply.headers.items()}
        return HttpResponse(reply.status, headers, reply.body)

    def _ask(self, request):
        return self.gate.answer(
            request.method,
            request.path,
            "" if request.token is None else f"Salter {request.token}",
            b"" if request.body is None else json.dumps(request.body).encode(),
            now=self.now,
            now_s=self.server_s + self.now - 1000.0,
        )


def reply(status, text="", kind="application/json", **headers):
    """Make an answer; `Retry_After=1` becomes the header Retry-After."""
    return Reply(status, text.encode(), kind, {name.replace("_", "-"): str(value) for name, value in headers.items()})

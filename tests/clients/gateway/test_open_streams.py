"""The places of streams, and which client loses its own; the subscribers are played."""

import asyncio
from types import SimpleNamespace

import pytest

from hulak.bus.errors import BusError
from hulak.bus.process.settings import Settings
from hulak.clients.gateway import open_streams
from hulak.clients.gateway.open_streams import MOST, OF_ONE, WAITING, OpenStreams

LIMIT_S = 20


class Played:
    """A subscriber that always has more, or never has anything."""

    def __init__(self, *_, **options):
        self.rests = self.closed = self.empty = False
        self.hwm = options["settings"].broker.subscriber_hwm

    def poll(self, timeout_s):
        assert timeout_s == 0
        return None if self.empty else SimpleNamespace(topic="ticks")

    def rest(self):
        self.rests = True

    def close(self):
        self.closed = True


@pytest.fixture
def streams(monkeypatch, tmp_path):
    monkeypatch.setattr(open_streams, "Subscriber", Played)
    return OpenStreams(Settings(), tmp_path)


def run(work):
    async def limited():
        async with asyncio.timeout(LIMIT_S):
            return await work

    return asyncio.run(limited())


def stuck(stream):
    stream._subscriber.rests, stream.read_at = True, stream.read_at - open_streams.STUCK_S
    return stream


def refusal(streams, holder):
    with pytest.raises(BusError) as refused:
        streams.open(holder, "ticks")
    return refused.value.code, str(refused.value)


def test_one_client_has_not_all_places_and_all_clients_have_no_more(streams):
    async def work():
        last = None
        for holder in "a", "b":
            for _ in range(OF_ONE):
                last = streams.open(f"token {holder}", "ticks")
            if holder == "a":
                code, text = refusal(streams, "token a")
                assert (code, text.startswith(f"{OF_ONE} streams of token a are open")) == ("BUSY", True)
        code, text = refusal(streams, "token c")
        assert (code, text.startswith(f"{MOST} streams of all clients are open")) == ("BUSY", True)
        streams.close(last)
        streams.close(last)  # it has ended already
        streams.open("token c", "ticks")
        assert refusal(streams, "token c")[0] == "BUSY"

    run(work())


def test_the_place_of_a_client_that_does_not_read_goes_to_another(streams):
    async def work():
        ended = []
        first = stuck(streams.open("address a", "ticks", on_end=lambda: ended.append("first")))
        for at in range(MOST - 1):
            streams.open(f"token {at}", "ticks")
        further = streams.open("token further", "ticks")
        assert (ended, first._subscriber.closed, first.sockets()) == (["first"], True, [])
        with pytest.raises(BusError, match=r"read nothing for 2\.0 s when another stream was begun, and 64 streams") as why:
            first.poll()
        assert why.value.code == "BUSY"
        streams.close(first)
        assert further.poll().topic == "ticks"
        assert refusal(streams, "token more")[0] == "BUSY"  # the others read

    run(work())


def test_of_one_clients_places_its_own_stuck_stream_goes_first(streams):
    async def work():
        other, own = stuck(streams.open("token b", "ticks")), None
        for _ in range(OF_ONE):
            own = streams.open("token a", "ticks")
        stuck(own)
        streams.open("token a", "ticks")
        assert (own._subscriber.closed, other._subscriber.closed) == (True, False)

    run(work())


def test_a_stream_that_is_never_read_to_its_end_rests_and_others_do_not(streams, monkeypatch):
    monkeypatch.setattr(open_streams, "BEHIND_S", 0.05)
    monkeypatch.setattr(open_streams, "CHECK_S", 0.01)

    async def work():
        behind, idle, stopped = (streams.open("token a", "ticks") for _ in range(3))
        idle._subscriber.empty = True
        while not (behind._subscriber.rests and stopped._subscriber.rests):
            behind.poll()  # there is always more; the third is not polled
            idle.poll()
            await asyncio.sleep(0.005)
        assert not idle._subscriber.rests
        assert behind._subscriber.hwm == WAITING

    run(work())

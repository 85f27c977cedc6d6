"""The batches of `AsyncBusClient`."""

import asyncio

import pytest
from fake_frontend import FakeBroker
from waiting import eventually

from hulak.bus.errors import BusError
from hulak.clients.calls.async_client import AsyncBusClient
from hulak.clients.calls.client import BusClient
from hulak.clients.calls.send_buffer import BUNDLE_CALLS


@pytest.fixture
def broker():
    """Start a broker that replies to every request."""
    with FakeBroker() as broker, broker.serving():
        yield broker


def test_what_one_turn_of_the_loop_submits_goes_out_together(broker, tmp_path):
    async def go():
        async with AsyncBusClient(broker.settings, tmp_path) as client:
            assert await client.call("noop", "noop", {"n": 1}) == 2
            calls = [client.submit("noop", "noop", {"n": number}) for number in range(BUNDLE_CALLS + 4)]
            assert await asyncio.gather(*calls) == list(range(0, 2 * BUNDLE_CALLS + 8, 2))

    asyncio.run(go())
    assert broker.sizes == [1, 1, BUNDLE_CALLS, 3]


def test_a_lone_call_does_not_wait_for_the_next_turn(broker, tmp_path):
    async def go():
        async with AsyncBusClient(broker.settings, tmp_path) as client:
            await client.call("noop", "noop", {"n": 1})
            call = client.submit("noop", "noop", {"n": 2})
            eventually(lambda: len(broker.sizes) == 2, within_s=10)  # the loop does not turn
            assert await call == 4

    asyncio.run(go())


class StubLink:
    """A connection; a reply arrives while a frame is sent, if `is_fast`."""

    def __init__(self, is_fast):
        self.is_fast = is_fast
        self.sent = []

    def send(self, frame):
        self.sent.append(frame)
        return True

    def readable(self):
        return self.is_fast

    def descriptors(self):
        return []

    def close(self):
        """Nothing is open."""


@pytest.mark.parametrize("is_fast", [False, True])
def test_a_lone_call_is_followed_by_a_turn_of_the_loop_only_if_something_has_arrived(broker, tmp_path, is_fast):
    async def go():
        client, soon = AsyncBusClient(broker.settings, tmp_path), []
        client._link = link = StubLink(is_fast)
        asyncio.get_running_loop().call_soon = lambda callback, *_, **__: soon.append(callback)
        client.submit("noop", "noop", {"n": 1})
        del asyncio.get_running_loop().call_soon
        assert (len(link.sent), len(soon)) == (1, int(is_fast))
        client.close()

    asyncio.run(go())


def test_what_was_asked_before_there_was_a_connection_is_sent_and_nothing_that_was_cancelled(broker, tmp_path):
    async def go():
        async with AsyncBusClient(broker.settings, tmp_path) as client:
            calls = [client.submit("noop", "noop", {"n": number}) for number in range(5)]
            calls[2].cancel()
            answers = await asyncio.gather(*calls, return_exceptions=True)
            assert [answer for answer in answers if not isinstance(answer, asyncio.CancelledError)] == [0, 2, 6, 8]

    asyncio.run(go())
    assert broker.sizes == [4]


def test_map_keeps_its_order_and_window(broker, tmp_path):
    taken = []

    def args():
        for number in range(100):
            taken.append(number)
            yield {"n": number}

    async def go():
        async with AsyncBusClient(broker.settings, tmp_path) as client:
            results = client.map("noop", "noop", args(), window=40)
            assert await anext(results) == 0
            assert len(taken) == 40
            assert [result async for result in results] == list(range(2, 200, 2))

    asyncio.run(go())
    assert sum(broker.sizes) == 100
    assert len(broker.sizes) < 30


def test_an_answer_that_makes_no_sense_does_not_keep_the_others_from_their_calls(tmp_path):
    async def go(broker):
        contexts = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: contexts.append(context["exception"]))
        async with AsyncBusClient(broker.settings, tmp_path) as client:
            call = client.submit("noop", "noop", {"n": 4})
            requests = await asyncio.to_thread(broker.receive)
            broker.router.send_multipart([broker.client, b"?"])
            broker.answer(requests)
            assert await asyncio.wait_for(call, 10) == 8
        assert [type(entry) for entry in contexts] == [BusError]

    with FakeBroker() as broker:
        asyncio.run(go(broker))


LARGE = {"d": bytes(9 << 20)}


def test_what_is_too_large_is_refused_at_once_and_others_on_the_connection_go_on(broker, tmp_path):
    async def go():
        async with AsyncBusClient(broker.settings, tmp_path) as client:
            small = client.submit("noop", "noop", {"n": 1})
            for refused in (lambda: client.call("noop", "noop", LARGE), lambda: client.post("noop", "noop", LARGE)):
                with pytest.raises(BusError) as error:
                    await refused()
                assert error.value.code == "TOO_LARGE"
            with pytest.raises(BusError, match="have 9437192 bytes"):
                client.submit("noop", "noop", LARGE)
            result = client.map("noop", "noop", [{"n": 1}, {"n": 2}, LARGE, {"n": 3}])
            assert [await anext(result), await anext(result), await small] == [2, 4, 2]
            with pytest.raises(BusError, match="have 9437192 bytes"):
                await anext(result)

    asyncio.run(go())


def test_a_plain_client_refuses_what_is_too_large_in_its_turn(broker, tmp_path):
    with BusClient(broker.settings, tmp_path) as client:
        small = client.submit("noop", "noop", {"n": 1})
        for refused in (client.call, client.submit, client.post):
            with pytest.raises(BusError) as error:
                refused("noop", "noop", LARGE)
            assert error.value.code == "TOO_LARGE"
        result = client.map("noop", "noop", [{"n": 1}, {"n": 2}, LARGE, {"n": 3}])
        assert [next(result), next(result), small.result()] == [2, 4, 2]
        with pytest.raises(BusError, match="have 9437192 bytes"):
            next(result)
    assert sum(broker.sizes) == 4

"""The whole path, from a client over the bus to an exchange with faults: a typed error or an answer, and in time."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from local_bus import LocalBus
from pool_watch import FIRST_PROMOTER_ID
from waiting import eventually

from hulak.bus.errors import BusError, TaskFailed
from hulak.clients.nepse.client import NepseClient
from hulak.sim.nepse.request_gate import HTML_403, Reply
from hulak.sim.nepse.server import serve

pytestmark = pytest.mark.system
INDICES, STATUS = "/api/nots/nepse-index", "/api/nots/nepse-data/market-open"
READ_S = 1.0  # after which an answer that does not come is given up
CALL_S = 30.0
TYPED = {"RATE_LIMITED", "BLOCKED", "UPSTREAM", "EMPTY", "NOT_JSON", "NETWORK", "TIMEOUT", "UNAUTHORIZED"}


class ExchangeBus(LocalBus):
    """A broker and workers at an exchange."""

    def __init__(self, exchange, workers):
        quick = {"task.backoff_base_s": 0.05, "nepse.read_timeout_s": READ_S, "nepse.rate_per_s": 100, "nepse.cache_s": 0}
        super().__init__(**quick, **{"nepse.base_url": exchange.url})
        self.exchange, self.count = exchange, workers

    def __enter__(self):
        self.start_broker()
        for _ in range(self.count):
            self.start("-m", "hulak.workers", "nepse")
        eventually(lambda: len(self.stats()["workers"]) == self.count, within_s=60)
        return self

    def nepse(self):
        return NepseClient(self.settings, self.home, timeout_s=CALL_S)


@pytest.fixture(scope="module")
def local_bus():
    """A clock that is a day ahead, and tokens that always expire at once."""
    with serve(clock_offset_s=86_400.0, token_lifetime_s=1.0) as exchange, ExchangeBus(exchange, 1) as local_bus:
        yield local_bus


@pytest.mark.parametrize(
    "reply",
    [
        Reply(500, b"{}"),
        Reply(503, b"", headers={"Retry-After": "1"}),
        Reply(429, b"", headers={"Retry-After": "1"}),
        Reply(200, b""),
        Reply(200, b"<html>later</html>", "text/html"),
        Reply(200, b"", cut=True),
        Reply(200, b"[]", delay_s=READ_S + 0.5),
        Reply(401, b"{}"),
    ],
    ids=["500", "503-retry-after", "429-retry-after", "empty", "html", "reset", "slow", "401"],
)
def test_a_temporary_fault_is_tolerated_and_the_caller_gets_its_answer(local_bus, reply):
    local_bus.exchange.plan(INDICES, reply)
    began = time.monotonic()
    with local_bus.nepse() as nepse:
        assert len(nepse.get_nepse_index()) == 4
    asked_s = float(reply.headers.get("Retry-After", 0))
    assert asked_s <= time.monotonic() - began < CALL_S / 2


def test_a_lasting_fault_ends_in_its_error_after_all_attempts_and_the_next_call_succeeds(local_bus):
    local_bus.exchange.plan(INDICES, Reply(500, b"{}"), times=4)
    with local_bus.nepse() as nepse:
        with pytest.raises(TaskFailed) as failed:
            nepse.get_nepse_index()
        assert (failed.value.code, failed.value.details["attempts"]) == ("UPSTREAM", 4)
        assert len(nepse.get_nepse_index()) == 4


def test_after_a_429_without_a_time_the_whole_service_pauses_for_five_seconds(local_bus):
    """It concerns the address: no request is sent until the pause is over, from any worker."""
    local_bus.exchange.plan(INDICES, Reply(429, b""))
    came = len(local_bus.exchange.visits.log)
    with local_bus.nepse() as nepse:
        assert len(nepse.get_nepse_index()) == 4
        assert nepse.get_market_status()["isOpen"] == "OPEN"
    visits = local_bus.exchange.visits.log[came:]
    place_ = next(place for place, visit in enumerate(visits) if visit.path == INDICES)
    assert visits[place_ + 1].at - visits[place_].at >= 5.0


def test_a_passing_403_pauses_its_path_alone_and_the_call_is_answered_after_it(local_bus):
    came = len(local_bus.exchange.visits.log)

    def visits():
        return local_bus.exchange.visits.log[came:]

    local_bus.exchange.plan(INDICES, Reply(403, HTML_403, "text/html"))
    with local_bus.nepse() as first, local_bus.nepse() as second, ThreadPoolExecutor(1) as pool:
        indices = pool.submit(first.get_nepse_index)
        eventually(lambda: any(visit.path == INDICES for visit in visits()), within_s=60)
        assert second.get_summary()
        assert not indices.done()
        assert len(indices.result(30)) == 4
    refused, answered, *_ = (visit.at for visit in visits() if visit.path == INDICES)
    assert answered - refused >= 5.0
    assert any(refused < visit.at < answered and "market-summary" in visit.path for visit in visits())


def test_a_long_list_does_not_hold_up_other_calls_of_its_worker(local_bus):
    with local_bus.nepse() as reader, local_bus.nepse() as other, ThreadPoolExecutor(1) as pool:
        pages = local_bus.exchange.by_path["/api/nots/nepse-data/floorsheet"]
        sheet = pool.submit(reader.whole, "floor-sheet", size=50)
        eventually(lambda: local_bus.exchange.by_path["/api/nots/nepse-data/floorsheet"] > pages, within_s=60)
        assert other.get_market_status()["isOpen"] == "OPEN"
        assert not sheet.done()
        assert sheet.result(CALL_S)["rows"]


def test_with_faults_in_a_fifth_of_all_requests_every_call_ends_in_an_answer_or_a_typed_error():
    """Random faults: 429, 403, 5xx, nothing, HTML, resets, silence, lost sessions."""
    ended, wrong = [], []
    kinds = ("429-retry-after", "500", "503-retry-after", "empty", "html", "reset", "slow", "expired")
    with serve(fault_share=0.2, faults=kinds) as exchange, ExchangeBus(exchange, 2) as local_bus:

        def ask(symbols):
            with local_bus.nepse() as nepse:
                for symbol in symbols:
                    try:
                        ended.append(nepse.get_security_detail(symbol)["securityData"]["id"])
                    except TaskFailed as failed:
                        ended.append(failed.code)
                    except BusError as error:
                        wrong.append(error)

        with local_bus.nepse() as nepse:
            symbols = [symbol for symbol, number in nepse.get_symbol_id_map().items() if number < FIRST_PROMOTER_ID][:20]
        threads = [threading.Thread(target=ask, args=(symbols[at::5],)) for at in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(2 * CALL_S)
        assert not any(thread.is_alive() for thread in threads)
    statuses = exchange.by_status
    assert (wrong, len(ended)) == ([], 20)
    assert {code for code in ended if isinstance(code, str)} <= TYPED
    assert sum(isinstance(outcome, int) for outcome in ended) >= 15, ended
    assert sum(statuses.values()) - statuses[200] >= 2, "there was no fault"

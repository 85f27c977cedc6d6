"""`AsyncNepseClient`: the methods of `NepseClient`, to be awaited.

A connection belongs to one thread, so each thread of a small pool has its own; `at_once` calls wait for answers at a time,
further ones wait their turn. A call whose waiting task is cancelled is given up: its answer is thrown away when it comes, and
never taken for another's; until then, at most `timeout_s`, it keeps its thread.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial, wraps
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from bus.settings import Settings
from clients.nepse import NepseClient

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


def _awaited(
    method: Callable[Concatenate[NepseClient, Given], Answer],
) -> Callable[Concatenate["AsyncNepseClient", Given], Coroutine[Any, Any, Answer]]:
    @wraps(method)
    async def call(self: "AsyncNepseClient", /, *args: Given.args, **options: Given.kwargs) -> Answer:
        return await self.run(method, *args, **options)

    return call


class AsyncNepseClient:
    """Calls to the NEPSE workers, for asyncio; an async context manager.

    Every method is that of `NepseClient` with the same name, arguments, result and errors.

    Args:
        settings: say where the broker is.
        home: its folder.
        timeout_s: for each call, in seconds, from when its turn has come.
        at_once: calls that are under way at a time, each with a connection and a thread.
    """

    def __init__(self, settings: Settings, home: Path, *, timeout_s: float = 60.0, at_once: int = 8) -> None:
        self._make = partial(NepseClient, settings, home, timeout_s=timeout_s)
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="nepse-client")
        self._own = threading.local()
        self._clients: list[NepseClient] = []  # appended to by the threads, read when they have ended

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.shutdown()

    async def run(
        self,
        method: Callable[Concatenate[NepseClient, Given], Answer],
        /,
        *args: Given.args,
        **options: Given.kwargs,
    ) -> Answer:
        """Carry out a method of `NepseClient` in a thread of its own, e.g. `run(NepseClient.get_market_depth, "NABIL")`.

        Raises:
            RuntimeError: after `shutdown`; else as the method does.
        """
        job = partial(self._in_thread, method, args, options)
        return await asyncio.get_running_loop().run_in_executor(self._threads, job)

    def _in_thread(self, method: Callable[..., Answer], args: tuple[Any, ...], options: dict[str, Any]) -> Answer:
        client: NepseClient | None = getattr(self._own, "client", None)
        if client is None:
            client = self._own.client = self._make()
            self._clients.append(client)
        return method(client, *args, **options)

    async def shutdown(self) -> None:
        """Close: calls that wait for their turn are cancelled, those under way are awaited, at most their `timeout_s`."""
        await asyncio.to_thread(self._threads.shutdown, wait=True, cancel_futures=True)
        while self._clients:
            self._clients.pop().close()

    call = _awaited(NepseClient.call)
    whole = _awaited(NepseClient.whole)
    get_access_token = _awaited(NepseClient.get_access_token)
    get_security_brief = _awaited(NepseClient.get_security_brief)
    get_post_payload_id = _awaited(NepseClient.get_post_payload_id)
    get_post_payload_id_floor_sheet = _awaited(NepseClient.get_post_payload_id_floor_sheet)
    get_symbol_id_map = _awaited(NepseClient.get_symbol_id_map)
    get_market_status = _awaited(NepseClient.get_market_status)
    get_market_id = _awaited(NepseClient.get_market_id)
    get_salts = _awaited(NepseClient.get_salts)
    get_stats = _awaited(NepseClient.get_stats)
    get_summary = _awaited(NepseClient.get_summary)
    get_summary_history = _awaited(NepseClient.get_summary_history)
    get_price_volume = _awaited(NepseClient.get_price_volume)
    get_live_market = _awaited(NepseClient.get_live_market)
    get_supply_demand = _awaited(NepseClient.get_supply_demand)
    get_top_gainers = _awaited(NepseClient.get_top_gainers)
    get_top_losers = _awaited(NepseClient.get_top_losers)
    get_top_turnover = _awaited(NepseClient.get_top_turnover)
    get_top_trades = _awaited(NepseClient.get_top_trades)
    get_top_transactions = _awaited(NepseClient.get_top_transactions)
    get_top_quantity = _awaited(NepseClient.get_top_quantity)
    get_nepse_index = _awaited(NepseClient.get_nepse_index)
    get_sub_indices = _awaited(NepseClient.get_sub_indices)
    get_index_directory = _awaited(NepseClient.get_index_directory)
    get_index_history = _awaited(NepseClient.get_index_history)
    get_index_graph = _awaited(NepseClient.get_index_graph)
    get_index_graph_range = _awaited(NepseClient.get_index_graph_range)
    get_sectorwise = _awaited(NepseClient.get_sectorwise)
    get_market_caps = _awaited(NepseClient.get_market_caps)
    get_trading_average = _awaited(NepseClient.get_trading_average)
    get_holidays = _awaited(NepseClient.get_holidays)
    get_holiday_years = _awaited(NepseClient.get_holiday_years)
    get_disclosures = _awaited(NepseClient.get_disclosures)
    get_notices = _awaited(NepseClient.get_notices)
    get_alerts = _awaited(NepseClient.get_alerts)
    get_media_news = _awaited(NepseClient.get_media_news)
    get_press_releases = _awaited(NepseClient.get_press_releases)
    get_securities = _awaited(NepseClient.get_securities)
    get_securities_plain = _awaited(NepseClient.get_securities_plain)
    get_company_list = _awaited(NepseClient.get_company_list)
    get_sectors = _awaited(NepseClient.get_sectors)
    get_brokers = _awaited(NepseClient.get_brokers)
    get_security_detail = _awaited(NepseClient.get_security_detail)
    get_company_details = _awaited(NepseClient.get_company_details)
    get_security_profile = _awaited(NepseClient.get_security_profile)
    get_board_of_directors = _awaited(NepseClient.get_board_of_directors)
    get_corporate_actions = _awaited(NepseClient.get_corporate_actions)
    get_reports = _awaited(NepseClient.get_reports)
    get_agm = _awaited(NepseClient.get_agm)
    get_dividend = _awaited(NepseClient.get_dividend)
    get_company_news = _awaited(NepseClient.get_company_news)
    get_market_depth = _awaited(NepseClient.get_market_depth)
    get_market_depth_odd_lots = _awaited(NepseClient.get_market_depth_odd_lots)
    get_price_history = _awaited(NepseClient.get_price_history)
    get_price_page = _awaited(NepseClient.get_price_page)
    get_scrip_intraday = _awaited(NepseClient.get_scrip_intraday)
    get_scrip_history = _awaited(NepseClient.get_scrip_history)
    get_today_price = _awaited(NepseClient.get_today_price)
    get_todays_price = _awaited(NepseClient.get_todays_price)
    get_floor_sheet = _awaited(NepseClient.get_floor_sheet)
    get_company_floor_sheet = _awaited(NepseClient.get_company_floor_sheet)
    get_day_trades = _awaited(NepseClient.get_day_trades)

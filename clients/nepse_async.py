"""`AsyncNepseClient`: the methods of `NepseClient`, to be awaited; `at_once` calls wait for answers at a time."""

from functools import partial
from pathlib import Path

from bus.settings import Settings
from clients.awaited import Awaited, awaited
from clients.nepse import NepseClient


class AsyncNepseClient(Awaited[NepseClient]):
    """Calls to the NEPSE workers, for asyncio; an async context manager.

    Every method is that of `NepseClient` with the same name, arguments, result and errors.

    Args:
        settings: say where the broker is.
        home: its folder.
        timeout_s: for each call, in seconds, from when its turn has come.
        at_once: calls that are under way at a time, each with a connection and a thread.
    """

    def __init__(self, settings: Settings, home: Path, *, timeout_s: float = 60.0, at_once: int = 8) -> None:
        super().__init__(partial(NepseClient, settings, home, timeout_s=timeout_s), at_once, "nepse-client")

    async def shutdown(self) -> None:
        """Close, under the name that `NepseClient` has for it."""
        await self.close()

    call = awaited(NepseClient.call)
    whole = awaited(NepseClient.whole)
    get_access_token = awaited(NepseClient.get_access_token)
    get_security_brief = awaited(NepseClient.get_security_brief)
    get_post_payload_id = awaited(NepseClient.get_post_payload_id)
    get_post_payload_id_floor_sheet = awaited(NepseClient.get_post_payload_id_floor_sheet)
    get_symbol_id_map = awaited(NepseClient.get_symbol_id_map)
    get_market_status = awaited(NepseClient.get_market_status)
    get_market_id = awaited(NepseClient.get_market_id)
    get_salts = awaited(NepseClient.get_salts)
    get_stats = awaited(NepseClient.get_stats)
    get_summary = awaited(NepseClient.get_summary)
    get_summary_history = awaited(NepseClient.get_summary_history)
    get_price_volume = awaited(NepseClient.get_price_volume)
    get_live_market = awaited(NepseClient.get_live_market)
    get_supply_demand = awaited(NepseClient.get_supply_demand)
    get_top_gainers = awaited(NepseClient.get_top_gainers)
    get_top_losers = awaited(NepseClient.get_top_losers)
    get_top_turnover = awaited(NepseClient.get_top_turnover)
    get_top_trades = awaited(NepseClient.get_top_trades)
    get_top_transactions = awaited(NepseClient.get_top_transactions)
    get_top_quantity = awaited(NepseClient.get_top_quantity)
    get_nepse_index = awaited(NepseClient.get_nepse_index)
    get_sub_indices = awaited(NepseClient.get_sub_indices)
    get_index_directory = awaited(NepseClient.get_index_directory)
    get_index_history = awaited(NepseClient.get_index_history)
    get_index_graph = awaited(NepseClient.get_index_graph)
    get_index_graph_range = awaited(NepseClient.get_index_graph_range)
    get_sectorwise = awaited(NepseClient.get_sectorwise)
    get_market_caps = awaited(NepseClient.get_market_caps)
    get_trading_average = awaited(NepseClient.get_trading_average)
    get_holidays = awaited(NepseClient.get_holidays)
    get_holiday_years = awaited(NepseClient.get_holiday_years)
    get_disclosures = awaited(NepseClient.get_disclosures)
    get_notices = awaited(NepseClient.get_notices)
    get_alerts = awaited(NepseClient.get_alerts)
    get_media_news = awaited(NepseClient.get_media_news)
    get_press_releases = awaited(NepseClient.get_press_releases)
    get_securities = awaited(NepseClient.get_securities)
    get_securities_plain = awaited(NepseClient.get_securities_plain)
    get_company_list = awaited(NepseClient.get_company_list)
    get_sectors = awaited(NepseClient.get_sectors)
    get_brokers = awaited(NepseClient.get_brokers)
    get_security_detail = awaited(NepseClient.get_security_detail)
    get_company_details = awaited(NepseClient.get_company_details)
    get_security_profile = awaited(NepseClient.get_security_profile)
    get_board_of_directors = awaited(NepseClient.get_board_of_directors)
    get_corporate_actions = awaited(NepseClient.get_corporate_actions)
    get_reports = awaited(NepseClient.get_reports)
    get_agm = awaited(NepseClient.get_agm)
    get_dividend = awaited(NepseClient.get_dividend)
    get_company_news = awaited(NepseClient.get_company_news)
    get_market_depth = awaited(NepseClient.get_market_depth)
    get_market_depth_odd_lots = awaited(NepseClient.get_market_depth_odd_lots)
    get_price_history = awaited(NepseClient.get_price_history)
    get_price_page = awaited(NepseClient.get_price_page)
    get_scrip_intraday = awaited(NepseClient.get_scrip_intraday)
    get_scrip_history = awaited(NepseClient.get_scrip_history)
    get_today_price = awaited(NepseClient.get_today_price)
    get_todays_price = awaited(NepseClient.get_todays_price)
    get_floor_sheet = awaited(NepseClient.get_floor_sheet)
    get_company_floor_sheet = awaited(NepseClient.get_company_floor_sheet)
    get_day_trades = awaited(NepseClient.get_day_trades)

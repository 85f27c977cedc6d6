"""`NepseClient`: the exchange's data, fetched by the pool of NEPSE workers.

Each method is one action of the service `nepse` (docs/howto/exchange.md). `async_client` has the same methods for
asyncio.
"""

from collections.abc import Callable, Coroutine
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from hulak.bus.process.client_logger import Logger
from hulak.bus.process.settings import Settings
from hulak.clients.calls.client import BusClient
from hulak.clients.nepse.directories import DirectoryMethods
from hulak.clients.nepse.downloads import DownloadMethods
from hulak.clients.nepse.market import MarketMethods
from hulak.clients.nepse.securities import SecurityMethods
from hulak.clients.nepse.session import SessionMethods

Given = ParamSpec("Given")
Result = TypeVar("Result")


class _Calls(SessionMethods, MarketMethods, SecurityMethods, DirectoryMethods, DownloadMethods):
    """The methods over a blocking connection."""

    def __init__(self, client: BusClient, timeout_s: float) -> None:
        self._client = client
        self._timeout_s = timeout_s

    async def ask(
        self, service: str, action: str, args: dict[str, Any], *, share: bool, on_part: Callable[[Any], None] | None = None
    ) -> Any:
        """Make one call; blocks until it is answered."""
        return self._client.call(service, action, args, timeout_s=self._timeout_s, share=share, on_part=on_part)


def _blocking(
    method: Callable[Concatenate[_Calls, Given], Coroutine[Any, Any, Result]],
) -> Callable[Concatenate["NepseClient", Given], Result]:
    """Return the blocking method of a coroutine that never suspends."""

    @wraps(method)
    def call(self: "NepseClient", /, *args: Given.args, **options: Given.kwargs) -> Result:
        steps = method(self._calls, *args, **options)
        try:
            steps.send(None)
        except StopIteration as ended:
            result: Result = ended.value
            return result
        raise AssertionError("a method of a blocking client suspended")

    return call


class NepseClient:
    """Blocking calls to the NEPSE workers; one client per thread, a context manager.

    Every method raises `BusTimeout`, `TaskFailed` or `BusError`, as `BusClient.call` does.

    Args:
        settings: have the broker's addresses; loaded as by the commands if None.
        home: the broker's folder; the default one if None.
        timeout_s: for each call, in seconds; a long list takes several calls.
        key: the file of this client's key, to connect with it by TCP; that of the settings (`HULAK_KEY`) if None.
        logger: receives the events of the connection; None for no log.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        home: Path | None = None,
        *,
        timeout_s: float = 60.0,
        key: Path | str | None = None,
        logger: Logger | None = None,
    ) -> None:
        self._client = BusClient(settings, home, key=key, logger=logger)
        self._calls = _Calls(self._client, timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; may be called more than once."""
        self._client.close()

    def shutdown(self) -> None:
        """Close the connection, as `close`. The workers keep running (`hulak down` stops them)."""
        self.close()

    call = _blocking(_Calls.call)
    whole = _blocking(_Calls.whole)
    download = _blocking(_Calls.download)
    get_access_token = _blocking(_Calls.get_access_token)
    get_security_brief = _blocking(_Calls.get_security_brief)
    get_post_payload_id = _blocking(_Calls.get_post_payload_id)
    get_post_payload_id_floor_sheet = _blocking(_Calls.get_post_payload_id_floor_sheet)
    get_symbol_id_map = _blocking(_Calls.get_symbol_id_map)
    get_market_status = _blocking(_Calls.get_market_status)
    get_market_id = _blocking(_Calls.get_market_id)
    get_salts = _blocking(_Calls.get_salts)
    get_stats = _blocking(_Calls.get_stats)
    get_summary = _blocking(_Calls.get_summary)
    get_summary_history = _blocking(_Calls.get_summary_history)
    get_price_volume = _blocking(_Calls.get_price_volume)
    get_live_market = _blocking(_Calls.get_live_market)
    get_supply_demand = _blocking(_Calls.get_supply_demand)
    get_top_gainers = _blocking(_Calls.get_top_gainers)
    get_top_losers = _blocking(_Calls.get_top_losers)
    get_top_turnover = _blocking(_Calls.get_top_turnover)
    get_top_trades = _blocking(_Calls.get_top_trades)
    get_top_transactions = _blocking(_Calls.get_top_transactions)
    get_top_quantity = _blocking(_Calls.get_top_quantity)
    get_nepse_index = _blocking(_Calls.get_nepse_index)
    get_sub_indices = _blocking(_Calls.get_sub_indices)
    get_index_directory = _blocking(_Calls.get_index_directory)
    get_index_history = _blocking(_Calls.get_index_history)
    get_index_graph = _blocking(_Calls.get_index_graph)
    get_index_graph_range = _blocking(_Calls.get_index_graph_range)
    get_sectorwise = _blocking(_Calls.get_sectorwise)
    get_market_caps = _blocking(_Calls.get_market_caps)
    get_trading_average = _blocking(_Calls.get_trading_average)
    get_holidays = _blocking(_Calls.get_holidays)
    get_holiday_years = _blocking(_Calls.get_holiday_years)
    get_disclosures = _blocking(_Calls.get_disclosures)
    get_notices = _blocking(_Calls.get_notices)
    get_alerts = _blocking(_Calls.get_alerts)
    get_media_news = _blocking(_Calls.get_media_news)
    get_press_releases = _blocking(_Calls.get_press_releases)
    get_securities = _blocking(_Calls.get_securities)
    get_securities_plain = _blocking(_Calls.get_securities_plain)
    get_company_list = _blocking(_Calls.get_company_list)
    get_sectors = _blocking(_Calls.get_sectors)
    get_brokers = _blocking(_Calls.get_brokers)
    get_security_detail = _blocking(_Calls.get_security_detail)
    get_company_details = _blocking(_Calls.get_company_details)
    get_security_profile = _blocking(_Calls.get_security_profile)
    get_board_of_directors = _blocking(_Calls.get_board_of_directors)
    get_corporate_actions = _blocking(_Calls.get_corporate_actions)
    get_reports = _blocking(_Calls.get_reports)
    get_agm = _blocking(_Calls.get_agm)
    get_dividend = _blocking(_Calls.get_dividend)
    get_company_news = _blocking(_Calls.get_company_news)
    get_market_depth = _blocking(_Calls.get_market_depth)
    get_market_depth_odd_lots = _blocking(_Calls.get_market_depth_odd_lots)
    get_price_history = _blocking(_Calls.get_price_history)
    get_price_page = _blocking(_Calls.get_price_page)
    get_scrip_intraday = _blocking(_Calls.get_scrip_intraday)
    get_scrip_history = _blocking(_Calls.get_scrip_history)
    get_today_price = _blocking(_Calls.get_today_price)
    get_todays_price = _blocking(_Calls.get_todays_price)
    get_floor_sheet = _blocking(_Calls.get_floor_sheet)
    get_newest_trades = _blocking(_Calls.get_newest_trades)
    get_company_floor_sheet = _blocking(_Calls.get_company_floor_sheet)
    get_day_trades = _blocking(_Calls.get_day_trades)
    get_company_directory = _blocking(_Calls.get_company_directory)
    get_margin_list = _blocking(_Calls.get_margin_list)
    get_bonds = _blocking(_Calls.get_bonds)
    get_promoters = _blocking(_Calls.get_promoters)
    get_share_groups = _blocking(_Calls.get_share_groups)
    get_classification = _blocking(_Calls.get_classification)
    get_security_classification = _blocking(_Calls.get_security_classification)
    get_listing = _blocking(_Calls.get_listing)
    get_quote = _blocking(_Calls.get_quote)
    get_dealers = _blocking(_Calls.get_dealers)
    get_report_types = _blocking(_Calls.get_report_types)
    get_exchange_reports = _blocking(_Calls.get_exchange_reports)
    get_margin_trades = _blocking(_Calls.get_margin_trades)
    get_investor_awareness = _blocking(_Calls.get_investor_awareness)
    get_notice_file = _blocking(_Calls.get_notice_file)
    get_application_file = _blocking(_Calls.get_application_file)
    get_security_file = _blocking(_Calls.get_security_file)
    get_security_image = _blocking(_Calls.get_security_image)
    get_price_export = _blocking(_Calls.get_price_export)
    get_day_export = _blocking(_Calls.get_day_export)

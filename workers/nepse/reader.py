"""Runs the rows of `endpoints`: checks arguments, looks up symbols, follows pages, caches answers."""

from collections.abc import Callable, Generator, Mapping
from typing import Any
from urllib.parse import urlencode

from hulak.bus.errors import TaskFailed
from hulak.workers.nepse import tokens
from hulak.workers.nepse.answer_cache import AnswerCache, seconds_to_midnight
from hulak.workers.nepse.arguments import Argument, Kind, check
from hulak.workers.nepse.endpoints import PAGED, Endpoint, Shape
from hulak.workers.nepse.faults import bad_answer
from hulak.workers.nepse.paging import PageCollection, parse_page
from hulak.workers.nepse.token_manager import TokenManager

BASE = "/api/nots"
WANTED = {Shape.ROWS: list, Shape.OBJECT: dict}
Values = Mapping[str, Any]
Pages = Generator[dict[str, Any], None, dict[str, Any]]


class Reader:
    """Reads resources with one session. Belongs to one thread.

    Args:
        manager: of the session.
        clock: monotonic seconds.
        symbols: returns the id of every symbol.
        cache_s: returns for how long an answer is cached, seconds; 0: not at all. When the value changes,
            the cache is cleared.
    """

    def __init__(
        self,
        manager: TokenManager,
        clock: Callable[[], float],
        symbols: Callable[[], Mapping[str, int]],
        cache_s: Callable[[], float],
    ) -> None:
        self._manager = manager
        self._clock = clock
        self._symbols = symbols
        self._cache_s = cache_s
        self._cached_for_s = cache_s()
        self._cache = AnswerCache()

    def action(self, endpoint: Endpoint) -> Callable[[Values], Any]:
        """Return the action of a resource.

        Returns:
            a function of the arguments. Bad ones are refused before anything is sent; for a list of pages it returns a
            generator, as `follow`, else the answer; None for an empty answer where that is allowed.
        """

        def act(given: Values) -> Any:
            values = check(endpoint.action, endpoint.arguments, given)
            return self.follow(endpoint, values) if endpoint.shape in PAGED else self._read_once(endpoint, values)

        return act

    def cached(self, request: str, fetch: Callable[[], Any], *, daily: bool = False) -> Any:
        """Return the cached answer to a request, else fetch and cache it.

        Args:
            request: identifies the answer.
            fetch: returns the answer; its errors are not cached.
            daily: cached until midnight in Nepal, instead of `cache_s`.
        """
        cache_s = self._cache_s()
        if cache_s != self._cached_for_s:
            self._cache, self._cached_for_s = AnswerCache(), cache_s
        answer = self._cache.find(request, self._clock())
        if answer is not None:
            return answer.value
        value = fetch()
        if cache_s > 0:
            now = self._clock()
            lifetime_s = seconds_to_midnight(self._manager.session().time_ms(now)) if daily else cache_s
            self._cache.keep(request, value, now, now + lifetime_s)
        return value

    def follow(self, endpoint: Endpoint, values: Values) -> Pages:
        """Read a list page by page.

        Args:
            endpoint: of shape PAGES or SHEET.
            values: of `check`.
        Yields:
            each page: `page` (from 0), `pages` (of the whole list), `rows`.
        Returns:
            `rows`, each once; `page`, the first that was read, and `pages`, their number; `next`, the page to continue with, None
            at the end; `complete`, whether there are as many rows as the exchange says (an open market may add
            some meanwhile); `total` rows of the whole list, None if unknown; of a floor sheet also totalAmount,
            totalQty, totalTrades.
        Raises:
            TaskFailed: as `TokenManager.get`; INCOMPLETE, the number of rows is wrong while the market is closed.
        """
        values = self._resolved(endpoint, values)
        filtered = any(values[argument.name] is not None for argument in endpoint.arguments if argument.query)
        first, count = values["page"], values["pages"]
        pages = PageCollection(f"{endpoint.action} ({BASE}{_filled_path(endpoint, values)})", endpoint.shape, first, filtered)
        for number in range(first, first + count):
            query = {"page": number} | ({"size": values["size"]} if "size" in values else {})
            page = parse_page(pages.name, endpoint.shape, self._fetch(endpoint, _path(endpoint, values, query)), number)
            pages.add(page)
            yield {"page": number, "pages": page.pages, "rows": page.rows}
            if page.last:
                break
        if not pages.fits() and self._manager.market_status()["isOpen"] != "OPEN":
            raise pages.incomplete()
        return pages.result()

    def _read_once(self, endpoint: Endpoint, values: Values) -> Any:
        path = _path(endpoint, self._resolved(endpoint, values), {})
        request = f"{'GET' if endpoint.formula is None else 'POST'} {path}"
        return self.cached(request, lambda: self._fetch_checked(endpoint, path), daily=endpoint.daily)

    def _fetch_checked(self, endpoint: Endpoint, path: str) -> Any:
        value = self._fetch(endpoint, path)
        wanted = WANTED.get(endpoint.shape)
        if wanted is not None and not isinstance(value, wanted) and not (value is None and endpoint.empty):
            raise bad_answer(f"{endpoint.action} ({path})", f"a JSON {type(value).__name__}", endpoint.shape.value)
        return value

    def _fetch(self, endpoint: Endpoint, path: str) -> Any:
        try:
            if endpoint.formula is None:
                return self._manager.get(path, may_be_empty=endpoint.empty)
            return self._manager.post(path, endpoint.formula)
        except TaskFailed as error:
            if error.code != "NOT_FOUND" or "{symbol}" not in endpoint.path:
                raise
            text = f"{endpoint.action} ({path}): the exchange knows no security of this id (HTTP 404)"
            raise TaskFailed("NOT_FOUND", text, details=error.details) from None

    def _resolved(self, endpoint: Endpoint, values: Values) -> dict[str, Any]:
        return {argument.name: self._resolve(endpoint, argument, values[argument.name]) for argument in endpoint.arguments}

    def _resolve(self, endpoint: Endpoint, argument: Argument, value: Any) -> Any:
        """Replace a symbol by its id, and a missing year by the current one."""
        if argument.kind is Kind.YEAR and value is None:
            return tokens.nepal_date(self._manager.session().time_ms(self._clock()))[:4]
        if argument.kind is not Kind.SECURITY or not isinstance(value, str):
            return value
        number = self._symbols().get(value)
        if number is None:
            raise TaskFailed(
                "BAD_ARGUMENT",
                f"{endpoint.action}: {argument.name} is {value!r}, which is not listed; use the id of a delisted security",
            )
        return number


def _filled_path(endpoint: Endpoint, values: Values) -> str:
    return endpoint.path.format_map(values)


def _path(endpoint: Endpoint, values: Values, paging: Values) -> str:
    query = {**paging}
    for argument in endpoint.arguments:
        value = values[argument.name]
        if argument.kind is Kind.FLAG and value is not None:
            value = argument.words[value] or None
        if argument.query and value is not None:
            query[argument.query] = value
    text = "&".join(part for part in (urlencode(query), endpoint.fixed) if part)
    return f"{BASE}{_filled_path(endpoint, values)}" + (f"?{text}" if text else "")

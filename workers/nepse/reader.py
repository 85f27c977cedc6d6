"""Runs the rows of `endpoints`: checks arguments, looks up symbols, follows pages, caches answers."""

from collections.abc import Callable, Generator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from hulak.bus.errors import TaskFailed
from hulak.workers.nepse import tokens
from hulak.workers.nepse.answer_cache import AnswerCache, seconds_to_midnight
from hulak.workers.nepse.arguments import LAST_SESSION, Argument, Kind, check
from hulak.workers.nepse.endpoint import PAGED, SAVED, Endpoint, Shape
from hulak.workers.nepse.faults import bad_answer
from hulak.workers.nepse.files import file_of, parts_of
from hulak.workers.nepse.paging import PageCollection, parse_page
from hulak.workers.nepse.token_manager import TokenManager

READ_S = 1.0  # a task begins no further page after this time: a worker has one task at a time, and others wait
WANTED = {Shape.ROWS: list, Shape.OBJECT: dict}
Values = Mapping[str, Any]
Pages = Generator[dict[str, Any], None, dict[str, Any]]
Parts = Generator[dict[str, Any], None, dict[str, Any] | None]


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
            a function of the arguments. Bad ones are refused before anything is sent; for a list of pages and for a file it
            returns a generator, as `follow` and `download`, else the answer; None for an empty answer where that is allowed.
        """
        read: Callable[[Endpoint, Values], Any] = self._read_once
        if endpoint.shape in PAGED:
            read = self.follow
        elif endpoint.shape in SAVED:
            read = self.download

        def act(given: Values) -> Any:
            return read(endpoint, check(endpoint.action, endpoint.arguments, given))

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
        """Read a list page by page, `pages` at most, and for `READ_S` at most.

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
        first, count, began = values["page"], values["pages"], self._clock()
        pages = PageCollection(f"{endpoint.action} ({_filled_path(endpoint, values)})", endpoint.shape, first, filtered)
        for number in range(first, first + count):
            query = {"page": number} | ({"size": values["size"]} if "size" in values else {})
            answer = self._fetch(endpoint, _path(endpoint, values, query), _criteria(endpoint, values))
            page = parse_page(pages.name, endpoint.shape, answer, number)
            pages.add(page)
            yield {"page": number, "pages": page.pages, "rows": page.rows}
            if page.last or self._clock() - began >= READ_S:
                break
        if not pages.rows:
            self._refuse_unlisted(endpoint, values)
        if not pages.fits() and self._manager.market_status()["isOpen"] != "OPEN":
            raise pages.incomplete()
        return pages.result()

    def download(self, endpoint: Endpoint, values: Values) -> Parts:
        """Read a file, and yield it in parts when it is whole.

        Yields:
            each part: `offset` in the file, `content` (bytes).
        Returns:
            `type`, as in Content-Type; `size` in bytes; `sha256`, in hexadecimal. None if there is nothing to export.
        Raises:
            TaskFailed: as `TokenManager.get`; as `files.file_of`.
        """
        path = _path(endpoint, self._resolved(endpoint, values), {})
        try:
            file = file_of(*self._manager.fetch(path), endpoint.shape)
        except TaskFailed as error:
            raise _unknown(endpoint, path, error) from None
        return None if file is None else (yield from parts_of(file))

    def _read_once(self, endpoint: Endpoint, values: Values) -> Any:
        values = self._resolved(endpoint, values)
        path = _path(endpoint, values, {})
        request = f"{'GET' if endpoint.formula is None else 'POST'} {path}"
        answer = self.cached(request, lambda: self._fetch_checked(endpoint, path), daily=endpoint.daily)
        if answer is None or answer in ([], {}):
            self._refuse_unlisted(endpoint, values)
        return answer

    def _fetch_checked(self, endpoint: Endpoint, path: str) -> Any:
        value = self._fetch(endpoint, path)
        wanted = WANTED.get(endpoint.shape)
        if wanted is not None and not isinstance(value, wanted) and not (value is None and endpoint.empty):
            raise bad_answer(f"{endpoint.action} ({path})", f"a JSON {type(value).__name__}", endpoint.shape.value)
        return value

    def _fetch(self, endpoint: Endpoint, path: str, criteria: Values | None = None) -> Any:
        try:
            if endpoint.formula is not None:
                return self._manager.post(path, endpoint.formula)
            if criteria is not None:
                return self._manager.search(path, criteria)
            return self._manager.get(path, may_be_empty=endpoint.empty)
        except TaskFailed as error:
            raise _unknown(endpoint, path, error) from None

    def _refuse_unlisted(self, endpoint: Endpoint, values: Values) -> None:
        """Refuse an empty answer about a security that is not listed: most paths answer so for any number.

        Raises:
            TaskFailed: NOT_FOUND.
        """
        for argument in endpoint.arguments:
            number = values[argument.name]
            if argument.kind is Kind.SECURITY and number is not None and number not in self._symbols().values():
                raise TaskFailed("NOT_FOUND", f"{endpoint.action}: there are no rows, and no listed security has the id {number}")

    def _resolved(self, endpoint: Endpoint, values: Values) -> dict[str, Any]:
        return {argument.name: self._resolve(endpoint, argument, values[argument.name]) for argument in endpoint.arguments}

    def _resolve(self, endpoint: Endpoint, argument: Argument, value: Any) -> Any:
        """Replace a symbol by its id, a missing year by the current one, and a missing day by the last session's."""
        if argument.kind is Kind.YEAR and value is None:
            return tokens.nepal_date(self._manager.session().time_ms(self._clock()))[:4]
        if value == LAST_SESSION:
            return self._manager.market_status()["asOf"][:10]
        if argument.kind is not Kind.SECURITY or not isinstance(value, str):
            return value
        number = self._symbols().get(value)
        if number is None:
            raise TaskFailed(
                "BAD_ARGUMENT",
                f"{endpoint.action}: {argument.name} is {value!r}, which is not listed; use the id of a delisted security",
            )
        return number


def _unknown(endpoint: Endpoint, path: str, error: TaskFailed) -> TaskFailed:
    """Return the error of a path with an id or a name that the exchange does not know; any other error as it is."""
    what = "security of this id" if "{symbol}" in endpoint.path else "such file" if endpoint.shape in SAVED else ""
    if error.code != "NOT_FOUND" or not what:
        return error
    return TaskFailed("NOT_FOUND", f"{endpoint.action} ({path}): the exchange knows no {what} (HTTP 404)", details=error.details)


def _criteria(endpoint: Endpoint, values: Values) -> dict[str, Any] | None:
    """Return the body of a POST, with all keys as the exchange's page sends them; None without any criterion."""
    known = [argument for argument in endpoint.arguments if argument.body]
    if all(values[argument.name] is None for argument in known):
        return None
    return {argument.body: _criterion(argument, values[argument.name]) for argument in known}


def _criterion(argument: Argument, value: Any) -> Any:
    if argument.body.endswith("Id"):
        return value or 0
    return "" if value is None else str(value)


def _filled_path(endpoint: Endpoint, values: Values) -> str:
    quoted = {name: quote(str(value), safe="") for name, value in values.items()}
    return endpoint.api + endpoint.path.format_map(quoted)


def _path(endpoint: Endpoint, values: Values, paging: Values) -> str:
    query = {**paging}
    for argument in endpoint.arguments:
        value = values[argument.name]
        if argument.kind is Kind.FLAG and value is not None:
            value = argument.words[value] or None
        if argument.query and value is not None:
            query[argument.query] = value
    text = "&".join(part for part in (urlencode(query), endpoint.fixed) if part)
    return _filled_path(endpoint, values) + (f"?{text}" if text else "")

"""Carries out the rows of `endpoints`: arguments checked, symbols looked up, pages followed, answers kept for a while."""

from collections.abc import Callable, Generator, Mapping
from typing import Any
from urllib.parse import urlencode

from bus.errors import TaskFailed
from workers.nepse import tokens
from workers.nepse.answer_cache import AnswerCache, day_left_s
from workers.nepse.arguments import Argument, Kind, check
from workers.nepse.endpoints import PAGED, Endpoint, Shape
from workers.nepse.faults import bad_answer
from workers.nepse.paging import PageCollection, parse_page
from workers.nepse.token_manager import TokenManager

BASE = "/api/nots"
WANTED = {Shape.ROWS: list, Shape.OBJECT: dict}
Values = Mapping[str, Any]
Pages = Generator[dict[str, Any], None, dict[str, Any]]


class Reader:
    """Reads resources with one session. Belongs to one thread.

    Args:
        manager: of the session.
        clock: monotonic seconds.
        symbols: gives the id of every symbol.
        cache_s: says for how long an answer is given again without asking; 0 for never. When it says something else than before,
            what is kept is dropped.
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
        self._kept_for_s = cache_s()
        self._kept = AnswerCache()

    def action(self, endpoint: Endpoint) -> Callable[[Values], Any]:
        """Make the action of one resource.

        Returns:
            a function of the arguments. Wrong ones are refused before anything is sent; for a list of pages it gives a
            generator, as `follow`, else the answer: None if there is none where there need not be one.
        """

        def act(given: Values) -> Any:
            values = check(endpoint.action, endpoint.arguments, given)
            return self.follow(endpoint, values) if endpoint.shape in PAGED else self._read_once(endpoint, values)

        return act

    def kept(self, question: str, ask: Callable[[], Any], *, daily: bool = False) -> Any:
        """Give the kept answer to a question, else ask and keep what comes.

        Args:
            question: tells answers apart.
            ask: gives the answer; what it raises is not kept.
            daily: kept until midnight in Nepal, instead of `cache_s`.
        """
        cache_s = self._cache_s()
        if cache_s != self._kept_for_s:
            self._kept, self._kept_for_s = AnswerCache(), cache_s
        found = self._kept.find(question, self._clock())
        if found is not None:
            return found.value
        value = ask()
        if cache_s > 0:
            now = self._clock()
            lasts_s = day_left_s(self._manager.session().time_ms(now)) if daily else cache_s
            self._kept.keep(question, value, now, now + lasts_s)
        return value

    def follow(self, endpoint: Endpoint, values: Values) -> Pages:
        """Read a list page by page.

        Args:
            endpoint: of shape PAGES or SHEET.
            values: of `check`.
        Yields:
            each page as it came: `page` (from 0), `pages` (of the whole list), `rows`.
        Returns:
            `rows`, each once; `page` the first that was read and `pages` how many; `next`, the page to go on with, None
            at the end; `complete`, whether there are as many rows as the exchange says (a market that is open may add
            some meanwhile); `total` rows of the whole list, None if not told; of a floor sheet also totalAmount,
            totalQty, totalTrades.
        Raises:
            TaskFailed: as `TokenManager.get`; INCOMPLETE, the rows do not fit and the market is not open.
        """
        values = self._settled(endpoint, values)
        filtered = any(values[one.name] is not None for one in endpoint.arguments if one.query)
        first, most = values["page"], values["pages"]
        pile = PageCollection(f"{endpoint.action} ({BASE}{_filled(endpoint, values)})", endpoint.shape, first, filtered)
        for number in range(first, first + most):
            query = {"page": number} | ({"size": values["size"]} if "size" in values else {})
            page = parse_page(pile.name, endpoint.shape, self._ask(endpoint, _path(endpoint, values, query)), number)
            pile.add(page)
            yield {"page": number, "pages": page.pages, "rows": page.rows}
            if page.last:
                break
        if not pile.fits() and self._manager.market_status()["isOpen"] != "OPEN":
            raise pile.incomplete()
        return pile.result()

    def _read_once(self, endpoint: Endpoint, values: Values) -> Any:
        path = _path(endpoint, self._settled(endpoint, values), {})
        question = f"{'GET' if endpoint.formula is None else 'POST'} {path}"
        return self.kept(question, lambda: self._checked(endpoint, path), daily=endpoint.daily)

    def _checked(self, endpoint: Endpoint, path: str) -> Any:
        value = self._ask(endpoint, path)
        wanted = WANTED.get(endpoint.shape)
        if wanted is not None and not isinstance(value, wanted) and not (value is None and endpoint.empty):
            raise bad_answer(f"{endpoint.action} ({path})", f"a JSON {type(value).__name__}", endpoint.shape.value)
        return value

    def _ask(self, endpoint: Endpoint, path: str) -> Any:
        if endpoint.formula is None:
            return self._manager.get(path, may_be_empty=endpoint.empty)
        return self._manager.post(path, endpoint.formula)

    def _settled(self, endpoint: Endpoint, values: Values) -> dict[str, Any]:
        return {one.name: self._settle(endpoint, one, values[one.name]) for one in endpoint.arguments}

    def _settle(self, endpoint: Endpoint, argument: Argument, value: Any) -> Any:
        """Replace a symbol by its id, and a year that was not given by this one."""
        if argument.kind is Kind.YEAR and value is None:
            return tokens.nepal_date(self._manager.session().time_ms(self._clock()))[:4]
        if argument.kind is not Kind.SECURITY or not isinstance(value, str):
            return value
        number = self._symbols().get(value)
        if number is None:
            raise TaskFailed(
                "BAD_ARGUMENT",
                f"{endpoint.action}: {argument.name} is {value!r}, which is not listed; what was delisted has only its id",
            )
        return number


def _filled(endpoint: Endpoint, values: Values) -> str:
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
    return f"{BASE}{_filled(endpoint, values)}" + (f"?{text}" if text else "")

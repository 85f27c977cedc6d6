"""The actions of the NEPSE worker, by name; each takes its arguments as one mapping and returns msgpack values.

Eight are about the session and are defined here; the others are rows of `endpoints`.

A body id and salts are valid only with the access token of their own session, and each worker has its own session,
so these actions return that token as well.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from hulak.workers.nepse import tokens
from hulak.workers.nepse.arguments import check
from hulak.workers.nepse.endpoints import ENDPOINTS
from hulak.workers.nepse.faults import Fetch, bad_answer
from hulak.workers.nepse.http import HttpFetch, NepseSettings
from hulak.workers.nepse.path_blocks import PathBlocks
from hulak.workers.nepse.reader import Reader
from hulak.workers.nepse.token_manager import RENEW_AFTER_S, Session, TokenManager

Action = Callable[[Mapping[str, Any]], Any]

SECURITY_LIST_PATH = "/api/nots/security?nonDelisted=true"


def build_actions(settings: NepseSettings) -> Mapping[str, Action]:
    """Return the actions of one worker; nothing is sent before the first call.

    Args:
        settings: see `NepseSettings`.
    Returns:
        action by name; see `NepseActions` for the result of each. All must be called from one thread. Actions that read page
        by page return a generator, which yields partial results and returns the result; see
        `workers.runtime.task_runner.Actions`.
    Raises:
        ConfigError: the ca_file holds no certificates.
    """
    return NepseActions(HttpFetch(settings), time.monotonic, lambda: settings.cache_s).by_name()


class NepseActions:
    """The actions of one worker, over one session.

    Every action raises TaskFailed: BAD_ARGUMENT for an unknown or bad argument, else any code of `faults`,
    TOKEN_SCHEME, or INCOMPLETE.

    Args:
        fetch: sends a request.
        clock: monotonic seconds.
        cache_s: returns for how long an answer is cached, seconds; 0: not at all.
    """

    def __init__(self, fetch: Fetch, clock: Callable[[], float], cache_s: Callable[[], float] = lambda: 0.0) -> None:
        self._manager = TokenManager(PathBlocks(fetch, clock), clock)
        self._reader = Reader(self._manager, clock, self.symbol_id_map, cache_s)
        self._clock = clock
        self._symbols: dict[str, int] = {}
        self._symbols_of = ""  # the Nepal date on which they were read

    def by_name(self) -> dict[str, Action]:
        """Return the actions by their names in the protocol."""
        plain: dict[str, Callable[[], Any]] = {
            "access-token": self.access_token,
            "security-brief": self.security_brief,
            "post-payload-id": self.post_payload_id,
            "post-payload-id-floor-sheet": self.post_payload_id_floor_sheet,
            "symbol-id-map": self.symbol_id_map,
            "market-status": self.market_status,
            "market-id": self.market_id,
            "salts": self.salts,
        }
        session = {name: _without_arguments(name, act) for name, act in plain.items()}
        return session | {endpoint.action: self._reader.action(endpoint) for endpoint in ENDPOINTS}

    def access_token(self) -> dict[str, Any]:
        """Return a valid token.

        Returns:
            `access_token` (for the header "Authorization: Salter"), `age_s` since it was received, `expires_in_s` until
            this worker replaces it; the exchange was seen to accept tokens for some seconds longer.
        """
        return self._with_token(self._manager.session())

    def security_brief(self) -> list[dict[str, Any]]:
        """List the securities that are not delisted, including promoter shares.

        Returns:
            rows in the exchange's form: `id`, `symbol`, `securityName`, `name`, `activeStatus`.
        """
        return list(self._reader.cached(SECURITY_LIST_PATH, self._securities))

    def _securities(self) -> list[dict[str, Any]]:
        rows = self._manager.get(SECURITY_LIST_PATH)
        if not isinstance(rows, list) or not all(_is_security(row) for row in rows):
            raise bad_answer(f"GET {SECURITY_LIST_PATH}", "something else", "a list of rows with symbol and id")
        return rows

    def post_payload_id(self) -> dict[str, Any]:
        """Return the body id of index graphs (formula A).

        Returns:
            `payload_id` and the token it belongs to, as `access_token`; invalid after midnight in Nepal.
        """
        return self._payload_id(tokens.index_graph_id)

    def post_payload_id_floor_sheet(self) -> dict[str, Any]:
        """Return the body id of the floor sheet (formula C); else as `post_payload_id`."""
        return self._payload_id(tokens.floor_sheet_id)

    def symbol_id_map(self) -> dict[str, int]:
        """Return the id of every symbol, e.g. {"NABIL": 131, ...}; read once per day in Nepal, since listings change."""
        today = tokens.nepal_date(self._manager.session().time_ms(self._clock()))
        if self._symbols_of != today:
            self._symbols = {row["symbol"]: row["id"] for row in self._securities()}
            self._symbols_of = today
        return dict(self._symbols)

    def market_status(self) -> dict[str, Any]:
        """Return whether the market is open: see `TokenManager.market_status`."""
        return dict(self._reader.cached("market-status", self._manager.market_status))

    def market_id(self) -> dict[str, Any]:
        """Return the market's id: `market_id`, 0..99."""
        return {"market_id": self._manager.market_id()}

    def salts(self) -> dict[str, Any]:
        """Return the session's five `salts`, salt1 first, and the token they belong to, as `access_token`."""
        session = self._manager.session()
        return {"salts": list(session.salts), **self._with_token(session)}

    def _payload_id(self, formula: tokens.Formula) -> dict[str, Any]:
        number, session = self._manager.body_id(formula)
        return {"payload_id": number, **self._with_token(session)}

    def _with_token(self, session: Session) -> dict[str, Any]:
        age_s = session.age_s(self._clock())
        return {
            "access_token": session.access,
            "age_s": age_s,
            "expires_in_s": max(0.0, RENEW_AFTER_S - age_s),
        }


def _is_security(row: Any) -> bool:
    return isinstance(row, dict) and isinstance(row.get("symbol"), str) and isinstance(row.get("id"), int)


def _without_arguments(name: str, act: Callable[[], Any]) -> Action:
    def action(arguments: Mapping[str, Any]) -> Any:
        check(name, (), arguments)
        return act()

    return action

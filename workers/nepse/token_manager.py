"""One worker's session with the exchange: when to prove, when to refresh, what to do with a 401.

Order, as public clients do it: a session is 45 s old at most (its tokens were seen to last 60 s), then it is refreshed;
a refresh that is not answered with 200 leads to a new session. A 401 leads to one refresh, then to one new session,
then to UNAUTHORIZED; never to a loop. Age is monotonic time since receipt, so a wrong clock on this machine changes
nothing; the day in Nepal is the server's clock carried on by monotonic time.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bus.errors import TaskFailed
from workers.nepse import tokens
from workers.nepse.faults import Fetch, HttpAnswer, HttpRequest, bad_answer, fault_of, read, read_object
from workers.nepse.tokens import Formula, Salts

RENEW_AFTER_S = 45.0  # 60 s is the lifetime once seen in clear text; every public client that works renews at 40 or 45
MAX_MARKET_ID = len(tokens.IDS) - 1

PROVE = HttpRequest("GET", "/api/authenticate/prove")
REFRESH_PATH = "/api/authenticate/refresh-token"
MARKET_OPEN_PATH = "/api/nots/nepse-data/market-open"


@dataclass(frozen=True, slots=True)
class Session:
    """What prove or refresh gave, decoded."""

    access: str = field(repr=False)  # goes behind "Authorization: Salter"
    refresh: str = field(repr=False)
    salts: Salts = field(repr=False)
    server_ms: int  # the server's clock, ms since 1970 UTC, at the time of receipt
    received_at: float  # monotonic seconds

    def age_s(self, now: float) -> float:
        """Give the seconds since receipt."""
        return now - self.received_at

    def time_ms(self, now: float) -> float:
        """Give the server's clock at monotonic time `now`, ms since 1970 UTC."""
        return self.server_ms + self.age_s(now) * 1000.0


class TokenManager:
    """Keep one session alive and send requests with it. Belongs to one thread.

    Args:
        fetch: sends one request; paces itself.
        clock: monotonic seconds.
    """

    def __init__(self, fetch: Fetch, clock: Callable[[], float]) -> None:
        self._fetch = fetch
        self._clock = clock
        self._session: Session | None = None
        self._market_id: int | None = None

    def session(self) -> Session:
        """Give a session younger than 45 s, refreshing or proving if need be.

        Raises:
            TaskFailed: any code of `faults`, or TOKEN_SCHEME.
        """
        held = self._session
        if held is None:
            return self._prove()
        if held.age_s(self._clock()) < RENEW_AFTER_S:
            return held
        return self._refresh(held) or self._prove()

    def get(self, path: str, *, may_be_empty: bool = False) -> Any:
        """Read a resource.

        Args:
            path: below the base URL, e.g. "/api/nots/nepse-data/market-open".
            may_be_empty: no body means that there is nothing, not that something went wrong.
        Returns:
            the JSON value; None for no body.
        Raises:
            TaskFailed: any code of `faults`, or TOKEN_SCHEME.
        """
        return self._read(lambda session: HttpRequest("GET", path, session.access), may_be_empty=may_be_empty)

    def post(self, path: str, formula: Formula) -> Any:
        """Read a resource that wants a body id; it is made anew for each attempt. Else as `get`.

        Args:
            path: below the base URL.
            formula: one of the four of `tokens`.
        """
        self.market_id()  # here a dead token can still be replaced; inside an attempt it cannot
        return self._read(
            lambda session: HttpRequest("POST", path, session.access, {"id": self._body_id(session, formula)}),
        )

    def market_status(self) -> dict[str, Any]:
        """Ask market-open.

        Returns:
            `isOpen`, `asOf` and `id` (0..99), and whatever else the exchange said. `asOf` is not parsed here: it has a
            fraction of varying length while the market is open.
        Raises:
            TaskFailed: as `get`; BAD_ANSWER.
        """
        return self._checked_status(self.get(MARKET_OPEN_PATH))

    def market_id(self) -> int:
        """Give the market's id, 0..99: asked once, and again after each new session, for it might have changed."""
        if self._market_id is None:
            self.market_status()
        return self._known_market_id()

    def body_id(self, formula: Formula) -> tuple[int, Session]:
        """Make a body id that is good at this moment.

        Returns:
            the id and the session that it is good with, no other; and only until midnight in Nepal.
        """
        self.market_id()
        session = self.session()
        return self._body_id(session, formula), session

    def _read(self, make: Callable[[Session], HttpRequest], *, may_be_empty: bool = False) -> Any:
        request, answer = self._exchange(make)
        nothing = may_be_empty and fault_of(request, answer) is None and not answer.body.strip()
        return None if nothing else read(request, answer)

    def _exchange(self, make: Callable[[Session], HttpRequest]) -> tuple[HttpRequest, HttpAnswer]:
        request = make(self.session())
        answer = self._fetch(request)
        if not _unauthorized(request, answer):
            return request, answer
        renewed = self._refresh(self.session())
        if renewed is not None:
            request = make(renewed)
            answer = self._fetch(request)
            if not _unauthorized(request, answer):
                return request, answer
        request = make(self._prove())
        answer = self._fetch(request)
        if _unauthorized(request, answer):
            self._session = None  # the next task begins with a new one
        return request, answer

    def _body_id(self, session: Session, formula: Formula) -> int:
        if self._market_id is None:
            request = HttpRequest("GET", MARKET_OPEN_PATH, session.access)
            self._checked_status(read(request, self._fetch(request)))
        day = tokens.nepal_day(session.time_ms(self._clock()))
        return formula(self._known_market_id(), session.salts, day)

    def _known_market_id(self) -> int:
        if self._market_id is None:
            raise TaskFailed("INTERNAL", "the market's id is not known after market-open was read")
        return self._market_id

    def _checked_status(self, status: Any) -> dict[str, Any]:
        name = f"GET {MARKET_OPEN_PATH}"
        if not isinstance(status, dict):
            raise bad_answer(name, f"a JSON {type(status).__name__}", "an object")
        if not isinstance(status.get("isOpen"), str) or not isinstance(status.get("asOf"), str):
            raise bad_answer(name, "an object without the texts isOpen and asOf", "both")
        self._market_id = tokens.parse_int(status, "id", MAX_MARKET_ID)
        return status

    def _prove(self) -> Session:
        self._session = self._market_id = None
        answer = self._fetch(PROVE)
        return self._adopt(PROVE, answer, None)

    def _refresh(self, held: Session) -> Session | None:
        """Trade the refresh token for a new session; None if the exchange does not want to."""
        request = HttpRequest("POST", REFRESH_PATH, held.access, {"refreshToken": held.refresh})
        answer = self._fetch(request)
        fault = fault_of(request, answer)
        if fault is not None and fault.code == "RATE_LIMITED":
            raise fault  # asking for yet another session would only make it worse
        if fault is not None:
            return None
        try:
            return self._adopt(request, answer, held)
        except TaskFailed as error:
            if error.code == "RATE_LIMITED":
                raise
            return None

    def _adopt(self, request: HttpRequest, answer: HttpAnswer, held: Session | None) -> Session:
        value = read_object(request, answer)
        received_at = self._clock()
        salts = tokens.parse_salts(value)
        if held is None or value.get("serverTime") is not None:
            server_ms = tokens.parse_int(value, "serverTime", tokens.MAX_TIME_MS)
        else:
            server_ms = int(held.time_ms(received_at))
        session = Session(
            access=tokens.decode_access(_text(request, value, "accessToken"), salts),
            refresh=tokens.decode_refresh(_text(request, value, "refreshToken"), salts),
            salts=salts,
            server_ms=server_ms,
            received_at=received_at,
        )
        if not tokens.has_known_header(session.access):
            self._try_out(session)
        self._session = session
        return session

    def _try_out(self, session: Session) -> None:
        """Let the exchange judge a token that looks unfamiliar; only its refusal means a changed scheme."""
        request = HttpRequest("GET", MARKET_OPEN_PATH, session.access)
        answer = self._fetch(request)
        if _unauthorized(request, answer):
            raise tokens.scheme_changed()
        self._checked_status(read(request, answer))


def _unauthorized(request: HttpRequest, answer: HttpAnswer) -> bool:
    fault = fault_of(request, answer)
    return fault is not None and fault.code == "UNAUTHORIZED"


def _text(request: HttpRequest, value: dict[str, Any], key: str) -> str:
    text = value.get(key)
    if not isinstance(text, str) or not text.isascii() or not text.isprintable() or " " in text:
        # a token goes into a header, where anything else would be an error that quotes it
        raise bad_answer(request.name, f"no {key} that fits into a header", "a text of printable ASCII")
    return text

"""One worker's session with the exchange: when to open and refresh it, and how to handle a 401.

The order is that of public clients: a session is 45 s old at most (its tokens were seen to last 60 s), then it is refreshed;
a failed refresh leads to a new session. A 401 leads to one refresh, then to one new session,
then to UNAUTHORIZED, which is tried again later once; never to a loop. Age is monotonic time since receipt, so a wrong clock on
this machine changes nothing; the day in Nepal is the server's clock advanced by monotonic time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hulak.bus.errors import TaskFailed
from hulak.workers.nepse import tokens
from hulak.workers.nepse.faults import Fetch, HttpRequest, HttpResponse, bad_answer, fault_of, parse, parse_object
from hulak.workers.nepse.tokens import Formula, Salts

RENEW_AFTER_S = 45.0  # tokens live for 60 s, as seen once; working public clients renew at 40 or 45
AGAIN_S = 2.0  # after a fresh session was refused
MAX_MARKET_ID = len(tokens.IDS) - 1

PROVE = HttpRequest("GET", "/api/authenticate/prove")
REFRESH_PATH = "/api/authenticate/refresh-token"
MARKET_OPEN_PATH = "/api/nots/nepse-data/market-open"


@dataclass(frozen=True, slots=True)
class Session:
    """The decoded response to prove or refresh."""

    access: str = field(repr=False)  # for the header "Authorization: Salter"
    refresh: str = field(repr=False)
    salts: Salts = field(repr=False)
    server_ms: int  # the server's clock, ms since 1970 UTC, at the time of receipt
    received_at: float  # monotonic seconds

    def age_s(self, now: float) -> float:
        """Return the seconds since receipt."""
        return now - self.received_at

    def time_ms(self, now: float) -> float:
        """Return the server's clock at monotonic time `now`, ms since 1970 UTC."""
        return self.server_ms + self.age_s(now) * 1000.0


class TokenManager:
    """Keeps a session valid and sends requests with it. Belongs to one thread.

    Args:
        fetch: sends a request; limits its own rate.
        clock: monotonic seconds.
    """

    def __init__(self, fetch: Fetch, clock: Callable[[], float]) -> None:
        self._fetch = fetch
        self._clock = clock
        self._session: Session | None = None
        self._market_id: int | None = None
        self._refusals = 0  # of fresh sessions in a row

    def session(self) -> Session:
        """Return a session younger than 45 s; refreshes it or opens a new one if needed.

        Raises:
            TaskFailed: any code of `faults`, or TOKEN_SCHEME.
        """
        session = self._session
        if session is None:
            return self._prove()
        if session.age_s(self._clock()) < RENEW_AFTER_S:
            return session
        return self._refresh(session) or self._prove()

    def get(self, path: str, *, may_be_empty: bool = False) -> Any:
        """Read a resource.

        Args:
            path: below the base URL, e.g. "/api/nots/nepse-data/market-open".
            may_be_empty: an empty body means "none", and is not an error.
        Returns:
            the JSON value; None for no body.
        Raises:
            TaskFailed: any code of `faults`, or TOKEN_SCHEME.
        """
        return self._read(lambda session: HttpRequest("GET", path, session.access), may_be_empty=may_be_empty)

    def post(self, path: str, formula: Formula) -> Any:
        """Read a resource that needs a body id, which is computed for each attempt. Else as `get`.

        Args:
            path: below the base URL.
            formula: one of the four of `tokens`.
        """
        self.market_id()  # an expired token can be replaced here, but not inside an attempt
        return self._read(
            lambda session: HttpRequest("POST", path, session.access, {"id": self._body_id(session, formula)}),
        )

    def search(self, path: str, criteria: Mapping[str, Any]) -> Any:
        """Read a resource by a POST whose body has criteria, and no id. Else as `get`."""
        return self._read(lambda session: HttpRequest("POST", path, session.access, criteria))

    def fetch(self, path: str) -> tuple[HttpRequest, HttpResponse]:
        """Read a resource of any type. Returns the request, for texts, and a response of status 2xx. Raises as `get`."""
        request, response = self._exchange(lambda session: HttpRequest("GET", path, session.access))
        fault = fault_of(request, response)
        if fault is not None:
            raise fault
        return request, response

    def market_status(self) -> dict[str, Any]:
        """Read market-open.

        Returns:
            `isOpen`, `asOf` and `id` (0..99), and any other keys. `asOf` is not parsed here: it has a
            fraction of varying length while the market is open.
        Raises:
            TaskFailed: as `get`; BAD_ANSWER.
        """
        return self._checked_status(self.get(MARKET_OPEN_PATH))

    def market_id(self) -> int:
        """Return the market's id, 0..99: read once per session, since it may change."""
        if self._market_id is None:
            self.market_status()
        return self._known_market_id()

    def body_id(self, formula: Formula) -> tuple[int, Session]:
        """Return a body id that is valid now.

        Returns:
            the id and the only session that it is valid with; it expires at midnight in Nepal.
        """
        self.market_id()
        session = self.session()
        return self._body_id(session, formula), session

    def _read(self, make: Callable[[Session], HttpRequest], *, may_be_empty: bool = False) -> Any:
        request, response = self._exchange(make)
        is_empty = may_be_empty and fault_of(request, response) is None and not response.body.strip()
        return None if is_empty else parse(request, response)

    def _exchange(self, make: Callable[[Session], HttpRequest]) -> tuple[HttpRequest, HttpResponse]:
        request = make(self.session())
        response = self._fetch(request)
        if not _unauthorized(request, response):
            self._refusals = 0
            return request, response
        renewed = self._refresh(self.session())
        if renewed is not None:
            request = make(renewed)
            response = self._fetch(request)
            if not _unauthorized(request, response):
                return request, response
        request = make(self._prove())
        response = self._fetch(request)
        if _unauthorized(request, response):
            self._session = None  # the next task opens a new one
            self._check_refused(request, response)
        return request, response

    def _check_refused(self, request: HttpRequest, response: HttpResponse) -> None:
        """Let the first refusal of a fresh session be tried again later: it may have been lost meanwhile; the next is final."""
        self._refusals += 1
        fault = fault_of(request, response)
        if self._refusals == 1 and fault is not None:
            raise TaskFailed(fault.code, str(fault), retryable=True, retry_after_s=AGAIN_S, details=fault.details)

    def _body_id(self, session: Session, formula: Formula) -> int:
        if self._market_id is None:
            request = HttpRequest("GET", MARKET_OPEN_PATH, session.access)
            self._checked_status(parse(request, self._fetch(request)))
        day = tokens.nepal_day(session.time_ms(self._clock()))
        return formula(self._known_market_id(), session.salts, day)

    def _known_market_id(self) -> int:
        if self._market_id is None:
            raise TaskFailed("INTERNAL", "the market's id is unknown after market-open was read")
        return self._market_id

    def _checked_status(self, status: Any) -> dict[str, Any]:
        name = f"GET {MARKET_OPEN_PATH}"
        if not isinstance(status, dict):
            raise bad_answer(name, f"a JSON {type(status).__name__}", "an object")
        if not isinstance(status.get("isOpen"), str) or not isinstance(status.get("asOf"), str):
            raise bad_answer(name, "an object without the texts isOpen and asOf", "both texts")
        self._market_id = tokens.parse_int(status, "id", MAX_MARKET_ID)
        return status

    def _prove(self) -> Session:
        self._session = self._market_id = None
        response = self._fetch(PROVE)
        return self._adopt(PROVE, response, None)

    def _refresh(self, old: Session) -> Session | None:
        """Refresh the session; None if the exchange refuses."""
        request = HttpRequest("POST", REFRESH_PATH, old.access, {"refreshToken": old.refresh})
        response = self._fetch(request)
        fault = fault_of(request, response)
        if fault is not None and fault.code == "RATE_LIMITED":
            raise fault  # a request for another session would make it worse
        if fault is not None:
            return None
        try:
            return self._adopt(request, response, old)
        except TaskFailed as error:
            if error.code == "RATE_LIMITED":
                raise
            return None

    def _adopt(self, request: HttpRequest, response: HttpResponse, old: Session | None) -> Session:
        value = parse_object(request, response)
        received_at = self._clock()
        salts = tokens.parse_salts(value)
        if old is None or value.get("serverTime") is not None:
            server_ms = tokens.parse_int(value, "serverTime", tokens.MAX_TIME_MS)
        else:
            server_ms = int(old.time_ms(received_at))
        session = Session(
            access=tokens.decode_access(_text(request, value, "accessToken"), salts),
            refresh=tokens.decode_refresh(_text(request, value, "refreshToken"), salts),
            salts=salts,
            server_ms=server_ms,
            received_at=received_at,
        )
        if not tokens.has_known_header(session.access):
            self._probe(session)
        self._session = session
        return session

    def _probe(self, session: Session) -> None:
        """Test a token without the known header at the exchange; only a refusal means a changed scheme."""
        request = HttpRequest("GET", MARKET_OPEN_PATH, session.access)
        response = self._fetch(request)
        if _unauthorized(request, response):
            raise tokens.scheme_changed()
        self._checked_status(parse(request, response))


def _unauthorized(request: HttpRequest, response: HttpResponse) -> bool:
    fault = fault_of(request, response)
    return fault is not None and fault.code == "UNAUTHORIZED"


def _text(request: HttpRequest, value: dict[str, Any], key: str) -> str:
    text = value.get(key)
    if not isinstance(text, str) or not text.isascii() or not text.isprintable() or " " in text:
        # requests raises an error that quotes the token for any other header
        raise bad_answer(request.name, f"no {key} that is valid in a header", "a text of printable ASCII")
    return text

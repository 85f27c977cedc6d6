"""The only place where the NEPSE worker touches the network: one `requests.Session`, paced, certificate checked."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ReadTimeoutError

from bus.errors import ConfigError, TaskFailed
from workers.nepse.faults import HttpAnswer, HttpRequest
from workers.nepse.rate_limit import RateLimit

LOOK_AGAIN_S = 0.1  # between two looks at the rate while waiting for a token: it may have been raised
AGENT = "Mozilla/5.0 (compatible; Hulak)"  # says who we are; a browser's name was reported not to be needed


class NepseSettings(Protocol):
    """The settings that this worker reads."""

    @property
    def base_url(self) -> str:
        """E.g. "https://nepalstock.com.np"; a slash at the end does not matter."""

    @property
    def rate_per_s(self) -> float:
        """HTTP requests per second, above 0; read anew before each request, so it may change."""

    @property
    def ca_file(self) -> Path | None:
        """PEM file with the certificates to trust, or None for the usual ones."""

    @property
    def connect_timeout_s(self) -> float:
        """Seconds until a connection must stand."""

    @property
    def read_timeout_s(self) -> float:
        """Seconds of silence after which an answer is given up."""

    @property
    def cache_s(self) -> float:
        """Seconds for which an answer is given again without asking the exchange; 0 for never; may change."""


class HttpFetch:
    """Send requests to the exchange, one at a time; a `Fetch`. Belongs to one thread.

    Every request, also the one that opens a session, waits for `RateLimit`: real limits are not known, so the exchange never sees
    more of them in a second than the setting says.

    Args:
        settings: see `NepseSettings`.
        clock: monotonic seconds.
        sleep: waits for some seconds.
    Raises:
        ConfigError: there is no such ca_file.
    """

    def __init__(
        self,
        settings: NepseSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if settings.ca_file is not None and not settings.ca_file.is_file():
            raise ConfigError(f"nepse.ca_file is {settings.ca_file}, must be a file of PEM certificates")
        self._base = str(settings.base_url).rstrip("/")
        self._timeouts_s = (settings.connect_timeout_s, settings.read_timeout_s)
        self._verify: bool | str = True if settings.ca_file is None else str(settings.ca_file)
        self._clock = clock
        self._sleep = sleep
        self._settings = settings
        self._pace = RateLimit(settings.rate_per_s, clock())
        self._session = requests.Session()
        self._session.mount("https://", HTTPAdapter(max_retries=0))
        self._session.mount("http://", HTTPAdapter(max_retries=0))
        self._session.headers.update(
            {"User-Agent": AGENT, "Referer": self._base + "/", "Accept": "application/json, text/plain, */*"},
        )
        # Without an auth of its own, requests would put a .netrc entry's password in place of our Authorization.
        self._session.auth = _unchanged

    def __call__(self, request: HttpRequest, /) -> HttpAnswer:
        """Send one request when its turn has come.

        Raises:
            TaskFailed: NETWORK, TIMEOUT or TLS: there was no complete answer. Any status is an answer.
        """
        while wait_s := self._pace.wait_s(self._settings.rate_per_s, self._clock()):
            self._sleep(min(LOOK_AGAIN_S, wait_s))  # the rate may change meanwhile
        self._pace.begin(self._clock())
        try:
            return self._send(request)
        finally:
            self._pace.ended(self._clock())

    def _send(self, request: HttpRequest) -> HttpAnswer:
        headers = {} if request.token is None else {"Authorization": f"Salter {request.token}"}
        try:
            response = self._session.request(
                request.method,
                self._base + request.path,
                headers=headers,
                json=request.body,
                timeout=self._timeouts_s,
                verify=self._verify,
                allow_redirects=False,  # a redirect is a changed interface, and no place to carry a token to
            )
        except requests.RequestException as error:
            raise fault_of_error(request, error) from None  # the chain would show headers
        return HttpAnswer(
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=response.content,
        )

    def close(self) -> None:
        """Close the kept connections."""
        self._session.close()


def _unchanged(prepared: requests.PreparedRequest) -> requests.PreparedRequest:
    return prepared


def fault_of_error(request: HttpRequest, error: requests.RequestException) -> TaskFailed:
    """Name the failure when no answer came: TLS (not retryable), TIMEOUT or NETWORK (both retryable)."""
    if isinstance(error, requests.exceptions.SSLError):
        return TaskFailed(
            "TLS",
            f"{request.name}: the exchange's certificate was not accepted; it is known to leave out the intermediate"
            " one: put that and its root into a PEM file and set nepse.ca_file",
        )
    inner = error.args[0] if error.args else None
    # requests reports silence in the middle of a body as a ConnectionError around urllib3's ReadTimeoutError
    if isinstance(error, requests.Timeout) or isinstance(inner, ReadTimeoutError):
        return TaskFailed(
            "TIMEOUT",
            f"{request.name}: no answer in time ({type(error).__name__}); try again later, or raise nepse.read_timeout_s",
            retryable=True,
        )
    return TaskFailed(
        "NETWORK",
        f"{request.name}: the connection failed ({type(error).__name__}); check nepse.base_url and the network",
        retryable=True,
    )

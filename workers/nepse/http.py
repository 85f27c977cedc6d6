"""The NEPSE worker's only access to the network: one `requests.Session`, rate limited, with checked certificates."""

import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ReadTimeoutError

from hulak.bus.errors import ConfigError, TaskFailed
from hulak.workers.nepse.faults import HttpRequest, HttpResponse
from hulak.workers.nepse.rate_limit import RateLimit

POLL_S = 0.1  # between two reads of the rate while waiting for a token: it may have been raised
LARGEST_BODY = 32 << 20  # bytes; recorded answers are below 1 MiB, reports of companies a few
CHUNK = 1 << 16  # bytes that are read at once
AGENT = "Mozilla/5.0 (compatible; Hulak)"  # identifies the client; a browser's name is reported to be unnecessary


class NepseSettings(Protocol):
    """The settings that this worker reads."""

    @property
    def base_url(self) -> str:
        """E.g. "https://nepalstock.com.np"; a trailing slash is ignored."""

    @property
    def rate_per_s(self) -> float:
        """HTTP requests per second, above 0; read before each request, so it may change."""

    @property
    def ca_file(self) -> Path | None:
        """PEM file with the certificates to trust, or None for the usual ones."""

    @property
    def connect_timeout_s(self) -> float:
        """Limit for connecting, seconds."""

    @property
    def read_timeout_s(self) -> float:
        """Silence after which a request fails, seconds."""

    @property
    def cache_s(self) -> float:
        """Time for which an answer is cached, seconds; 0: not at all; may change."""


class HttpFetch:
    """Sends requests to the exchange, one at a time; a `Fetch`. Belongs to one thread.

    Every request, including those for sessions, waits for `RateLimit`: the real limits are unknown, so the exchange never gets
    more of them in a second than the setting says.

    Args:
        settings: see `NepseSettings`.
        clock: monotonic seconds.
        sleep: sleeps for a number of seconds.
    Raises:
        ConfigError: as `check_ca_file`.
    """

    def __init__(
        self,
        settings: NepseSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        check_ca_file(settings.ca_file)
        self._base = str(settings.base_url).rstrip("/")
        self._timeouts_s = (settings.connect_timeout_s, settings.read_timeout_s)
        self._verify: bool | str = True if settings.ca_file is None else str(settings.ca_file)
        self._clock = clock
        self._sleep = sleep
        self._settings = settings
        self._rate_limit = RateLimit(settings.rate_per_s, clock())
        self._session = requests.Session()
        self._session.mount("https://", HTTPAdapter(max_retries=0))
        self._session.mount("http://", HTTPAdapter(max_retries=0))
        self._session.headers.update(
            {"User-Agent": AGENT, "Referer": self._base + "/", "Accept": "application/json, text/plain, */*"},
        )
        # Without `auth`, requests would replace our Authorization by a password of .netrc.
        self._session.auth = _unchanged

    def __call__(self, request: HttpRequest, /) -> HttpResponse:
        """Send a request when the rate limit allows it.

        Raises:
            TaskFailed: NETWORK, TIMEOUT or TLS: there was no complete response. Any status is a response. TOO_LARGE: its body
                exceeds `LARGEST_BODY`, and was not read further.
        """
        while wait_s := self._rate_limit.wait_s(self._settings.rate_per_s, self._clock()):
            self._sleep(min(POLL_S, wait_s))  # the rate may change meanwhile
        self._rate_limit.begin(self._clock())
        try:
            return self._send(request)
        finally:
            self._rate_limit.ended(self._clock())

    def _send(self, request: HttpRequest) -> HttpResponse:
        headers = {} if request.token is None else {"Authorization": f"Salter {request.token}"}
        try:
            with self._session.request(
                request.method,
                self._base + request.path,
                headers=headers,
                json=request.body,
                timeout=self._timeouts_s,
                verify=self._verify,
                allow_redirects=False,  # a redirect is a changed interface, and must not get the token
                stream=True,
            ) as response:
                body = _read_body(request, response)
        except requests.RequestException as error:
            raise fault_of_error(request, error) from None  # the chain would show headers
        return HttpResponse(
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=body,
        )

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


def _read_body(request: HttpRequest, response: requests.Response) -> bytes:
    body = bytearray()
    for chunk in response.iter_content(CHUNK):
        body += chunk
        if len(body) > LARGEST_BODY:
            raise TaskFailed(
                "TOO_LARGE",
                f"{request.name} was answered with more than {LARGEST_BODY >> 20} MiB, which is the most that is read",
            )
    return bytes(body)


def check_ca_file(path: Path | None) -> None:
    """Check a file of certificates; None is valid.

    Raises:
        ConfigError: it does not exist, or holds no certificates.
    """
    if path is None:
        return
    try:
        ssl.create_default_context(cafile=path)
    except (OSError, ssl.SSLError) as error:
        why = (
            error.strerror or str(error)
            if isinstance(error, OSError) and not isinstance(error, ssl.SSLError)
            else "it holds none"
        )
        raise ConfigError(f"setting nepse.ca_file is {str(path)!r}, must be a file of PEM certificates: {why}") from error


def _unchanged(prepared: requests.PreparedRequest) -> requests.PreparedRequest:
    return prepared


def fault_of_error(request: HttpRequest, error: requests.RequestException) -> TaskFailed:
    """Return the error of a request without a response: TLS (not retryable), TIMEOUT or NETWORK (both retryable)."""
    if isinstance(error, requests.exceptions.SSLError):
        return TaskFailed(
            "TLS",
            f"{request.name}: the exchange's certificate was not accepted; it is known to omit the intermediate"
            " one: put that certificate and its root into a PEM file and set nepse.ca_file",
        )
    inner = error.args[0] if error.args else None
    # requests reports silence in the middle of a body as a ConnectionError around urllib3's ReadTimeoutError
    if isinstance(error, requests.Timeout) or isinstance(inner, ReadTimeoutError):
        return TaskFailed(
            "TIMEOUT",
            f"{request.name}: no response in time ({type(error).__name__}); try again later, or raise nepse.read_timeout_s",
            retryable=True,
        )
    return TaskFailed(
        "NETWORK",
        f"{request.name}: the connection failed ({type(error).__name__}); check nepse.base_url and the network",
        retryable=True,
    )

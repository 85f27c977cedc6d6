"""The error family: each class names the party at fault, each text the value seen and the value wanted.

HulakError
├── ConfigError          the operator's: a setting, an address or a file, refused before the process starts
├── AlreadyRuns          the operator's: such a process runs on this home already
├── ProtocolError        a peer's: bytes or messages that PROTOCOL.md does not allow; `code` names the rule (section 8)
├── FeedError            a venue's: a message that its parser rejects
├── DatabaseUnreadable   a file's: not a Hulak database, or one of another version; it is moved aside
├── PartEnded            Hulak's: a thread that this process needs has ended; the process exits too
├── BusError             the bus refused the request, or could not be reached
│   ├── BusTimeout       no answer within the caller's timeout
│   ├── HandshakeFailed  a connection with keys was not made: `code` says whose key is wrong, or missing
│   ├── Forbidden        the roles of this client's key do not allow the request, or the subscription
│   └── TaskFailed       a task failed; `code`, `retryable` and `retry_after_s` as the worker reported them
"""

from typing import Any


class HulakError(Exception):
    """Base class of all errors that Hulak raises on purpose."""


class ConfigError(HulakError):
    """A setting is unknown or has a value that is not allowed."""


class AlreadyRuns(HulakError):
    """A process of which a home has at most one runs on it already."""


class ProtocolError(HulakError):
    """A peer sent bytes or a message that PROTOCOL.md does not allow.

    Args:
        code: machine-readable name of the fault, in capitals (PROTOCOL.md section 8).
        text: one sentence with the value seen and the value wanted.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.details: dict[str, Any] = {}  # further fields of the ERROR that the peer gets


class FeedError(HulakError):
    """A venue's message cannot be parsed."""


class DatabaseUnreadable(HulakError):
    """The database file cannot be read by this version."""


class PartEnded(HulakError):
    """A thread that the process needs has ended."""


class BusError(HulakError):
    """The bus refused a request.

    Args:
        code: as in `ProtocolError`.
        text: one sentence.
        details: further fields that the peer sent.
    """

    def __init__(self, code: str, text: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.details = details or {}


class BusTimeout(BusError):
    """No answer came within the caller's timeout."""

    def __init__(self, text: str) -> None:
        super().__init__("TIMEOUT", text)


class HandshakeFailed(BusError):
    """The broker and this client did not accept each other's keys, so there is no connection.

    The code is one of:
    `UNKNOWN_KEY`: the broker does not accept the client's key: it was not authorised, was revoked or has expired.
    `WRONG_SERVER_KEY`: the broker has another key than the one in the client's file.
    `KEY_NEEDED`: the broker wants a key, and the client has none.
    `NO_KEYS`: the client has a key, and the broker's address takes none.
    """


class Forbidden(BusError):
    """The roles of this client's key do not allow a request or a subscription.

    Args:
        text: one sentence that names the key and the role.
        details: further fields that the broker sent.
    """

    def __init__(self, text: str, details: dict[str, Any] | None = None) -> None:
        super().__init__("FORBIDDEN", text, details)


class TaskFailed(BusError):
    """A task failed.

    Args:
        code: capitals, e.g. `UNAUTHORIZED`, `UNKNOWN_ACTION`, `BAD_ARGUMENT`.
        text: one sentence a caller can act on.
        retryable: another attempt may succeed.
        retry_after_s: seconds that the upstream asked to wait, if it did.
        cool_down_s: seconds for which no worker of this service should send requests to the upstream, if it
            asked for that or blocks this host.
        details: small extra facts (status codes, names), msgpack values only.
    """

    def __init__(
        self,
        code: str,
        text: str,
        *,
        retryable: bool = False,
        retry_after_s: float | None = None,
        cool_down_s: float | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(code, text, details)
        self.retryable = retryable
        self.retry_after_s = retry_after_s
        self.cool_down_s = cool_down_s

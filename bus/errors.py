"""The error family: each class says whose fault it is, each text the value seen and the value wanted.

HulakError
├── ConfigError          the operator's: a setting, an address or a file, refused before anything starts
├── ProtocolError        a peer's: bytes or messages that PROTOCOL.md does not allow; `code` says which rule (section 8)
├── FeedError            a venue's: a message that its parser does not take
├── DatabaseUnreadable   a file's: it is no database of ours, or one of another version; it is set aside
├── PartEnded            ours: a part of this process ended that must not; the process ends too
├── BusError             the bus said no, or could not be reached
│   ├── BusTimeout       no answer in the time the caller gave
│   └── TaskFailed       a task ended as failed; `code`, `retryable` and `retry_after_s` as the worker gave them
"""

from typing import Any


class HulakError(Exception):
    """Something Hulak can name went wrong."""


class ConfigError(HulakError):
    """A setting is unknown or has a value that is not allowed."""


class ProtocolError(HulakError):
    """A peer sent what PROTOCOL.md does not allow.

    Args:
        code: the machine's name of the fault, in capitals (PROTOCOL.md section 8).
        text: one sentence with the value seen and the value wanted.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.details: dict[str, Any] = {}  # what else the peer is told


class FeedError(HulakError):
    """A venue's message is not what its parser takes."""


class DatabaseUnreadable(HulakError):
    """The file of the store has another content than this version reads."""


class PartEnded(HulakError):
    """A thread ended that the process cannot do without."""


class BusError(HulakError):
    """The bus refused a request.

    Args:
        code: as in `ProtocolError`.
        text: one sentence.
        details: what else the other side told.
    """

    def __init__(self, code: str, text: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.details = details or {}


class BusTimeout(BusError):
    """No answer came in the time that the caller gave."""

    def __init__(self, text: str) -> None:
        super().__init__("TIMEOUT", text)


class TaskFailed(BusError):
    """A task cannot be done, now or ever.

    Args:
        code: capitals, e.g. `UNAUTHORIZED`, `UNKNOWN_ACTION`, `BAD_ARGUMENT`.
        text: one sentence a caller can act on.
        retryable: another attempt may succeed.
        retry_after_s: seconds the upstream asked us to wait, if it did.
        cool_down_s: seconds for which nobody of this service should ask the upstream, if it said so or blocks us.
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

"""Times and bounds of tasks, and the decision to retry a failed attempt. Pure."""

from msgspec import Struct

from hulak.bus.backoff import Backoff
from hulak.bus.core.tasks.task_queue import PRIORITIES
from hulak.bus.errors import ProtocolError
from hulak.bus.wire import trace_context
from hulak.bus.wire.failures import Failure
from hulak.bus.wire.messages import Request
from hulak.bus.wire.plain_values import short

MAX_RETRIES = 20  # further attempts that a request may ask for


class Policy(Struct, frozen=True):
    """The settings of the dispatcher; in seconds unless stated otherwise."""

    heartbeat_s: float = 0.25  # from the broker to each worker, and back
    lease_s: float = 1.5  # a worker that is silent for longer is dead, unless it registered with another lease
    soft_s: float = 60.0  # the worker interrupts an attempt
    hard_s: float = 75.0  # the attempt is given up, the worker replaced
    timeout_s: float = 60.0  # the default timeout of a caller
    max_timeout_s: float = 3600.0
    retries: int = 3  # further attempts, the default of a request
    max_retries: int = MAX_RETRIES
    max_tasks: int = 10_000  # queued, waiting and running together
    max_task_bytes: int = 256 << 20  # of their arguments, packed; of calls only those that came in a large frame


LARGE = 4096  # bytes: the calls of a frame that is larger count for `max_task_bytes`


def retry_delay_s(failure: Failure, attempt: int, retries: int, backoff: Backoff) -> float | None:
    """Return the delay before another attempt, or None.

    Args:
        failure: of the attempt that just ended.
        attempt: its number, from 1.
        retries: further attempts allowed after the first.
        backoff: draws the delay, exponential with full jitter.
    Returns:
        seconds to wait before the next attempt, at least what the upstream asked for; None to give up.
    """
    if not failure.retryable or attempt > retries:
        return None
    return max(backoff.delay_s(attempt), failure.retry_after_s or 0.0)


def read_options(request: Request, policy: Policy) -> tuple[float, int]:
    """Parse a request's options (PROTOCOL.md section 4.2).

    Returns:
        how long the caller waits in seconds, and how many retries it allows.
    Raises:
        ProtocolError: `BAD_OPTION`, an option is unknown or out of range.
    """
    options = request.options
    timeout_ms = options.get("timeout_ms", 0)
    if len(options) == 1 and type(timeout_ms) is int and 0 < timeout_ms <= policy.max_timeout_s * 1000:  # nearly always
        return timeout_ms / 1000, policy.retries
    unknown = request.options.keys() - {"timeout_ms", "retries", "share", "priority", *trace_context.OPTIONS}
    if unknown:
        name = short(min(unknown))
        known = "timeout_ms, retries, share, priority, traceparent or tracestate"
        raise ProtocolError("BAD_OPTION", f"option {name} is unknown, must be {known}")
    if type(request.options.get("share", False)) is not bool:
        raise ProtocolError("BAD_OPTION", f"share is {short(request.options['share'])}, must be true or false")
    priority = request.options.get("priority", 1)
    if type(priority) is not int or priority not in PRIORITIES:
        raise ProtocolError("BAD_OPTION", f"priority is {short(priority)}, must be 0 (high), 1 (normal) or 2 (low)")
    timeout_ms = request.options.get("timeout_ms", policy.timeout_s * 1000)
    if type(timeout_ms) not in (int, float) or not 0 < timeout_ms <= policy.max_timeout_s * 1000:
        raise ProtocolError("BAD_OPTION", f"timeout_ms is {short(timeout_ms)}, must be 1 to {policy.max_timeout_s * 1000:.0f}")
    retries = request.options.get("retries", policy.retries)
    if type(retries) is not int or not 0 <= retries <= policy.max_retries:
        raise ProtocolError("BAD_OPTION", f"retries is {short(retries)}, must be 0 to {policy.max_retries}")
    return timeout_ms / 1000, retries


def too_many(count: int) -> ProtocolError:
    """Return the error of a full queue, with the time after which a client may retry."""
    error = ProtocolError("BUSY", f"{count} tasks wait or run, no more are taken; try again in a second")
    error.details["retry_after_ms"] = 1000
    return error


def too_much(size: int, policy: Policy) -> ProtocolError:
    """Return the error of a queue whose arguments reach the limit in bytes."""
    most = policy.max_task_bytes
    text = f"the arguments of tasks that wait or run have {size} bytes, at most {most} are taken ([broker] max_task_bytes)"
    error = ProtocolError("BUSY", f"{text}; try again in a second")
    error.details["retry_after_ms"] = 1000
    return error

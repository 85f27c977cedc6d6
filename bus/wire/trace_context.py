"""The W3C trace context in the options of a request, and on its way to workers. PROTOCOL.md sections 4.2 and 5.6. Pure.

The broker makes no spans: it checks a caller's context, and passes it on to workers that ask for it, with the time that the task
has waited.
"""

import re
from typing import Any

import msgspec

from hulak.bus.errors import ProtocolError
from hulak.bus.wire.plain_values import short

PARENT, STATE = "traceparent", "tracestate"
OPTIONS = frozenset((PARENT, STATE))
TRACES = "traces"  # key of a worker's info: true if it wants CONTEXTs
FORM = re.compile("[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
LONGEST_STATE = 512  # characters


class TaskTrace(msgspec.Struct, gc=False):
    """The trace context of a task, and since when it has waited in the queue."""

    context: dict[str, str]
    queued: float | None  # monotonic seconds; None: unknown, after the loss of a worker

    def waited_us(self, now: float) -> int | None:
        """Return for how long the task has waited, in microseconds."""
        return None if self.queued is None else max(0, int((now - self.queued) * 1e6))


def read_context(options: dict[str, Any]) -> dict[str, str] | None:
    """Return the trace context in a request's options; None if there is none.

    Raises:
        ProtocolError: `BAD_OPTION`.
    """
    parent = options.get(PARENT)
    if parent is None:
        if STATE in options:
            raise ProtocolError("BAD_OPTION", f"{STATE} needs {PARENT} beside it")
        return None
    if not isinstance(parent, str) or not FORM.fullmatch(parent):
        raise ProtocolError("BAD_OPTION", f"{PARENT} is {short(parent)}, must be 00-<32 hexadecimal digits>-<16>-<2> (W3C)")
    state = options.get(STATE, "")
    if not isinstance(state, str) or len(state) > LONGEST_STATE:
        raise ProtocolError("BAD_OPTION", f"{STATE} is {short(state)}, must be text of at most {LONGEST_STATE} characters")
    return {PARENT: parent, STATE: state} if state else {PARENT: parent}

"""The spans of a client's calls. PROTOCOL.md section 4.2 has the options that carry their context."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import msgspec

from hulak.bus.errors import BusError
from hulak.bus.process.tracing import Tracing
from hulak.bus.wire import codec
from hulak.clients.calls.pending import CallKind

CONTROL = "hulak."
POST, RESULT = "hulak.post", "hulak.result"
MOST_POSTED = 1024  # posted tasks whose spans are remembered, for links to them


class TracedCalls:
    """Makes a span for each call, post and wait for a result.

    Args:
        tracing: makes the spans.
    """

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing
        self._posted: OrderedDict[bytes, Any] = OrderedDict()  # id of the task -> span of its post

    def begin(self, kind: CallKind, call_id: bytes, args: Mapping[str, Any] | None) -> tuple[CallKind, Any]:
        """Start the span of a call; return its kind with the trace context in its options, and the span: None for none."""
        service, action, what, role = kind.service, kind.action, "call", "CLIENT"
        links: list[Any] = []
        task = call_id
        if service == POST and args is not None:
            service, action, what, role = str(args.get("service")), str(args.get("action", "")), "post", "PRODUCER"
        elif service == RESULT and args is not None:
            task, what = args["task"], "result"
            links = [self._posted[task]] if task in self._posted else []
        elif service.startswith(CONTROL):
            return kind, None
        name = what if what == "result" else f"{what} {service} {action}".rstrip()
        attributes = {"messaging.operation.name": what, "messaging.message.id": task.hex()}
        if what != "result":
            attributes |= {"messaging.destination.name": service, "hulak.action": action}
        span = self._tracing.start(name, role, attributes, links=links)
        context = self._tracing.context_of(span)
        if context and what != "result":
            if what == "post":
                self._remember(task, span)
            options = codec.pack({**codec.unpack(kind.options), **context})
            kind = msgspec.structs.replace(kind, options=options)
        return kind, span

    def _remember(self, task: bytes, span: Any) -> None:
        self._posted[task] = span
        if len(self._posted) > MOST_POSTED:
            self._posted.popitem(last=False)

    def end(self, span: Any, error: BaseException | None) -> None:
        """End the span of a call with its outcome."""
        if error is not None:
            self._tracing.fail(span, error.code if isinstance(error, BusError) else type(error).__name__, str(error))
        span.end()

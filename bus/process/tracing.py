"""OpenTelemetry spans of tasks, for clients and workers: needs the setting `[tracing] enabled`, and the extra `hulak[otel]`.

Spans go to the program's own tracer provider, if it has one. Processes of Hulak have none: `export` makes one that sends them by
OTLP. OpenTelemetry is imported only where tracing is enabled.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from hulak.bus.errors import ConfigError
from hulak.bus.process.settings import Settings
from hulak.bus.version import VERSION

SYSTEM = "hulak"
NEEDS = "setting tracing.enabled needs OpenTelemetry: pip install 'hulak[otel]'"


class Tracing:
    """Makes spans.

    Raises:
        ConfigError: OpenTelemetry is not installed.
    """

    def __init__(self) -> None:
        try:
            from opentelemetry import trace  # noqa: PLC0415 - an extra
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415 - likewise
        except ImportError as error:
            raise ConfigError(f"{NEEDS} ({error})") from None
        self._trace = trace
        self._tracer = trace.get_tracer(SYSTEM, VERSION)
        self._propagator = TraceContextTextMapPropagator()

    @classmethod
    def of(cls, settings: Settings) -> "Tracing | None":
        """Return it if the settings enable it; raises as the class does."""
        return cls() if settings.tracing.enabled else None

    def start(
        self,
        name: str,
        kind: str,
        attributes: Mapping[str, Any],
        *,
        parent: Any = None,
        links: Sequence[Any] = (),
        start_ns: int | None = None,
    ) -> Any:
        """Start a span.

        Args:
            name: for people, of a bounded number.
            kind: of OpenTelemetry: CLIENT, PRODUCER, CONSUMER or INTERNAL.
            attributes: of the span.
            parent: as `parent_of` returned it; None: the present span of this thread or asyncio task.
            links: spans of other traces that belong to it.
            start_ns: ns since 1970 UTC; None: now.
        """
        return self._tracer.start_span(
            name,
            context=parent,
            kind=getattr(self._trace.SpanKind, kind),
            attributes={"messaging.system": SYSTEM, **attributes},
            links=[self._trace.Link(span.get_span_context()) for span in links],
            start_time=start_ns,
        )

    def inside(self, span: Any) -> AbstractContextManager[Any]:
        """Return a context manager in which this span is the present one: the parent of spans that are started there."""
        return self._trace.use_span(span, end_on_exit=False, record_exception=False, set_status_on_exception=False)

    def context_of(self, span: Any) -> dict[str, str]:
        """Return the W3C trace context of a span; empty without a tracer provider, which makes no spans."""
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier, context=self._trace.set_span_in_context(span))
        return carrier

    def parent_of(self, context: Mapping[str, str]) -> Any:
        """Return the parent for `start` that a W3C trace context names."""
        from opentelemetry.context import Context  # noqa: PLC0415 - an extra

        return self._propagator.extract(dict(context), context=Context())

    def fail(self, span: Any, code: str, text: str) -> None:
        """Mark a span as failed."""
        span.set_status(self._trace.Status(self._trace.StatusCode.ERROR, text))
        span.set_attribute("error.type", code)


def export(settings: Settings, process: str) -> None:
    """Send this process's spans by OTLP, if the settings enable tracing and the program has not set a tracer provider.

    The destination, and the name of the service, are in OpenTelemetry's variables: OTEL_EXPORTER_OTLP_ENDPOINT and others.

    Args:
        settings: checked.
        process: names the service if OTEL_SERVICE_NAME does not.
    Raises:
        ConfigError: OpenTelemetry or its exporter is not installed.
    """
    if not settings.tracing.enabled:
        return
    try:
        from opentelemetry import trace  # noqa: PLC0415 - an extra
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - likewise
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - likewise
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - likewise
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - likewise
    except ImportError as error:
        raise ConfigError(f"{NEEDS} ({error})") from None
    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return  # of the program, or of a module with tasks
    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": process}
    provider = TracerProvider(resource=Resource.create({**named, "service.version": VERSION}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)

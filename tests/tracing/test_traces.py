"""OpenTelemetry traces of tasks, from the client to the result, with real processes and an OTLP receiver."""

import asyncio
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from local_bus import LocalBus
from waiting import eventually

pytest.importorskip("opentelemetry.sdk", reason="the extra otel is not installed")
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from otlp_receiver import OtlpReceiver

from hulak.bus.errors import BusTimeout, TaskFailed
from hulak.bus.process.settings import TracingSettings
from hulak.clients.calls.async_client import AsyncBusClient
from hulak.clients.calls.client import BusClient

pytestmark = pytest.mark.system
LIMIT_S = 20


@pytest.fixture(scope="module")
def receiver():
    with OtlpReceiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def tracer(receiver):
    """Set the tracer provider of this process, as a program does; it can be set once only."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{receiver.url}/v1/traces")))
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        trace.set_tracer_provider(provider)
    else:
        trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{receiver.url}/v1/traces")))
    return trace.get_tracer("program")


@pytest.fixture(scope="module")
def local_bus(receiver):
    with LocalBus(**{"tracing.enabled": True}) as local_bus:
        local_bus.start_broker()
        endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}
        path = ":".join([str(Path(__file__).parents[1] / "support"), *sys.path])
        local_bus.hulak("worker", "traced", "--module", "traced_tasks", PYTHONPATH=path, **endpoint)
        eventually(lambda: local_bus.stats()["workers"], within_s=LIMIT_S)
        yield local_bus


@pytest.fixture
def client(local_bus, tracer):
    with BusClient(local_bus.settings, local_bus.home) as client:
        yield client


def of_trace(receiver, name, count):
    """Wait for the spans of the newest trace that has a span of this name; return them by name."""

    def complete():
        roots = receiver.named(name)
        spans = [span for span in receiver.spans if roots and span.trace == roots[-1].trace]
        return spans if len(spans) >= count else None

    spans = eventually(complete, within_s=LIMIT_S)
    assert len(spans) == count, [span.name for span in spans]
    by_name = {}
    for span in spans:
        by_name.setdefault(span.name, []).append(span)
    return by_name


def test_a_call_is_one_trace_from_the_program_to_the_tasks_own_code(receiver, tracer, client):
    with tracer.start_as_current_span("program"):
        assert client.call("traced", "work", {"x": 1}, timeout_s=LIMIT_S) == 2
    spans = {name: only for name, (only,) in of_trace(receiver, "program", 6).items()}
    root, call, queue = spans["program"], spans["call traced work"], spans["queue traced work"]
    attempt, own, result = spans["attempt traced work"], spans["users own span"], spans["result traced work"]
    assert call.parent == root.id
    assert {queue.parent, attempt.parent, result.parent} == {call.id}
    assert own.parent == attempt.id, "the worker's span is the parent of what the task's code makes"
    assert call.begins <= queue.begins <= queue.ends <= attempt.begins <= own.begins <= own.ends <= attempt.ends
    assert attempt.ends <= result.begins <= result.ends <= call.ends + 50_000_000, "sent before it is received"
    assert root.service == call.service
    assert attempt.service == own.service == "hulak-traced"
    assert attempt.attributes["hulak.attempt"] == 1
    assert attempt.attributes["messaging.message.id"] == call.attributes["messaging.message.id"]
    assert not any(span.failed for span in spans.values())


def test_each_attempt_has_its_spans_and_a_failed_one_is_marked(receiver, tracer, client):
    with tracer.start_as_current_span("retried"):
        assert client.call("traced", "second-time", timeout_s=LIMIT_S, retries=2) == 2
    spans = of_trace(receiver, "retried", 8)
    first, second = sorted(spans["attempt traced second-time"], key=lambda span: span.begins)
    assert (first.failed, first.attributes["error.type"], second.failed) == (True, "NOT_YET", False)
    assert (first.attributes["hulak.attempt"], second.attributes["hulak.attempt"]) == (1, 2)
    assert len(spans["queue traced second-time"]) == len(spans["result traced second-time"]) == 2


def test_a_posted_task_is_under_the_span_of_its_post_and_the_wait_links_to_it(receiver, tracer, client):
    with tracer.start_as_current_span("posting"):
        task = client.post("traced", "work", {"x": 5})
    spans = of_trace(receiver, "posting", 6)
    (post,), (attempt,) = spans["post traced work"], spans["attempt traced work"]
    assert attempt.parent == post.id
    assert attempt.attributes["messaging.message.id"] == task
    with tracer.start_as_current_span("later"):
        assert client.result(task, timeout_s=LIMIT_S) == 6
    (wait,) = of_trace(receiver, "later", 2)["result"]
    assert wait.links == [post.id]
    assert wait.attributes["messaging.message.id"] == task


def test_a_failed_call_is_marked_with_its_code(receiver, tracer, client):
    with tracer.start_as_current_span("failing"), pytest.raises(TaskFailed):
        client.call("traced", "never", timeout_s=LIMIT_S)
    spans = of_trace(receiver, "failing", 5)
    (call,), (attempt,) = spans["call traced never"], spans["attempt traced never"]
    assert (call.failed, call.attributes["error.type"]) == (True, "NO")
    assert (attempt.failed, attempt.attributes["error.type"]) == (True, "NO")
    with tracer.start_as_current_span("absent"), pytest.raises(BusTimeout):
        client.call("absent", "there", timeout_s=0.2)
    assert of_trace(receiver, "absent", 2)["call absent there"][0].failed


def test_many_calls_at_a_time_have_a_trace_each(receiver, tracer, client):
    with tracer.start_as_current_span("many"):
        assert list(client.map("traced", "work", ({"x": x} for x in range(50)), timeout_s=LIMIT_S)) == list(range(1, 51))
    spans = of_trace(receiver, "many", 1 + 50 * 5)
    assert {span.parent for span in spans["attempt traced work"]} == {span.id for span in spans["call traced work"]}
    assert len({span.parent for span in spans["attempt traced work"]}) == 50


def test_calls_of_asyncio_are_traced_and_cancelled_ones_marked(receiver, tracer, local_bus):
    async def calls():
        async with AsyncBusClient(local_bus.settings, local_bus.home) as client:
            with tracer.start_as_current_span("asyncio"):
                assert await client.call("traced", "work", {"x": 2}, timeout_s=LIMIT_S) == 3
                never = client.submit("absent", "there", timeout_s=LIMIT_S)
                never.cancel()
            await asyncio.sleep(0)

    asyncio.run(calls())
    spans = of_trace(receiver, "asyncio", 7)
    assert spans["attempt traced work"][0].parent == spans["call traced work"][0].id
    assert spans["call absent there"][0].attributes["error.type"] == "CancelledError"


def test_control_requests_and_untraced_calls_have_no_spans(receiver, tracer, client, local_bus):
    count = len(receiver.spans)
    client.call("hulak.ping", timeout_s=LIMIT_S)
    off = msgspec.structs.replace(local_bus.settings, tracing=TracingSettings(enabled=False))
    with BusClient(off, local_bus.home) as untraced:
        assert untraced.call("traced", "work", {"x": 1}, timeout_s=LIMIT_S) == 2
    client.call("traced", "work", {"x": 1}, timeout_s=LIMIT_S)  # the spans of this one come after those, were there any
    eventually(lambda: len(receiver.spans) >= count + 6, within_s=LIMIT_S)
    assert len(receiver.spans) == count + 6  # of the untraced call the span of the task's own code, which has another trace


def test_without_opentelemetry_the_setting_is_refused_with_what_to_do(local_bus, tmp_path):
    (tmp_path / "opentelemetry.py").write_text("raise ImportError('there is none')\n")
    done = subprocess.run(
        [sys.executable, "-m", "hulak", "task", "call", "traced", "work"],
        env={**local_bus.variables, "PYTHONPATH": f"{tmp_path}:{':'.join(sys.path)}", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 78, done.stderr
    assert "pip install 'hulak[otel]'" in done.stderr

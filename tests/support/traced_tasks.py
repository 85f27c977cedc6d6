"""Tasks for the tests of traces: the first makes a further span, the second fails the first time."""

from opentelemetry import trace

from hulak.bus.errors import TaskFailed
from hulak.workers.tasks import task

tried = []


@task("traced", "work")
def work(x):
    with trace.get_tracer("users").start_as_current_span("users own span"):
        return x + 1


@task("traced", "second-time")
def second_time():
    tried.append(1)
    if len(tried) == 1:
        raise TaskFailed("NOT_YET", "the first attempt fails", retryable=True)
    return len(tried)


@task("traced", "never")
def never():
    raise TaskFailed("NO", "it always fails")

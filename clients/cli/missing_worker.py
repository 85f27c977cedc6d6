"""Says on standard error that a task waits for a service without a worker, while its caller still waits."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from hulak.bus.errors import HulakError
from hulak.bus.wire.plain_values import suggestion
from hulak.clients.judge.perf import age
from hulak.clients.printable import printable

if TYPE_CHECKING:
    from hulak.clients.calls.client import BusClient
    from hulak.clients.cli.command import Call

NOTICE_S = 0.5  # without a result, after which the workers are looked at
REPLY_S = 2.0  # for one answer of the broker


@contextlib.contextmanager
def noticed(call: "Call", service: str | None, timeout_s: float, task: str = "") -> Iterator[None]:
    """Print a note if a block waits for a task whose service has no worker.

    Args:
        call: the run of the command.
        service: of the task; None: the broker knows it.
        timeout_s: seconds that the block waits at most.
        task: id of a posted task, without a service.
    """

    def note(client: "BusClient") -> str:
        row = {"service": service, "state": "queued"} if service is not None else client.inspect_task(task, timeout_s=REPLY_S)
        parts = row["state"] == "queued" and missing(client, str(row["service"]))
        return f"{parts[0]}: the task waits for one, {age(timeout_s)} at most; {parts[1]}" if parts else ""

    done = threading.Event()
    thread = threading.Thread(target=_watch, args=(call, done, note), name="missing-worker", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(REPLY_S)


def _watch(call: "Call", done: threading.Event, note: "Callable[[BusClient], str]") -> None:
    from hulak.clients.calls.client import BusClient

    if done.wait(NOTICE_S):
        return
    with contextlib.suppress(HulakError), BusClient(call.settings, call.home) as client:
        text = note(client)
        if text and not done.is_set():
            show(text)


def missing(client: "BusClient", service: str) -> tuple[str, str] | None:
    """Return that a service has no worker and what to do, as two parts of a sentence; None if it has one.

    Raises:
        BusError: the broker did not say it.
    """
    stats: dict[str, Any] = client.call("hulak.stats", timeout_s=REPLY_S)
    services = sorted({str(row["service"]) for row in stats["workers"]})
    if service in services or service.startswith("hulak."):  # the broker does these
        return None
    advice = "`hulak workers` lists the workers, `hulak workers add` adds a service"
    return f"service {service!r} has no worker", f"{advice}{suggestion(service, services)}"


def show(text: str) -> None:
    """Print a note."""
    click.echo(f"hulak: {printable(text)}", err=True)

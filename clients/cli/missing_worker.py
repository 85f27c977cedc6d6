"""Notes about a task that waits for a service without a worker."""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from hulak.bus.wire.plain_values import suggestion
from hulak.clients.cli import side_notes
from hulak.clients.durations import age

if TYPE_CHECKING:
    from hulak.clients.calls.client import BusClient
    from hulak.clients.cli.command import Call

NOTICE_S = 0.5  # without a result, after which the workers are looked at


def noticed(call: "Call", service: str | None, timeout_s: float, task: str = "") -> AbstractContextManager[None]:
    """Print a note if a block waits for a task whose service has no worker.

    Args:
        call: the run of the command.
        service: of the task; None: the broker knows it.
        timeout_s: seconds that the block waits at most.
        task: id of a posted task, without a service.
    """

    def note(client: "BusClient") -> str:
        row: dict[str, Any] = {"service": service, "state": "queued"}
        if service is None:
            row = client.inspect_task(task, timeout_s=side_notes.REPLY_S)
        parts = missing(client, str(row["service"])) if row["state"] == "queued" else None
        return f"{parts[0]}: the task waits for one, {age(timeout_s)} at most; {parts[1]}" if parts else ""

    return side_notes.noted(call, note, after_s=NOTICE_S)


def missing(client: "BusClient", service: str) -> tuple[str, str] | None:
    """Return that a service has no worker and what to do, as two parts of a sentence; None if it has one.

    Raises:
        BusError: the broker did not say it.
    """
    stats: dict[str, Any] = client.call("hulak.stats", timeout_s=side_notes.REPLY_S)
    services = sorted({str(row["service"]) for row in stats["workers"]})
    if service in services or service.startswith("hulak."):  # the broker does these
        return None
    advice = "`hulak workers` lists the workers, `hulak workers add` adds a service"
    return f"service {service!r} has no worker", f"{advice}{suggestion(service, services)}"

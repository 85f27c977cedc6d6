"""`hulak workers`, `hulak scale` and `hulak scaler`: the workers, and their number per service."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import click

from hulak.bus.errors import BusError, BusTimeout
from hulak.bus.wire.plain_values import suggestion
from hulak.clients.cli import table
from hulak.clients.cli.command import BROKER_S, Call, Command, print_json
from hulak.clients.cli.groups import ListingGroup
from hulak.clients.cli.help_text import examples
from hulak.clients.cli.status import mb
from hulak.clients.cli.worker_pools import add, remove
from hulak.clients.durations import age

HEADS = ["worker", "state", "held", "done", "failed", "memory", "age", "supervisor"]
SHOWN = ("running", "starting", "backoff", "stopping", "fatal", "unknown")  # slots in another state are unused
RESTART_S = 30.0
RETRY_S = 0.1


@click.group(
    cls=ListingGroup,
    short_help="List, drain, restart, add and remove workers.",
    epilog=examples("hulak workers", "hulak workers drain nepse_00", "hulak workers add sums --module shop"),
)
def workers() -> None:
    """List, drain and restart workers, and add services; without a command, list the workers as `hulak workers ls`."""


workers.add_command(add)
workers.add_command(remove)


@workers.command(
    cls=Command,
    short_help="List the workers with the state of their processes.",
    epilog=examples("hulak workers ls", "hulak workers --json"),
)
def ls(call: Call) -> None:
    """List every worker with its tasks and the state of its process in supervisord, and slots in use without a worker.

    Sends REQUEST hulak.stats to the frontend, and queries the supervisord of this home, if one runs.
    """
    from hulak.clients import supervisord

    stats = call.request("hulak.stats")
    rows = rows_of(stats, supervisord.processes(call.home))
    if call.as_json:
        print_json({"workers": rows, "scaling": scaling_of(stats)})
        return
    for service, scaling in scaling_of(stats).items():
        click.echo(scaling_text(service, scaling))
    table.show(HEADS, [cells(row) for row in rows], "no worker is there; `hulak up` starts those of NEPSE and displays")


def rows_of(stats: Mapping[str, Any], supervised: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Join the broker's workers and supervisord's slots; the name is None for a slot without a worker."""
    services = {*stats["scaling"], *(worker.get("service", "") for worker in stats["workers"])}
    slots = {row["name"]: row for row in supervised if row["group"] in services}
    rows = [
        {**worker, "slot": worker.get("slot") or None, "supervisor": _state(slots.get(worker.get("slot", "")), worker)}
        for worker in stats["workers"]
    ]
    taken = {row["slot"] for row in rows if row["supervisor"] is not None}
    rows += [
        {"name": None, "service": row["group"], "slot": name, "pid": row["pid"], "supervisor": row["state"]}
        for name, row in slots.items()
        if name not in taken and row["state"] in SHOWN
    ]
    return sorted(rows, key=lambda row: (row["service"], row["slot"] or "~", row["name"] or ""))


def _state(slot: Mapping[str, Any] | None, worker: Mapping[str, Any]) -> str | None:
    return slot["state"] if slot is not None and slot["pid"] == worker.get("pid") else None


def scaling_of(stats: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Join the scaling of each service in the broker and the report of its scaler: workers, queued, wanted, live."""
    rows: list[Mapping[str, Any]] = [row for row in stats["processes"] if row["kind"] == "scaler"]
    reports = rows[0].get("pools", {}) if rows else {}
    return {
        service: {**scaling, **{name: reports.get(service, {}).get(name) for name in ("wanted", "live", "least", "most")}}
        for service, scaling in stats["scaling"].items()
    }


def scaling_text(service: str, scaling: Mapping[str, Any]) -> str:
    """Return the scaling of a service as one line."""
    mode = "automatic" if scaling["workers"] == "auto" else f"{scaling['workers']} by hand"
    wanted = "no scaler runs" if scaling["wanted"] is None else f"{scaling['wanted']} wanted"
    return f"{service}: {mode}, {wanted}, {scaling['queued']} tasks wait for a worker"


def cells(row: Mapping[str, Any]) -> list[Any]:
    """Return the cells of a row, in the order of `HEADS`; the first one is the slot where no worker is there."""
    counts = [row.get(name) for name in ("state", "held", "done", "failed")]
    up = age(row["age_s"]) if "age_s" in row else None
    return [row["name"] or row["slot"], *counts, mb(row.get("rss_bytes")), up, row["supervisor"]]


@workers.command(cls=Command, short_help="Drain and stop a worker.", epilog=examples("hulak workers drain nepse_00/4711"))
@click.argument("worker", metavar="WORKER")
def drain(call: Call, worker: str) -> None:
    """Stop a worker after its present tasks; `hulak workers` lists the names, and the slots, which may be given instead.

    If the number of workers is now too small, the scaler starts another one; `hulak scale` sets the number. Sends REQUEST
    hulak.stats and hulak.retire to the frontend; the broker sends RETIRE to the worker, which exits with 0.
    """
    timeout_s = call.timeout_s or BROKER_S
    with call.client() as client:
        name = str(named(client.call("hulak.stats", timeout_s=timeout_s)["workers"], worker)["name"])
        reply = client.call("hulak.retire", args={"worker": name}, timeout_s=timeout_s)
    if call.as_json:
        print_json(reply)
    else:
        click.echo(f"worker {name} is draining")


def named(rows: Sequence[Mapping[str, Any]], wanted: str) -> Mapping[str, Any]:
    """Return the worker with a name, or the only one with that name without its process id.

    Args:
        rows: workers of the broker's statistics.
        wanted: `nepse_00/4711` or `nepse_00`.
    Raises:
        BusError: `UNKNOWN_WORKER`; several have that name.
    """
    slot = wanted.partition("/")[0]
    of_slot = [row for row in rows if row["name"].partition("/")[0] == slot]
    meant = [row for row in rows if row["name"] == wanted] or ([] if "/" in wanted else of_slot)
    if len(meant) == 1:
        return meant[0]
    if meant:
        names = ", ".join(sorted(row["name"] for row in meant))
        raise BusError("UNKNOWN_WORKER", f"{len(meant)} workers are named {wanted!r}: {names}; give one of these names")
    there = sorted(row["name"] for row in of_slot or [row for row in rows if row["service"] == wanted])
    near = suggestion(slot, [row["name"].partition("/")[0] for row in rows])
    near = f"; did you mean {' or '.join(map(repr, there[:2]))}?" if there else near
    raise BusError("UNKNOWN_WORKER", f"worker {wanted!r} is unknown; `hulak workers` lists the names{near}")


@workers.command(
    cls=Command,
    short_help="Drain a worker and wait for its replacement.",
    timeout_help=f"Seconds to wait for the replacement; {RESTART_S:g} by default.",
    epilog=examples("hulak workers restart nepse_00", "hulak workers restart nepse_00/4711 --timeout 90"),
)
@click.argument("worker", metavar="WORKER")
def restart(call: Call, worker: str) -> None:
    """Stop a worker after its present tasks, and wait until another one has replaced it; WORKER is a name or a slot.

    The scaler starts the replacement. Sends REQUEST hulak.retire to the frontend, then hulak.stats until it is registered.
    """
    limit_s = call.timeout_s or RESTART_S
    deadline = time.monotonic() + limit_s
    with call.client() as client:
        before = client.call("hulak.stats", timeout_s=limit_s)["workers"]
        row = named(before, worker)
        worker = str(row["name"])
        if not row.get("slot"):
            raise BusError(
                "UNSUPERVISED", f"worker {worker} is not under supervisord, which starts replacements; `drain` stops it"
            )
        client.call("hulak.retire", args={"worker": worker}, timeout_s=limit_s)
        new = None
        while new is None:
            if time.monotonic() > deadline:
                raise BusTimeout(f"worker {worker} is draining; no replacement came within {limit_s:g} s, see `hulak workers`")
            time.sleep(RETRY_S)
            new = successor(worker, before, client.call("hulak.stats", timeout_s=limit_s)["workers"])
    if call.as_json:
        print_json({"worker": worker, "successor": new})
    else:
        click.echo(f"worker {worker} was replaced by {new}")


def successor(worker: str, before: list[dict[str, Any]], after: list[dict[str, Any]]) -> str | None:
    """Return the new worker once the drained one is gone and as many serve as before; None until then."""
    service = next(row["service"] for row in before if row["name"] == worker)
    known = {row["name"] for row in before}
    wanted = sum(row["service"] == service and (row["state"] != "retiring" or row["name"] == worker) for row in before)
    serving = [row for row in after if row["service"] == service and row["state"] != "retiring"]
    new = [row for row in serving if row["name"] not in known]
    present = {row["name"] for row in after}
    return new[-1]["name"] if new and worker not in present and len(serving) >= wanted else None


def read_count(ctx: click.Context, param: click.Parameter, value: str) -> int | str:
    """Parse a number of workers, or `auto`; the broker checks the bounds."""
    if value != "auto" and not (value.isascii() and value.isdigit()):
        raise click.BadParameter(f"{value!r} must be a number of workers or auto", ctx, param)
    return value if value == "auto" else int(value)


@click.command(
    cls=Command,
    short_help="Set the number of workers of a service.",
    epilog=examples("hulak scale nepse 3", "hulak scale nepse auto", "hulak scale display 4"),
)
@click.argument("service", metavar="SERVICE")
@click.argument("workers", metavar="COUNT|auto", callback=read_count)  # named as the argument of hulak.scale
def scale(call: Call, service: str, workers: int | str) -> None:
    """Set the number of workers of a service: nepse, display, or one of `hulak workers add`; auto lets the scaler choose it.

    The number holds until it is set again, also after a restart of the broker. Sends REQUEST hulak.scale to the frontend;
    `hulak scaler` applies it within two seconds.
    """
    from hulak.clients import supervisord

    reply = call.request("hulak.scale", args={"service": service, "workers": workers})
    if call.as_json:
        print_json(reply)
    else:
        click.echo(f"{service}: automatic scaling" if workers == "auto" else f"{service}: target of {workers} workers")
    if problem := supervisord.unreached(call.home):
        raise BusError("UNREACHED", f"the number is set, but no worker can be started: {problem}")


@click.command(
    cls=Command, daemon=True, short_help="Run the scaler.", epilog=examples("hulak scaler", "hulak scaler --home ./var")
)
@click.pass_context
def scaler(ctx: click.Context, call: Call) -> None:
    """Run the scaler until SIGTERM or Ctrl-C: it adapts the number of workers to the waiting tasks or to `hulak scale`.

    The bounds are those of [scaling] and the slots of each service. It starts slots over the socket of supervisord in the home
    folder, and processes that supervisord gave up (FATAL), after delays that grow ([supervisor]). Sends REQUEST hulak.stats,
    hulak.retire and hulak.report to the frontend. `hulak up` starts it.
    """
    from hulak.workers.scaler import run_scaler

    ctx.exit(run_scaler(call.settings, call.home))

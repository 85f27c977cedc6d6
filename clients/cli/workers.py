"""`hulak workers`, `hulak scale` and `hulak scaler`: the workers that are there, and how many there should be."""

import time
from collections.abc import Mapping
from typing import Any

import click

from bus.errors import BusError, BusTimeout
from clients.cli import table
from clients.cli.command import Call, Command, print_json
from clients.cli.status import mb
from clients.judge.perf import age

HEADS = ["worker", "slot", "state", "held", "done", "failed", "memory", "age", "supervisor"]
SHOWN = ("running", "starting", "backoff", "stopping", "fatal", "unknown")  # a slot in another state is just not in use
RESTART_S = 30.0
LOOK_AGAIN_S = 0.1


class ListingGroup(click.Group):
    """A group that lists when no command is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `ls` in front of options, and where there is nothing."""
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = ["ls", *args]
        return super().parse_args(ctx, args)


@click.group(cls=ListingGroup, short_help="Show workers, send them away, restart them.")
def workers() -> None:
    """Show the workers; without a command as `hulak workers ls`.

    \b
    hulak workers
    hulak workers drain nepse_00/4711
    """


@workers.command(cls=Command, short_help="Show every worker, and supervisord's state beside.")
def ls(call: Call) -> None:
    """Show every worker with what it holds and did, its supervisor's state beside, and slots that are there without a worker.

    Sends REQUEST hulak.stats to the frontend, and asks supervisord, if `hulak up` runs on this home.

    \b
    hulak workers
    hulak workers --json
    """
    from clients import supervisord

    stats = call.ask("hulak.stats")
    rows = rows_of(stats, supervisord.processes(call.home))
    if call.as_json:
        print_json({"workers": rows, "scaling": scaling_of(stats)})
        return
    for service, told in scaling_of(stats).items():
        click.echo(sentence(service, told))
    table.show(HEADS, [cells(row) for row in rows])


def rows_of(stats: Mapping[str, Any], supervised: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Join the broker's workers and supervisord's slots; a slot without a worker has a row with the name None."""
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
    """Join what the broker keeps of each scaled service and what its scaler reports: workers, queued, wanted, live."""
    reports = {row["name"]: row for row in stats["processes"] if row["kind"] == "scaler"}
    return {
        service: {**told, **{name: reports.get(service, {}).get(name) for name in ("wanted", "live")}}
        for service, told in stats["scaling"].items()
    }


def sentence(service: str, told: Mapping[str, Any]) -> str:
    """Say how a service is scaled."""
    how = "automatic" if told["workers"] == "auto" else f"{told['workers']} by hand"
    wanted = "no scaler runs" if told["wanted"] is None else f"{told['wanted']} wanted"
    return f"{service}: {how}, {wanted}, {told['queued']} tasks wait for a worker"


def cells(row: Mapping[str, Any]) -> list[Any]:
    """Write the cells of one row, under `HEADS`."""
    counts = [row.get(name) for name in ("slot", "state", "held", "done", "failed")]
    up = age(row["age_s"]) if "age_s" in row else None
    return [row["name"], *counts, mb(row.get("rss_bytes")), up, row["supervisor"]]


@workers.command(cls=Command, short_help="Ask a worker to finish and leave.")
@click.argument("worker", metavar="WORKER")
def drain(call: Call, worker: str) -> None:
    """Ask a worker to finish what it holds and to exit with 0; `hulak workers` shows the names.

    If as many workers as before are wanted, the scaler has another one started; `hulak scale` says how many. Sends REQUEST
    hulak.retire to the frontend; the broker sends RETIRE to the worker.

    \b
    hulak workers drain nepse_00/4711
    """
    answer = call.ask("hulak.retire", args={"worker": worker})
    if call.as_json:
        print_json(answer)
    else:
        click.echo(f"worker {worker} was asked to finish and leave")


@workers.command(
    cls=Command,
    short_help="Drain a worker and wait for another in its place.",
    timeout_help=f"How long to wait for the other one. Default: {RESTART_S:g}.",
)
@click.argument("worker", metavar="WORKER")
def restart(call: Call, worker: str) -> None:
    """Ask a worker to finish what it holds and to leave, and wait until another one has its place.

    The scaler has supervisord start it. Sends REQUEST hulak.retire to the frontend, then hulak.stats until it is there.

    \b
    hulak workers restart nepse_00/4711
    hulak workers restart nepse_00/4711 --timeout 90
    """
    limit_s = call.timeout_s or RESTART_S
    deadline = time.monotonic() + limit_s
    with call.client() as client:
        before = client.call("hulak.stats", timeout_s=limit_s)["workers"]
        here = next((one for one in before if one["name"] == worker), None)
        if here is None:
            raise BusError("UNKNOWN_WORKER", f"worker {worker!r} is not known; `hulak workers` shows the names")
        if not here.get("slot"):
            raise BusError("UNSUPERVISED", f"worker {worker} was started by hand, nobody would start it again; `drain` ends it")
        client.call("hulak.retire", args={"worker": worker}, timeout_s=limit_s)
        new = None
        while new is None:
            if time.monotonic() > deadline:
                raise BusTimeout(f"worker {worker} was asked to leave; no other one came in its place within {limit_s:g} s")
            time.sleep(LOOK_AGAIN_S)
            new = successor(worker, before, client.call("hulak.stats", timeout_s=limit_s)["workers"])
    if call.as_json:
        print_json({"worker": worker, "successor": new})
    else:
        click.echo(f"worker {worker} left, {new} came")


def successor(worker: str, before: list[dict[str, Any]], after: list[dict[str, Any]]) -> str | None:
    """Name the worker that came for one that was asked to leave: a new one, and as many serve as before; None: not yet."""
    service = next(one["service"] for one in before if one["name"] == worker)
    known = {one["name"] for one in before}
    wanted = sum(one["service"] == service and (one["state"] != "retiring" or one["name"] == worker) for one in before)
    serving = [one for one in after if one["service"] == service and one["state"] != "retiring"]
    new = [one for one in serving if one["name"] not in known]
    there = {one["name"] for one in after}
    return new[-1]["name"] if new and worker not in there and len(serving) >= wanted else None


def read_count(ctx: click.Context, param: click.Parameter, value: str) -> int | str:
    """Read a number of workers, or `auto`; how many are allowed is the broker's to say."""
    if value != "auto" and not (value.isascii() and value.isdigit()):
        raise click.BadParameter(f"{value!r} is neither a number nor auto", ctx, param)
    return value if value == "auto" else int(value)


@click.command(cls=Command, short_help="Say how many workers a service has.")
@click.argument("service", metavar="SERVICE")
@click.argument("count", metavar="1..5|auto", callback=read_count)
def scale(call: Call, service: str, count: int | str) -> None:
    """Set how many workers a service, such as nepse, has, or leave it to the scaler again with auto.

    Holds until it is set anew, over restarts of the broker too. Sends REQUEST hulak.scale to the frontend; `hulak scaler` sees
    to it within a second or two.

    \b
    hulak scale nepse 3
    hulak scale nepse auto
    """
    from clients import supervisord

    answer = call.ask("hulak.scale", args={"service": service, "workers": count})
    if call.as_json:
        print_json(answer)
    else:
        click.echo(f"{service} is scaled by itself" if count == "auto" else f"{service} is to have {count} workers")
    if why := supervisord.unreached(call.home):
        raise BusError("UNREACHED", f"the number is set, but no worker can be started: {why}")


@click.command(cls=Command, daemon=True, short_help="Run the scaler.")
@click.pass_context
def scaler(ctx: click.Context, call: Call) -> None:
    """Keep as many workers as [scaling] allows and the waiting tasks want, or as `hulak scale` says, until SIGTERM or Ctrl-C.

    It asks supervisord to start slots, over its socket in the home folder. Sends REQUEST hulak.stats, hulak.retire and
    hulak.report to the frontend. `hulak up` starts it.

    \b
    hulak scaler
    hulak scaler --home ./var
    """
    from workers.scaler import run_scaler

    ctx.exit(run_scaler(call.settings, call.home))

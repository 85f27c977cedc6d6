"""Measurement and output of `hulak bench tasks`."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from hulak.bus.process.settings import Settings
from hulak.clients.calls.client import BusClient
from hulak.clients.cli import table
from hulak.clients.cli.command import Call, print_json
from hulak.clients.cli.latency import quantiles_us
from hulak.clients.cli.task_load import Caller, Poster, Tally, cpu_s, own_broker, singles, window, workers

WARM_UP = 200  # tasks before the measured ones: connections, imports, the worker's credit


@dataclass(frozen=True)
class BenchOptions:
    """The load to measure."""

    tasks: int
    window: int  # tasks in flight at a time
    singles: int  # tasks one at a time, after the others
    workers: int  # processes
    posted: bool
    own: bool  # measure a separate broker
    timeout_s: float  # of one task


def measure(call: Call, options: BenchOptions) -> dict[str, Any]:
    """Run the tasks.

    Returns:
        the options; tasks_per_s, cpu_us (per task: broker, workers, client), us (one at a time: p50, p99, max); lost, wrong,
        twice (executions beyond the first) and trouble.
    """
    where = own_broker(call.settings) if options.own else contextlib.nullcontext((call.settings, call.home))
    with where as (settings, home):
        return {**asdict(options), **_measure(settings, home, options, call)}


def _measure(settings: Settings, home: Path, options: BenchOptions, call: Call) -> dict[str, Any]:
    with BusClient(settings, home) as client, workers(settings, home, client, options.workers) as pids:
        caller, tally = (Poster if options.posted else Caller)(client, options.timeout_s), Tally()
        window(caller, tally, WARM_UP, options.window, ignore)
        before = _cpu(client, pids)
        with progress(options.tasks, shown=not call.as_json) as show_done:
            took_s = window(caller, tally, options.tasks, options.window, show_done)
        used = {name: value - before[name] for name, value in _cpu(client, pids).items()}
        took_us = singles(caller, tally, options.singles)
        rows = client.call("hulak.stats", timeout_s=options.timeout_s)["workers"]
        done = sum(row["done"] for row in rows if row["pid"] in pids)
    return {
        "tasks_per_s": round(options.tasks / took_s),
        "cpu_us": {name: round(value / options.tasks * 1e6, 1) for name, value in used.items()},
        "us": quantiles_us(took_us),
        "lost": tally.lost,
        "wrong": tally.wrong,
        "twice": max(0, done - tally.sent),
        "trouble": tally.trouble,
    }


def _cpu(client: BusClient, pids: list[int]) -> dict[str, float]:
    broker = client.call("hulak.stats", timeout_s=10)["broker"]
    return {"broker": broker["cpu_s"], "workers": cpu_s(pids), "client": cpu_s([os.getpid()])}


@contextlib.contextmanager
def progress(total: int, *, shown: bool) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on a terminal; yields a function to call with the number of tasks that are done."""
    if not shown or not sys.stderr.isatty():
        yield ignore
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("tasks"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), refresh_per_second=5, transient=True) as bar:
        at = bar.add_task("tasks", total=total)
        yield lambda done: bar.update(at, completed=done)


def ignore(done: int) -> None:
    """Show nothing."""
    del done


def show_tasks(call: Call, result: dict[str, Any]) -> None:
    """Print the result of `hulak bench tasks`."""
    if call.as_json:
        print_json(result)
        return
    cpu, us = result["cpu_us"], result["us"]
    kind = "posted" if result["posted"] else "called"
    heads = ["tasks", "window", "workers", "tasks/s", "broker CPU us", "workers", "client", "single: p50 us", "p99", "max"]
    cells = [
        result["tasks"],
        result["window"],
        result["workers"],
        result["tasks_per_s"],
        *cpu.values(),
        us["p50"],
        us["p99"],
        us["max"],
    ]
    table.show(heads, [cells])
    faults = f"{result['lost']:,} lost, {result['wrong']:,} wrong, {result['twice']:,} run twice"
    click.echo(f"{result['tasks'] + result['singles']:,} tasks {kind}: {faults}")
    if result["trouble"]:
        click.echo(f"first error: {result['trouble']}")

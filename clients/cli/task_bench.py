"""What `hulak bench tasks` measures and shows."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from bus.process.settings import Settings
from clients.calls.client import BusClient
from clients.cli import table
from clients.cli.command import Call, print_json
from clients.cli.latency import quantiles_us
from clients.cli.task_load import Caller, Poster, Tally, cpu_s, own_broker, singles, window, workers

WARM_UP = 200  # tasks before those that count: connections, imports, the worker's credit


@dataclass(frozen=True)
class BenchOptions:
    """What is to be measured."""

    tasks: int
    window: int  # tasks under way at a time
    singles: int  # tasks one at a time, after the others
    workers: int  # processes
    posted: bool
    own: bool  # a broker of its own
    timeout_s: float  # of one task


def measure(call: Call, wanted: BenchOptions) -> dict[str, Any]:
    """Run the tasks.

    Returns:
        what was wanted; tasks_per_s, cpu_us (of a task: broker, workers, client), us (one at a time: p50, p99, max); lost,
        wrong, twice (carried out more often than asked) and trouble.
    """
    where = own_broker(call.settings) if wanted.own else contextlib.nullcontext((call.settings, call.home))
    with where as (settings, home):
        return {**asdict(wanted), **_measure(settings, home, wanted, call)}


def _measure(settings: Settings, home: Path, wanted: BenchOptions, call: Call) -> dict[str, Any]:
    with BusClient(settings, home) as client, workers(settings, home, client, wanted.workers) as pids:
        caller, tally = (Poster if wanted.posted else Caller)(client, wanted.timeout_s), Tally()
        window(caller, tally, WARM_UP, wanted.window, nobody)
        before = _cpu(client, pids)
        with progress(wanted.tasks, shown=not call.as_json) as tell:
            took_s = window(caller, tally, wanted.tasks, wanted.window, tell)
        used = {name: value - before[name] for name, value in _cpu(client, pids).items()}
        took_us = singles(caller, tally, wanted.singles)
        rows = client.call("hulak.stats", timeout_s=wanted.timeout_s)["workers"]
        done = sum(row["done"] for row in rows if row["pid"] in pids)
    return {
        "tasks_per_s": round(wanted.tasks / took_s),
        "cpu_us": {name: round(value / wanted.tasks * 1e6, 1) for name, value in used.items()},
        "us": quantiles_us(took_us),
        "lost": tally.lost,
        "wrong": tally.wrong,
        "twice": max(0, done - tally.asked),
        "trouble": tally.trouble,
    }


def _cpu(client: BusClient, pids: list[int]) -> dict[str, float]:
    broker = client.call("hulak.stats", timeout_s=10)["broker"]
    return {"broker": broker["cpu_s"], "workers": cpu_s(pids), "client": cpu_s([os.getpid()])}


@contextlib.contextmanager
def progress(total: int, *, shown: bool) -> Iterator[Callable[[int], None]]:
    """Show a bar on a terminal, and nothing elsewhere; gives what is to be told how many are done."""
    if not shown or not sys.stderr.isatty():
        yield nobody
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("tasks"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), refresh_per_second=5, transient=True) as bar:
        at = bar.add_task("tasks", total=total)
        yield lambda done: bar.update(at, completed=done)


def nobody(done: int) -> None:
    """Stand in where nobody wants to be told."""
    del done


def show_tasks(call: Call, told: dict[str, Any]) -> None:
    """Print what `hulak bench tasks` found."""
    if call.as_json:
        print_json(told)
        return
    cpu, us = told["cpu_us"], told["us"]
    how = "posted" if told["posted"] else "called"
    heads = ["tasks", "window", "workers", "tasks/s", "broker CPU us", "workers", "client", "one: p50 us", "p99", "max"]
    cells = [told["tasks"], told["window"], told["workers"], told["tasks_per_s"], *cpu.values(), us["p50"], us["p99"], us["max"]]
    table.show(heads, [cells])
    faults = f"{told['lost']:,} lost, {told['wrong']:,} wrong, {told['twice']:,} carried out twice"
    click.echo(f"{told['tasks'] + told['singles']:,} tasks {how}: {faults}")
    if told["trouble"]:
        click.echo(f"the first that was lost: {told['trouble']}")

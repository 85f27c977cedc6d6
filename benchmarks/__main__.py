"""`python -m benchmarks ticks|latency|memory|tasks|displays|recovery|scale|selfcheck|selfcheck-tasks|list`: see README.md."""

import json
import platform
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from benchmarks import displays as display_costs
from benchmarks import recovery as display_recovery
from benchmarks import reports, workloads
from benchmarks.cell import available
from benchmarks.scale import run as scale_run
from benchmarks.scale.run import Sizes
from benchmarks.system import BenchmarkError
from benchmarks.systems import NATIVE, SYSTEMS, THIN
from benchmarks.tasks import run as task_run
from benchmarks.tasks.cell import Load
from benchmarks.tasks.run import Rounds
from benchmarks.tasks.systems import MEASURED
from benchmarks.tasks.systems import SYSTEMS as TASK_SYSTEMS
from benchmarks.workloads import Shape

Decorated = Callable[..., Any]


def shaped(subscribers: int) -> Callable[[Decorated], Decorated]:
    """Add the options that all measurements share; the command gets a `Shape` and where to write JSON."""

    def add(command: Decorated) -> Decorated:
        def run(
            subscribers: int, processes: int, folder: Path | None, quiet_within_s: float, out: Path | None, **given: Any
        ) -> None:
            command(Shape(subscribers, processes, folder, quiet_within_s, _tell), out, **given)

        run.__doc__ = command.__doc__
        run.__name__ = command.__name__
        run.__dict__.update(command.__dict__)
        path = click.Path(path_type=Path, exists=True, file_okay=False)
        options = [
            click.option("--subscribers", default=subscribers, type=click.IntRange(1, 400), show_default=True),
            click.option("--processes", default=4, type=click.IntRange(1, 64), show_default=True, help="Of the subscribers."),
            click.option("--folder", type=path, help="Where files are made: on a real disk. Default: the temporary folder."),
            click.option(
                "--quiet-within",
                "quiet_within_s",
                default=8.0,
                type=click.FloatRange(0, 600),
                show_default=True,
                help="Seconds that each cell waits at most until others leave the machine alone.",
            ),
            click.option("--json", "out", type=click.Path(path_type=Path), help="Write everything measured to this file."),
        ]
        measured: Decorated = run
        for option in reversed(options):
            measured = option(measured)
        return measured

    return add


def _names(text: str) -> list[str]:
    return [name for part in text.split(",") if (name := part.strip())]


def _tell(line: str) -> None:
    click.echo(line, err=True)


def _show(result: dict[str, Any], table: str, out: Path | None) -> None:
    for name, why in result.get("skipped", {}).items():
        table += f"\n\n{name}: skipped: {why}"
    click.echo(table)
    if out is not None:
        machine = {"python": platform.python_version(), "system": platform.platform()}
        out.write_text(json.dumps({"command": sys.argv[1:], "machine": machine, **result}, indent=1))
    if result.get("failed"):
        raise click.ClickException("; ".join(f"{name} failed: {why[:300]}" for name, why in result["failed"].items()))


@click.group()
def main() -> None:
    """Measure Hulak and its peers, side by side in one run."""


@main.command()
@click.option("--systems", default=",".join(NATIVE + THIN), show_default=True)
@click.option("--seconds", default=2.0, type=click.FloatRange(0.2, 600), show_default=True)
@click.option("--repeats", default=3, type=click.IntRange(1, 100), show_default=True)
@shaped(20)
def ticks(shape: Shape, out: Path | None, systems: str, seconds: float, repeats: int) -> None:
    """Find the highest rate at which every subscriber gets every tick."""
    result = workloads.ticks(shape, _names(systems), repeats, seconds)
    _show(result, reports.ticks(result), out)


@main.command()
@click.option("--systems", default="hulak-ticks,hulak-symbols,hulak-ticks-ipc,raw", show_default=True)
@click.option("--rate", default=1000, type=click.IntRange(1, 1_000_000), show_default=True, help="Ticks/s.")
@click.option("--seconds", default=5.0, type=click.FloatRange(0.2, 600), show_default=True)
@click.option("--repeats", default=3, type=click.IntRange(1, 100), show_default=True)
@shaped(24)
def latency(shape: Shape, out: Path | None, systems: str, rate: int, seconds: float, repeats: int) -> None:
    """Find how long ticks take from the call that posts them to the decoded tick, at a rate."""
    result = workloads.latency(shape, _names(systems), repeats, seconds, rate)
    _show(result, reports.latency(result), out)


@main.command()
@click.option("--system", default="hulak-ticks", show_default=True)
@click.option("--rate", default=1000, type=click.IntRange(1, 1_000_000), show_default=True, help="Ticks/s.")
@click.option("--minutes", default=10.0, type=click.FloatRange(0.01, 1440), show_default=True)
@click.option("--warm-up", "warm_up_s", default=120.0, type=click.FloatRange(0), show_default=True, help="Seconds not counted.")
@shaped(24)
def memory(shape: Shape, out: Path | None, system: str, rate: int, minutes: float, warm_up_s: float) -> None:
    """Find how much each process grows at a rate."""
    if warm_up_s >= minutes * 60:
        raise click.UsageError(f"--warm-up is {warm_up_s:g} s, must be below --minutes, {minutes * 60:g} s")
    result = workloads.memory(shape, system, minutes, rate, warm_up_s)
    _show(result, reports.memory(result), out)


@main.command()
@click.option("--repeats", default=7, type=click.IntRange(1, 100), show_default=True)
@click.option("--json", "out", type=click.Path(path_type=Path), help="Write everything measured to this file.")
def displays(repeats: int, out: Path | None) -> None:
    """Find what a tick costs a display after 100, 8,000 and 100,000 ticks."""
    result = display_costs.measure(display_costs.POINTS, repeats)
    _show(result, display_costs.table(result), out)


def _sizes(ctx: click.Context, param: click.Parameter, value: str) -> tuple[int, ...]:
    found = _names(value)
    if not found or not all(one.isdigit() and 1 <= int(one) <= 10_000_000 for one in found):
        raise click.BadParameter(f"{value!r} must be numbers from 1 to 10,000,000, e.g. 100,1000", ctx, param)
    return tuple(map(int, found))


@main.command()
@click.option("--parts", default=",".join(scale_run.PARTS), show_default=True)
@click.option("--subscriptions", default="100,1000,10000", callback=_sizes, show_default=True, help="And as many topics.")
@click.option("--queued", default="1000,10000,100000", callback=_sizes, show_default=True, help="Posted tasks that wait.")
@click.option("--rows", default="1000,100000,1000000", callback=_sizes, show_default=True, help="Ended tasks that are kept.")
@click.option("--journal", default="128,512,2048", callback=_sizes, show_default=True, help="MiB.")
@click.option(
    "--limit", "limit_s", default=30.0, type=click.FloatRange(1, 3600), show_default=True, help="Seconds of one figure."
)
@click.option("--folder", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Where files are made.")
@click.option("--json", "out", type=click.Path(path_type=Path), help="Write everything measured to this file.")
def scale(
    parts: str,
    subscriptions: tuple[int, ...],
    queued: tuple[int, ...],
    rows: tuple[int, ...],
    journal: tuple[int, ...],
    limit_s: float,
    folder: Path | None,
    out: Path | None,
) -> None:
    """Find how costs grow with subscriptions, queue, kept rows and journal; name what grows worse than linear."""
    wanted = _names(parts)
    if unknown := set(wanted) - set(scale_run.PARTS):
        raise click.UsageError(f"--parts: there is no {', '.join(sorted(unknown))}, must be of {', '.join(scale_run.PARTS)}")
    result = scale_run.measure(wanted, Sizes(subscriptions, queued, rows, journal), folder, limit_s, _tell)
    _show(result, scale_run.report(result), out)


@main.command()
@click.option("--mib", default=2000, type=click.IntRange(1, 1 << 20), show_default=True, help="Of the full journal.")
@click.option("--repeats", default=3, type=click.IntRange(1, 100), show_default=True)
@click.option("--folder", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Where files are made.")
@click.option("--json", "out", type=click.Path(path_type=Path), help="Write everything measured to this file.")
def recovery(mib: int, repeats: int, folder: Path | None, out: Path | None) -> None:
    """Find how soon displays are live again after kills and restarts, with an empty journal and with a full one."""
    result = display_recovery.measure(mib << 20, repeats, folder, _tell)
    _show(result, display_recovery.table(result), out)


@main.command()
@click.option("--seconds", default=1.0, type=click.FloatRange(0.2, 600), show_default=True)
@shaped(4)
def selfcheck(shape: Shape, out: Path | None, seconds: float) -> None:
    """Check that the losses of a broker that drops ticks are found exactly."""
    found = workloads.selfcheck(shape, seconds)
    _show(found, f"{found['dropped']:,} ticks dropped, {found['lost']:,} noticed", out)
    if found["lost"] != found["dropped"] or not found["dropped"]:
        raise click.ClickException("the losses were not found exactly")


def _counts(ctx: click.Context, param: click.Parameter, value: str) -> tuple[int, ...]:
    names = _names(value)
    if not names or not all(name.isdigit() and 1 <= int(name) <= 64 for name in names):
        raise click.BadParameter(f"{value!r} must be numbers from 1 to 64, e.g. 1,4", ctx, param)
    return tuple(map(int, names))


@main.command()
@click.option("--systems", default=",".join(MEASURED), show_default=True)
@click.option("--workers", default="1,4", callback=_counts, show_default=True, help="Processes that carry tasks out.")
@click.option("--window", default=100, type=click.IntRange(1, 100_000), show_default=True, help="Tasks in flight.")
@click.option("--seconds", default=2.0, type=click.FloatRange(0.1, 600), show_default=True, help="With the window.")
@click.option(
    "--single-seconds", "single_s", default=1.5, type=click.FloatRange(0.1, 600), show_default=True, help="One at a time."
)
@click.option("--repeats", default=3, type=click.IntRange(1, 100), show_default=True)
@click.option("--folder", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Where files are made.")
@click.option("--quiet-within", "quiet_within_s", default=8.0, type=click.FloatRange(0, 600), show_default=True)
@click.option("--json", "out", type=click.Path(path_type=Path), help="Write everything measured to this file.")
def tasks(
    systems: str,
    workers: tuple[int, ...],
    window: int,
    seconds: float,
    single_s: float,
    repeats: int,
    folder: Path | None,
    quiet_within_s: float,
    out: Path | None,
) -> None:
    """Find how many tasks that do nothing a client has done in a second, and how long one takes; every answer is checked."""
    rounds = Rounds(workers, repeats, Load(window, seconds, single_s), folder, quiet_within_s, _tell)
    result = task_run.run(rounds, _names(systems))
    _show(result, task_run.markdown(result), out)
    if result["faults"]:
        raise click.ClickException("; ".join(f"{name}: {what}" for name, what in result["faults"].items()))


@main.command("selfcheck-tasks")
def selfcheck_tasks() -> None:
    """Check that tasks which are lost, repeated or falsified are found exactly."""
    found = task_run.selfcheck(Rounds(load=Load(10, 0.5, 0.2, late_s=1.0), quiet_within_s=0, tell=_tell))
    for name, told in found.items():
        click.echo(f"{name}: {told['committed']:,} faults, {told['found']:,} found")
    if any(told["found"] != told["committed"] or told["other"] for told in found.values()):
        raise click.ClickException("the faults were not found exactly")


@main.command("list")
def list_systems() -> None:
    """Name every system, and why one cannot run here."""
    for name, why in available(list(SYSTEMS)):
        click.echo(name if why is None else f"{name}: not here: {why}")
    for name, why in task_run.available(list(TASK_SYSTEMS)):
        click.echo(f"tasks {name}" if why is None else f"tasks {name}: not here: {why}")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through every `finally`, so that no process is left behind
    try:
        main(prog_name="python -m benchmarks")
    except BenchmarkError as error:
        click.echo(f"benchmarks: {error}", err=True)
        sys.exit(1)

"""`python -m benchmarks ticks`, `latency`, `budget`, `memory`, `tasks`, `displays`, `recovery`, `scale`, ...: see README.md."""

import json
import platform
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from benchmarks import budget as tick_budget
from benchmarks import displays as display_costs
from benchmarks import installed, reports, workloads
from benchmarks import recovery as display_recovery
from benchmarks import tables as journal_tables
from benchmarks.cell import available
from benchmarks.scale import run as scale_run
from benchmarks.scale.run import Sizes
from benchmarks.system import BenchmarkError
from benchmarks.systems import HULAK, NATIVE, PEERS, SYSTEMS, THIN
from benchmarks.tasks import run as task_run
from benchmarks.tasks.cell import Load
from benchmarks.tasks.run import Rounds
from benchmarks.tasks.systems import MEASURED
from benchmarks.tasks.systems import SYSTEMS as TASK_SYSTEMS
from benchmarks.workloads import Shape

Decorated = Callable[..., Any]


def shaped(subscribers: int) -> Callable[[Decorated], Decorated]:
    """Add the options common to all measurements; the command gets a `Shape` and the path of the JSON file."""

    def add(command: Decorated) -> Decorated:
        def run(
            subscribers: int, processes: int, folder: Path | None, quiet_within_s: float, out: Path | None, **given: Any
        ) -> None:
            command(Shape(subscribers, processes, folder, quiet_within_s, _log), out, **given)

        run.__doc__ = command.__doc__
        run.__name__ = command.__name__
        run.__dict__.update(command.__dict__)
        path = click.Path(path_type=Path, exists=True, file_okay=False)
        options = [
            click.option("--subscribers", default=subscribers, type=click.IntRange(1, 400), show_default=True),
            click.option(
                "--processes", default=4, type=click.IntRange(1, 64), show_default=True, help="Number of subscriber processes."
            ),
            click.option("--folder", type=path, help="Folder for files, on a real disk. Default: the temporary folder."),
            click.option(
                "--quiet-within",
                "quiet_within_s",
                default=8.0,
                type=click.FloatRange(0, 600),
                show_default=True,
                help="Maximum of seconds that each cell waits for a quiet machine.",
            ),
            click.option("--json", "out", type=click.Path(path_type=Path), help="Write all measurements to this file."),
        ]
        measured: Decorated = run
        for option in reversed(options):
            measured = option(measured)
        return measured

    return add


def _names(text: str) -> list[str]:
    return [name for part in text.split(",") if (name := part.strip())]


def _log(line: str) -> None:
    click.echo(line, err=True)


def _show(result: dict[str, Any], table: str, out: Path | None) -> None:
    for name, why in result.get("skipped", {}).items():
        table += f"\n\n{name}: skipped: {why}"
    click.echo(table)
    if out is not None:
        machine = {"python": platform.python_version(), "system": platform.platform(), "versions": installed.versions()}
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
@click.option("--systems", default=",".join((*HULAK, "raw", *PEERS)), show_default=True)
@click.option("--rate", default=1000, type=click.IntRange(1, 1_000_000), show_default=True, help="Ticks per second.")
@click.option("--seconds", default=5.0, type=click.FloatRange(0.2, 600), show_default=True)
@click.option("--repeats", default=3, type=click.IntRange(1, 100), show_default=True)
@shaped(24)
def latency(shape: Shape, out: Path | None, systems: str, rate: int, seconds: float, repeats: int) -> None:
    """Measure the latency of ticks at a rate, from the posting call to the decoded tick."""
    result = workloads.latency(shape, _names(systems), repeats, seconds, rate)
    _show(result, reports.latency(result), out)


@main.command()
@click.option("--ways", default=",".join(tick_budget.WAYS), show_default=True)
@click.option("--rate", default=1000, type=click.IntRange(1, 100_000), show_default=True, help="Ticks per second.")
@click.option("--seconds", default=5.0, type=click.FloatRange(0.2, 600), show_default=True)
@click.option("--subscribers", default=24, type=click.IntRange(1, 400), show_default=True)
@click.option("--processes", default=4, type=click.IntRange(1, 64), show_default=True, help="Number of subscriber processes.")
@click.option("--json", "out", type=click.Path(path_type=Path), help="Write all measurements to this file.")
def budget(ways: str, rate: int, seconds: float, subscribers: int, processes: int, out: Path | None) -> None:
    """Measure where the time of a tick goes: its hops, and each thread's wake-ups and CPU time."""
    selected = _names(ways)
    if unknown := set(selected) - set(tick_budget.WAYS):
        raise click.UsageError(f"--ways: {', '.join(sorted(unknown))} unknown, must be of {', '.join(tick_budget.WAYS)}")
    result = tick_budget.measure(selected, rate, seconds, subscribers, processes, _log)
    _show(result, tick_budget.table(result), out)


@main.command()
@click.option("--system", default="hulak-ticks", show_default=True)
@click.option("--rate", default=1000, type=click.IntRange(1, 1_000_000), show_default=True, help="Ticks per second.")
@click.option("--minutes", default=10.0, type=click.FloatRange(0.01, 1440), show_default=True)
@click.option(
    "--warm-up", "warm_up_s", default=120.0, type=click.FloatRange(0), show_default=True, help="Seconds that are not measured."
)
@shaped(24)
def memory(shape: Shape, out: Path | None, system: str, rate: int, minutes: float, warm_up_s: float) -> None:
    """Measure the memory growth of each process at a rate."""
    if warm_up_s >= minutes * 60:
        raise click.UsageError(f"--warm-up is {warm_up_s:g} s, must be below --minutes, {minutes * 60:g} s")
    result = workloads.memory(shape, system, minutes, rate, warm_up_s)
    _show(result, reports.memory(result), out)


@main.command()
@click.option("--repeats", default=7, type=click.IntRange(1, 100), show_default=True)
@click.option("--json", "out", type=click.Path(path_type=Path), help="Write all measurements to this file.")
def displays(repeats: int, out: Path | None) -> None:
    """Measure the cost of a tick in a display after 100, 8,000 and 100,000 ticks."""
    result = display_costs.measure(display_costs.POINTS, repeats)
    _show(result, display_costs.table(result), out)


def _sizes(ctx: click.Context, param: click.Parameter, value: str) -> tuple[int, ...]:
    items = _names(value)
    if not items or not all(item.isdigit() and 1 <= int(item) <= 10_000_000 for item in items):
        raise click.BadParameter(f"{value!r} must be numbers from 1 to 10,000,000, e.g. 100,1000", ctx, param)
    return tuple(map(int, items))


@main.command()
@click.option("--parts", default=",".join(scale_run.PARTS), show_default=True)
@click.option(
    "--subscriptions", default="100,1000,10000", callback=_sizes, show_default=True, help="Numbers of subscriptions and topics."
)
@click.option(
    "--symbols", default="28,1000,10000,50000", callback=_sizes, show_default=True, help="Numbers of symbols with a last value."
)
@click.option(
    "--subscribers", default="20,100,300,1000", callback=_sizes, show_default=True, help="Numbers of subscribers of all ticks."
)
@click.option("--ring-readers", default="20,60,200", callback=_sizes, show_default=True, help="Numbers of readers of the ring.")
@click.option(
    "--queued", default="1000,10000,100000,1000000", callback=_sizes, show_default=True, help="Numbers of queued posted tasks."
)
@click.option(
    "--rows", default="1000,100000,1000000", callback=_sizes, show_default=True, help="Numbers of retained ended tasks."
)
@click.option("--journal", default="128,512,2048", callback=_sizes, show_default=True, help="Journal sizes in MiB.")
@click.option("--displays", "number_of_displays", default="24,100,300,1000", callback=_sizes, show_default=True)
@click.option(
    "--limit", "limit_s", default=30.0, type=click.FloatRange(1, 3600), show_default=True, help="Limit in seconds per figure."
)
@click.option("--folder", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Folder for files.")
@click.option("--json", "out", type=click.Path(path_type=Path), help="Write all measurements to this file.")
def scale(
    parts: str,
    subscriptions: tuple[int, ...],
    symbols: tuple[int, ...],
    subscribers: tuple[int, ...],
    ring_readers: tuple[int, ...],
    queued: tuple[int, ...],
    rows: tuple[int, ...],
    journal: tuple[int, ...],
    number_of_displays: tuple[int, ...],
    limit_s: float,
    folder: Path | None,
    out: Path | None,
) -> None:
    """Measure how costs grow with what a bus holds; list what grows worse than linearly, or with what is not used."""
    selected = _names(parts)
    if unknown := set(selected) - set(scale_run.PARTS):
        raise click.UsageError(f"--parts: {', '.join(sorted(unknown))} unknown, must be of {', '.join(scale_run.PARTS)}")
    sizes = Sizes(subscriptions, symbols, subscribers, ring_readers, queued, rows, journal, number_of_displays)
    result = scale_run.measure(selected, sizes, folder, limit_s, _log)
    _show(result, scale_run.report(result), out)


@main.command()
@click.option("--mib", default=2000, type=click.IntRange(1, 1 << 20), show_default=True, help="Size of the full journal.")
@click.option("--repeats", default=3, type=click.IntRange(1, 100), show_default=True)
@click.option("--folder", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Folder for files.")
@click.option("--json", "out", type=click.Path(path_type=Path), help="Write all measurements to this file.")
def recovery(mib: int, repeats: int, folder: Path | None, out: Path | None) -> None:
    """Measure how soon displays are live again after kills and restarts, with an empty and a full journal."""
    result = display_recovery.measure(mib << 20, repeats, folder, _log)
    _show(result, display_recovery.table(result), out)


@main.command()
@click.option("--mib", default=2048, type=click.IntRange(1, 1 << 20), show_default=True, help="Size of the journal.")
@click.option("--folder", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Folder for files.")
@click.option("--json", "out", type=click.Path(path_type=Path), help="Write all measurements to this file.")
def tables(mib: int, folder: Path | None, out: Path | None) -> None:
    """Measure how fast a journal is exported as tables and queried; every count is checked."""
    result = journal_tables.measure(mib << 20, folder, _log)
    _show(result, journal_tables.table(result), out)


@main.command()
@click.option("--mib", default=256, type=click.IntRange(1, 1 << 20), show_default=True, help="Size of the journal that is sent.")
@click.option("--seconds", default=3.0, type=click.FloatRange(0.2, 600), show_default=True, help="Of each bare publisher.")
@click.option("--repeats", default=3, type=click.IntRange(1, 100), show_default=True)
@click.option("--folder", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Folder for files.")
@click.option("--json", "out", type=click.Path(path_type=Path), help="Write all measurements to this file.")
def bridge(mib: int, seconds: float, repeats: int, folder: Path | None, out: Path | None) -> None:
    """Measure the bridge into NATS JetStream, beside bare nats-py publishers with acknowledgements."""
    from benchmarks import bridge as bridge_run  # noqa: PLC0415 - it needs nats-py

    result = bridge_run.measure(mib, seconds, repeats, folder, _log)
    _show(result, bridge_run.table(result), out)


@main.command()
@click.option("--seconds", default=1.0, type=click.FloatRange(0.2, 600), show_default=True)
@shaped(4)
def selfcheck(shape: Shape, out: Path | None, seconds: float) -> None:
    """Check that the losses of a broker that drops ticks are detected exactly."""
    result = workloads.selfcheck(shape, seconds)
    _show(result, f"{result['dropped']:,} ticks dropped, {result['lost']:,} detected", out)
    if result["lost"] != result["dropped"] or not result["dropped"]:
        raise click.ClickException("the losses were not detected exactly")


def _counts(ctx: click.Context, param: click.Parameter, value: str) -> tuple[int, ...]:
    names = _names(value)
    if not names or not all(name.isdigit() and 1 <= int(name) <= 64 for name in names):
        raise click.BadParameter(f"{value!r} must be numbers from 1 to 64, e.g. 1,4", ctx, param)
    return tuple(map(int, names))


@main.command()
@click.option("--systems", default=",".join(MEASURED), show_default=True)
@click.option("--workers", default="1,4", callback=_counts, show_default=True, help="Numbers of worker processes.")
@click.option("--window", default=100, type=click.IntRange(1, 100_000), show_default=True, help="Number of tasks in flight.")
@click.option("--seconds", default=2.0, type=click.FloatRange(0.1, 600), show_default=True, help="Duration with the window.")
@click.option(
    "--single-seconds",
    "single_s",
    default=1.5,
    type=click.FloatRange(0.1, 600),
    show_default=True,
    help="Duration with one task at a time.",
)
@click.option("--repeats", default=3, type=click.IntRange(1, 100), show_default=True)
@click.option("--folder", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Folder for files.")
@click.option("--quiet-within", "quiet_within_s", default=8.0, type=click.FloatRange(0, 600), show_default=True)
@click.option("--json", "out", type=click.Path(path_type=Path), help="Write all measurements to this file.")
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
    """Measure the rate and the latency of tasks that do nothing; every answer is checked."""
    rounds = Rounds(workers, repeats, Load(window, seconds, single_s), folder, quiet_within_s, _log)
    result = task_run.run(rounds, _names(systems))
    _show(result, task_run.markdown(result), out)
    if result["faults"]:
        raise click.ClickException("; ".join(f"{name}: {what}" for name, what in result["faults"].items()))


@main.command("selfcheck-tasks")
def selfcheck_tasks() -> None:
    """Check that lost, repeated and falsified tasks are detected exactly."""
    results = task_run.selfcheck(Rounds(load=Load(10, 0.5, 0.2, late_s=1.0), quiet_within_s=0, log=_log))
    for name, counts in results.items():
        click.echo(f"{name}: {counts['committed']:,} faults, {counts['found']:,} found")
    if any(counts["found"] != counts["committed"] or counts["other"] for counts in results.values()):
        raise click.ClickException("the faults were not detected exactly")


@main.command("list")
def list_systems() -> None:
    """List every system, and why one cannot run here."""
    for name, why in available(list(SYSTEMS)):
        click.echo(name if why is None else f"{name}: not available: {why}")
    for name, why in task_run.available(list(TASK_SYSTEMS)):
        click.echo(f"tasks {name}" if why is None else f"tasks {name}: not available: {why}")
    click.echo("versions: " + ", ".join(f"{name} {version}" for name, version in installed.versions().items()))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # runs every `finally`, so that no process remains
    try:
        main(prog_name="python -m benchmarks")
    except BenchmarkError as error:
        click.echo(f"benchmarks: {error}", err=True)
        sys.exit(1)

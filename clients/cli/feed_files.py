"""The files of `hulak feed --file`: their options, how they are read, the progress and the result."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hulak.bus.errors import ConfigError, FeedError
from hulak.clients.cli.command import Call, print_json

if TYPE_CHECKING:
    from hulak.clients.feeds.files.reader import FileOptions

LISTED = 20  # files in the text of a result


def file_options(symbol: str | None, form: str | None, zone: str | None, scale: int | None, day: str | None) -> "FileOptions":
    """Return what the options say about the files. Raises `ConfigError` for a zone or a date that is none."""
    from hulak.clients.feeds.files.reader import FileOptions, day_of
    from hulak.clients.feeds.files.zones import zone_of

    try:
        date, hour = (None, None) if day is None else day_of(day)
        return FileOptions(symbol, form, None if zone is None else zone_of(zone), date, hour, scale)
    except FeedError as error:
        raise ConfigError(f"--{error}") from error


def ms_of(time_ns: int | None) -> int | None:
    """Return a time in ms; None stays None."""
    return None if time_ns is None else time_ns // 1_000_000


def describe(paths: Sequence[Path], options: "FileOptions") -> dict[str, Any]:
    """Return how files are read, without reading more than their beginnings.

    Returns:
        `{"files": [{"name", "form", "clock", "scale", "first_rows": [{"symbol", "bid", "ask", "time"}]}], "empty"}`, in the order
        of their times; `empty` has a text for each file without ticks.
    Raises:
        FeedError: a file is refused.
    """
    from hulak.clients.feeds.files.sources import expand
    from hulak.clients.feeds.files.tick_set import TickSet

    ticks = TickSet(expand(paths), options)
    files = [
        {
            "name": report.name,
            "form": report.form,
            "clock": report.clock,
            "scale": report.scale,
            "first_rows": [
                {"symbol": tick.symbol, "bid": tick.bid, "ask": tick.ask, "time": iso(tick.timestamp)}
                for tick in report.first_rows
            ],
        }
        for report in ticks.reports
    ]
    return {"files": files, "empty": ticks.empty}


def iso(time_ms: int) -> str:
    """Return a time, given in ms since 1970 UTC, as ISO 8601."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def show_files(call: Call, description: dict[str, Any]) -> None:
    """Print how files are read."""
    if call.as_json:
        print_json(description)
        return
    for file in description["files"]:
        click.echo(f"{file['name']}: {file['form']}; clock: {file['clock']}; prices: {file['scale']}")
        for row in file["first_rows"]:
            click.echo(f"  {row['time']}  {row['symbol']}  bid {_price(row['bid'])}  ask {_price(row['ask'])}")
    for text in description["empty"][:LISTED]:
        click.echo(text)


def _price(value: float | None) -> str:
    return "none" if value is None else repr(value)


@contextlib.contextmanager
def progress(*, shown: bool) -> Iterator[Callable[[int, int], None] | None]:
    """Show the progress on a terminal; yields a function to call with the ticks posted and the time of the last one."""
    if not shown or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), refresh_per_second=5, transient=True) as bar:
        at = bar.add_task("reading files")
        yield lambda posted, time_ms: bar.update(at, description=f"{posted:,} ticks posted, at {iso(time_ms)}")


def is_done(result: dict[str, Any]) -> bool:
    """Return whether a replay is a success: every tick is confirmed, and there are at least as many of them as refused rows."""
    return bool(result["confirmed"] == result["posted"] >= max(1, result["refused"]))


def show(call: Call, result: dict[str, Any]) -> None:
    """Print the result of a replay."""
    if call.as_json:
        print_json(result)
        return
    click.echo(
        f"{result['posted']:,} ticks posted in {result['seconds']:g} s, {result['confirmed']:,} confirmed, "
        f"{result['resent']:,} sent again, {result['refused']:,} refused"
    )
    for file in result["files"][:LISTED]:
        click.echo(_summary(file))
    if len(result["files"]) > LISTED:
        click.echo(f"and {len(result['files']) - LISTED:,} more files")
    if result["empty"]:
        click.echo(f"{result['empty']:,} files without ticks")
    if result["first_refusal"]:
        click.echo(f"the first refused line: {result['first_refusal']}")
    for symbol, code in result["refusals"].items():
        click.echo(f"the broker refused ticks of {symbol}: {code}")


def _summary(file: dict[str, Any]) -> str:
    times = f" from {iso(file['first_ms'])} to {iso(file['last_ms'])}" if file["ticks"] else ""
    parts = [
        f"{file['name']}: {file['ticks']:,} ticks{times}",
        file["form"],
        f"clock: {file['clock']}",
        f"prices: {file['scale']}",
    ]
    parts += [f"{file[key]:,} {words}" for key, words in _COUNTED if file[key]]
    return "; ".join(parts)


_COUNTED = (("refused", "refused"), ("duplicates", "in another file too"), ("left_out", "no ticks"))

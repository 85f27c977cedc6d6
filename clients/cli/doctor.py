"""`hulak doctor`: an installation and its machine, examined."""

import sys
import time
from typing import Any

import click

from hulak.clients.cli.check import Check
from hulak.clients.cli.command import Call, print_json
from hulak.clients.cli.help_text import examples
from hulak.clients.cli.table import show
from hulak.clients.doctor.checks.all_checks import examine
from hulak.clients.doctor.checks.facts import DoctorFacts
from hulak.clients.doctor.checks.result import CheckResult
from hulak.clients.judge.situations import Level

LEVELS = {"ok": Level.OK, "warning": Level.WARNING, "error": Level.CRITICAL}  # of what `key_check` finds
COLOURS = {Level.OK: "green", Level.WARNING: "yellow", Level.CRITICAL: "bold red"}


@click.command(
    cls=Check,
    short_help="Examine the installation and the machine, and advise.",
    timeout_help="Seconds to wait for the broker; 2 by default.",
    epilog=examples("hulak doctor", "hulak doctor --problems", "hulak doctor --home /var/lib/hulak --json"),
)
@click.option("--problems", is_flag=True, help="Print only what is not OK.")
@click.pass_context
def doctor(ctx: click.Context, call: Call, problems: bool) -> None:
    """Examine versions, settings, home, disk, ports, clock, limits, kernel and memory, and say what to do about each problem.

    Runs before the first start and beside a running broker, and changes nothing. Run it as the user that runs Hulak, or as root.
    `hulak check` has the health of the processes instead.

    Exit codes, as those of monitoring plugins: 0 all OK, 1 WARNING: Hulak runs, and worse than it could, 2 CRITICAL: it does not
    start, or loses data, 3 UNKNOWN: the examination failed.

    Writes a file without a name to the home for up to 3 s, to measure the disk. Sends REQUEST hulak.ping and hulak.stats to a
    broker that listens.
    """
    facts = _facts(call)
    results = [*examine(facts), *_keys(call, is_running=facts.broker is not None)]
    level = max(result.level for result in results)
    chosen = [result for result in results if result.level > Level.OK] if problems else results
    if call.as_json:
        print_json({"level": level.name, "results": [result.as_dict() for result in chosen]})
    else:
        _show(chosen, results)
    ctx.exit(int(level))


def _facts(call: Call) -> DoctorFacts:
    from hulak.bus.process import key_files
    from hulak.clients.cli import port_check
    from hulak.clients.doctor import read_all, read_installation

    loaded, settings = read_installation.settings(call.home, call.file)
    has_keys = key_files.broker_path(call.home).exists()
    binds = has_keys or loaded.security.key is None  # a home with another broker's key is a client's: it binds nothing
    wanted = port_check.addresses(loaded, demo=False, has_keys=has_keys) if binds else {}
    taken = [setting for setting, where in wanted.items() if port_check.taken({setting: where})]
    timeout_s = call.timeout_s or read_all.PING_S
    return read_all.read(call.home, loaded, settings, wanted, taken, time.time(), timeout_s)


def _keys(call: Call, *, is_running: bool) -> list[CheckResult]:
    """Check the keys of the home, and this program's; without a broker, its addresses are not judged."""
    from hulak.clients.cli.key_check import NO_BROKER, check_keys
    from hulak.clients.doctor import read_installation

    loaded, _ = read_installation.settings(call.home, call.file)
    results = []
    for finding in check_keys(loaded, call.home)[0]:
        if is_running or finding.code != NO_BROKER:
            seen, _, advice = finding.text.partition("; ")
            results.append(CheckResult("keys", finding.what, LEVELS[finding.state], seen, advice))
    return results


def _show(chosen: list[CheckResult], results: list[CheckResult]) -> None:
    heads = ["area", "check", "level", "seen", "advice"]
    rows = [[row.area, row.what, row.level.name, row.seen, row.advice] for row in chosen]
    if not sys.stdout.isatty():
        show(heads, rows)
        return
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    console.print(_coloured(heads, chosen))
    console.print(f"\n{headline(results)}")


def _coloured(heads: list[str], chosen: list[CheckResult]) -> Any:
    """Return a table: an area is named once, advice stands under what was seen."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in heads[:3]:
        table.add_column(head, no_wrap=True)
    table.add_column("seen, and what to do", overflow="fold")
    area = ""
    for row in chosen:
        text = Text(row.seen)
        if row.advice:
            text.append(f"\n{row.advice}", style="dim" if row.level is Level.OK else COLOURS[row.level])
        table.add_row("" if row.area == area else row.area, row.what, Text(row.level.name, style=COLOURS[row.level]), text)
        area = row.area
    return table


def headline(results: list[CheckResult]) -> str:
    """Return one line: how many checks there were, and how many are not OK."""
    counts = {level: sum(row.level is level for row in results) for level in (Level.CRITICAL, Level.WARNING)}
    wrong = ", ".join(f"{count} {level.name}" for level, count in counts.items() if count)
    return f"{len(results)} checks: {wrong or 'all OK'}"

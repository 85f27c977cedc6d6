"""`hulak check`: a monitoring plugin."""

import sys
from typing import Any

import click

from hulak.bus.errors import HulakError
from hulak.clients.cli import health
from hulak.clients.cli.command import Call, Command, print_json
from hulak.clients.cli.help_text import examples
from hulak.clients.judge.situations import LIMITS, Level, limits_of
from hulak.clients.judge.verdict import Verdict, failed, judge


class Check(Command):
    """A command that exits with the codes of monitoring plugins; a usage error is UNKNOWN."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Parse the arguments; a usage error is a line with UNKNOWN."""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            click.echo(failed(Level.UNKNOWN, error.format_message()).line())
            sys.exit(Level.UNKNOWN)
        except SystemExit as error:  # with --json, `Command` has printed the usage error
            sys.exit(Level.UNKNOWN if error.code else 0)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the check; options that exclude each other are a line with UNKNOWN."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            click.echo(failed(Level.UNKNOWN, error.format_message()).line())
            ctx.exit(int(Level.UNKNOWN))

    def fail(self, call: Call, error: HulakError, near: str = "") -> int:
        """Print a line with UNKNOWN; return its exit code."""
        _show(call, failed(Level.UNKNOWN, f"{error}{near}"))
        return int(Level.UNKNOWN)


class Bound(click.ParamType[tuple[str, float]]):
    """A limit as NAME=VALUE."""

    name = "name=value"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float]:
        """Parse a limit; the usage error names what is allowed."""
        name, _, number = str(value).partition("=")
        if name not in LIMITS:
            self.fail(f"limit {name!r} is unknown, must be one of {', '.join(LIMITS)}", param, ctx)
        try:
            return name, float(number)
        except ValueError:
            self.fail(f"{value!r} must be NAME=NUMBER, e.g. feed_age=30", param, ctx)


@click.command(
    cls=Check,
    short_help="Check the health of all processes for a monitoring system.",
    timeout_help=health.TIMEOUT_HELP,
    epilog=examples(
        "hulak check",
        "hulak check --warn feed_age=30 --critical feed_age=300 --feeds 2",
        "hulak check --workers 2 --critical queue=70 --json",
    ),
)
@click.option("--warn", type=Bound(), multiple=True, help="Report WARNING at or above VALUE, in the limit's unit; repeatable.")
@click.option(
    "--critical", type=Bound(), multiple=True, help="Report CRITICAL at or above VALUE, in the limit's unit; repeatable."
)
@click.option(
    "--feeds",
    type=click.IntRange(0),
    help="Minimum number of feeds that report; 1 by default if the settings or supervisord have a feed, else 0.",
)
@click.option(
    "--workers",
    type=click.IntRange(0),
    help="Minimum number of NEPSE workers; [scaling] min_workers by default if a scaler or supervisord runs, else 0.",
)
@click.pass_context
def check(
    ctx: click.Context,
    call: Call,
    warn: tuple[tuple[str, float], ...],
    critical: tuple[tuple[str, float], ...],
    feeds: int | None,
    workers: int | None,
) -> None:
    """Print the health of all processes as one line with performance data; the exit code is that of monitoring plugins.

    Exit codes: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN. docs/howto/monitoring.md lists the situations; `hulak top`, the page,
    /readyz and /metrics report the same ones. A situation that is normal at the start of a broker is a WARNING in its first 30 s.

    \b
    limit            warn  critical
    feed_age           10        60  s, age of a feed's newest quote ([feed] stale_s, and a sixth of it)
    topics             80       100  % of broker.max_topics
    connections        90       100  % of the broker's bound
    queue              50        90  % of broker.max_tasks or of broker.max_task_bytes
    failures           10        50  % of the tasks that ended in the last ten minutes, if at least 5 failed
    dead_letters        1       100  new dead letters in the last ten minutes
    latency            50       200  ms, feed to broker, p99
    display_latency   100       500  ms, feed to the state of a display, p99
    display_stale      10        60  s for which a display has been catching up
    silence           1.5         5  s without a sign of life of a process; feeds, displays, gateways: CRITICAL from warn on
    loop                3         8  s since the last iteration of a process's loop
    growth             20       100  MB of memory in ten minutes, of the fastest growing process that is older than 15 minutes
    disk               90        98  % of the journal's disk

    Sends REQUEST hulak.stats to the frontend, and queries the supervisord of this home, if one runs.
    """
    try:
        verdict = judge(health.gather(call, feeds=feeds, workers=workers), limits_of(call.settings, dict(warn), dict(critical)))
    except HulakError as error:
        verdict = failed(Level.UNKNOWN, str(error))
    except Exception as error:  # noqa: BLE001 - the exit code of a traceback, 1, would be a WARNING
        verdict = failed(Level.UNKNOWN, f"{type(error).__name__}: {error}")
    _show(call, verdict)
    ctx.exit(int(verdict.level))


def _show(call: Call, verdict: Verdict) -> None:
    if not call.as_json:
        click.echo(verdict.line())
        return
    findings = [{"what": finding.what, "level": finding.level.name, "text": finding.text} for finding in verdict.findings]
    print_json({"level": verdict.level.name, "findings": findings, "summary": verdict.summary, "perf": verdict.perf})

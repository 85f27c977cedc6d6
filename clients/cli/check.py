"""`hulak check`: one line and an exit code for a monitoring system."""

import sys
from typing import Any

import click

from bus.errors import BusTimeout, HulakError
from clients.cli.command import Call, Command, print_json
from clients.judge.facts import Facts
from clients.judge.situations import LIMITS, Level, limits_of
from clients.judge.verdict import Verdict, failed, judge

WAITS_S = 5.0


class Check(Command):
    """A command whose every failure is an exit code of monitoring plugins: wrong usage, too, is UNKNOWN."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Parse."""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            click.echo(failed(Level.UNKNOWN, error.format_message()).line())
            sys.exit(Level.UNKNOWN)
        except SystemExit as error:  # with --json the usage error was told already
            sys.exit(Level.UNKNOWN if error.code else 0)


class Bound(click.ParamType[tuple[str, float]]):
    """A limit as NAME=VALUE."""

    name = "name=value"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float]:
        """Read one; a usage error says what is allowed."""
        name, _, said = str(value).partition("=")
        if name not in LIMITS:
            self.fail(f"{name!r} is no limit, must be one of {', '.join(LIMITS)}", param, ctx)
        try:
            return name, float(said)
        except ValueError:
            self.fail(f"{value!r} must be NAME=NUMBER, e.g. feed_age=30", param, ctx)


@click.command(cls=Check, short_help="Say for a monitoring system whether all is well.")
@click.option("--warn", type=Bound(), multiple=True, help="From which value on it is a WARNING; again for each.")
@click.option("--critical", type=Bound(), multiple=True, help="From which value on it is CRITICAL; again for each.")
@click.option("--feeds", type=click.IntRange(0), help="That must report at least. Default: 1 if something keeps a feed.")
@click.option("--workers", type=click.IntRange(0), help="Of NEPSE. Default: [scaling] min_workers if something keeps them.")
@click.pass_context
def check(
    ctx: click.Context,
    call: Call,
    warn: tuple[tuple[str, float], ...],
    critical: tuple[tuple[str, float], ...],
    feeds: int | None,
    workers: int | None,
) -> None:
    """Say in one line, with performance data, whether all is well; the exit code is that of monitoring plugins.

    0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN. docs/howto/monitoring.md lists the situations that it knows; `hulak top`, the page,
    /readyz and /metrics tell the same. What is normal while a broker starts is a WARNING in its first 30 s.

    \b
    limit            warn  critical
    feed_age           10        60  s, of a feed's newest quote ([feed] stale_s, and a sixth of it)
    topics             80       100  % of broker.max_topics
    connections        90       100  % of those that the broker takes
    queue              50        90  % of broker.max_tasks or of the bytes of broker.max_task_bytes
    failures           10        50  % of the tasks that ended in the last ten minutes, if 5 failed at least
    dead_letters        1       100  new ones in the last ten minutes
    latency            50       200  ms, feed to broker, p99
    display_latency   100       500  ms, feed to a display's state, p99
    display_stale      10        60  s, that a display has been catching up
    silence             3         8  s, since a process's report or loop
    growth             20       100  MB in ten minutes, of the process that grows most; once it has run for 15 minutes
    disk               90        98  % of the disk that the journal is on

    Sends REQUEST hulak.stats to the frontend, and asks supervisord, if `hulak up` runs on this home.

    \b
    hulak check
    hulak check --warn feed_age=30 --critical feed_age=300 --feeds 2
    hulak check --workers 2 --critical queue=70 --json
    """
    try:
        verdict = judge(_facts(call, feeds, workers), limits_of(call.settings, dict(warn), dict(critical)))
    except HulakError as error:
        verdict = failed(Level.UNKNOWN, str(error))
    except Exception as error:  # noqa: BLE001 - a monitoring system takes a traceback's exit code 1 for a warning
        verdict = failed(Level.UNKNOWN, f"{type(error).__name__}: {error}")
    _show(call, verdict)
    ctx.exit(int(verdict.level))


def _facts(call: Call, feeds: int | None, workers: int | None) -> Facts:
    from clients import supervisord

    stats, why = None, ""
    try:
        with call.client() as client:
            stats = client.call("hulak.stats", timeout_s=call.timeout_s or WAITS_S)
    except BusTimeout as error:
        why = str(error)
    kept = supervisord.processes(call.home)
    return Facts.of(call.settings, stats, why=why, supervised=kept, feeds=feeds, workers=workers)


def _show(call: Call, verdict: Verdict) -> None:
    if not call.as_json:
        click.echo(verdict.line())
        return
    findings = [{"what": one.what, "level": one.level.name, "text": one.text} for one in verdict.findings]
    print_json({"level": verdict.level.name, "findings": findings, "summary": verdict.summary, "perf": verdict.perf})

"""`hulak check`: one line and an exit code for a monitoring system."""

import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import click

from bus.errors import BusTimeout, ConfigError, HulakError
from clients.cli.common import Call, Command, print_json
from clients.cli.verdict import LIMITS, Facts, Level, Limit, Verdict, failed, judge

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
@click.option("--feeds", type=click.IntRange(0), default=1, show_default=True, help="That must report at least.")
@click.option("--workers", type=click.IntRange(0), help="Of NEPSE that there must be. Default: [scaling] min_workers.")
@click.pass_context
def check(
    ctx: click.Context,
    call: Call,
    warn: tuple[tuple[str, float], ...],
    critical: tuple[tuple[str, float], ...],
    feeds: int,
    workers: int | None,
) -> None:
    """Say in one line, with performance data, whether all is well; the exit code is that of monitoring plugins.

    0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN. Looked at: the broker answers, its journal and store are live, feeds are there and
    fresh, workers are there, the queue is below its bound, ticks and displays are quick, no display is behind, every process
    reports, goes round its loop, does not grow, and applies the newest configuration; nothing that supervisord keeps has failed.

    \b
    limit            warn  critical
    feed_age           10        60  s, of a feed's newest quote
    queue              50        90  % of broker.max_tasks
    latency            50       200  ms, feed to broker, p99
    display_latency   100       500  ms, feed to a display's state, p99
    display_stale      10        60  s, that a display has been catching up
    silence             3         8  s, since a process's report or loop
    growth             20       100  MB in ten minutes, of the process that grows most

    Sends REQUEST hulak.stats and hulak.config.get to the frontend, and asks supervisord, if `hulak up` runs on this home.

    \b
    hulak check
    hulak check --warn feed_age=30 --critical feed_age=300 --feeds 2
    hulak check --workers 2 --critical queue=70 --json
    """
    try:
        limits = limits_of(dict(warn), dict(critical))
        verdict = judge(_facts(call, feeds, workers), limits)
    except BusTimeout as error:
        verdict = failed(Level.CRITICAL, str(error))
    except HulakError as error:
        verdict = failed(Level.UNKNOWN, str(error))
    except Exception as error:  # noqa: BLE001 - a monitoring system takes a traceback's exit code 1 for a warning
        verdict = failed(Level.UNKNOWN, f"{type(error).__name__}: {error}")
    _show(call, verdict)
    ctx.exit(int(verdict.level))


def limits_of(warn: Mapping[str, float], critical: Mapping[str, float]) -> dict[str, Limit]:
    """Put the operator's values in; one that is given alone moves the other where they would cross.

    Raises:
        ConfigError: both are given, and cross.
    """
    found = {}
    for name, limit in LIMITS.items():
        low, high = warn.get(name, limit.warn), critical.get(name, limit.critical)
        if low > high and name in warn and name in critical:
            raise ConfigError(f"--warn {name}={low:g} is above --critical {name}={high:g}")
        found[name] = replace(
            limit, warn=low if name in warn else min(low, high), critical=high if name in critical else max(low, high)
        )
    return found


def _facts(call: Call, feeds: int, workers: int | None) -> Facts:
    from clients.cli import supervise

    settings, limit_s = call.settings, call.timeout_s or WAITS_S
    with call.client() as client:
        stats = client.call("hulak.stats", timeout_s=limit_s)
        document = client.call("hulak.config.get", timeout_s=limit_s)
    return Facts(
        stats=stats,
        supervised=supervise.processes(call.home),
        config_version=document["version"],
        config_age_s=time.time() - document["at_ns"] / 1e9,
        max_tasks=settings.broker.max_tasks,
        feeds=feeds,
        workers=settings.scaling.min_workers if workers is None else workers,
    )


def _show(call: Call, verdict: Verdict) -> None:
    if not call.as_json:
        click.echo(verdict.line())
        return
    findings = [{"level": finding.level.name, "text": finding.text} for finding in verdict.findings]
    print_json({"level": verdict.level.name, "findings": findings, "summary": verdict.summary, "perf": verdict.perf})

"""`hulak status`, `hulak stats` and `hulak ping`: the statistics of the broker and the processes of supervisord."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from hulak.clients.cli import health, stats_tables, table
from hulak.clients.cli.command import BrokerSilent, Call, Command, NoBroker, print_json, report
from hulak.clients.cli.help_text import examples
from hulak.clients.durations import age, fine_age
from hulak.clients.judge.facts import Facts, Finding
from hulak.clients.judge.processes import Process, processes
from hulak.clients.judge.situations import limits_of
from hulak.clients.judge.verdict import Verdict, judge
from hulak.clients.table_files import flat


def mb(count: Any) -> str:
    """Format bytes in MB; `-` for an unknown value."""
    return f"{count / 1e6:.0f} MB" if isinstance(count, int | float) else "-"


def us(quantiles: dict[str, float] | None) -> str:
    """Format p50 and p99 of a latency, given in microseconds."""
    return "-" if not quantiles else f"p50 {short(quantiles['p50'])}, p99 {short(quantiles['p99'])}"


def summary_lines(stats: dict[str, Any]) -> list[str]:
    """Summarise the broker's statistics in a few lines."""
    broker, ticks, tasks = stats["broker"], stats["ticks"], stats["tasks"]
    waiting = tasks["queued"] + tasks["waiting"]
    taken = f"{ticks['taken']:,} taken, {ticks['per_s']:,.0f}/s, {stats_tables.symbols(stats)}"
    return [
        f"broker {broker['version']} up {age(broker['uptime_s'])}, process {broker['pid']}, {mb(broker['rss_bytes'])}",
        f"ticks  {taken}, {ticks['subscriptions']} subscriptions, feed to broker {us(ticks['feed_to_broker_us'])}",
        f"tasks  {tasks['done']:,} done, {tasks['failed']:,} failed, {tasks['running']} running, {waiting} waiting",
        f"frames {stats['rejected']['total']:,} refused",
    ]


@click.command(
    cls=Command,
    short_help="Show the health of the broker and its processes.",
    timeout_help=health.TIMEOUT_HELP,
    epilog=examples("hulak status", "hulak status --json"),
)
@click.pass_context
def status(ctx: click.Context, call: Call) -> None:
    """Show the health of the broker, the workers and the supervised processes; the exit code is 3 if no broker answers.

    The first lines are the findings of `hulak check`. Sends REQUEST hulak.stats to the frontend, and queries the supervisord of
    this home, if one runs.
    """
    from hulak.clients import supervisord

    if problem := supervisord.unreached(call.home):
        click.echo(f"hulak: {problem}", err=True)
    facts = health.gather(call)
    verdict = judge(facts, limits_of(call.settings))
    if facts.stats is None:
        ctx.exit(_without_broker(call, facts, verdict))
    stats = dict(facts.stats)
    if call.as_json:
        print_json({**stats, "supervised": facts.supervised, "health": verdict.as_dict()})
        return
    click.echo(verdict.headline())
    _show_findings(verdict.findings[1:])
    click.echo("\n".join(summary_lines(stats)))
    if stats["workers"]:
        click.echo()
        table.show(*_workers(stats["workers"]))
    _show_supervised(facts.supervised)


def _without_broker(call: Call, facts: Facts, verdict: Verdict) -> int:
    """Print what is known of a broker that does not answer, in the words of the judge; return the exit code."""
    apart = [row for row in verdict.findings if row.what in ("starting", "broker_silent")]
    text = "; ".join(row.text for row in apart)
    more = {"supervised": facts.supervised, "health": verdict.as_dict()}
    code = report(call, NoBroker(text) if facts.broker_silence_s is None else BrokerSilent(text), more=more)
    if not call.as_json:
        _show_findings([row for row in verdict.findings if row not in apart])
        _show_supervised(facts.supervised)
    return code


def _show_findings(findings: Sequence[Finding]) -> None:
    for finding in findings:
        click.echo(f"{finding.level.name}: {finding.text}")


def _show_supervised(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the processes of supervisord that are in use; the rest are slots and other spares."""
    if used := [row for row in rows if row["started"] or row["state"] != "stopped"]:
        click.echo()
        table.show(*_supervised(used))


def _workers(rows: list[dict[str, Any]]) -> tuple[list[str], list[list[Any]]]:
    heads = ["worker", "service", "state", "holds", "done", "failed", "memory", "up"]
    names = ("name", "service", "state", "held", "done", "failed")
    return heads, [[*(row[name] for name in names), mb(row.get("rss_bytes")), age(row["age_s"])] for row in rows]


def _supervised(rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[Any]]]:
    heads = ["process", "state", "pid", "up"]
    return heads, [[row["name"], row["state"], row["pid"] or "-", age(row["uptime_s"]) if row["pid"] else "-"] for row in rows]


ACTION_HEADS = ["service", "action", "runs", "failed", "wait p50", "wait p99", "run p50", "run p99"]
PROCESS_HEADS = ["kind", "name", "pid", "state", "memory", "per 10 min", "cores", "config", "restarts", "p50", "p99", "lost"]


@click.command(
    cls=Command,
    short_help="Show processes, queues, losses and latencies.",
    epilog=examples("hulak stats", "hulak stats --all", "hulak stats --json"),
)
@click.option("--all", "everything", is_flag=True, help="Print every statistic, one per line.")
def stats(call: Call, everything: bool) -> None:
    """Show every process with its memory, CPU, configuration and latency, and the broker's queues and losses.

    Columns: "per 10 min" is the growth of memory, cores the CPU time per second, config the applied version of the configuration;
    p50 and p99 are the latency from the feed to the broker or to the state of a display. Of each action of tasks there are the
    time in the queue (wait) and the duration of attempts (run), since the start of the broker; of the queues the age of the
    oldest queued task. Slow subscribers do not read, or missed messages in the last ten minutes. --json and --all have every
    statistic.

    Sends REQUEST hulak.stats to the frontend. The broker publishes the same statistics once per second on the topic stats.
    """
    value = call.request("hulak.stats")
    if call.as_json:
        print_json(value)
    elif everything:
        _show_all(value)
    else:
        _show_overview(value)


def _show_overview(value: dict[str, Any]) -> None:
    click.echo("\n".join(summary_lines(value)) + "\n")
    table.show(PROCESS_HEADS, [process_cells(process) for process in processes(value)])
    click.echo()
    rows = [[*row, None if oldest is None else fine_age(oldest)] for *row, oldest in stats_tables.queues(value)]
    table.show(["queue", "queued", "waiting", "running", "oldest"], rows)
    if actions := stats_tables.actions(value):
        click.echo()
        table.show(ACTION_HEADS, [action_cells(row) for row in actions])
    if slow := stats_tables.slow_subscribers(value):
        click.echo()
        table.show(["slow subscriber", "where", "state"], slow)
    click.echo()
    table.show(["lost or refused", "what", "count"], stats_tables.losses(value))


def action_cells(row: stats_tables.ActionTimes) -> list[Any]:
    """Return the cells of an action, in the order of `ACTION_HEADS`."""
    times = [None if us is None else span(us) for us in (*row.wait_us, *row.run_us)]
    return [row.service, row.action, f"{row.runs:,}", row.failed or None, *times]


def process_cells(process: Process) -> list[Any]:
    """Return the cells of a process, in the order of `PROCESS_HEADS`."""
    trend = None if process.rss_per_min is None else f"{process.rss_per_min * 10 / 1e6:+.1f} MB"
    cores = None if process.cores is None else f"{process.cores:.2f}"
    lost = " ".join(f"{name} {count:,}" for name, count in process.losses) or None
    times = [None if us is None else short(us) for us in (process.p50_us, process.p99_us)]
    return [
        process.kind,
        process.name,
        process.pid,
        process.state,
        mb(process.rss_bytes),
        trend,
        cores,
        process.config_version,
        process.restarts,
        *times,
        lost,
    ]


def span(us: float) -> str:
    """Format a duration in microseconds that may be minutes."""
    return short(us) if us < 1e6 else fine_age(us / 1e6)


def short(us: float) -> str:
    """Format microseconds with the fitting unit: "120 µs", "2.1 ms"."""
    return f"{us:.0f} µs" if us < 1000 else f"{us / 1000:.1f} ms"


def _show_all(value: dict[str, Any]) -> None:
    rows = flat({key: item for key, item in value.items() if not isinstance(item, list)})
    for kind in ("workers", "processes"):
        for row in value[kind]:
            rows += flat({key: item for key, item in row.items() if key != "name"}, f"{kind}.{row['name']}.")
    table.show(["name", "value"], rows)


@click.command(
    cls=Command, short_help="Check that a broker answers.", epilog=examples("hulak ping", "hulak ping --timeout 1 --json")
)
def ping(call: Call) -> None:
    """Check that a broker answers, and print the round-trip time; the exit code is 3 if none does.

    Sends REQUEST hulak.ping to the frontend.
    """
    import time

    with call.client() as client:
        client.call("hulak.ping", timeout_s=call.timeout_s or 5.0)  # the first one also connects
        before = time.perf_counter()
        value = client.call("hulak.ping", timeout_s=call.timeout_s or 5.0)
        took_us = round((time.perf_counter() - before) * 1e6)
    if call.as_json:
        print_json({**value, "round_trip_us": took_us})
    else:
        click.echo(
            f"broker {value['version']} at {call.settings.broker.frontend} answers in {took_us} µs, up {age(value['uptime_s'])}"
        )

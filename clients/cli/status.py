"""`hulak status`, `hulak stats` and `hulak ping`: what the broker and supervisord tell."""

from typing import Any

import click

from bus.errors import BusTimeout
from clients.cli import stats_tables, table
from clients.cli.command import Call, Command, NoBroker, print_json, report
from clients.judge.facts import Facts
from clients.judge.perf import age
from clients.judge.processes import Process, processes
from clients.judge.situations import limits_of
from clients.judge.verdict import judge


def mb(count: Any) -> str:
    """Write bytes in MB; `-` for what is not known."""
    return f"{count / 1e6:.0f} MB" if isinstance(count, int | float) else "-"


def us(quantiles: dict[str, float] | None) -> str:
    """Write a latency's p50 and p99, given in microseconds."""
    return "-" if not quantiles else f"p50 {short(quantiles['p50'])}, p99 {short(quantiles['p99'])}"


def sentences(stats: dict[str, Any]) -> list[str]:
    """Say the broker's `stats` in a few lines."""
    broker, ticks, tasks = stats["broker"], stats["ticks"], stats["tasks"]
    waiting = tasks["queued"] + tasks["waiting"]
    taken = f"{ticks['taken']:,} taken, {ticks['per_s']:,.0f}/s, {ticks['symbols']} symbols"
    return [
        f"broker {broker['version']} up {age(broker['uptime_s'])}, process {broker['pid']}, {mb(broker['rss_bytes'])}",
        f"ticks  {taken}, {ticks['subscriptions']} subscriptions, feed to broker {us(ticks['feed_to_broker_us'])}",
        f"tasks  {tasks['done']:,} done, {tasks['failed']:,} failed, {tasks['running']} running, {waiting} waiting",
        f"frames {stats['rejected']['total']:,} refused",
    ]


@click.command(cls=Command, short_help="Say who is there and how it goes.")
@click.pass_context
def status(ctx: click.Context, call: Call) -> None:
    """Say in a few lines who is there and how it goes; the exit code is 3 if no broker answers.

    The first line says what is not well, in the words of `hulak check`. Sends REQUEST hulak.stats to the frontend, and asks
    supervisord, if `hulak up` runs on this home.

    \b
    hulak status
    hulak status --json
    """
    from clients import supervisord

    supervised = supervisord.processes(call.home)
    if why := supervisord.unreached(call.home):
        click.echo(f"hulak: {why}", err=True)
    try:
        stats = call.ask("hulak.stats")
    except BusTimeout as error:
        if supervised and not call.as_json:
            table.show(*_supervised(supervised))
        ctx.exit(report(call, _for_status(error)))
    verdict = judge(Facts.of(call.settings, stats, supervised=supervised), limits_of(call.settings))
    if call.as_json:
        print_json({**stats, "supervised": supervised, "health": verdict.told()})
        return
    click.echo(verdict.headline())
    for finding in verdict.findings[1:]:
        click.echo(f"{finding.level.name}: {finding.text}")
    click.echo("\n".join(sentences(stats)))
    if stats["workers"]:
        click.echo()
        table.show(*_workers(stats["workers"]))
    if supervised:
        click.echo()
        table.show(*_supervised(supervised))


def _for_status(error: BusTimeout) -> BusTimeout:
    """Say what to do about a broker that is there and does not answer, in the place of "ask `hulak status`"."""
    if isinstance(error, NoBroker):
        return error
    what = "it is frozen (`kill -CONT` wakes a process that was stopped) or very busy; its log tells more"
    return BusTimeout(f"no broker answers, though one listens: {what}")


def _workers(rows: list[dict[str, Any]]) -> tuple[list[str], list[list[Any]]]:
    heads = ["worker", "service", "state", "holds", "done", "failed", "memory", "up"]
    names = ("name", "service", "state", "held", "done", "failed")
    return heads, [[*(row[name] for name in names), mb(row.get("rss_bytes")), age(row["age_s"])] for row in rows]


def _supervised(rows: list[dict[str, Any]]) -> tuple[list[str], list[list[Any]]]:
    heads = ["process", "state", "pid", "up"]
    return heads, [[row["name"], row["state"], row["pid"] or "-", age(row["uptime_s"]) if row["pid"] else "-"] for row in rows]


PROCESS_HEADS = ["kind", "name", "pid", "state", "memory", "per 10 min", "cores", "config", "restarts", "p50", "p99", "lost"]


@click.command(cls=Command, short_help="Show processes, queues, losses and latencies.")
@click.option("--all", "everything", is_flag=True, help="Every number, one a line.")
def stats(call: Call, everything: bool) -> None:
    """Show every process with its memory, CPU, configuration and latency, and the broker's queues and losses.

    Memory per 10 min is how it grew of late, cores the CPU it uses, config the version that it applies; p50 and p99 are the
    latency from the feed to the broker, or to a display's state. With --json or --all it gives every number there is.

    Sends REQUEST hulak.stats to the frontend. The same is published each second on the topic stats.

    \b
    hulak stats
    hulak stats --all
    hulak stats --json
    """
    value = call.ask("hulak.stats")
    if call.as_json:
        print_json(value)
    elif everything:
        _show_all(value)
    else:
        _show_overview(value)


def _show_overview(value: dict[str, Any]) -> None:
    click.echo("\n".join(sentences(value)) + "\n")
    table.show(PROCESS_HEADS, [process_cells(one) for one in processes(value)])
    click.echo()
    table.show(["queue", "queued", "waiting", "running"], stats_tables.queues(value))
    click.echo()
    table.show(["lost or refused", "what", "count"], stats_tables.losses(value))


def process_cells(one: Process) -> list[Any]:
    """Write the cells of one process, under `PROCESS_HEADS`."""
    trend = None if one.rss_per_min is None else f"{one.rss_per_min * 10 / 1e6:+.1f} MB"
    cores = None if one.cores is None else f"{one.cores:.2f}"
    lost = " ".join(f"{name} {count:,}" for name, count in one.losses) or None
    times = [None if us is None else short(us) for us in (one.p50_us, one.p99_us)]
    return [
        one.kind,
        one.name,
        one.pid,
        one.state,
        mb(one.rss_bytes),
        trend,
        cores,
        one.config_version,
        one.restarts,
        *times,
        lost,
    ]


def short(us: float) -> str:
    """Write microseconds in the unit that fits: "120 µs", "2.1 ms"."""
    return f"{us:.0f} µs" if us < 1000 else f"{us / 1000:.1f} ms"


def _show_all(value: dict[str, Any]) -> None:
    rows = table.flat({key: one for key, one in value.items() if not isinstance(one, list)})
    for kind in ("workers", "processes"):
        for row in value[kind]:
            rows += table.flat({key: one for key, one in row.items() if key != "name"}, f"{kind}.{row['name']}.")
    table.show(["name", "value"], rows)


@click.command(cls=Command, short_help="Ask whether a broker is there.")
def ping(call: Call) -> None:
    """Ask whether a broker is there, and how long it takes to answer; the exit code is 3 if none does.

    Sends REQUEST hulak.ping to the frontend.

    \b
    hulak ping
    hulak ping --timeout 1 --json
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

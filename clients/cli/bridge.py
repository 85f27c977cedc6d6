"""`hulak bridge`: ticks, tasks and configuration to and from other sites."""

from collections.abc import Mapping
from typing import Any

import click

from hulak.bus.errors import ConfigError
from hulak.clients.cli import table
from hulak.clients.cli.command import Call, Command, print_json
from hulak.clients.cli.groups import Group
from hulak.clients.cli.help_text import examples
from hulak.clients.durations import age
from hulak.clients.judge.bridges import ways
from hulak.clients.printable import printable

HEADS = ["site", "way", "state", "number", "lag", "lag time", "ticks", "messages", "missing", "refused"]
TASK_WAYS = ("tasks", "serves")
CONFIG_WAY = "config"
CONFIG_HEADS = ["owner", "way", "state", "version", "set", "overwritten", "refused", "malformed", "interruptions"]
TASK_HEADS = ["site", "way", "state", "under way", "done", "failed", "cancelled", "interruptions"]


@click.group(
    cls=Group,
    short_help="Exchange ticks, tasks and configuration with other sites.",
    epilog=examples("hulak bridge nats", "hulak bridge status"),
)
def bridge() -> None:
    """Connect brokers of several sites over NATS JetStream. docs/bridge.md has how and why."""


@bridge.command(
    cls=Command,
    daemon=True,
    short_help="Run the bridge over NATS JetStream.",
    epilog=examples("hulak bridge nats", "HULAK_BRIDGE__SITE=ldn HULAK_BRIDGE__RECEIVE=nyc hulak bridge nats"),
)
def nats(call: Call) -> None:
    """Run the bridge of [bridge]: the ticks of this broker go into the stream HULAK_SITE of NATS JetStream, those of the sites in
    `receive` come into this broker as tick.SITE.SYMBOL. Other sites do the tasks of the services in `tasks`, and the workers here
    those of other sites' tasks whose services are in `serves`. The live configuration is that of the site in `config`.

    It needs the extra: pip install 'hulak[nats]'. With `[bridge] site` set, `hulak up` runs it. It keeps nothing on disk, and may
    be killed at any time: nothing is lost, and nothing comes twice. Sends REQUEST hulak.replay and hulak.feed, and numbered
    frames to the collector.
    """
    try:
        from hulak.clients.bridge.process import run_bridge
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "nats":
            raise
        raise ConfigError("the bridge needs the package nats-py, which is not installed: pip install 'hulak[nats]'") from error
    run_bridge(call.settings, call.home)


@bridge.command(
    cls=Command,
    short_help="Show how far the bridge is.",
    epilog=examples("hulak bridge status", "hulak bridge status --json"),
)
def status(call: Call) -> None:
    """Show how far the bridge of this broker is: for each way the last number of the sending site that arrived, how many ticks
    (out) or messages (in) and seconds are behind it, and which numbers are missing for good; for the tasks of each service that
    another site does, and for those of other sites, how many are under way; for the live configuration, which version of its
    owner is in force, how many keys were set here for it, how many of these had been changed here, and which were refused. Sends
    REQUEST hulak.stats.

    States: connecting, sending, receiving, waiting (the other site has published nothing yet), failing (it tries again each
    second), standing by (another bridge sends for this site).
    """
    rows = ways(call.request("hulak.stats"))
    if call.as_json:
        print_json(rows)
        return
    if not rows:
        click.echo("no bridge has reported; set [bridge] site and start one with `hulak bridge nats`")
        return
    config = [row for row in rows if row["way"] == CONFIG_WAY]
    ticks = [row for row in rows if row["way"] not in (*TASK_WAYS, CONFIG_WAY)]
    tasks = [row for row in rows if row["way"] in TASK_WAYS]
    if ticks:
        table.show(HEADS, [cells(row) for row in ticks])
    if tasks:
        table.show(TASK_HEADS, [task_cells(row) for row in tasks])
    if config:
        table.show(CONFIG_HEADS, [config_cells(row) for row in config])
    for line in (line for row in rows for line in remarks(row)):
        click.echo(printable(line))


def cells(row: Mapping[str, Any]) -> list[Any]:
    """Return the cells of a row, in the order of `HEADS`."""
    lag_s = row.get("lag_s")
    lag_time = age(lag_s) if isinstance(lag_s, int | float) and row.get("lag") else None
    counts = [row.get(name) for name in ("ticks", "messages", "missing")]
    return [row["site"], row["way"], row.get("state"), row.get("number"), row.get("lag"), lag_time, *counts, row.get("refused")]


def task_cells(row: Mapping[str, Any]) -> list[Any]:
    """Return the cells of a row of tasks, in the order of `TASK_HEADS`."""
    return [
        row["site"],
        row["way"],
        *(row.get(name) for name in ("state", "under_way", "done", "failed", "cancelled", "failures")),
    ]


def config_cells(row: Mapping[str, Any]) -> list[Any]:
    """Return the cells of the row of the live configuration, in the order of `CONFIG_HEADS`."""
    counts = ("changes", "overwritten", "refused_values", "malformed", "failures")
    return [row["site"], row["way"], row.get("state"), row.get("version"), *(row.get(name) for name in counts)]


def remarks(row: Mapping[str, Any]) -> list[str]:
    """Return a line for the reason of a state, and one for each of the newest ranges that are missing or values refused."""
    name = f"{row['site']} {row['way']}"
    lines = [f"{name}: {row['why']}"] if row.get("why") else []
    lines += [f"{name}: refused: {text}" for text in row.get("refused_named") or []]
    return lines + [f"{name}: ticks {first} to {last} are missing" for first, last in row.get("missing_ranges") or []]

"""`hulak topic`: lists and removes topics of ticks."""

import time
from typing import Any

import click

from hulak.bus.errors import BusError
from hulak.bus.wire.replay_range import prefix_of
from hulak.clients.cli import table
from hulak.clients.cli.command import BROKER_S, Call, Command, Topic, print_json
from hulak.clients.cli.help_text import examples
from hulak.clients.cli.workers import ListingGroup

HEADS = ["topic", "number", "source", "age"]
TICKS = "tick."
OF_FEEDS = (TICKS, "trade.", "market.")


@click.group(
    cls=ListingGroup,
    short_help="List and remove topics of ticks.",
    epilog=examples("hulak topic", "hulak topic rm 'tick.BTC-1DEC26-*'"),
)
def topic() -> None:
    """List and remove topics of ticks; without a command, list them as `hulak topic ls`.

    The broker keeps a topic and its last value until the topic is removed, also after the end of its feed and after a restart.
    The maximum is `broker.max_topics`, including topics of displays and of the broker.
    """


@topic.command(
    cls=Command,
    short_help="List topics with their sequences and the age of their last ticks.",
    epilog=examples("hulak topic ls", "hulak topic ls 'tick.EUR*' --json"),
)
@click.argument("pattern", type=Topic(), metavar="[TOPIC]", default=TICKS)
def ls(call: Call, pattern: str) -> None:
    """List TOPIC, or all topics with that prefix if TOPIC ends with `.` or `*`; all topics of ticks by default.

    Trades have topics with the prefix `trade.`, states of markets with `market.`.

    Sends REQUEST hulak.last to the frontend.
    """
    rows = _rows(call, _checked(pattern))
    if call.as_json:
        print_json(rows)
    else:
        table.show(HEADS, [[row["topic"], row["number"], row["source"], f"{row['age_s']:.1f} s"] for row in rows])


def _checked(pattern: str) -> str:
    if not pattern.startswith(OF_FEEDS):
        raise click.UsageError(
            f"{pattern!r} is not a topic of a feed, must begin with 'tick.', 'trade.' or 'market.', e.g. 'tick.EUR*'"
        )
    return pattern


def _rows(call: Call, pattern: str) -> list[dict[str, Any]]:
    from hulak.clients.history import last_events

    with call.client() as client:
        events = last_events(client, pattern, call.timeout_s or BROKER_S)
    now_ns = time.time_ns()
    return [
        {
            "topic": event.topic,
            "number": event.stamp.sequence,
            "source": event.body.get("source"),
            "age_s": round((now_ns - event.stamp.time_ns) / 1e9, 1),
        }
        for event in sorted(events, key=lambda event: event.topic)
    ]


@topic.command(
    cls=Command,
    short_help="Remove topics.",
    epilog=examples("hulak topic rm tick.TEST1", "hulak topic rm 'tick.BTC-1DEC26-*' --yes"),
)
@click.argument("patterns", type=Topic(), metavar="TOPIC...", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Skip the confirmation for a TOPIC that matches many topics.")
def rm(call: Call, patterns: tuple[str, ...], yes: bool) -> None:
    """Remove each TOPIC, or all topics with that prefix if TOPIC ends with `.` or `*`.

    This deletes their last values and makes room for other topics. Their ticks stay in the journal for the usual time. A topic
    with an active feed is created again by its next tick, and its sequence continues. The exit code is 1 if nothing was removed.

    Sends REQUEST hulak.topic.remove to the frontend.
    """
    wanted = [_checked(pattern) for pattern in patterns]
    if not yes and any(not prefix_of(pattern).endswith(b"\0") for pattern in wanted):
        _confirm(call, wanted)
    removed = call.request("hulak.topic.remove", args={"topics": wanted})["removed"]
    if not removed:
        raise BusError("UNKNOWN_TOPIC", "no such topic; `hulak topic` lists all topics")
    if call.as_json:
        print_json({"removed": removed})
    else:
        click.echo(f"removed: {', '.join(removed)}")


def _confirm(call: Call, patterns: list[str]) -> None:
    if call.as_json:
        raise click.UsageError("--json has no confirmation; give --yes to remove all topics with a prefix")
    matches = sorted({row["topic"] for pattern in patterns for row in _rows(call, pattern)})
    if matches:
        shown = ", ".join(matches[:3]) + (f" ... {matches[-1]}" if len(matches) > 3 else "")
        click.confirm(f"Remove {len(matches)} topics, {shown}?", abort=True, err=True)

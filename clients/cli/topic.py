"""`hulak topic`: which topics of feeds there are, and how to let them go."""

import time
from typing import Any

import click

from bus.errors import BusError
from bus.wire.replay_range import prefix_of
from clients.cli import table
from clients.cli.command import BROKER_S, Call, Command, print_json
from clients.cli.workers import ListingGroup

HEADS = ["topic", "number", "source", "age"]
TICKS = "tick."


@click.group(cls=ListingGroup, short_help="List and remove topics of ticks.")
def topic() -> None:
    """Show the topics of feeds; without a command as `hulak topic ls`.

    A topic stays, with its last value, until it is removed: also when its feed is gone, and over restarts. There may be
    `broker.max_topics` of them, topics of displays and of the broker included.

    \b
    hulak topic
    hulak topic rm 'tick.BTC-1DEC26-*'
    """


@topic.command(cls=Command, short_help="List topics, their numbers and how old their last ticks are.")
@click.argument("pattern", metavar="[TOPIC]", default=TICKS)
def ls(call: Call, pattern: str) -> None:
    """List TOPIC, or every topic under a TOPIC that ends with `.` or `*`; by default all topics of ticks.

    Sends REQUEST hulak.last to the frontend.

    \b
    hulak topic ls
    hulak topic ls 'tick.EUR*' --json
    """
    rows = _rows(call, _checked(pattern))
    if call.as_json:
        print_json(rows)
    else:
        table.show(HEADS, [[row["topic"], row["number"], row["source"], f"{row['age_s']:.1f} s"] for row in rows])


def _checked(pattern: str) -> str:
    if not pattern.startswith(TICKS):
        raise click.UsageError(f"{pattern!r} is no topic of ticks, must begin with '{TICKS}', e.g. 'tick.EURUSD' or 'tick.EUR*'")
    return pattern


def _rows(call: Call, pattern: str) -> list[dict[str, Any]]:
    from clients.history import last_events

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
        for event in sorted(events, key=lambda one: one.topic)
    ]


@topic.command(cls=Command, short_help="Remove topics.")
@click.argument("patterns", metavar="TOPIC...", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask, also where a TOPIC is many topics.")
def rm(call: Call, patterns: tuple[str, ...], yes: bool) -> None:
    """Remove each TOPIC, or all topics under a TOPIC that ends with `.` or `*`.

    Their last values are gone, and their places are free for others. Their ticks stay in the journal as long as all others.
    A topic whose feed still posts comes again with its next tick; its numbers go on. Exit code 1 if nothing was removed.

    Sends REQUEST hulak.topic.remove to the frontend.

    \b
    hulak topic rm tick.TEST1
    hulak topic rm 'tick.BTC-1DEC26-*' --yes
    """
    wanted = [_checked(pattern) for pattern in patterns]
    if not yes and any(not prefix_of(pattern).endswith(b"\0") for pattern in wanted):
        _confirm(call, wanted)
    removed = call.ask("hulak.topic.remove", args={"topics": wanted})["removed"]
    if not removed:
        raise BusError("UNKNOWN_TOPIC", "there was no such topic; `hulak topic` lists those that there are")
    if call.as_json:
        print_json({"removed": removed})
    else:
        click.echo(f"removed: {', '.join(removed)}")


def _confirm(call: Call, patterns: list[str]) -> None:
    if call.as_json:
        raise click.UsageError("with --json nothing is asked: say --yes to remove all topics under a prefix")
    found = sorted({row["topic"] for pattern in patterns for row in _rows(call, pattern)})
    if found:
        shown = ", ".join(found[:3]) + (f" ... {found[-1]}" if len(found) > 3 else "")
        click.confirm(f"Remove {len(found)} topics, {shown}?", abort=True, err=True)

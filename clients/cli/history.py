"""`hulak replay` and `hulak last`: what was published before."""

import os
import sys
import time
from datetime import UTC, datetime, timedelta

import click

from bus.errors import BusError
from clients.cli.command import Call, Command
from clients.cli.sub import LineOutput, as_json, as_text, line_of

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Moment(click.ParamType[int]):
    """A time as ISO 8601 (UTC where it names no zone), or as a span before now: 90s, 10m, 2h, 1d; gives ns since 1970 UTC."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read one value; a usage error says what is allowed."""
        said = str(value)
        if said[-1:] in UNITS and said[:-1].replace(".", "", 1).isdigit():
            span = timedelta(seconds=float(said[:-1]) * UNITS[said[-1]])
            return time.time_ns() - int(span.total_seconds() * 1e9)
        try:
            moment = datetime.fromisoformat(said)
        except ValueError:
            self.fail(f"{said!r} is no time, must be like 2026-11-22T10:00:00 or 10m (before now)", param, ctx)
        moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return int(moment.timestamp() * 1e6) * 1000


@click.command(cls=Command, short_help="Print ticks of the past.", timeout_help="How long to wait for each piece. Default: 10.")
@click.argument("topic", metavar="[TOPIC]", default="ticks")
@click.option("--from", "first", type=click.IntRange(min=1), metavar="N", help="First number. Default: the oldest kept.")
@click.option("--to", "last", type=click.IntRange(min=1), metavar="N", help="Last number. Default: the newest.")
@click.option("--since", type=Moment(), help="Not before this time: 2026-11-22T10:00:00, or 10m before now.")
@click.option("--until", type=Moment(), help="Not after this time.")
def replay(call: Call, topic: str, first: int | None, last: int | None, since: int | None, until: int | None) -> None:
    """Print ticks from the broker's journal, one a line, as `hulak sub` prints them.

    Numbers are the topic's own sequences; of `ticks`, and of a TOPIC that ends with `.` or `*`, those of the one order of
    all ticks. What the journal does not have is named on standard error.

    Sends REQUEST hulak.replay to the frontend, again and again until the range is through.

    \b
    hulak replay tick.EURUSD --from 1000 --to 2000
    hulak replay 'tick.EUR*' --since 10m --json
    """
    from clients.history import History

    lines, write = LineOutput(), as_json if call.as_json else as_text
    with call.client() as client:
        begin = first if first is not None or since is not None else oldest(call, topic)
        history = History(client, topic, begin, last, since, until, call.timeout_s or 10.0)
        try:
            for event in history:
                for line in line_of(event, write):
                    lines.add(line)
            lines.flush()
        except BrokenPipeError:  # `| head` has had enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    for gone in history.missing:
        click.echo(f"hulak: numbers {gone[0]} to {gone[1]} are not in the journal", err=True)


def oldest(call: Call, topic: str) -> int:
    """Ask which number of a topic is the oldest that is kept."""
    try:
        call.ask("hulak.replay", args={"topic": topic, "from": 1, "to": 1})
    except BusError as error:
        if error.code != "TOO_OLD":
            raise
        return int(error.details["oldest"])
    return 1


@click.command(cls=Command, short_help="Print last values.")
@click.argument("topic", metavar="[TOPIC]", default="tick.")
def last(call: Call, topic: str) -> None:
    """Print the last message of TOPIC, or of every topic under a TOPIC that ends with `.` or `*`.

    Sends REQUEST hulak.last to the frontend.

    \b
    hulak last tick.EURUSD
    hulak last 'tick.EUR*' --json
    """
    from clients.history import last_events

    write = as_json if call.as_json else as_text
    with call.client() as client:
        events = last_events(client, topic, call.timeout_s or 5.0)
    for event in sorted(events, key=lambda one: one.topic):
        for line in line_of(event, write):
            click.echo(line)
    if not events:
        raise BusError("UNKNOWN_TOPIC", f"nothing was published under {topic!r} yet; `hulak last` lists all ticks")

"""`hulak replay` and `hulak last`: published messages of the past."""

import os
import sys
import time

import click

from hulak.bus.errors import BusError
from hulak.bus.wire.time_texts import moment_ns
from hulak.clients.cli import nearest
from hulak.clients.cli.command import Call, Command, Topic
from hulak.clients.cli.help_text import examples
from hulak.clients.cli.sub import LineOutput, as_json, as_text, line_of, symbol_hint


class Moment(click.ParamType[int]):
    """A time as `bus.wire.time_texts` reads it; converted to ns since 1970 UTC."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse a time; the usage error names what is allowed."""
        try:
            return moment_ns(str(value), time.time_ns())
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command(
    cls=Command,
    short_help="Print ticks from the journal.",
    timeout_help="Seconds to wait for each reply; 10 by default.",
    epilog=examples("hulak replay tick.EURUSD --from 1000 --to 2000", "hulak replay 'tick.EUR*' --since 10m --json"),
)
@click.argument("topic", type=Topic(), metavar="[TOPIC]", default="ticks")
@click.option(
    "--from", "first", type=click.IntRange(min=1), metavar="N", help="First sequence; the oldest retained one by default."
)
@click.option("--to", "last", type=click.IntRange(min=1), metavar="N", help="Last sequence; the newest one by default.")
@click.option(
    "--since", type=Moment(), help="Earliest time, such as 2026-11-22T10:00:00, or 10m for ten minutes ago; none by default."
)
@click.option("--until", type=Moment(), help="Latest time, in the same forms; now by default.")
def replay(call: Call, topic: str, first: int | None, last: int | None, since: int | None, until: int | None) -> None:
    """Print ticks from the broker's journal, one per line, in the format of `hulak sub`.

    N is a sequence of the topic; for `ticks`, and for a TOPIC that ends with `.` or `*`, it is a sequence of the topic `ticks`.
    Sequences that are missing in the journal are listed on standard error.

    Sends REQUEST hulak.replay to the frontend until the range is complete.
    """
    from hulak.clients.history import History

    lines, write = LineOutput(), as_json if call.as_json else as_text
    with call.client() as client:
        with nearest.suggesting(client, topic):
            start = first if first is not None or since is not None else oldest(call, topic)
        history = History(client, topic, start, last, since, until, call.timeout_s or 10.0)
        try:
            with nearest.suggesting(client, topic):
                for event in history:
                    for line in line_of(event, write):
                        lines.add(line)
            lines.flush()
        except BrokenPipeError:  # the reader, such as `head`, has ended
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    for begin, end in history.missing:
        click.echo(f"hulak: sequences {begin} to {end} are not in the journal", err=True)


def oldest(call: Call, topic: str) -> int:
    """Request the oldest retained sequence of a topic."""
    try:
        call.request("hulak.replay", args={"topic": topic, "from": 1, "to": 1})
    except BusError as error:
        if error.code != "TOO_OLD":
            raise
        return int(error.details["oldest"])
    return 1


@click.command(
    cls=Command,
    short_help="Print the last message of topics.",
    epilog=examples("hulak last tick.EURUSD", "hulak last 'tick.EUR*' --json"),
)
@click.argument("topic", type=Topic(), metavar="[TOPIC]", default="tick.")
def last(call: Call, topic: str) -> None:
    """Print the last message of TOPIC, or of all topics with that prefix if TOPIC ends with `.` or `*`.

    Sends REQUEST hulak.last to the frontend.
    """
    from hulak.clients.history import last_events

    write = as_json if call.as_json else as_text
    with call.client() as client:
        events = last_events(client, topic, call.timeout_s or 5.0)
        near = "" if events or topic.endswith(("*", ".")) else nearest.below(client, topic) or nearest.topic(client, topic)
    for event in sorted(events, key=lambda event: event.topic):
        for line in line_of(event, write):
            click.echo(line)
    if not events:
        hint = f"{symbol_hint(topic)}; ".removeprefix("; ")
        raise BusError("UNKNOWN_TOPIC", f"no message was published on {topic!r} yet; {hint}`hulak last` lists all ticks{near}")

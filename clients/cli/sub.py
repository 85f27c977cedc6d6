"""`hulak sub PREFIX`: published messages, one per line."""

import contextlib
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any, Self

import click

from hulak.bus.errors import BusTimeout, ConfigError, ProtocolError
from hulak.bus.subscriber.events import TICKS as ALL_TICKS
from hulak.bus.subscriber.history_start import LIVE, MOST_LAST, start_of
from hulak.bus.wire.messages import END_MS, FIRST_MS
from hulak.bus.wire.names import CONFIG, DISPLAYS, HEARTBEAT, JOURNALLED, NO_BODY, OWN_TOPICS, STATS, TICKS
from hulak.clients.cli import in_place, nearest, side_notes
from hulak.clients.cli.command import Call, Command, Topic, subscribe
from hulak.clients.cli.help_text import examples
from hulak.clients.cli.table import moment
from hulak.clients.json_text import to_json
from hulak.clients.printable import printable

if TYPE_CHECKING:
    from hulak.bus.subscriber.events import Event
    from hulak.clients.calls.client import BusClient
    from hulak.clients.cli.listing import Listing
    from hulak.clients.subscriber import Subscriber

OWN, ALL = OWN_TOPICS.decode(), "ticks"
FLUSH_BYTES = 1 << 16
NOTICE_S = 0.5  # without a message, after which the topics are looked at
WAIT_S = 0.5  # most seconds of one wait for a message, and so between two checks of the limits


def as_json(event: "Event") -> str:
    """Format a message as a JSON object: topic, epoch, sequence, time_ns, and its body's fields.

    Of an own topic, and where the body is no map, it is one field `body`.
    """
    stamp = event.stamp
    head = {"topic": event.topic, "epoch": stamp.epoch, "sequence": stamp.sequence, "time_ns": stamp.time_ns}
    body = event.body
    is_spread = isinstance(body, dict) and not event.topic.startswith(OWN)
    return to_json({**head, **body, **head} if is_spread else {**head, "body": body})


def as_text(event: "Event") -> str:
    """Format a message for people: time, topic, sequence, fields."""
    at = moment(event.stamp.time_ns, "milliseconds")
    body = event.body
    if event.topic.startswith("market.") and isinstance(body, dict):
        return printable(f"{at} {event.topic} #{event.stamp.sequence} {_market(body)}")
    if event.topic == ALL and body == {}:
        return printable(f"{at} {event.topic} #{event.stamp.sequence} (a message of an own topic)")
    text = " ".join(f"{key}={_short(value)}" for key, value in body.items()) if isinstance(body, dict) else _short(body)
    return printable(f"{at} {event.topic} #{event.stamp.sequence} {text}")


def _market(body: dict[str, Any]) -> str:
    """Return the state of a market in words."""
    words = [f"{body.get('market')} is {body.get('state')}"]
    for name, text in (("as_of", "newest data"), ("next_opening", "next opening")):
        if isinstance(at_ms := body.get(name), int) and FIRST_MS <= at_ms < END_MS:
            words.append(f"{text} {moment(at_ms * 1_000_000, 'seconds')}")
    return ", ".join(words)


def line_of(event: "Event", write: Callable[["Event"], str]) -> Iterator[str]:
    """Yield the line of a message; for an unreadable body yield none, and print the error on standard error."""
    try:
        yield write(event)
    except (ProtocolError, RecursionError) as error:
        click.echo(printable(f"hulak: skipped {event.topic} sequence {event.stamp.sequence}: {error}"), err=True)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else to_json(value)
    return text if len(text) <= 200 else text[:197] + "..."


class LineOutput:
    """Standard output: line by line on a terminal, else in large blocks, for tens of thousands of lines per second.

    Args:
        by_line: line by line everywhere.
    """

    def __init__(self, *, by_line: bool = False) -> None:
        self.count = 0  # of lines
        self._lines: list[str] = []
        self._bytes = 0
        self._limit = 1 if by_line or sys.stdout.isatty() else FLUSH_BYTES

    def add(self, line: str) -> None:
        """Add one line. Raises `BrokenPipeError` when the reader has ended."""
        self.count += 1
        self._lines.append(line)
        self._bytes += len(line)
        if self._bytes >= self._limit:
            self.flush()

    def flush(self) -> None:
        """Write the buffered lines. Raises as `add`."""
        if self._lines:
            sys.stdout.write("\n".join(self._lines) + "\n")
            sys.stdout.flush()
            self._lines.clear()
            self._bytes = 0


class Interrupt:
    """Ctrl-C or SIGTERM, recorded instead of raised: Python drops an exception that is raised in clean-up code.

    The second signal has its usual effect, in case the output blocks. A recorded SIGTERM ends the process at the end of the
    context, when the buffered lines are written.
    """

    def __init__(self) -> None:
        self.requested = False
        self._ends_process = False

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._record) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._ends_process:
            os.kill(os.getpid(), signal.SIGTERM)

    def _record(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.requested = True
        self._ends_process = number == signal.SIGTERM
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def symbol_hint(topic: str) -> str:
    """Return a hint for a topic that looks like a symbol without its `tick.`; empty for any other one."""
    others = (
        *(key.rstrip(b"\0").decode() for key in (TICKS, HEARTBEAT, STATS, CONFIG, DISPLAYS)),
        *map(bytes.decode, JOURNALLED),
    )
    is_other = "." in topic or topic.endswith("*") or any(other.startswith(topic) for other in others)
    return "" if is_other else f"the ticks of a symbol are on {'tick.' + topic!r}"


def follow(
    subscriber: "Subscriber",
    lines: LineOutput,
    write: Callable[["Event"], str],
    interrupted: Interrupt,
    count: int | None,
    timeout_s: float | None,
    pacing: Callable[["Event"], float] | None = None,
) -> None:
    """Write messages until there were `count` of them or Ctrl-C was pressed; checked at least twice per second.

    Args:
        subscriber: of the messages.
        lines: output.
        write: formats a message.
        interrupted: whether Ctrl-C was pressed.
        count: messages after which to end; None: no limit.
        timeout_s: seconds without a message; None: no limit.
        pacing: returns the seconds to wait before a message is written; None: no wait.
    Raises:
        BusTimeout: no message for `timeout_s` seconds.
    """
    last, seen = time.monotonic(), 0
    while not interrupted.requested and (count is None or seen < count):
        event = subscriber.poll(0)
        if event is None:
            lines.flush()
            event = subscriber.poll(WAIT_S if timeout_s is None else min(WAIT_S, timeout_s))
        if event is None:
            if timeout_s is not None and time.monotonic() - last >= timeout_s:
                raise BusTimeout(
                    f"no message for {timeout_s:g} s, after {seen} messages; check the prefix, or give a longer --timeout"
                )
            continue
        if event.topic == LIVE and write is not as_json:
            lines.flush()
            click.echo("hulak: the journal ends here, live messages follow", err=True)
            continue
        if event.topic == ALL_TICKS and event.packed in (None, NO_BODY) and event.unpacked in (None, {}):  # of another topic
            continue
        if pacing is not None:
            _wait(pacing(event), lines, interrupted)
        for line in line_of(event, write):
            lines.add(line)
        seen += event.topic != LIVE
        last = time.monotonic()


def _wait(wait_s: float, lines: LineOutput, interrupted: Interrupt) -> None:
    until = time.monotonic() + wait_s
    if wait_s > 0:
        lines.flush()
    while not interrupted.requested and (left_s := until - time.monotonic()) > 0:
        time.sleep(min(WAIT_S, left_s))


def _show_table(call: Call, prefix: str) -> None:
    """Show the newest message of each topic in place, until q, Ctrl-C or --timeout."""
    from hulak.clients.cli.top_state import body_of
    from hulak.clients.cli.top_tabs import board_listing
    from hulak.clients.cli.topic_board import TopicBoard
    from hulak.clients.subscriber import Subscriber

    board, wanted, notes = TopicBoard(), "tick." if prefix == ALL else prefix, deque([""], maxlen=1)

    def listed(now: float) -> "Listing":
        return board_listing(board, now, notes[0])

    def add(event: "Event", now: float) -> None:
        board.add(event.topic, event.stamp.sequence, event.stamp.time_ns, body_of(event), now)

    with (
        _noted(call, wanted, lambda: board.states, notes.append),
        Subscriber(wanted, settings=call.settings, home=call.home, mode="latest", name="hulak-sub") as subscriber,
    ):
        if not in_place.follow(subscriber, listed, add, call.timeout_s):
            raise BusTimeout(f"no message for {call.timeout_s:g} s; check the prefix, or give a longer --timeout")


def _noted(
    call: Call, prefix: str, came: Callable[[], object], output: Callable[[str], None]
) -> contextlib.AbstractContextManager[None]:
    """Print in a block that no message was published on a topic yet, with the nearest one: it is no error, one may come later.

    Args:
        call: the run of the command.
        prefix: topic, or prefix of topics.
        came: returns whether there was a message.
        output: prints the text.
    """

    def note(client: "BusClient") -> str:
        return "" if came() else nearest.unpublished(client, prefix, symbol_hint(prefix))

    return side_notes.noted(call, note, after_s=NOTICE_S, output=output)


def _pacing(speed: float) -> Callable[["Event"], float]:
    """Return a function that says how long to wait before a message, by the times at which the broker numbered them."""
    from hulak.clients.feeds.pacing import ReplayPacing

    pacing = ReplayPacing(speed)
    return lambda event: pacing.wait_s(event.stamp.time_ns // 1_000_000, time.monotonic()) if event.topic != LIVE else 0.0


class Beginning(click.ParamType[str]):
    """A time as `bus.wire.time_texts` reads it, or `oldest`."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check a text; the usage error names what is allowed."""
        text = str(value)
        try:
            start_of(text, None, None, time.time_ns())
        except ConfigError as error:
            self.fail(str(error).removeprefix("since: "), param, ctx)
        return text


@click.command(
    cls=Command,
    short_help="Print published messages.",
    timeout_help="Seconds without a message after which to fail; no limit by default.",
    epilog=examples(
        "hulak sub tick.EURUSD",
        "hulak sub 'tick.*' --count 100 --json",
        "hulak sub ticks --since 09:00 --speed 10",
        "hulak sub ticks --since oldest --name strategy-1 --json",
    ),
)
@click.argument("prefix", type=Topic(), metavar="[PREFIX]", default="")
@click.option(
    "--count", type=click.IntRange(min=1), metavar="N", help="Number of messages after which to stop; no limit by default."
)
@click.option(
    "--since",
    type=Beginning(),
    help="Begin in the journal: with 09:00, 2026-11-22T10:00 (UTC without a zone), 10m (ten minutes ago), oldest or now.",
)
@click.option("--from", "first", type=click.IntRange(min=1), metavar="N", help="Begin in the journal with this sequence.")
@click.option(
    "--last",
    type=click.IntRange(1, MOST_LAST),
    metavar="N",
    help="Begin in the journal with the N newest ticks; at most a million.",
)
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    metavar="X",
    help="Seconds of the past that are printed in one second; as fast as possible by default.",
)
@click.option("--scroll", is_flag=True, help="Print each message as a line, also on a terminal.")
@click.option(
    "--name",
    help="Keep the position under this name: a later start goes on there. Needs --since, --from or --last, as first start.",
)
def sub(
    call: Call,
    prefix: str,
    count: int | None,
    since: str | None,
    first: int | None,
    last: int | None,
    speed: float | None,
    scroll: bool,
    name: str | None,
) -> None:
    """Print the messages of all topics with PREFIX, one per line; on a terminal show a table with a row per topic.

    The table has the last message of each topic, its change since the first one shown, its rate over the last 10 s and its age;
    q ends it. --scroll, --json, --count and a beginning in the past print lines.

    A PREFIX that ends with `.` or `*`, or is empty, matches all topics that begin with it; any other PREFIX is one exact topic,
    whose last message is printed first. Topics are tick.SYMBOL, ticks (the ticks of all symbols, in one order), trade.SYMBOL,
    market.NAME (the state of a market), bar.1m.SYMBOL, every.1s.SYMBOL and state.SYMBOL (see `hulak derive`), alert.NAME.SYMBOL
    (see `hulak alert`), app.NAME and app.NAME.REST (of a program, see `hulak pub`) and stats.

    N of --from is a sequence of the topic; for `ticks` and prefixes it is one of the topic `ticks`. Where the journal ends, a
    line on standard error says so; with --json it is an object of the topic `live`.

    Subscribes at the publisher with `PREFIX`, or `PREFIX NUL` for one topic; messages are `topic NUL stamp body`.
    """
    given = {"since": since, "from_sequence": first, "last": last}
    past = {key: value for key, value in given.items() if value is not None}
    if len(past) > 1:
        raise click.UsageError("--since, --from and --last exclude each other; give one of them")
    if not past and (name is not None or speed is not None):
        raise click.UsageError("--name and --speed need --since, --from or --last")
    pacing = None if speed is None else _pacing(speed)
    call.wait_for_broker("publisher")
    if in_place.is_possible() and not (scroll or call.as_json or count or past):
        _show_table(call, prefix)
        return
    lines = LineOutput(by_line=name is not None)  # a kept position may not be ahead of the output
    try:
        with (
            contextlib.suppress(KeyboardInterrupt),
            Interrupt() as interrupted,
            _noted(call, prefix, lambda: lines.count, side_notes.show),
            subscribe(call.settings, call.home, prefix, past={**past, "name": name} if past else None) as subscriber,
        ):
            try:
                follow(subscriber, lines, as_json if call.as_json else as_text, interrupted, count, call.timeout_s, pacing)
            finally:
                lines.flush()
    except BrokenPipeError:  # the reader, such as `head`, has ended; Python flushes the rest to the null device
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

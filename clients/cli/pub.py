"""`hulak pub TOPIC BODY`: publishes messages on an own topic."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from math import isfinite
from typing import TYPE_CHECKING, Any

import click

from hulak.bus.errors import BusError, FeedError, ProtocolError
from hulak.bus.wire.own_names import owned_name, topic_of
from hulak.clients.cli.command import Call, Command, Topic, print_json
from hulak.clients.cli.help_text import examples
from hulak.clients.json_text import unique

if TYPE_CHECKING:
    from hulak.clients.own_topics import Publisher

CONFIRMED_S = 10.0
LONGEST_LINE = 4 << 20  # characters; a body is at most 1 MiB when packed
STANDARD_INPUT = "-"
LOWEST_RATE = 0.001  # messages per second


class JsonError(FeedError):
    """A body that is no JSON value."""


def body_of(text: str, where: str) -> Any:
    """Read a body.

    Args:
        text: one JSON value; NaN and infinity are none.
        where: it was read, for the error.
    Raises:
        JsonError: it is none; the text says where and why.
    """
    try:
        return json.loads(text, object_pairs_hook=unique, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise JsonError(f"{where} is {text.strip()!r:.60}, must be JSON ({error}); a text is '\"text\"'") from error


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _finite(number: str) -> float:
    value = float(number)
    if not isfinite(value):
        raise ValueError(f"{number} is beyond the numbers of 64 bits")
    return value


class Pace:
    """A number of messages per second, by waiting.

    Args:
        rate: messages per second; None: no wait.
        clock: monotonic seconds.
        sleep: waits for seconds.
    """

    def __init__(self, rate: float | None, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._step_s = 0.0 if rate is None else 1 / rate
        self._clock, self._sleep = clock, sleep
        self._due = clock()

    def wait(self) -> None:
        """Wait until the next message is due; time that was lost is not made up for beyond one message."""
        now = self._clock()
        if now < self._due:
            self._sleep(self._due - now)
        self._due = max(self._due, now) + self._step_s


@click.command(
    cls=Command,
    short_help="Publish messages on a topic of your own.",
    timeout_help=f"Seconds to wait for the broker and its confirmation; {CONFIRMED_S:g} by default.",
    epilog=examples(
        """hulak pub app.signals.EURUSD '{"side": "buy", "size": 2}'""",
        "hulak pub app.signals.EURUSD 42 --journal --json",
        "hulak pub app.sensors - --rate 10",
    ),
)
@click.argument("topic", type=Topic(), metavar="TOPIC")
@click.argument("body", metavar="BODY")
@click.option("--journal", is_flag=True, help="Journal the topics of this name, so that they can be replayed.")
@click.option(
    "--rate",
    type=click.FloatRange(min=LOWEST_RATE),
    metavar="N",
    help="Messages per second from standard input; as fast as possible by default.",
)
def pub(call: Call, topic: str, body: str, journal: bool, rate: float | None) -> None:
    """Publish BODY, a JSON value, on TOPIC: `app.NAME` or `app.NAME.REST`.

    With `-` as BODY, publish each line of standard input, one JSON value per line, until its end or Ctrl-C. The command ends
    when the broker has accepted all messages, and where they are journalled, when they are in the journal. --journal is kept for
    the name: without it, the topics are as they are. Exit code 1 if the broker refused messages, another program owns the name,
    or a line is not JSON (those before it are published); 3 if not all messages were confirmed in time.

    Sends REQUEST hulak.feed to the frontend, and frames `TOPIC NUL stamp body` to the collector.
    """
    name = _owned(topic)
    if rate is not None and body != STANDARD_INPUT:
        raise click.UsageError("--rate goes with '-' as BODY, which reads standard input")
    single: list[Any] = []
    if body != STANDARD_INPUT:
        try:
            single.append(body_of(body, "BODY"))
        except JsonError as error:
            raise click.UsageError(str(error)) from error
    from hulak.clients.own_topics import Publisher

    call.wait_for_broker("collector")
    timeout_s = call.timeout_s or CONFIRMED_S
    publisher = Publisher(name, journal=journal or None, settings=call.settings, home=call.home, timeout_s=timeout_s)
    try:
        publisher.open()
        rest = topic.removeprefix(topic_of(name)).removeprefix(".")
        fault = _post_all(publisher, iter(single) if single else _lines(), rest, Pace(rate, time.monotonic, time.sleep))
        _confirm(publisher, topic, call)
    finally:
        publisher.close()
    if fault is not None:
        raise fault


def _owned(topic: str) -> str:
    try:
        return owned_name(topic.encode("ascii", "replace"))
    except ProtocolError as error:
        raise click.UsageError(f"{error}, e.g. 'app.signals.EURUSD'; ticks are published by `hulak feed`") from error


def _lines() -> Iterator[Any]:
    """Yield the value of each line of standard input. Raises `JsonError`."""
    number = 0
    while line := _line(number + 1):
        number += 1
        if len(line) >= LONGEST_LINE:
            raise JsonError(f"line {number} has {LONGEST_LINE:,} characters or more, must be shorter")
        if line.strip():
            yield body_of(line, f"line {number}")


def _line(number: int) -> str:
    try:
        return sys.stdin.readline(LONGEST_LINE)
    except UnicodeDecodeError as error:
        raise JsonError(f"line {number} or one soon after it is not UTF-8: {error}") from error


def _post_all(publisher: "Publisher", bodies: Iterator[Any], rest: str, pace: Pace) -> FeedError | None:
    """Post all bodies until the end or Ctrl-C; return the error of the first bad one, behind which none is posted."""
    try:
        for body in bodies:
            pace.wait()
            publisher.post(body, rest)
    except KeyboardInterrupt:
        pass
    except FeedError as error:
        return error
    return None


def _confirm(publisher: "Publisher", topic: str, call: Call) -> None:
    """Wait for the confirmation, and print the counts; raise if messages were refused."""
    refused: BusError | None = None
    try:
        publisher.flush()
    except BusError as error:
        if error.code != "REFUSED":
            raise
        refused = error
    counts = publisher.counters()
    posted, lost = counts["posted"], counts["refused"]
    if refused is not None and not call.as_json:
        raise refused
    if call.as_json:
        shown = {"topic": topic, "posted": posted, "confirmed": posted - lost, "refused": lost}
        print_json({**shown, "journalled": publisher.journalled, "errors": counts["symbol_errors"]})
        if refused is not None:
            raise click.exceptions.Exit(1)
    else:
        kind = "in the journal" if publisher.journalled else "not journalled"
        click.echo(f"published {posted} message{'' if posted == 1 else 's'} on {topic}, {kind}")

"""`hulak sub PREFIX`: what is published, one line a message."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any, Self

import click

from bus.errors import BusTimeout, ProtocolError
from clients.cli.command import Call, Command, subscribe, to_json
from clients.cli.table import moment

if TYPE_CHECKING:
    from bus.subscriber.events import Event
    from clients.subscriber import Subscriber

FLUSH_BYTES = 1 << 16
WAIT_S = 0.5  # seconds of one wait for a message; after each, the time limit is looked at


def as_json(event: "Event") -> str:
    """Write one message as an object: topic, epoch, sequence, time_ns, and the body's fields, or `body` if it has none."""
    stamp = event.stamp
    head = {"topic": event.topic, "epoch": stamp.epoch, "sequence": stamp.sequence, "time_ns": stamp.time_ns}
    body = event.body
    return to_json({**head, **body, **head} if isinstance(body, dict) else {**head, "body": body})


def as_text(event: "Event") -> str:
    """Write one message for people: time, topic, number, fields."""
    at = moment(event.stamp.time_ns, "milliseconds")
    body = event.body
    said = " ".join(f"{key}={_short(one)}" for key, one in body.items()) if isinstance(body, dict) else _short(body)
    return f"{at} {event.topic} #{event.stamp.sequence} {said}"


def line_of(event: "Event", write: Callable[["Event"], str]) -> Iterator[str]:
    """Give the line of a message; of one whose body cannot be read there is none, and standard error says so."""
    try:
        yield write(event)
    except (ProtocolError, RecursionError) as error:
        click.echo(f"hulak: {event.topic} number {event.stamp.sequence} is left out: {error}", err=True)


def _short(value: Any) -> str:
    said = value if isinstance(value, str) else to_json(value)
    return said if len(said) <= 200 else said[:197] + "..."


class LineOutput:
    """Standard output, line by line on a terminal, else in large pieces, so that tens of thousands a second pass."""

    def __init__(self) -> None:
        self._kept: list[str] = []
        self._bytes = 0
        self._limit = 1 if sys.stdout.isatty() else FLUSH_BYTES

    def add(self, line: str) -> None:
        """Take one line. Raises `BrokenPipeError` when nobody reads any more."""
        self._kept.append(line)
        self._bytes += len(line)
        if self._bytes >= self._limit:
            self.flush()

    def flush(self) -> None:
        """Write what is kept. Raises as `add`."""
        if self._kept:
            sys.stdout.write("\n".join(self._kept) + "\n")
            sys.stdout.flush()
            self._kept.clear()
            self._bytes = 0


class Interrupt:
    """Ctrl-C, noted instead of raised: an exception could be lost where Python drops those of clean-up code.

    The second one is raised as usual, for when the output is stuck.
    """

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)


def follow(
    subscriber: "Subscriber",
    lines: LineOutput,
    write: Callable[["Event"], str],
    interrupted: Interrupt,
    count: int | None,
    timeout_s: float | None,
) -> None:
    """Write messages until there were `count` of them, or Ctrl-C; it is looked at twice a second at least.

    Raises:
        BusTimeout: nothing at all came for `timeout_s` seconds.
    """
    last, seen = time.monotonic(), 0
    while not interrupted.asked and (count is None or seen < count):
        event = subscriber.poll(0)
        if event is None:
            lines.flush()
            event = subscriber.poll(WAIT_S if timeout_s is None else min(WAIT_S, timeout_s))
        if event is None:
            if timeout_s is not None and time.monotonic() - last >= timeout_s:
                raise BusTimeout(f"nothing was published on it for {timeout_s:g} s, {seen} messages before")
            continue
        for line in line_of(event, write):
            lines.add(line)
        seen += 1
        last = time.monotonic()


@click.command(
    cls=Command,
    short_help="Print what is published.",
    timeout_help="Give up when nothing at all arrives for so long. Default: wait for ever.",
)
@click.argument("prefix", metavar="[PREFIX]", default="")
@click.option("--count", type=click.IntRange(min=1), metavar="N", help="End after so many messages.")
def sub(call: Call, prefix: str, count: int | None) -> None:
    """Print what is published under PREFIX, one message a line.

    A PREFIX that ends with `.` or `*`, or is empty, means every topic that begins so; any other is one topic exactly. An
    exact topic begins with its last message. Topics are tick.SYMBOL, ticks (the ticks of all symbols, in one order) and stats.

    Subscribes at the publisher with `PREFIX`, or `PREFIX NUL` for one topic; messages are `topic NUL stamp body`.

    \b
    hulak sub tick.EURUSD
    hulak sub 'tick.*' --count 100 --json
    """
    call.wait_for_broker("publisher")
    lines = LineOutput()
    try:
        with (
            contextlib.suppress(KeyboardInterrupt),
            Interrupt() as interrupted,
            subscribe(call.settings, call.home, prefix) as subscriber,
        ):
            try:
                follow(subscriber, lines, as_json if call.as_json else as_text, interrupted, count, call.timeout_s)
            finally:
                lines.flush()
    except BrokenPipeError:  # `| head` has had enough; what Python would still flush goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

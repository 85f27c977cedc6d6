"""Notes to people while a command waits: another connection asks the broker, so that the command itself is not held up."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from hulak.bus.errors import HulakError
from hulak.clients.printable import printable

if TYPE_CHECKING:
    from hulak.clients.calls.client import BusClient
    from hulak.clients.cli.command import Call

REPLY_S = 2.0  # for one answer of the broker


def show(text: str) -> None:
    """Print a note on standard error."""
    click.echo(f"hulak: {printable(text)}", err=True)


@contextlib.contextmanager
def noted(
    call: "Call", note: "Callable[[BusClient], str]", *, after_s: float = 0.0, output: Callable[[str], None] = show
) -> Iterator[None]:
    """Print a note while a block runs; none after it, and none if the broker does not answer.

    Args:
        call: the run of the command.
        note: returns the note, with answers of the broker; empty: there is none.
        after_s: seconds after which it is asked.
        output: prints it, in another thread.
    """
    done = threading.Event()
    thread = threading.Thread(target=_run, args=(call, note, after_s, output, done), name="side-note", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(REPLY_S)


def _run(
    call: "Call", note: "Callable[[BusClient], str]", after_s: float, output: Callable[[str], None], done: threading.Event
) -> None:
    from hulak.clients.calls.client import BusClient

    if done.wait(after_s):
        return
    with contextlib.suppress(HulakError), BusClient(call.settings, call.home) as client:
        text = note(client)
        if text and not done.is_set():
            output(text)

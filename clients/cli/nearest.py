"""Suggestions for names that only the broker knows: topics and symbols. They are requested when a name was wrong."""

import contextlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from hulak.bus.errors import BusError, HulakError
from hulak.bus.wire.plain_values import suggestion

if TYPE_CHECKING:
    from hulak.clients.calls.client import BusClient

CHOICE = re.compile(r"('.*?') is not one of (.*)\.")
QUOTED = re.compile(r"'([^']*)'")
WAIT_S = 2.0  # for the names


def of_choice(message: str) -> str:
    """Return a suggestion for click's error of a value that is not among its choices; empty for any other error."""
    match = CHOICE.search(message)
    return "" if match is None else suggestion(match[1].strip("'"), QUOTED.findall(match[2]))


def topic(client: "BusClient", wanted: str) -> str:
    """Return a suggestion for a topic without a message: with the same beginning, such as `tick.`; empty if none is near."""
    prefix = wanted[: wanted.find(".") + 1] or "tick."
    return suggestion(wanted, _topics(client, prefix)) or suggestion(f"{prefix}{wanted}", _topics(client, prefix))


def symbol(client: "BusClient", wanted: str) -> str:
    """Return a suggestion for a symbol without a tick; empty if none is near."""
    return suggestion(wanted, [name.removeprefix("tick.") for name in _topics(client, "tick.")])


def _topics(client: "BusClient", prefix: str) -> list[str]:
    """Return the topics below a prefix; none if the broker does not reply, or refuses it."""
    from hulak.clients.history import last_events

    with contextlib.suppress(HulakError):
        return [event.topic for event in last_events(client, prefix, WAIT_S)]
    return []


@contextlib.contextmanager
def suggesting(client: "BusClient", wanted: str, *, is_symbol: bool = False) -> Iterator[None]:
    """Add a suggestion to the error `UNKNOWN_TOPIC` of a block.

    Args:
        client: connected.
        wanted: topic or symbol.
        is_symbol: it is a symbol.
    """
    try:
        yield
    except BusError as error:
        near = (symbol if is_symbol else topic)(client, wanted) if error.code == "UNKNOWN_TOPIC" else ""
        if not near:
            raise
        raise BusError(error.code, f"{error}{near}", error.details) from error

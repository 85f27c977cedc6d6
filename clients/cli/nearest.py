"""Suggestions for names that only the broker knows: topics and symbols. They are requested when a name was wrong."""

import contextlib
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from hulak.bus.errors import BusError, HulakError
from hulak.bus.wire.names import TICKS
from hulak.bus.wire.plain_values import suggestion

if TYPE_CHECKING:
    from hulak.clients.calls.client import BusClient
    from hulak.clients.cli.command import Call

CHOICE = re.compile(r"('.*?') is not one of (.*)\.")
QUOTED = re.compile(r"'([^']*)'")
WAIT_S = 2.0  # for the names
LISTS = {  # code of an error -> the service that lists the names, and the command that shows them
    "UNKNOWN_ALERT": ("hulak.alert.list", "hulak alert"),
    "UNKNOWN_CALENDAR": ("hulak.calendar.list", "hulak schedule calendar"),
    "UNKNOWN_POSITION": ("hulak.position.list", "hulak positions"),
    "UNKNOWN_SCHEDULE": ("hulak.schedule.list", "hulak schedule"),
}


def of_choice(message: str) -> str:
    """Return a suggestion for click's error of a value that is not among its choices; empty for any other error."""
    match = CHOICE.search(message)
    return "" if match is None else suggestion(match[1].strip("'"), QUOTED.findall(match[2]))


def of_error(call: "Call", error: HulakError, given: Iterable[str]) -> str:
    """Return what the error of a name that the broker does not know lacks: the command that lists all names, and the nearest one.

    Args:
        call: the run of the command.
        error: of any code.
        given: the values that the command was given; the wrong one is quoted in the error.
    """
    if not isinstance(error, BusError) or error.code not in LISTS:
        return ""
    (service, command), text = LISTS[error.code], str(error)
    listing = "" if "`" in text else f"; `{command}` lists all"
    wanted = next((value for value in given if repr(value) in text), "")
    return listing + suggestion(wanted, _listed(call, service))


def _listed(call: "Call", service: str) -> list[str]:
    """Return the names of a list of the broker; none if it does not reply, or refuses it."""
    with contextlib.suppress(HulakError):
        answer = call.request(service, timeout_s=WAIT_S)
        return [row["name"] for row in (answer["alerts"] if isinstance(answer, dict) else answer)]
    return []


def topic(client: "BusClient", wanted: str) -> str:
    """Return a suggestion for a topic without a message: with the same beginning, such as `tick.`; empty if none is near."""
    prefix = wanted[: wanted.find(".") + 1] or "tick."
    names = _topics(client, prefix)
    near = suggestion(wanted, names) or suggestion(f"{prefix}{wanted}", names)
    return near or ("" if names else suggestion(wanted, _topics(client, "")))


def below(client: "BusClient", wanted: str) -> str:
    """Return a suggestion for the beginning of topics without its dot, such as `tick`; empty if no topic is below it."""
    return f"; did you mean {f'{wanted}.*'!r}?" if wanted and _topics(client, f"{wanted}.") else ""


def unpublished(client: "BusClient", wanted: str, hint: str = "") -> str:
    """Return that there is no message on a topic or below a prefix, and the nearest one; empty if there is one.

    Args:
        client: connected.
        wanted: topic or prefix.
        hint: in place of a nearest one, where there is none.
    Raises:
        BusError: the broker did not say it.
    """
    from hulak.clients.history import last_events

    if wanted == TICKS.rstrip(b"\0").decode() or last_events(client, wanted, WAIT_S):
        return ""
    if wanted.endswith((".", "*")):
        return f"no message was published below {wanted!r} yet{_beginning(client, wanted)}"
    if not wanted:
        return "no message was published yet"
    near = below(client, wanted) or topic(client, wanted) or (f"; {hint}" if hint else "")
    return f"no message was published on {wanted!r} yet{near}"


def _beginning(client: "BusClient", wanted: str) -> str:
    """Return a suggestion for the part of a prefix up to its dot; empty if there are topics that begin so."""
    beginnings = {topic[: topic.find(".") + 1] for topic in _topics(client, "") if "." in topic}
    return "" if wanted.startswith(tuple(beginnings)) else suggestion(f"{wanted.partition('.')[0].rstrip('*')}.", beginnings)


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

"""`hulak topics`: lists and removes topics of ticks, and own topics."""

import time
from typing import TYPE_CHECKING, Any

import click

from hulak.bus.errors import BusError
from hulak.bus.wire.replay_range import prefix_of
from hulak.clients.cli import nearest, table
from hulak.clients.cli.command import BROKER_S, Call, Command, Topic, print_json
from hulak.clients.cli.groups import ListingGroup
from hulak.clients.cli.help_text import examples
from hulak.clients.durations import fine_age

if TYPE_CHECKING:
    from hulak.clients.calls.client import BusClient

HEADS = ["topic", "number", "source or owner", "journalled", "age"]
OWN = "app."
LISTED = ("tick.", OWN)  # without a TOPIC
KNOWN = (*LISTED, "trade.", "market.", "bar.", "every.", "state.", "alert.")


@click.group(
    cls=ListingGroup,
    short_help="List and remove topics of ticks and own topics.",
    epilog=examples("hulak topics", "hulak topics rm 'tick.BTC-1DEC26-*'", "hulak topics rm app.signals 'app.signals.*' --yes"),
)
def topics() -> None:
    """List and remove topics of ticks and own topics; without a command, list them as `hulak topics ls`.

    The broker keeps a topic and its last value until the topic is removed, also after the end of its feed and after a restart;
    an own topic that is not journalled until the restart. The maximum is `broker.max_topics`, including topics of displays and
    of the broker; at most a quarter of it are own topics.
    """


@topics.command(
    cls=Command,
    short_help="List topics with their sequences and the age of their last ticks.",
    epilog=examples("hulak topics ls", "hulak topics ls 'tick.EUR*' --json", "hulak topics ls app."),
)
@click.argument("pattern", type=Topic(), metavar="[TOPIC]", required=False)
def ls(call: Call, pattern: str | None) -> None:
    """List TOPIC, or all topics with that prefix if TOPIC ends with `.` or `*`; all topics of ticks and own topics by default.

    Trades have topics with the prefix `trade.`, states of markets `market.`, bars `bar.`, conflated ticks `every.`, states of
    symbols `state.`, alerts that fire `alert.`, own topics `app.`. The number is that of
    the last message; an own topic that is not journalled begins with 1 at each start of the broker. Its owner is the program
    that may publish on it now.

    Sends REQUEST hulak.last to the frontend, and hulak.topic.owners if there are own topics.
    """
    rows = _rows(call, *(LISTED if pattern is None else (_checked(pattern),)))
    if call.as_json:
        print_json(rows)
    else:
        table.show(HEADS, map(_cells, rows), "no such topic has a message yet")


def _cells(row: dict[str, Any]) -> list[Any]:
    is_own = row["topic"].startswith(OWN)
    named = row["owner"] if is_own else row["source"]
    return [row["topic"], row["number"], named, bool(row["journalled"]), fine_age(row["age_s"])]


def _checked(pattern: str) -> str:
    if not pattern.startswith(KNOWN):
        raise click.UsageError(
            f"{pattern!r} is not a topic of a feed or an own one, must begin with {', '.join(map(repr, KNOWN))}, e.g. 'tick.EUR*'"
        )
    return pattern


def _rows(call: Call, *patterns: str) -> list[dict[str, Any]]:
    from hulak.clients.history import last_events

    timeout_s = call.timeout_s or BROKER_S
    with call.client() as client:
        events = [event for pattern in patterns for event in last_events(client, pattern, timeout_s)]
        owners = _owners(client, timeout_s) if any(event.topic.startswith(OWN) for event in events) else {}
    now_ns = time.time_ns()
    return [
        {
            "topic": event.topic,
            "number": event.stamp.sequence,
            "source": _source(event.body),
            "owner": owners.get(event.topic.split(".")[1]) if event.topic.startswith(OWN) else None,
            "journalled": event.stamp.epoch > 0,
            "age_s": round((now_ns - event.stamp.time_ns) / 1e9, 1),
        }
        for event in sorted(events, key=lambda event: event.topic)
    ]


def _source(body: Any) -> Any:
    return body.get("source") if isinstance(body, dict) else None


def _owners(client: "BusClient", timeout_s: float) -> dict[str, str | None]:
    """Return the owners by the names of own topics; none for a key that may not `read`."""
    try:
        rows = client.call("hulak.topic.owners", timeout_s=timeout_s)
    except BusError as error:
        if error.code != "FORBIDDEN":
            raise
        return {}
    return {row["name"]: row["owner"] or None for row in rows}


@topics.command(
    cls=Command,
    short_help="Remove topics.",
    epilog=examples("hulak topics rm tick.TEST1", "hulak topics rm 'tick.BTC-1DEC26-*' --yes"),
)
@click.argument("patterns", type=Topic(), metavar="TOPIC...", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Skip the confirmation for a TOPIC that matches many topics.")
def rm(call: Call, patterns: tuple[str, ...], yes: bool) -> None:
    """Remove each TOPIC, or all topics with that prefix if TOPIC ends with `.` or `*`.

    This deletes their last values and makes room for other topics. Their ticks stay in the journal for the usual time. A topic
    with an active feed is created again by its next tick, and its sequence continues. When all own topics of a name are removed,
    its next owner decides again whether they are journalled. The exit code is 1 if nothing was removed.

    Sends REQUEST hulak.topic.remove to the frontend.
    """
    wanted = [_checked(pattern) for pattern in patterns]
    if not yes and any(not prefix_of(pattern).endswith(b"\0") for pattern in wanted):
        _confirm(call, wanted)
    with call.client() as client:
        removed = client.call("hulak.topic.remove", args={"topics": wanted}, timeout_s=call.timeout_s or BROKER_S)["removed"]
        near = "" if removed else nearest.topic(client, wanted[0])
    if not removed:
        raise BusError("UNKNOWN_TOPIC", f"there is no topic {', '.join(map(repr, wanted))}; `hulak topics` lists topics{near}")
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

"""The operations that read: each gets its checked arguments and returns a value of JSON."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from hulak.bus.errors import BusError, ProtocolError
from hulak.bus.subscriber.events import Event, event_of
from hulak.bus.wire.names import OWN_TOPICS
from hulak.bus.wire.time_texts import moment_ns
from hulak.clients.derive.journal_bars import bars_of
from hulak.clients.gateway.api.arguments import BARS, ROWS
from hulak.clients.gateway.api.context import CALL_S, Context
from hulak.clients.gateway.api.problems import bad

OWN = OWN_TOPICS.decode()
STEP_S = 1.0  # of a wait for a task: no request to the broker takes much longer than `CALL_S`
READ_S = 10.0  # limit of one read of the journal
Args = Mapping[str, Any]


async def status(context: Context, args: Args) -> Any:
    """Return the statistics, the supervised processes and the verdict, as `hulak status --json`."""
    del args
    stats = await context.call("hulak.stats")
    return {**stats, "supervised": context.supervised(), "health": context.verdict().as_dict()}


async def check(context: Context, args: Args) -> Any:
    """Return the verdict; it needs no broker."""
    del args
    return context.verdict().as_dict()


async def workers(context: Context, args: Args) -> Any:
    """Return the workers' rows of the statistics."""
    del args
    return (await context.call("hulak.stats"))["workers"]


async def subscribers(context: Context, args: Args) -> Any:
    """Return the subscribers' figures of the statistics."""
    del args
    return (await context.call("hulak.stats"))["subscribers"]


async def feeds(context: Context, args: Args) -> Any:
    """Return the feeds' reports."""
    del args
    return await _reports(context, "feed")


async def bridges(context: Context, args: Args) -> Any:
    """Return the bridges' reports."""
    del args
    return await _reports(context, "bridge")


async def _reports(context: Context, kind: str) -> list[Any]:
    rows = (await context.call("hulak.stats"))["processes"]
    return sorted((row for row in rows if row["kind"] == kind), key=lambda row: str(row["name"]))


async def topics(context: Context, args: Args) -> Any:
    """Return the topics of a prefix, with the numbers of their last messages."""
    events = await _last_events(context, args.get("topic", "tick."))
    rows = [_head(event) for event in events]
    return [{**row, "journalled": row["epoch"] > 0} for row in rows]


async def last(context: Context, args: Args) -> Any:
    """Return the last message of each topic. Raises `BusError`, `UNKNOWN_TOPIC`, if there is none."""
    events = await _last_events(context, args["topic"])
    if not events:
        raise BusError("UNKNOWN_TOPIC", f"no message was published on {args['topic']!r} yet")
    return [row_of(event) for event in events]


async def _last_events(context: Context, topic: str) -> list[Event]:
    frames = await context.call("hulak.last", {"topic": topic})
    return sorted(map(event_of, frames), key=lambda event: event.topic)


async def ticks(context: Context, args: Args) -> Any:
    """Return a page of the journal: rows, the number to go on with, and the ranges that the journal does not have."""
    now_ns = time.time_ns()
    wanted: dict[str, Any] = {"topic": args.get("topic", "ticks")}
    wanted |= {name: args[name] for name in ("from", "to") if args.get(name) is not None}
    times = {f"{name}_ns": _moment(name, args[name], now_ns) for name in ("since", "until") if args.get(name) is not None}
    if "from" not in wanted and "since_ns" not in times:
        wanted["from"] = await _oldest(context, wanted["topic"])
    limit = args.get("limit", ROWS)
    rows, answer = await _piece(context, {**wanted, **times})
    further = rows[limit][0] if len(rows) > limit else answer["next"]
    shown = [{**row_of(event_of(frame)), "number": number} for number, frame in rows[:limit]]
    reached = shown[-1]["number"] if shown and len(rows) > limit else None
    missing = [part for part in answer["missing"] if reached is None or part[0] <= reached]
    return {"rows": shown, "next": further, "missing": missing}


async def _piece(context: Context, args: Args) -> tuple[list[Any], Any]:
    rows: list[Any] = []
    ways: dict[str, Any] = {"on_part": rows.extend, "on_restart": rows.clear}
    answer = await context.client.call("hulak.replay", "", args, timeout_s=READ_S, **ways)
    return rows, answer


async def _oldest(context: Context, topic: str) -> int:
    """Return the number of the oldest message that the journal has."""
    try:
        await context.call("hulak.replay", {"topic": topic, "from": 1, "to": 1})
    except BusError as error:
        if error.code != "TOO_OLD":
            raise
        return int(error.details["oldest"])
    return 1


async def bars(context: Context, args: Args) -> Any:
    """Return bars of a symbol, published ones or made of ticks."""
    now_ns = time.time_ns()
    since_ns = None if args.get("since") is None else _moment("since", args["since"], now_ns)
    options: dict[str, Any] = {"since_ns": since_ns, "last": args.get("last", BARS), "now_ns": now_ns, "timeout_s": READ_S}
    interval = args.get("interval", "1m")
    history = await context.reads.run(lambda client: bars_of(client, args["symbol"], interval, **options))
    return {
        "symbol": args["symbol"],
        "interval": interval,
        "origin": history.origin,
        "source": history.source,
        "bars": history.bars,
    }


async def task(context: Context, args: Args) -> Any:
    """Return a task, once it has ended or the time is over."""
    until = time.monotonic() + args.get("wait_ms", 0) / 1000
    while True:
        wait_s = min(STEP_S, max(0.0, until - time.monotonic()))
        row = await context.call("hulak.result", {"task": args["task"], "wait_ms": int(wait_s * 1000)}, CALL_S + wait_s)
        if row["ended_ns"] is not None or time.monotonic() >= until:
            return row
        await asyncio.sleep(0)


async def dead_letters(context: Context, args: Args) -> Any:
    """Return failed tasks, the newest first."""
    return await context.call("hulak.tasks", {**args, "state": "failed"})


def row_of(event: Event) -> dict[str, Any]:
    """Return a message as `hulak sub --json`: its head, and its fields; of an own topic, and of no map, the field `body`."""
    try:
        body = event.body
    except ProtocolError:  # of a journal of an earlier version
        body = None
    is_spread = isinstance(body, dict) and not event.topic.startswith(OWN)
    head = _head(event)
    return {**head, **body, **head} if is_spread else {**head, "body": body}


def _head(event: Event) -> dict[str, Any]:
    stamp = event.stamp
    return {"topic": event.topic, "epoch": stamp.epoch, "sequence": stamp.sequence, "time_ns": stamp.time_ns}


def _moment(name: str, text: str, now_ns: int) -> int:
    try:
        return max(1, moment_ns(text, now_ns))
    except ValueError as error:
        raise bad(f"argument {name} is {text!r:.60}: {error}") from error

"""The operations that change something by more than one call of a control service."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from msgspec import UNSET

from hulak.bus.errors import BusError, FeedError
from hulak.bus.wire.own_names import owned_name, topic_of
from hulak.clients.calls.client import BusClient
from hulak.clients.feed_symbols import Lists, UnknownFeed, adding, change, check_names, removing
from hulak.clients.gateway.api.context import CALL_S, Context
from hulak.clients.gateway.api.problems import Problem, bad
from hulak.clients.own_topics import Publisher

Args = Mapping[str, Any]


async def call(context: Context, args: Args) -> Any:
    """Run a task, and return its result and its parts. Raises as `BusClient.call`."""
    parts: list[Any] = []
    value = await context.client.call(
        args["service"],
        args.get("action", ""),
        args.get("args", {}),
        timeout_s=args.get("timeout_ms", 60_000) / 1000,
        retries=args.get("retries"),
        priority=args.get("priority", 1),
        on_part=parts.append,
        on_restart=parts.clear,
    )
    return {"value": value, "parts": parts}


async def drop(context: Context, args: Args) -> Any:
    """Delete a dead letter. Raises `BusError`, `UNKNOWN_TASK`, if there is none: also when another one has deleted it."""
    if not await context.call("hulak.drop", args):
        raise BusError("UNKNOWN_TASK", f"there is no dead letter {args['task'].hex()}; GET /dead-letters lists all")
    return True


async def add_symbols(context: Context, args: Args) -> Any:
    """Add symbols to a running feed. Raises as `feed_symbols.change`."""
    return await _change_symbols(context, args, adding(args["symbols"]))


async def remove_symbols(context: Context, args: Args) -> Any:
    """Remove symbols from a running feed. Raises as `feed_symbols.change`."""
    return await _change_symbols(context, args, removing(args["feed"], args["symbols"]))


async def _change_symbols(context: Context, args: Args, make: Lists) -> Any:
    feed, by = args["feed"], args["by"]
    try:
        check_names(args["symbols"])
        version = await context.reads.run(lambda client: change(client, feed, make, by=by, timeout_s=CALL_S))
    except UnknownFeed as error:
        raise Problem(HTTPStatus.NOT_FOUND, "NOT_FOUND", str(error)) from error
    except FeedError as error:
        raise bad(str(error)) from error
    return {"feed": feed, "version": version}


async def publish(context: Context, args: Args) -> Any:
    """Publish a message, and return when the broker has it; of a journalled topic when the journal has it."""
    topic, body = args["topic"], args.get("body", UNSET)
    if body is UNSET:
        raise bad("argument body is missing, must be any value")
    name = owned_name(topic.encode("ascii", "replace"))
    rest = topic.removeprefix(topic_of(name)).removeprefix(".")

    def send(_: BusClient) -> dict[str, Any]:
        options: dict[str, Any] = {"settings": context.settings, "home": context.home, "timeout_s": CALL_S}
        publisher = Publisher(name, journal=args.get("journal"), **options)
        try:
            publisher.post(body, rest)
            publisher.flush()
        except FeedError as error:
            raise bad(str(error)) from error
        finally:
            publisher.close()
        return {"topic": topic, "journalled": publisher.journalled}

    return await context.reads.run(send)

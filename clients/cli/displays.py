"""`hulak displays`: what is shown of which symbol, who computes it, and the states as they come."""

import contextlib
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import click

from bus.errors import BusError
from bus.wire.plain_values import meant
from clients.cli import table
from clients.cli.command import BROKER_S, Call, Command, print_json
from clients.cli.status import short
from clients.cli.task import Argument
from clients.cli.workers import ListingGroup
from workers.display.quantities.day_start import FX_NAMES, OWN_NAMES

HEADS = ["display", "symbol", "source", "worker", "state", "ticks", "left out", "price", "direction", "high", "low", "age"]
PRICES = frozenset({"price", "high", "low"})
WATCHED = ["display", "symbol", "price", "direction", "high", "low", "volatility", "ticks", "latency"]


def check_init(ctx: click.Context, param: click.Parameter, given: tuple[tuple[str, Any], ...]) -> tuple[tuple[str, Any], ...]:
    """Refuse names of --init that no display worker reads. They may be anything on the bus: front ends send whole packages."""
    known = (*OWN_NAMES, *FX_NAMES)
    for name, _ in given:
        if name not in known:
            raise click.BadParameter(f"{name!r} is unknown; known are {', '.join(known)}{meant(name, known)}", ctx, param)
    return given


INIT_HELP = "Of its day, e.g. open=1.0821; again for each."
INIT = click.option("--init", "init", type=Argument(), multiple=True, callback=check_init, help=INIT_HELP)
CONFIG = click.option("--set", "values", type=Argument(), multiple=True, help="Of its own config, e.g. states_per_s=5.")


@click.group(cls=ListingGroup, short_help="Show, create and watch displays.")
def displays() -> None:
    """Show the displays; without a command as `hulak displays ls`.

    A display is one symbol's state, computed by a display worker from every tick of it: price, range, volatility, market profile.

    \b
    hulak displays
    hulak displays create EURUSD
    hulak displays watch
    """


@displays.command(cls=Command, short_help="List displays, who has them, and how they are.")
@click.option("--symbol", help="Only of this one.")
def ls(call: Call, symbol: str | None) -> None:
    """List every display with its worker, and the last state that it published.

    The source is the one whose ticks count: the source that was asked for, or that of the first tick. Left out are ticks of the
    day that do not count: dated ahead or on a day before, of another source, without a price; `hulak displays show` has the
    numbers of each.

    Sends REQUEST hulak.display.list and hulak.last to the frontend.

    \b
    hulak displays ls
    hulak displays ls --symbol EURUSD --json
    """
    from clients.feeds.symbol_keys import in_capitals
    from clients.history import last_events

    with call.client() as client:
        rows = client.call("hulak.display.list", timeout_s=call.timeout_s or BROKER_S)["rows"]
        states = {event.body["display"]: event.body for event in last_events(client, "display.")}
    rows = [row for row in rows if symbol is None or row["symbol"] == in_capitals(symbol)]
    if call.as_json:
        print_json([{**row, "state": _without_profile(states.get(row["display"]))} for row in rows])
    else:
        table.show(HEADS, [_cells(row, states.get(row["display"])) for row in rows])


def _without_profile(state: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if state is None else {name: value for name, value in state.items() if name != "profile"}


def _cells(row: Mapping[str, Any], state: Mapping[str, Any] | None) -> list[Any]:
    source = row["init"].get("only_source") if state is None else state["source"]
    named = [row["display"], row["symbol"], source, row["worker"]]
    if row["worker"] is None:
        return [*named, "no worker", *[None] * 7]
    if state is None:
        return [*named, "new", *[None] * 7]
    how = "catching up" if state["catching_up"] else "live" if state["ready"] else "no tick yet"
    age = f"{(time.time_ns() - state['received_ns']) / 1e9:.1f} s" if state["received_ns"] else None
    counts = [state["ticks"], sum(state.get("left_out", {}).values())]
    return [*named, how, *counts, *(_said(state, name) for name in ("price", "direction", "high", "low")), age]


def _said(state: Mapping[str, Any], name: str) -> Any:
    """Give a value of a state as people write it: prices with all of the symbol's digits, so that columns stay as wide."""
    value = state[name]
    if name in PRICES and isinstance(value, int | float):
        return f"{value:.{state['digits']}f}"
    return f"{value:.3f}" if name == "volatility" and isinstance(value, float) else value


@displays.command(cls=Command, short_help="Create a display of a symbol.")
@click.argument("symbol")
@click.option("--display", help="Its id: letters, digits, '.', '_', '-'. Default: one is made up.")
@click.option("--history", is_flag=True, help="From the ticks that are in the journal, not only from those to come.")
@click.option("--source", help="Count ticks of this source only, e.g. kraken; `any` counts all. Default: the first tick's.")
@INIT
@CONFIG
def create(
    call: Call,
    symbol: str,
    display: str | None,
    history: bool,
    source: str | None,
    init: tuple[tuple[str, Any], ...],
    values: tuple[tuple[str, Any], ...],
) -> None:
    """Create a display of SYMBOL and print its id; one that is there already stays as it is.

    Sends REQUEST hulak.display.create to the frontend, which answers when it is on the broker's disk.

    \b
    hulak displays create EURUSD
    hulak displays create XAUUSD --display gold --history --init digits=3 --set states_per_s=5
    hulak displays create BTCUSD --source kraken
    hulak displays create BTCUSD --display all-venues --source any
    """
    from clients.feeds.symbol_keys import in_capitals

    with _client(call) as client:
        how = {"init": dict(init), "config": dict(values), "history": history, "source": source}
        told = client.create_worker_for_symbol(symbol, display, **how)
        if told["new"] and not client.call("hulak.last", {"topic": f"tick.{in_capitals(symbol)}"}):
            click.echo(f"hulak: {in_capitals(symbol)} has had no tick yet; `hulak last` shows the symbols that have", err=True)
    if call.as_json:
        print_json(told)
    else:
        click.echo(told["display"])


def _client(call: Call) -> Any:
    from clients.displays.client import DisplayClient

    call.wait_for_broker()
    return DisplayClient(call.settings, call.home, timeout_s=call.timeout_s or BROKER_S)


@displays.command(cls=Command, short_help="Show a display's last state, whole.")
@click.argument("display")
def show(call: Call, display: str) -> None:
    """Show everything of DISPLAY's last state; its profile as one line for each level.

    Sends REQUEST hulak.last to the frontend.

    \b
    hulak displays show gold
    """
    with _client(call) as client:
        state = client.state(display)
    if state is None:
        raise BusError("UNKNOWN_DISPLAY", f"display {display!r} has no state; `hulak displays` lists those that there are")
    if call.as_json:
        print_json(state)
        return
    table.show(["name", "value"], table.flat(_without_profile(state) or {}))
    profile = state["profile"]
    # A bucket may be narrower than the last digit, if `price_bucket_multiplier` says so.
    digits = max(state["digits"], math.ceil(-math.log10(profile["bucket"]) - 1e-9)) if profile["bucket"] else 0
    levels = [[f"{level[0] * profile['bucket']:.{digits}f}", *level[1:]] for level in reversed(profile["levels"])]
    click.echo()
    table.show(["price", "volume", "buy", "sell"], levels)


@displays.command(
    cls=Command, short_help="Print states as they come.", timeout_help="End after so long without one. Default: never."
)
@click.argument("display", nargs=-1)
@click.option("--count", type=click.IntRange(1), help="End after so many.")
@click.option("--every", is_flag=True, help="All states; by default only the newest where there are more than can be shown.")
def watch(call: Call, display: tuple[str, ...], count: int | None, every: bool) -> None:
    """Print the states of these displays, or of all, as they come; the last one of each at once.

    On a terminal it is one table, each display in its line; with --every, or elsewhere, one line a state.

    Subscribes to display.DISPLAY, or to all topics that begin with `display.`.

    \b
    hulak displays watch
    hulak displays watch gold --count 10 --json
    """
    from clients.displays.client import DisplayClient

    call.wait_for_broker("publisher")
    client = DisplayClient(call.settings, call.home, timeout_s=BROKER_S)
    how = _objects if call.as_json else _in_place if sys.stdout.isatty() and not every else _lines
    try:
        with how() as show_state:
            for at, state in enumerate(client.watch(*display, every=every, timeout_s=call.timeout_s), 1):
                show_state(state)
                if at == count:
                    return
    except KeyboardInterrupt:
        return
    finally:
        client.close()


Shows = Callable[[Mapping[str, Any]], None]


@contextlib.contextmanager
def _objects() -> Iterator[Shows]:
    yield print_json


@contextlib.contextmanager
def _lines() -> Iterator[Shows]:
    click.echo("\t".join(WATCHED))
    yield lambda state: click.echo("\t".join(table.text(cell) for cell in _line(state)))


@contextlib.contextmanager
def _in_place() -> Iterator[Shows]:
    """Show states on a terminal, each display in its line of one table, which is drawn four times a second."""
    from rich.live import Live

    rows: dict[str, list[Any]] = {}

    def note(state: Mapping[str, Any]) -> None:
        rows[state["display"]] = _line(state)

    with Live(get_renderable=lambda: table.columns(WATCHED, [rows[one] for one in sorted(rows)]), screen=True):
        yield note


def _line(state: Mapping[str, Any]) -> list[Any]:
    late_ms = (state["published_ns"] - state["received_ns"]) / 1e6 if state["received_ns"] else None
    return [*(_said(state, name) for name in WATCHED[:-1]), None if late_ms is None else f"{late_ms:.1f} ms"]


@displays.command(cls=Command, short_help="Remove displays.")
@click.argument("display", nargs=-1)
@click.option("--symbol", help="All displays of exactly this symbol.")
def remove(call: Call, display: tuple[str, ...], symbol: str | None) -> None:
    """Remove these displays, or all of one symbol; their topics are free again.

    Sends REQUEST hulak.display.remove to the frontend. Exit code 1 if nothing was removed.

    \b
    hulak displays remove gold
    hulak displays remove --symbol BTC-PERP
    """
    if bool(display) == (symbol is not None):
        raise click.UsageError("name displays, or --symbol, not both")
    with _client(call) as client:
        removed = client.remove_symbol(symbol) if symbol else [one for one in display if client.remove_display(one)]
    if not removed:
        raise BusError("UNKNOWN_DISPLAY", "there was no such display; `hulak displays` lists those that there are")
    if call.as_json:
        print_json({"removed": removed})
    else:
        click.echo("removed: " + ", ".join(removed))


@displays.command(cls=Command, short_help="Show how the display workers do.")
def stats(call: Call) -> None:
    """Show counters, latencies and memory of the display workers.

    Sends REQUEST hulak.stats to the frontend.

    \b
    hulak displays stats
    hulak displays stats --json
    """
    with _client(call) as client:
        told, memory = client.get_worker_stats(), client.get_memory_usage()
    if call.as_json:
        print_json({**told, "memory": memory})
        return
    workers = told.pop("workers")
    mean_ms = told["averageLatency"]
    told["averageLatency"] = None if mean_ms is None else short(mean_ms * 1000)
    table.show(["name", "value"], [*told.items(), *((name, _memory(name, one)) for name, one in table.flat(memory, "memory."))])
    heads = ["name", "displays", "catching_up", "ticks", "states", "dropped", "gaps", "rebuilt"]
    click.echo()
    late = [row.get("latency_us") or {} for row in workers]
    rows = [
        [*(row.get(head) for head in heads), *(short(one[at]) if at in one else None for at in ("p50", "p99"))]
        for row, one in zip(workers, late, strict=True)
    ]
    table.show([*heads, "p50", "p99"], rows)


def _memory(name: str, value: Any) -> Any:
    """Write bytes as people read them."""
    if name.endswith("window_s"):
        return f"{value:.0f} s"
    return f"{value / 1e6:.1f} MB" if isinstance(value, int | float) and not isinstance(value, bool) else value

"""`hulak displays`: the displays, their workers and their states."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import click

from hulak.bus.errors import BusError
from hulak.bus.wire.plain_values import suggestion
from hulak.clients.cli import in_place, nearest, table
from hulak.clients.cli.command import BROKER_S, Call, Command, print_json
from hulak.clients.cli.groups import ListingGroup
from hulak.clients.cli.help_text import examples
from hulak.clients.cli.listing import Column, Listing, Row
from hulak.clients.cli.status import short
from hulak.clients.cli.task import Argument
from hulak.clients.cli.topic_board import Meter
from hulak.clients.durations import exactly, fine_age
from hulak.clients.table_files import flat
from hulak.workers.display.quantities.day_start import FX_NAMES, OWN_NAMES

HEADS = ["display", "symbol", "source", "worker", "state", "ticks", "left out", "price", "direction", "high", "low", "age"]
PRICES = frozenset({"price", "high", "low"})
WATCHED = ["display", "symbol", "price", "direction", "high", "low", "volatility", "ticks", "latency"]
WIDE = {"direction": 110, "volatility": 100, "ticks": 120, "latency": 130}  # least columns of a terminal for a column
WATCH_COLUMNS = tuple(
    Column(name, WIDE.get(name, 0), name in ("display", "symbol")) for name in [*WATCHED, "change", "rate", "age"]
)


def check_init(ctx: click.Context, param: click.Parameter, given: tuple[tuple[str, Any], ...]) -> tuple[tuple[str, Any], ...]:
    """Reject names of --init that no display worker reads. On the bus any name is allowed: front ends send whole packages."""
    known = (*OWN_NAMES, *FX_NAMES)
    for name, _ in given:
        if name not in known:
            raise click.BadParameter(f"{name!r} is unknown; known are {', '.join(known)}{suggestion(name, known)}", ctx, param)
    return given


INIT_HELP = "Value of the display's day at the start, such as open=1.0821; repeatable."
INIT = click.option("--init", "init", type=Argument(), multiple=True, callback=check_init, help=INIT_HELP)
CONFIG_HELP = "Value of the display's live configuration, such as states_per_s=5; repeatable."
CONFIG = click.option("--set", "values", type=Argument(), multiple=True, help=CONFIG_HELP)


@click.group(
    cls=ListingGroup,
    short_help="Show, create and watch displays.",
    epilog=examples("hulak displays", "hulak displays create EURUSD", "hulak displays watch"),
)
def displays() -> None:
    """Show, create and watch displays; without a command, list them as `hulak displays ls`.

    A display is the state of one symbol, computed by a display worker from all its ticks: price, range, volatility, profile.
    """


@displays.command(
    cls=Command,
    short_help="List the displays with their workers and states.",
    epilog=examples("hulak displays ls", "hulak displays ls --symbol EURUSD --json"),
)
@click.option("--symbol", help="Symbol of the displays; all symbols by default.")
def ls(call: Call, symbol: str | None) -> None:
    """List every display with its worker and its last state.

    The column "source" is the source of the counted ticks: the one given at creation, or that of the first tick. The column
    "left out" counts the ticks that the display ignores: from the future or an earlier day, from another source, or without a
    price; `hulak displays show` has each count.

    Sends REQUEST hulak.display.list and hulak.last to the frontend.
    """
    from hulak.clients.feeds.symbol_keys import in_capitals
    from hulak.clients.history import last_events

    with call.client() as client:
        rows = client.call("hulak.display.list", timeout_s=call.timeout_s or BROKER_S)["rows"]
        states = {event.body["display"]: event.body for event in last_events(client, "display.")}
    rows = [row for row in rows if symbol is None or row["symbol"] == in_capitals(symbol)]
    if call.as_json:
        print_json([{**row, "state": _without_profile(states.get(row["display"]))} for row in rows])
    else:
        table.show(
            HEADS,
            [_cells(row, states.get(row["display"])) for row in rows],
            "there is no display; `hulak displays create SYMBOL` makes one",
        )


def _without_profile(state: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if state is None else {name: value for name, value in state.items() if name != "profile"}


def _cells(row: Mapping[str, Any], state: Mapping[str, Any] | None) -> list[Any]:
    source = row["init"].get("only_source") if state is None else state["source"]
    named = [row["display"], row["symbol"], source, row["worker"]]
    if row["worker"] is None:
        return [*named, "no worker", *[None] * 7]
    if state is None:
        return [*named, "new", *[None] * 7]
    status = "catching up" if state["catching_up"] else "live" if state["ready"] else "no tick yet"
    age = fine_age((time.time_ns() - state["received_ns"]) / 1e9) if state["received_ns"] else None
    counts = [state["ticks"], sum(state.get("left_out", {}).values())]
    return [*named, status, *counts, *(_cell(state, name) for name in ("price", "direction", "high", "low")), age]


def _cell(state: Mapping[str, Any], name: str) -> Any:
    """Return a value of a state for people; prices have all digits of the symbol, so that the width of a column is constant."""
    value = state[name]
    if name in PRICES and isinstance(value, int | float):
        return f"{value:.{state['digits']}f}"
    return f"{value:.3f}" if name == "volatility" and isinstance(value, float) else value


@displays.command(
    cls=Command,
    short_help="Create a display of a symbol.",
    epilog=examples(
        "hulak displays create EURUSD",
        "hulak displays create XAUUSD --display gold --history --init digits=3 --set states_per_s=5",
        "hulak displays create BTCUSD --source kraken",
        "hulak displays create BTCUSD --display all-venues --source any",
    ),
)
@click.argument("symbol")
@click.option("--display", help="Id of letters, digits, '.', '_' and '-'; generated by default.")
@click.option("--history", is_flag=True, help="Start with the ticks in the journal instead of the next tick.")
@click.option(
    "--source",
    help="Source of the ticks to count, such as kraken, or any for all sources; the source of the first tick by default.",
)
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
    """Create a display of SYMBOL and print its id; an existing display is not changed.

    Sends REQUEST hulak.display.create to the frontend; the broker replies when the display is on its disk.
    """
    from hulak.clients.feeds.symbol_keys import in_capitals

    with _client(call) as client:
        options = {"init": dict(init), "config": dict(values), "history": history, "source": source}
        result = client.create_worker_for_symbol(symbol, display, **options)
        if result["new"] and not client.call("hulak.last", {"topic": f"tick.{in_capitals(symbol)}"}):
            with call.client() as bus:
                near = nearest.symbol(bus, symbol)
            click.echo(
                f"hulak: no tick of {in_capitals(symbol)} was published yet; `hulak last` lists the symbols with ticks{near}",
                err=True,
            )
    if call.as_json:
        print_json(result)
    else:
        click.echo(result["display"])


def _client(call: Call) -> Any:
    from hulak.clients.displays.client import DisplayClient

    call.wait_for_broker()
    return DisplayClient(call.settings, call.home, timeout_s=call.timeout_s or BROKER_S)


@displays.command(
    cls=Command, short_help="Show the complete last state of a display.", epilog=examples("hulak displays show gold")
)
@click.argument("display")
def show(call: Call, display: str) -> None:
    """Show the complete last state of DISPLAY, with one line per level of its profile.

    Sends REQUEST hulak.last to the frontend.
    """
    with _client(call) as client:
        state = client.state(display)
        near = suggestion(display, (row["display"] for row in client.rows())) if state is None else ""
    if state is None:
        raise BusError("UNKNOWN_DISPLAY", f"display {display!r} has no state; `hulak displays` lists all displays{near}")
    if call.as_json:
        print_json(state)
        return
    table.show(["name", "value"], flat(_without_profile(state) or {}))
    profile = state["profile"]
    # `price_bucket_multiplier` can make a bucket narrower than the last digit.
    digits = max(state["digits"], math.ceil(-math.log10(profile["bucket"]) - 1e-9)) if profile["bucket"] else 0
    levels = [[f"{level[0] * profile['bucket']:.{digits}f}", *level[1:]] for level in reversed(profile["levels"])]
    click.echo()
    table.show(["price", "volume", "buy", "sell"], levels)


@displays.command(
    cls=Command,
    short_help="Print states as they are published.",
    timeout_help="Seconds without a state after which to stop; no limit by default.",
    epilog=examples("hulak displays watch", "hulak displays watch gold --count 10 --json"),
)
@click.argument("display", nargs=-1)
@click.option("--count", type=click.IntRange(1), help="Number of states after which to stop; no limit by default.")
@click.option("--every", is_flag=True, help="Print every state; by default a slow terminal gets only the newest ones.")
@click.option("--scroll", is_flag=True, help="Print states as lines, also on a terminal.")
def watch(call: Call, display: tuple[str, ...], count: int | None, every: bool, scroll: bool) -> None:
    """Print the last state of each DISPLAY, or of all displays, and then their states as they are published.

    A terminal shows one table with a row per display, also with the change since the first state shown, the rate of its ticks
    over the last 10 s, and the age of its newest tick; q ends it. With --scroll, --every or --count, or without a terminal, each
    state is a line.

    Subscribes to display.DISPLAY, or to all topics with the prefix `display.`.
    """
    from hulak.clients.displays.client import DisplayClient

    call.wait_for_broker("publisher")
    if in_place.is_possible() and not (scroll or every or count or call.as_json):
        _show_table(call, display)
        return
    client = DisplayClient(call.settings, call.home, timeout_s=BROKER_S)
    output = _objects if call.as_json else _lines
    try:
        with output() as show_state:
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


def _show_table(call: Call, displays: Sequence[str]) -> None:
    """Show the newest states in place, until q, Ctrl-C or --timeout."""
    from hulak.clients.subscriber import Subscriber

    board, topics = DisplayBoard(), [f"display.{display}" for display in displays] or ["display."]
    with Subscriber(*topics, settings=call.settings, home=call.home, mode="latest", name="hulak-displays") as subscriber:
        in_place.follow(subscriber, board.listing, lambda event, now: board.add(event.body, now), call.timeout_s)


class DisplayBoard:
    """The newest state of each display. Pure."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[Mapping[str, Any], float | None, Meter]] = {}  # state, first price, of its ticks

    def add(self, state: Mapping[str, Any], now: float) -> None:
        """Add a state; `now` in monotonic seconds."""
        _, first, meter = self._rows.get(state["display"], (None, None, Meter()))
        meter.add(state["ticks"], now)
        self._rows[state["display"]] = (state, state["price"] if first is None else first, meter)

    def listing(self, now: float) -> Listing:
        """Return the rows."""
        rows = tuple(_watch_row(*self._rows[display], now) for display in sorted(self._rows))
        return Listing(WATCH_COLUMNS, rows, "no display has a state yet; `hulak displays` lists all")


def _watch_row(state: Mapping[str, Any], first: float | None, meter: Meter, now: float) -> Row:
    price, rate = state["price"], meter.per_s(now)
    change = (price / first - 1) * 100 if price is not None and first else None
    age_s = (time.time_ns() - state["received_ns"]) / 1e9 if state["received_ns"] else None
    more = [
        f"{value:{form}}" if value is not None else None for value, form in ((change, "+.3f"), (rate, ",.1f"), (age_s, ".1f"))
    ]
    units = [None if text is None else f"{text}{unit}" for text, unit in zip(more, (" %", "/s", " s"), strict=True)]
    cells = tuple(table.text(cell) for cell in (*_line(state), *units))
    return Row(state["display"], cells, cells, {2: {"up": "green", "down": "red"}.get(state["direction"], "")})


def _line(state: Mapping[str, Any]) -> list[Any]:
    late_ms = (state["published_ns"] - state["received_ns"]) / 1e6 if state["received_ns"] else None
    return [*(_cell(state, name) for name in WATCHED[:-1]), None if late_ms is None else f"{late_ms:.1f} ms"]


@displays.command(
    cls=Command,
    short_help="Remove displays.",
    epilog=examples("hulak displays remove gold", "hulak displays remove --symbol BTC-PERP"),
)
@click.argument("display", nargs=-1)
@click.option("--symbol", help="Symbol whose displays are all removed, instead of DISPLAY.")
def remove(call: Call, display: tuple[str, ...], symbol: str | None) -> None:
    """Remove each DISPLAY, or all displays of one symbol, and their topics.

    Sends REQUEST hulak.display.remove to the frontend. The exit code is 1 if nothing was removed.
    """
    if bool(display) == (symbol is not None):
        raise click.UsageError("give either DISPLAY or --symbol")
    with _client(call) as client:
        removed = client.remove_symbol(symbol) if symbol else [name for name in display if client.remove_display(name)]
        near = suggestion(display[0], (row["display"] for row in client.rows())) if display and not removed else ""
    if not removed:
        named = f"display of symbol {symbol!r}" if symbol else f"display {', '.join(map(repr, display))}"
        raise BusError("UNKNOWN_DISPLAY", f"there is no {named}; `hulak displays` lists all displays{near}")
    if call.as_json:
        print_json({"removed": removed})
    else:
        click.echo("removed: " + ", ".join(removed))


@displays.command(
    cls=Command,
    short_help="Show display statistics.",
    epilog=examples("hulak displays stats", "hulak displays stats --json"),
)
def stats(call: Call) -> None:
    """Show counters, latencies and memory of the display workers.

    Sends REQUEST hulak.stats to the frontend.
    """
    with _client(call) as client:
        counters, memory = client.get_worker_stats(), client.get_memory_usage()
    if call.as_json:
        print_json({**counters, "memory": memory})
        return
    workers = counters.pop("workers")
    mean_ms = counters["averageLatency"]
    counters["averageLatency"] = None if mean_ms is None else short(mean_ms * 1000)
    sizes = [(name, _memory(name, value)) for name, value in flat(memory, "memory.")]
    table.show(["name", "value"], [*counters.items(), *sizes])
    heads = ["name", "displays", "catching_up", "ticks", "states", "dropped", "gaps", "rebuilt"]
    click.echo()
    latencies = [row.get("latency_us") or {} for row in workers]
    rows = [
        [*(row.get(head) for head in heads), *(short(latency[at]) if at in latency else None for at in ("p50", "p99"))]
        for row, latency in zip(workers, latencies, strict=True)
    ]
    table.show([*heads, "p50", "p99"], rows)


def _memory(name: str, value: Any) -> Any:
    """Return bytes in MB and times in seconds, for people."""
    if name.endswith("window_s"):
        return exactly(value)
    return f"{value / 1e6:.1f} MB" if isinstance(value, int | float) and not isinstance(value, bool) else value

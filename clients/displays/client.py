"""`DisplayClient`: the worker manager's methods, and states as they come. PROTOCOL.md section 11.

    with DisplayClient(settings, home) as displays:
        shown = displays.create_new_symbol("EURUSD")
        for state in displays.watch(shown):
            print(state["price"], state["direction"])

A display is a symbol and an id; keys are exact. What cannot be done is an error with a code, never a silence. One client per
thread; `clients.displays.async_client` has the same methods to be awaited.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from bus.errors import BusError, BusTimeout
from bus.live_config.keys import DISPLAY, KIND
from bus.process.load_settings import located
from bus.process.settings import Settings
from bus.wire.names import DISPLAY_SERVICE
from clients.calls.client import BusClient
from clients.displays.fx_names import OPTIMIZATIONS, config_of, tick_of
from clients.displays.stats import memory_usage, worker_stats
from clients.feed import Feed
from clients.feeds.symbol_keys import in_capitals
from clients.history import last_events
from clients.subscriber import Mode, Subscriber

LOOK_AGAIN_S = 0.02
SOURCE = "client"  # of ticks that a program dispatches
APPLY_S = 2.0
State = dict[str, Any]


class DisplayClient:
    """The displays of one broker; a context manager.

    Every method raises `BusTimeout` where there is no broker or no answer in time, and `BusError` with a code where it refused.

    Args:
        settings: say where the broker is; read as every command does if None.
        home: its folder; the default one if None.
        timeout_s: for each call, in seconds.
    """

    def __init__(self, settings: Settings | None = None, home: Path | None = None, *, timeout_s: float = 10.0) -> None:
        settings, home = self._settings, self._home = located(settings, home)
        self._client = BusClient(settings, home)
        self._feed: Feed | None = None  # opened with the first tick that is dispatched
        self._timeout_s = timeout_s
        self._mine: dict[str, None] = {}  # displays that this client created, in their order

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the displays go on."""
        if self._feed is not None:
            self._feed.close()
        self._client.close()

    def call(self, service: str, args: Mapping[str, Any] | None = None) -> Any:
        """Make one request of a control service."""
        return self._client.call(service, "", args, timeout_s=self._timeout_s)

    # Displays

    def create_worker_for_symbol(
        self,
        symbol: str,
        display: str | None = None,
        *,
        init: Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | None = None,
        history: bool = False,
        source: str | None = None,
    ) -> dict[str, Any]:
        """Have a display computed; one that is there already stays as it is.

        Args:
            symbol: in any case.
            display: its id; made up if None.
            init: what is known of its day: PROTOCOL.md section 11.2, or the names of the FX front end.
            config: its own values of live keys, or the names of the FX front end.
            history: its first state takes in the ticks that the journal has, not only those to come.
            source: only ticks of this source count, as they have it under `source`; with "any" those of all sources. None: the
                display keeps to the source of its first tick that counts.
        Returns:
            `display` and `new`, whether it was not there before.
        """
        args: dict[str, Any] = {"symbol": in_capitals(symbol), "init": dict(init or {})}
        args |= {} if display is None else {"display": display}
        args |= {"config": config_of(config)} if config else {}
        args |= {"from": 1} if history else {}
        args |= {} if source is None else {"source": source}
        told = dict(self.call("hulak.display.create", args))
        if told["new"]:
            self._mine[told["display"]] = None
        return told

    def initialize_worker(self, symbol: str, display: str, init: Mapping[str, Any]) -> bool:
        """Have a display begin anew with other values; false if this symbol has no such display."""
        row = self._row(symbol, display)
        if row is not None:
            self.call("hulak.display.update", {"display": display, "init": dict(init)})
        return row is not None

    def create_new_symbol(
        self,
        symbol: str,
        init: Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | None = None,
        *,
        history: bool = False,
        source: str | None = None,
    ) -> str:
        """Create a display with an id of its own; returns the id."""
        how: dict[str, Any] = {"init": init, "config": config, "history": history, "source": source}
        return str(self.create_worker_for_symbol(symbol, **how)["display"])

    def update_existing_symbol(self, symbol: str, init: Mapping[str, Any]) -> bool:
        """Have every display of a symbol begin anew with other values; false if it has none."""
        found = [row for row in self.rows() if row["symbol"] == in_capitals(symbol)]
        for row in found:
            self.call("hulak.display.update", {"display": row["display"], "init": dict(init)})
        return bool(found)

    def remove_symbol(self, symbol: str) -> list[str]:
        """Remove every display of exactly this symbol; returns their ids."""
        return self._remove({"symbol": in_capitals(symbol)})

    def remove_display(self, display: str) -> bool:
        """Remove one display; false if it was not there."""
        return bool(self._remove({"display": display}))

    def _remove(self, args: Mapping[str, Any]) -> list[str]:
        removed = list(self.call("hulak.display.remove", args)["removed"])
        for display in removed:
            self._mine.pop(display, None)
        return removed

    def rows(self) -> list[dict[str, Any]]:
        """List all displays: display, symbol, init, from, worker (None: no display worker lives), token."""
        return list(self.call("hulak.display.list")["rows"])

    def _row(self, symbol: str, display: str) -> dict[str, Any] | None:
        return next((row for row in self.rows() if row["display"] == display and row["symbol"] == in_capitals(symbol)), None)

    def cleanup(self) -> list[str]:
        """Remove every display that this client created, in the order of their creation; returns their ids."""
        return [display for display in list(self._mine) if self.remove_display(display)]

    # Ticks

    def dispatch_tick(self, symbol: str, tick: Mapping[str, Any]) -> int:
        """Put a tick on the bus, to every display of its symbol and to every other subscriber.

        It is a feed's tick like any other, numbered and journalled when this returns, whether or not there is a display.

        Args:
            symbol: in any case.
            tick: `bid`, `ask`, `timestamp` (ms since 1970 UTC).
        Returns:
            how many displays of this symbol there are.
        Raises:
            BusError: `BAD_TICK`.
        """
        return self.dispatch_ticks(symbol, [tick])

    def dispatch_ticks(self, symbol: str, ticks: Iterable[Mapping[str, Any]]) -> int:
        """As `dispatch_tick` for many, in their order; if one is bad none is sent."""
        wanted = in_capitals(symbol)
        if self._feed is None:
            self._feed = Feed("displays", settings=self._settings, home=self._home, timeout_s=self._timeout_s)
        for tick in [tick_of(wanted, tick, SOURCE) for tick in ticks]:
            self._feed.post_tick(tick)
        self._feed.flush()
        return sum(row["symbol"] == wanted for row in self.rows())

    # States

    def state(self, display: str) -> State | None:
        """Give a display's last state; None if it has none yet."""
        found = last_events(self._client, f"display.{display}", self._timeout_s)
        return found[0].body if found else None

    def watch(self, *displays: str, every: bool = False, timeout_s: float | None = None) -> Iterator[State]:
        """Give states as they come, the last one of each display at once.

        Args:
            displays: their ids; none for all displays, those to come as well.
            every: all states, in order; else, if this side is slow, the newest only.
            timeout_s: end after so long without one; None: never.
        """
        topics = [f"display.{display}" for display in displays] or ["display."]
        mode: Mode = "plain" if every else "latest"
        with Subscriber(*topics, settings=self._settings, home=self._home, mode=mode, timeout_s=self._timeout_s) as subscriber:
            while (event := subscriber.poll(timeout_s)) is not None:
                yield event.body

    def wait_until_live(self, *displays: str, timeout_s: float = 10.0) -> None:
        """Wait until each of these has a state that takes in everything so far.

        Raises:
            BusTimeout: one has not, in time; names it.
        """
        deadline = time.monotonic() + timeout_s
        left = list(displays)
        while left:
            state = self.state(left[0])
            if state is not None and not state["catching_up"]:
                left.pop(0)
            elif time.monotonic() > deadline:
                raise BusTimeout(f"display {left[0]} is not live within {timeout_s:g} s; `hulak displays` shows who has it")
            else:
                time.sleep(LOOK_AGAIN_S)

    # Configuration

    def update_worker_config(self, symbol: str, display: str, config: Mapping[str, Any]) -> bool:
        """Set a display's own values, and wait a little until its worker applies them; false if there is no such display.

        Raises:
            BusError: `BAD_CONFIG` with key, value seen and what is allowed; nothing changed.
        """
        row = self._row(symbol, display)
        if row is None:
            return False
        self._set(DISPLAY + display, config)
        return True

    def broadcast_config_update(self, config: Mapping[str, Any]) -> int:
        """Set values for all displays, those to come as well; a display's own values go before them.

        Returns:
            how many displays are computed by workers that have applied them.
        """
        applied = self._set(KIND + DISPLAY_SERVICE, config)
        return sum(row["worker"] in applied for row in self.rows())

    def _set(self, scope: str, config: Mapping[str, Any]) -> set[str]:
        """Set values, and give the names of the display workers that have applied them, waiting for all at most `APPLY_S`."""
        told = self.call("hulak.config.set", {"scope": scope, "values": config_of(config), "by": "DisplayClient"})
        deadline = time.monotonic() + APPLY_S
        while True:
            rows = [row for row in self.call("hulak.config.applied") if row["kind"] == DISPLAY_SERVICE]
            applied = {row["name"] for row in rows if row["version"] >= told["version"]}
            if len(applied) == len(rows) or time.monotonic() > deadline:
                return applied
            time.sleep(LOOK_AGAIN_S)

    def configure_optimizations(self, /, options: Mapping[str, bool] | None = None, **more: bool) -> dict[str, bool]:
        """Switch optimisations of all displays; returns those in force.

        Args:
            options: as `more`, or by the names of the FX front end.
            more: `batch_dispatching`: ticks that come together make one state, without it each has its own;
                `memory_optimization`: the profile keeps within narrow bounds; `performance_monitoring`: what a tick costs is
                measured, and stands in the statistics.
        Raises:
            BusError: `BAD_CONFIG`, another name or no bool.
        """
        values = config_of({**(options or {}), **more})
        for name in values:
            if name not in OPTIMIZATIONS:
                raise BusError("BAD_CONFIG", f"optimisation {name!r} is unknown, must be {', '.join(OPTIMIZATIONS)}")
        if values:
            self._set(KIND + DISPLAY_SERVICE, values)
        rows = self.call("hulak.config.get", {"scope": KIND + DISPLAY_SERVICE})["rows"]
        return {row["key"]: row["value"] for row in rows if row["key"] in OPTIMIZATIONS}

    # Statistics

    def get_worker_stats(self) -> dict[str, Any]:
        """Tell how displays are doing; see `clients.displays.stats.worker_stats`."""
        return worker_stats(self.call("hulak.stats"))

    def get_memory_usage(self) -> dict[str, Any]:
        """Tell what memory they use, and whether it grows; see `clients.displays.stats.memory_usage`."""
        return memory_usage(self.call("hulak.stats"), psutil.virtual_memory().total)

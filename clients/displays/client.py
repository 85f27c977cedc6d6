"""`DisplayClient`: the worker manager's methods, and states as they arrive. PROTOCOL.md section 11.

    with DisplayClient(settings, home) as displays:
        display = displays.create_new_symbol("EURUSD")
        for state in displays.watch(display):
            print(state["price"], state["direction"])

A display is a symbol and an id; keys are exact. Every failure raises an error with a code. One client per thread;
`clients.displays.async_client` has the same methods for asyncio.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hulak.bus.errors import BusError, BusTimeout
from hulak.bus.live_config.keys import DISPLAY, KIND
from hulak.bus.process.client_logger import Logger
from hulak.bus.process.load_settings import located
from hulak.bus.process.settings import Settings
from hulak.bus.wire.names import DISPLAY_SERVICE
from hulak.clients.calls.client import BusClient
from hulak.clients.displays.fx_names import OPTIMIZATIONS, config_of, tick_of
from hulak.clients.displays.stats import memory_usage, worker_stats
from hulak.clients.feed import Feed
from hulak.clients.feeds.symbol_keys import in_capitals
from hulak.clients.history import last_events
from hulak.clients.subscriber import Mode, Subscriber

POLL_S = 0.02
SOURCE = "client"  # of ticks that a program dispatches
APPLY_S = 2.0
State = dict[str, Any]


class DisplayClient:
    """The displays of one broker; a context manager.

    Every method raises `BusTimeout` if the broker does not answer in time, and `BusError` with a code if it refuses.

    Args:
        settings: have the broker's addresses; loaded as by the commands if None.
        home: the broker's folder; the default one if None.
        timeout_s: for each call, in seconds.
        key: the file of this client's key, to connect with it by TCP; that of the settings (`HULAK_KEY`) if None.
        logger: receives the events of the connection; None for no log.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        home: Path | None = None,
        *,
        timeout_s: float = 10.0,
        key: Path | str | None = None,
        logger: Logger | None = None,
    ) -> None:
        self._logger = logger
        settings, home = self._settings, self._home = located(settings, home, key)
        self._client = BusClient(settings, home, logger=logger)
        self._feed: Feed | None = None  # opened with the first tick that is dispatched
        self._timeout_s = timeout_s
        self._created: dict[str, None] = {}  # displays that this client created, in this order

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the displays keep running."""
        if self._feed is not None:
            self._feed.close()
        self._client.close()

    def call(self, service: str, args: Mapping[str, Any] | None = None) -> Any:
        """Call a control service."""
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
        """Create a display; an existing one is not changed.

        Args:
            symbol: in any case.
            display: its id; generated if None.
            init: initial values of its day: PROTOCOL.md section 11.2, or by the names of the FX front end.
            config: its values of live keys, or by the names of the FX front end.
            history: its first state includes the ticks in the journal, not only new ones.
            source: count only ticks with this `source`; with "any" those of all sources. None: the display counts only the
                source of its first tick that counts.
        Returns:
            `display`, its id; and `new`, whether it was created now.
        """
        args: dict[str, Any] = {"symbol": in_capitals(symbol), "init": dict(init or {})}
        args |= {} if display is None else {"display": display}
        args |= {"config": config_of(config)} if config else {}
        args |= {"from": 1} if history else {}
        args |= {} if source is None else {"source": source}
        reply = dict(self.call("hulak.display.create", args))
        if reply["new"]:
            self._created[reply["display"]] = None
        return reply

    def initialize_worker(self, symbol: str, display: str, init: Mapping[str, Any]) -> bool:
        """Restart a display with other values; returns false if this symbol has no such display."""
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
        """Create a display with a generated id; returns the id."""
        options: dict[str, Any] = {"init": init, "config": config, "history": history, "source": source}
        return str(self.create_worker_for_symbol(symbol, **options)["display"])

    def update_existing_symbol(self, symbol: str, init: Mapping[str, Any]) -> bool:
        """Restart every display of a symbol with other values; returns false if it has none."""
        matches = [row for row in self.rows() if row["symbol"] == in_capitals(symbol)]
        for row in matches:
            self.call("hulak.display.update", {"display": row["display"], "init": dict(init)})
        return bool(matches)

    def remove_symbol(self, symbol: str) -> list[str]:
        """Remove every display of exactly this symbol; returns their ids."""
        return self._remove({"symbol": in_capitals(symbol)})

    def remove_display(self, display: str) -> bool:
        """Remove a display; returns false if it did not exist."""
        return bool(self._remove({"display": display}))

    def _remove(self, args: Mapping[str, Any]) -> list[str]:
        removed = list(self.call("hulak.display.remove", args)["removed"])
        for display in removed:
            self._created.pop(display, None)
        return removed

    def rows(self) -> list[dict[str, Any]]:
        """List all displays: display, symbol, init, from, worker (None: no display worker is alive), token."""
        return list(self.call("hulak.display.list")["rows"])

    def _row(self, symbol: str, display: str) -> dict[str, Any] | None:
        return next((row for row in self.rows() if row["display"] == display and row["symbol"] == in_capitals(symbol)), None)

    def cleanup(self) -> list[str]:
        """Remove every display that this client created, in the order of their creation; returns their ids."""
        return [display for display in list(self._created) if self.remove_display(display)]

    # Ticks

    def dispatch_tick(self, symbol: str, tick: Mapping[str, Any]) -> int:
        """Publish a tick to every display of its symbol and to every other subscriber.

        It is numbered and journalled like any feed's tick when this returns, with or without a display.

        Args:
            symbol: in any case.
            tick: `bid`, `ask`, `timestamp` (ms since 1970 UTC).
        Returns:
            number of displays of this symbol.
        Raises:
            BusError: `BAD_TICK`.
        """
        return self.dispatch_ticks(symbol, [tick])

    def dispatch_ticks(self, symbol: str, ticks: Iterable[Mapping[str, Any]]) -> int:
        """Publish several ticks in order, as `dispatch_tick`; if one is bad, none is sent."""
        key = in_capitals(symbol)
        if self._feed is None:
            self._feed = Feed(
                "displays", settings=self._settings, home=self._home, timeout_s=self._timeout_s, logger=self._logger
            )
        for tick in [tick_of(key, tick, SOURCE) for tick in ticks]:
            self._feed.post_tick(tick)
        self._feed.flush()
        return sum(row["symbol"] == key for row in self.rows())

    # States

    def state(self, display: str) -> State | None:
        """Return a display's last state; None if it has none yet."""
        events = last_events(self._client, f"display.{display}", self._timeout_s)
        return events[0].body if events else None

    def watch(self, *displays: str, every: bool = False, timeout_s: float | None = None) -> Iterator[State]:
        """Iterate over states as they arrive, starting with the last one of each display.

        Args:
            displays: their ids; none for all present and future displays.
            every: all states, in order; else only the newest, if the consumer is slow.
            timeout_s: end after this time without a state; None: never.
        """
        topics = [f"display.{display}" for display in displays] or ["display."]
        mode: Mode = "plain" if every else "latest"
        with Subscriber(*topics, settings=self._settings, home=self._home, mode=mode, timeout_s=self._timeout_s) as subscriber:
            while (event := subscriber.poll(timeout_s)) is not None:
                yield event.body

    def wait_until_live(self, *displays: str, timeout_s: float = 10.0) -> None:
        """Wait until each of these displays has a state that includes all ticks so far.

        Raises:
            BusTimeout: a display has no such state in time; the text names it.
        """
        deadline = time.monotonic() + timeout_s
        pending = list(displays)
        while pending:
            state = self.state(pending[0])
            if state is not None and not state["catching_up"]:
                pending.pop(0)
            elif time.monotonic() > deadline:
                raise BusTimeout(f"display {pending[0]} is not live within {timeout_s:g} s; `hulak displays` shows its worker")
            else:
                time.sleep(POLL_S)

    # Configuration

    def update_worker_config(self, symbol: str, display: str, config: Mapping[str, Any]) -> bool:
        """Set a display's own values, and wait briefly until its worker applies them; returns false if there is no such display.

        Raises:
            BusError: `BAD_CONFIG` with key, value and what is allowed; nothing is changed.
        """
        row = self._row(symbol, display)
        if row is None:
            return False
        self._set(DISPLAY + display, config)
        return True

    def broadcast_config_update(self, config: Mapping[str, Any]) -> int:
        """Set values for all present and future displays; a display's own values override them.

        Returns:
            number of displays whose workers have applied them.
        """
        applied = self._set(KIND + DISPLAY_SERVICE, config)
        return sum(row["worker"] in applied for row in self.rows())

    def _set(self, scope: str, config: Mapping[str, Any]) -> set[str]:
        """Set values, and return the display workers that have applied them; waits at most `APPLY_S` for all of them."""
        reply = self.call("hulak.config.set", {"scope": scope, "values": config_of(config), "by": "DisplayClient"})
        deadline = time.monotonic() + APPLY_S
        while True:
            rows = [row for row in self.call("hulak.config.applied") if row["kind"] == DISPLAY_SERVICE]
            applied = {row["name"] for row in rows if row["version"] >= reply["version"]}
            if len(applied) == len(rows) or time.monotonic() > deadline:
                return applied
            time.sleep(POLL_S)

    def configure_optimizations(self, /, options: Mapping[str, bool] | None = None, **more: bool) -> dict[str, bool]:
        """Switch optimisations of all displays; returns the effective ones.

        Args:
            options: as `more`, or by the names of the FX front end.
            more: `batch_dispatching`: ticks that arrive together make one state, else each has its own;
                `memory_optimization`: the profile has narrow bounds; `performance_monitoring`: the time per tick is
                measured and reported in the statistics.
        Raises:
            BusError: `BAD_CONFIG`, an unknown name, or not a bool.
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
        """Return statistics of the displays; see `clients.displays.stats.worker_stats`."""
        return worker_stats(self.call("hulak.stats"))

    def get_memory_usage(self) -> dict[str, Any]:
        """Return the memory of the displays, and its trend; see `clients.displays.stats.memory_usage`."""
        import psutil  # noqa: PLC0415 - only here: it would cost each program 40 ms at its start

        return memory_usage(self.call("hulak.stats"), psutil.virtual_memory().total)

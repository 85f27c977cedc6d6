"""A bus for one script: `with hulak.local(min_workers=2, max_workers=4) as bus: ...`.

Broker, pool of NEPSE workers and scaler run under a separate supervisord, in a temporary folder and on free ports, and end with
the block, or with the program, even if that is killed.
"""

import contextlib
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from hulak.bus.errors import BusError, BusTimeout, ConfigError, HulakError
from hulak.bus.process import load_settings
from hulak.bus.process.check_settings import SECTIONS
from hulak.bus.process.client_logger import Logger, logger_of
from hulak.bus.process.home import default_home
from hulak.bus.wire.names import NEPSE_SERVICE, SLOTS
from hulak.clients import supervisord
from hulak.clients.calls.client import BusClient
from hulak.clients.displays.client import DisplayClient
from hulak.clients.feed import Feed
from hulak.clients.nepse.client import NepseClient
from hulak.clients.subscriber import Subscriber

POLL_S = 0.05  # between two checks whether the workers are ready
STOP_S = 3.5  # between the request to stop and SIGKILL for the remaining processes
ASK_S = 1.0  # for one reply of the broker meanwhile
HOST = "127.0.0.1"
SOCKETS = ("collector", "publisher", "frontend", "backend")


class LocalBus:
    """A broker with its processes, for the duration of a block; a context manager.

    Args:
        min_workers: minimum of NEPSE workers, 1 to 5.
        max_workers: maximum of NEPSE workers; the number follows the load.
        demo: use the simulated exchange instead of the real one, and a simulated venue that posts ticks.
        displays: start display workers.
        settings: other settings by name, `{"nepse.rate_per_s": 1.0}`.
        home: the folder of all files, which is kept; if None, a temporary one, removed at the end.
        timeout_s: seconds to wait for the minimum number of workers.
        logger: receives the events of the bus; None for no log.
    Raises:
        ConfigError: a setting has an invalid value.
    """

    def __init__(
        self,
        *,
        min_workers: int = 1,
        max_workers: int = SLOTS,
        demo: bool = False,
        displays: bool = False,
        settings: Mapping[str, Any] | None = None,
        home: Path | None = None,
        timeout_s: float = 60.0,
        logger: Logger | None = None,
    ) -> None:
        self._log = logger_of(logger)
        self._timeout_s = timeout_s
        self._demo, self._displays = demo, displays
        self._temporary = home is None
        folder = Path(tempfile.gettempdir()) / f"hulak-{secrets.token_hex(4)}"  # made by `start`
        self.home = folder if home is None else home.absolute()
        self._stack = contextlib.ExitStack()
        self._client: BusClient | None = None
        self._file = load_settings.find_file(default_home() if home is None else self.home, None)
        pool = {"scaling.min_workers": min_workers, "scaling.max_workers": max_workers}
        self._given = {**_addresses(demo=demo), **pool, **(settings or {})}
        loaded = load_settings.load(self.home, self._file, _sections(self._given))
        # A key of the environment is of another broker.
        self.settings = msgspec.structs.replace(loaded, security=msgspec.structs.replace(loaded.security, key=None))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Start all processes, and wait for the minimum number of workers. The processes end with the calling thread.

        Raises:
            BusTimeout: the workers are not ready within `timeout_s`; all processes are stopped.
            HulakError: supervisord ended, or another one runs on this home.
            BusError: `RUNNING`, this bus runs already; it continues.
        """
        if self._client is not None:
            raise BusError("RUNNING", "this local bus runs already")
        variables = {f"HULAK_{name.replace('.', '__').upper()}": str(value) for name, value in self._given.items()}
        variables |= supervisord.switches(demo=self._demo, feed=self._demo, displays=self._displays, gateway=False)
        variables |= supervisord.demo_variables(self.settings) if self._demo else {}
        variables["HULAK_CONFIG"] = str(self._file.absolute())
        variables["HULAK_KEY"] = ""
        self._stack.callback(self._remove_home)
        try:
            supervisor = supervisord.start(self.home, variables, detached=False)
            self._stack.callback(self._end, supervisor)
            self._log.info("local bus started", home=str(self.home), pid=supervisor.process.pid)
            self._client = self._stack.enter_context(self.client())
            self._wait_until_ready(supervisor, self._client)
        except BaseException:
            self.stop()
            raise
        self._log.info("local bus ready", workers=self.settings.scaling.min_workers)

    def stop(self) -> None:
        """Stop all processes in order; kill the remaining ones after a few seconds. Further calls do nothing."""
        self._client = None
        self._stack.close()

    def _end(self, supervisor: supervisord.Supervisor) -> None:
        orderly = supervisor.stop(STOP_S)
        self._log.info("local bus stopped", orderly=orderly)

    def _remove_home(self) -> None:
        if self._temporary:
            shutil.rmtree(self.home, ignore_errors=True)

    def _wait_until_ready(self, supervisor: supervisord.Supervisor, client: BusClient) -> None:
        deadline, wanted = time.monotonic() + self._timeout_s, self.settings.scaling.min_workers
        while True:
            ready = _workers(client)
            if ready >= wanted:
                return
            if not supervisor.runs:
                line = supervisord.last_line(self.home)
                raise HulakError(f"supervisord ended unexpectedly; its last line: {line}")
            if time.monotonic() > deadline:
                raise BusTimeout(f"{ready} of {wanted} workers were ready within {self._timeout_s:g} s; {self._logs()}")
            time.sleep(POLL_S)

    def _logs(self) -> str:
        """Return the last line of each log: a temporary home is removed before the error is read."""
        lines = []
        for path in sorted((self.home / "log").glob("*.log")):
            with contextlib.suppress(OSError):
                last = path.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
                lines += [f"{path.name}: {last[:300]}"] if last else []
        return "; ".join(lines) or "no process has logged anything"

    # Clients of the bus

    def call(self, service: str, action: str = "", args: Mapping[str, Any] | None = None, **options: Any) -> Any:
        """Call a service, see `BusClient.call`; only in the thread that started the bus."""
        if self._client is None:
            raise BusError("CLOSED", "the local bus does not run; use it as a context manager, or call start()")
        return self._client.call(service, action, args, **options)

    def client(self) -> BusClient:
        """Return a client of this bus, for one thread; close it, or use it as a context manager."""
        return BusClient(self.settings, self.home)

    def nepse(self, **options: Any) -> NepseClient:
        """Return a NEPSE client of this bus; for the options see `NepseClient`."""
        return NepseClient(self.settings, self.home, **options)

    def displays(self, **options: Any) -> DisplayClient:
        """Return a client of displays; for the options see `DisplayClient`. Displays are computed only with `displays=True`."""
        return DisplayClient(self.settings, self.home, **options)

    def subscriber(self, *topics: str, **options: Any) -> Subscriber:
        """Return a subscriber of this bus; for the options see `Subscriber`."""
        return Subscriber(*topics, settings=self.settings, home=self.home, **options)

    def feed(self, name: str, **options: Any) -> Feed:
        """Return a feed of this bus; for the options see `Feed`."""
        return Feed(name, settings=self.settings, home=self.home, **options)


def _workers(client: BusClient) -> int:
    try:
        rows = client.call("hulak.stats", timeout_s=ASK_S)["workers"]
    except BusError:  # no broker yet
        return 0
    return sum(row["service"] == NEPSE_SERVICE and row["state"] != "retiring" for row in rows)


def _addresses(*, demo: bool) -> dict[str, Any]:
    """Return endpoints with ports that are free now."""
    with contextlib.ExitStack() as stack:
        trials = [stack.enter_context(socket.socket()) for _ in range(len(SOCKETS) + 2 * demo)]
        for trial in trials:
            trial.bind((HOST, 0))
        ports = [trial.getsockname()[1] for trial in trials]
    addresses: dict[str, Any] = {f"broker.{name}": f"tcp://{HOST}:{port}" for name, port in zip(SOCKETS, ports, strict=False)}
    return addresses | (dict(zip(("sim.venue_port", "sim.nepse_port"), ports[len(SOCKETS) :], strict=True)) if demo else {})


def _sections(given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Group settings by section, for `load`."""
    sections: dict[str, dict[str, Any]] = {}
    for name, value in given.items():
        section, _, setting = name.partition(".") if isinstance(name, str) else ("", "", "")
        if section not in SECTIONS or not setting:
            allowed = ", ".join(SECTIONS)
            raise ConfigError(f"setting {name!r} must be named with its section: 'nepse.rate_per_s'; sections are {allowed}")
        sections.setdefault(section, {})[setting] = value
    return sections


local = LocalBus  # `hulak.local(...)`: a bus for one script

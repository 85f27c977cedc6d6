"""How soon displays are live again after kills and restarts, with an empty and a full journal.

Real processes: broker, two display workers, 24 displays of as many symbols that have processed the whole journal, and a feed of
ten ticks a second and symbol. A display is live again when it has published a live state after the kill. A killed process
is restarted at once, as by a supervisor. Before each kill every display has written a checkpoint.
"""

import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from typing import Any

import zmq

from benchmarks import bulk, machine, tick
from benchmarks.figures import markdown
from benchmarks.system import SETTLES_S, BenchmarkError, Place
from benchmarks.systems.hulak import Hulak
from hulak.bus.wire.codec import feed_frame, pack_tick
from hulak.bus.wire.messages import FIRST_MS, Tick
from hulak.clients.displays.client import DisplayClient
from hulak.clients.subscriber import Subscriber

DISPLAYS = 24  # of the first 24 of the journal's 28 symbols
SLOTS = ("display_00", "display_01")
PAUSE_S = 0.1  # between two ticks of a symbol
FIRST_S = 900.0  # limit for processing the whole journal for the first time
LIVE_S = 60.0  # limit for everything else
STATES_PER_S = 5.0  # of a display; this process reads all of them
SCENARIOS = {
    "worker": "one worker killed",
    "workers": "all workers killed",
    "broker": "broker killed",
    "all": "broker and workers killed",
    "restart": "all stopped and started, time from the start",
    "rare": "new display of a rare symbol, with its history",
}


class Deployment:
    """Broker, workers, displays and a feed, in their own folder.

    Args:
        folder: for the home folder; None: the temporary folder.
    """

    def __init__(self, folder: Path | None) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="hb-", dir=folder))
        self.system = Hulak(Place.make(self.home), ipc=True)
        self.workers: dict[str, Popen[bytes]] = {}
        self.rare = 0  # ticks of the rare symbol
        self._stopping = threading.Event()
        self.ticks = self._at_ms = 0  # in the journal, and their clock at its end

    @property
    def broker(self) -> Popen[bytes]:
        """The broker's process."""
        return self.system.processes[-1]

    def fill(self, size: int) -> None:
        """Make the journal."""
        self._configure()
        made = bulk.fill(self.home, self.system.settings(), size) if size else bulk.Made()
        self.rare, self.ticks, self._at_ms = len(made.rare), made.ticks, FIRST_MS + made.ticks

    def _configure(self) -> None:
        lines = [f'{name} = "{address}"' for name, address in self.system.addresses.items()]
        (self.home / "hulak.toml").write_text("[broker]\n" + "\n".join(lines) + "\n" + machine.OPEN)

    def start(self) -> None:
        """Start broker and workers."""
        for slot in SLOTS:
            self.start_worker(slot)
        self.system.start()

    def start_worker(self, slot: str) -> None:
        """Start a worker, like the supervisor for a slot."""
        variables = {"HULAK_HOME": str(self.home), "SUPERVISOR_PROCESS_NAME": slot}
        words = machine.python("workers", "display")
        self.workers[slot] = machine.start(words, self.home / f"{slot}.log", variables)

    def end(self, *, kill: bool) -> None:
        """Stop all workers and the broker, in this order."""
        for process in (*self.workers.values(), self.broker):
            process.kill() if kill else process.terminate()
        for process in (*self.workers.values(), self.broker):
            process.wait(SETTLES_S)

    def close(self) -> None:
        """Stop everything and remove the folder."""
        self._stopping.set()
        for process in self.workers.values():
            machine.end(process)
        self.system.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def displays(self) -> DisplayClient:
        """Connect a client."""
        return DisplayClient(self.system.settings(), self.home, timeout_s=SETTLES_S)

    def feed(self) -> None:
        """Post ticks until the end, also to a restarted broker; their clock continues the journal's."""
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        socket = context.socket(zmq.PUB)
        socket.connect(self.system.endpoint("collector"))
        while not self._stopping.wait(PAUSE_S):
            self._at_ms += int(PAUSE_S * 1000)
            for symbol in tick.SYMBOLS[:DISPLAYS]:
                bid = float(self._at_ms - FIRST_MS)
                now_ns = time.time_ns()
                body = pack_tick(Tick(symbol, bid, bid + 0.5, self._at_ms, tick.SOURCE, (), now_ns))
                socket.send(feed_frame(symbol, 0, 0, now_ns, body))
        socket.close(linger=0)
        context.term()

    @contextmanager
    def watched(self, limit_s: float = LIVE_S) -> Iterator["Watch"]:
        """Watch the published states; at the end, wait until every display is live."""
        with Subscriber(
            "display.", settings=self.system.settings(), home=self.home, mode="latest", timeout_s=SETTLES_S
        ) as subscriber:
            subscriber.wait_until_subscribed(SETTLES_S)
            watch = Watch(subscriber)
            yield watch
            watch.wait(limit_s)

    def settle(self) -> None:
        """Wait until the displays are spread evenly and live, and each has written another checkpoint."""
        with self.displays() as client:
            machine.wait_for(lambda: _even(client), LIVE_S, "the displays to be spread evenly")
        with self.watched() as watch:
            watch.begin()
        since = time.time()
        machine.wait_for(lambda: self._has_checkpoints(since), LIVE_S, "a checkpoint of every display")

    def _has_checkpoints(self, since: float) -> bool:
        files = list((self.home / "displays").glob("*.ckpt"))
        return sum(path.stat().st_mtime > since for path in files) >= DISPLAYS


class Watch:
    """The published states of all displays.

    Args:
        subscriber: to all displays.
    """

    def __init__(self, subscriber: Subscriber) -> None:
        self.subscriber = subscriber
        self.took_s = 0.0
        self.begin()

    def begin(self) -> None:
        """Count states from now on."""
        self.began, self.began_ns = time.monotonic(), time.time_ns()

    def wait(self, limit_s: float) -> None:
        """Wait until every display has published a live state since `begin`."""
        live: set[str] = set()
        while len(live) < DISPLAYS:
            rest_s = self.began + limit_s - time.monotonic()
            if rest_s <= 0:
                raise BenchmarkError(f"{DISPLAYS - len(live)} of {DISPLAYS} displays are not live within {limit_s:g} s")
            event = self.subscriber.poll(min(rest_s, 0.2))
            if event is not None and event.body["published_ns"] > self.began_ns:
                (live.discard if event.body["catching_up"] else live.add)(event.body["display"])
        self.took_s = time.monotonic() - self.began


def _even(client: DisplayClient) -> bool:
    counts: dict[str, int] = {}
    for row in client.rows():
        counts[row["worker"]] = counts.get(row["worker"], 0) + 1
    return len(counts) == len(SLOTS) and max(counts.values()) - min(counts.values()) < 2


# Scenarios


def _worker(deployment: Deployment, watch: Watch) -> None:
    deployment.workers[SLOTS[0]].kill()
    watch.begin()
    deployment.start_worker(SLOTS[0])


def _workers(deployment: Deployment, watch: Watch) -> None:
    for process in deployment.workers.values():
        process.kill()
    watch.begin()
    for slot in SLOTS:
        deployment.start_worker(slot)


def _broker(deployment: Deployment, watch: Watch) -> None:
    deployment.broker.kill()
    watch.begin()
    deployment.broker.wait(SETTLES_S)
    deployment.system.start()


def _all(deployment: Deployment, watch: Watch) -> None:
    watch.begin()
    deployment.end(kill=True)
    deployment.start()


def _restart(deployment: Deployment, watch: Watch) -> None:
    deployment.end(kill=False)
    watch.begin()
    deployment.start()


ACTIONS: dict[str, Callable[[Deployment, Watch], None]] = {
    "worker": _worker,
    "workers": _workers,
    "broker": _broker,
    "all": _all,
    "restart": _restart,
}


def _rare(deployment: Deployment) -> float:
    with deployment.displays() as client:
        began = time.monotonic()
        client.create_worker_for_symbol(bulk.RARE, "rare", history=True)
        client.wait_until_live("rare", timeout_s=LIVE_S)
        took_s = time.monotonic() - began
        state = client.state("rare")
        client.remove_display("rare")
    if state is None or state["ticks"] != deployment.rare:
        raise BenchmarkError(f"the rare symbol's display has {state and state['ticks']} ticks, must have {deployment.rare}")
    return took_s


def measure(size: int, repeats: int, folder: Path | None, log: Callable[[str], None]) -> dict[str, Any]:
    """Measure with an empty journal and one of `size` bytes.

    Args:
        size: bytes.
        repeats: of each scenario; the figures are medians.
        folder: for the files; None: the temporary folder.
        log: called with each line of progress.
    Returns:
        rows {what, empty_s, full_s, ratio, worst_s}, and `build_s`: the time in which the displays first processed the journal.
    """
    measured = {name: _measure(journal_size, repeats, folder, log) for name, journal_size in (("empty", 0), ("full", size))}
    rows = []
    for name, what in SCENARIOS.items():
        empty, full = (statistics.median(measured[journal]["times"][name]) for journal in ("empty", "full"))
        worst = max(measured["full"]["times"][name])
        rows.append({"what": what, "empty_s": empty, "full_s": full, "ratio": full / empty, "worst_s": worst})
    return {"rows": rows, "size": size, "repeats": repeats, **{key: measured["full"][key] for key in ("build_s", "ticks")}}


def _measure(size: int, repeats: int, folder: Path | None, log: Callable[[str], None]) -> dict[str, Any]:
    deployment = Deployment(folder)
    feed = threading.Thread(target=deployment.feed, daemon=True)
    times: dict[str, list[float]] = {name: [] for name in SCENARIOS}
    try:
        deployment.fill(size)
        log(f"journal of {size:,} bytes: {deployment.ticks:,} ticks")
        deployment.start()
        with deployment.displays() as client:
            machine.wait_for(lambda: client.get_worker_stats()["workers"] != [], SETTLES_S, "display workers")
            with deployment.watched(FIRST_S) as watch:
                for symbol in tick.SYMBOLS[:DISPLAYS]:
                    config = {"states_per_s": STATES_PER_S}
                    client.create_worker_for_symbol(symbol, symbol.lower(), config=config, history=True)
                feed.start()
        log(f"displays rebuilt in {watch.took_s:.1f} s")
        for _ in range(repeats):
            for name, act in ACTIONS.items():
                deployment.settle()
                with deployment.watched() as watch_again:
                    act(deployment, watch_again)
                times[name].append(watch_again.took_s)
                log(f"{SCENARIOS[name]}: {watch_again.took_s:.2f} s")
            times["rare"].append(_rare(deployment))
            log(f"{SCENARIOS['rare']}: {times['rare'][-1]:.2f} s")
    finally:
        deployment.close()
        if feed.is_alive():
            feed.join()
    return {"times": times, "build_s": watch.took_s, "ticks": deployment.ticks}


def table(result: dict[str, Any]) -> str:
    """Return the result as Markdown."""
    heads = ("until every display is live", "empty journal, s", "full journal, s", "full / empty", "full, worst, s")
    columns = dict(zip(("what", "empty_s", "full_s", "ratio", "worst_s"), heads, strict=True))
    size, ticks = result["size"] / (1 << 20), result["ticks"]
    summary = f"Full: {size:,.0f} MiB, {ticks:,} ticks, first processed in {result['build_s']:.1f} s."
    return f"{markdown(result['rows'], columns)}\n\n{summary} Medians of {result['repeats']}."

"""The scaler: polls the broker's statistics and supervisord's states, starts and retires workers, and starts again what failed.

The decisions are made in `workers.scaling`, for each pool of `workers.pools`, and in `workers.revival`, for each process that
supervisord gave up; here they are carried out. The scaler does not wait for the effect of a request and does not remember it: a
request that was lost, since the broker or supervisord was killed, frozen or restarted, shows at the next poll as a difference
between the present and the wanted state.

Reasons, found by experiment with supervisor 4.3.0:

* `numprocs` cannot change while supervisord runs: the slots of a pool exist, and are started and freed.
* A worker is retired by RETIRE through the broker, and exits with 0 (autorestart=unexpected frees its slot). Within startsecs
  such an exit counts as a failure, so young workers are stopped by supervisord: on SIGTERM a worker drains in the same way.
* `startProcess` of a slot that is STOPPING returns success, and does nothing: such a slot is left to the next poll.
* supervisord sees an exit up to 1 s late, unless it is queried, as each poll does. The broker reports a lost worker sooner.
* FATAL lasts until the process is started, and `stopProcess` of it fails (NOT_RUNNING).
* Events (eventlistener) are dropped when 10 wait, and one stray print ends them for good: supervisord is polled instead.
* After its restart, supervisord has no record of slots that were started: the wanted number is kept by the broker and here.
"""

import random
import time
import xmlrpc.client
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import zmq

from hulak.bus.backoff import Backoff
from hulak.bus.errors import BusError
from hulak.bus.process import lifecycle, log, supervisor_rpc
from hulak.bus.process.log_type import Log
from hulak.bus.process.member import Member
from hulak.bus.process.settings import Settings
from hulak.workers.pools import Pool, find_pools, slots_of, workers_of
from hulak.workers.revival import Changes, Revival, full_name
from hulak.workers.revival_file import RevivalFile
from hulak.workers.runtime.broker_request import BrokerRequester
from hulak.workers.scaling import Decision, Scaling

ASK_S = 1.0  # seconds for a reply of the broker
LEARN_S = 5.0  # between two reads of the configuration of supervisord
GRACE_S = 10.0  # after the start no warning is logged: broker and supervisord may still be starting
FEWER = "fewer are wanted"  # the reason sent to retired workers
LOST_RACES = (supervisor_rpc.ALREADY_STARTED, supervisor_rpc.NOT_RUNNING)  # the process is already in the wanted state
MOST_REPORTED = 50  # failed processes in a report

Row = dict[str, Any]


class Scaler:
    """Keeps the number of workers of each pool at the wanted one, and starts processes again that supervisord gave up.

    Args:
        settings: checked.
        home: the folder of the broker and of supervisord.
        stop: set by a signal.
        logger: of this process.
    """

    def __init__(self, settings: Settings, home: Path, stop: lifecycle.Stop, logger: Log) -> None:
        self.settings = settings
        self.home = home
        self.stop = stop
        self.log = logger
        self.pools: dict[str, Scaling] = {}  # service -> its decisions; of the groups of this supervisord
        self.control = BrokerRequester(settings, home, stop)
        bounds = settings.supervisor
        self.revival = Revival(Backoff(bounds.retry_base_s, bounds.retry_cap_s, random.random))
        self.revival_file = RevivalFile(self.revival, home, logger)
        self.retries = 0  # attempts to start processes that supervisord gave up
        self.scaled: dict[str, dict[str, Any]] = {}  # service -> its part of the report
        self.report: dict[str, Any] = {}  # replaced as a whole
        self.member = Member(settings, home, logger, kind="scaler", name="scaler", collect=lambda: self.report)
        self._names: set[str] = set()  # full names of all processes when `pools` was made
        self._learn_at = 0.0  # monotonic seconds
        self._faults: dict[str, str] = {}  # process -> the refusal logged last
        self._trouble = ""  # logged last
        self._grace_until = time.monotonic() + GRACE_S  # until then, or the first success

    def run(self) -> None:
        """Poll until a stop signal."""
        poller = zmq.Poller()
        poller.register(self.stop.reader, zmq.POLLIN)
        self.log.info("scaler started")
        self.revival_file.read()
        self.member.start()
        while not self.stop.asked:
            self.member.beat()
            due = time.monotonic() + self.settings.scaling.look_s
            self.poll(time.monotonic())
            while not self.stop.asked and (left_s := due - time.monotonic()) > 0:
                poller.poll(int(left_s * 1000) + 1)
        self.member.stop()
        self.control.close()
        self.log.info("scaler stopped")

    def poll(self, now: float) -> None:
        """Poll once and carry out the decisions; an unreachable process is logged once, and tried again at the next poll.

        Processes that failed are started again also without a broker: it may be one of them.

        Args:
            now: monotonic seconds.
        """
        try:
            rows = supervisor_rpc.list_processes(self.home)
            self._learn(now, rows)
            due = self._revive(rows)
            stats = self.control.ask("hulak.stats", timeout_s=ASK_S)
            self.scaled = {service: self._scale(now, service, pool, stats, rows, due) for service, pool in self.pools.items()}
        except BusError as error:
            self._log_trouble(now, f"broker: {error}")
        except supervisor_rpc.Unreached as error:
            self._log_trouble(now, f"supervisord: {error!r}")
        else:
            self._log_trouble(now, "")
            self._grace_until = now
        self.report = {"pools": self.scaled, "failed": self._failed(time.time()), "retries": self.retries}

    def _log_trouble(self, now: float, trouble: str) -> None:
        if trouble and now < self._grace_until:
            return
        if trouble != self._trouble and not self.stop.asked:
            if trouble:
                self.log.warning("poll failed", why=trouble)
            else:
                self.log.info("poll succeeded again")
        self._trouble = trouble

    def _learn(self, now: float, rows: Sequence[Row]) -> None:
        """Find the pools, again when processes were added or removed and every 5 s; a known pool goes on."""
        names = set(map(full_name, rows))
        if names == self._names and now < self._learn_at:
            return
        programs = supervisor_rpc.list_programs(self.home)
        pools = find_pools([row for row in programs if full_name(row) in names], self.settings)
        before, self.pools = self.pools, {pool.service: self._pool(pool) for pool in pools}
        self._names, self._learn_at = names, now + LEARN_S
        if set(self.pools) != set(before):
            self.log.info("pools found", pools=list(self.pools))

    def _pool(self, pool: Pool) -> Scaling:
        known = self.pools.get(pool.service)
        if known is None:
            return Scaling(pool.options)
        known.options = pool.options
        return known

    def _revive(self, rows: Sequence[Row]) -> tuple[str, ...]:
        """Start the failed processes that are due; return those that are slots of a pool, which needs them or not."""
        now = time.time()
        changes = self.revival.observe(now, rows)
        self._log_changes(now, changes)
        groups = {full_name(row): row["group"] for row in rows}
        for name in changes.due:
            if groups[name] not in self.pools:
                self._start(name)
        self.revival_file.write()
        return tuple(name for name in changes.due if groups[name] in self.pools)

    def _log_changes(self, now: float, changes: Changes) -> None:
        for name in changes.failed:
            failure = self.revival.failures[name]
            next_s = round((failure.next_at or now) - now, 1)
            self.log.error("process given up by supervisord", process=name, tries=failure.tries, next_try_s=next_s)
        for name in changes.healed:
            self.log.info("failed process runs again", process=name)

    def _failed(self, now: float) -> dict[str, dict[str, Any]]:
        return {
            name: {"tries": failure.tries, "next_s": failure.next_at and max(0.0, round(failure.next_at - now, 1))}
            for name, failure in list(self.revival.failures.items())[:MOST_REPORTED]
        }

    def _scale(
        self, now: float, service: str, pool: Scaling, stats: Mapping[str, Any], rows: Sequence[Row], due: Sequence[str]
    ) -> dict[str, Any]:
        """Carry out the decision for one pool; return its report."""
        workers = workers_of(service, stats["workers"])
        # Before the first report of this scaler the broker does not know every service yet.
        scaling = stats["scaling"].get(service, {})
        target = scaling.get("workers") if isinstance(scaling.get("workers"), int) else None
        decision = pool.decide(now, workers, slots_of(service, rows, due), scaling.get("queued", 0), target)
        self._carry_out(service, decision)
        live = sum(not worker.retiring for worker in workers)
        bounds = {"least": pool.options.min_workers, "most": pool.options.max_workers}
        return {"wanted": decision.wanted, "by_hand": target is not None, "live": live, **bounds}

    def _carry_out(self, service: str, decision: Decision) -> None:
        if decision.why:
            self.log.info("pool scaled", service=service, wanted=decision.wanted, why=decision.why)
        for slot in decision.start:
            self._start(f"{service}:{slot}")
        for slot in decision.stop:
            self._call_supervisor("stopProcess", f"{service}:{slot}")
        for worker in decision.retire:
            try:
                self.control.ask("hulak.retire", {"worker": worker, "reason": FEWER}, timeout_s=ASK_S)
            except BusError as error:
                if error.code != "UNKNOWN_WORKER":  # it has already left, as wanted
                    raise

    def _start(self, process: str) -> None:
        if process in self.revival.failures and self.revival.failures[process].next_at is not None:
            self.revival.tried(process)
            self.retries += 1
        self._call_supervisor("startProcess", process)

    def _call_supervisor(self, method: str, process: str) -> None:
        """Call without waiting for the effect, which would take startsecs or stopwaitsecs; a refusal is logged once."""
        try:
            supervisor_rpc.ask(self.home, method, process, False)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode not in LOST_RACES and self._faults.get(process) != fault.faultString:
                self._faults[process] = fault.faultString
                self.log.warning("supervisord refused", method=method, process=process, why=fault.faultString)
        else:
            self._faults.pop(process, None)
            self.log.info("supervisord called", method=method, process=process)


def run_scaler(settings: Settings, home: Path) -> int:
    """Run the scaler until a stop signal; return the exit code, 0.

    Args:
        settings: checked.
        home: the folder of the broker and of supervisord.
    Raises:
        ConfigError: another scaler runs on this home.
    """
    lifecycle.make_home(home)
    stop = lifecycle.Stop()
    lifecycle.end_with_supervisor()
    logger = log.set_up(settings.log, process="scaler")
    with lifecycle.only_one(home / "run" / "scaler.lock", "a scaler"):
        supervisor_rpc.link_socket(home, settings.scaling.supervisor_socket)
        Scaler(settings, home, stop, logger).run()
    return 0

"""The scaler: polls the broker's statistics and supervisord's states, and starts and retires workers.

The decisions are made in `workers.scaling`; here they are carried out. The scaler does not wait for the effect of a request and
does not remember it: a request that was lost, since the broker or supervisord was killed, frozen or restarted, shows at the next
poll as a difference between the present and the wanted state.

Reasons, found by experiment with supervisor 4.3.0:

* `numprocs` cannot change while supervisord runs: five slots exist, and are started and freed.
* A worker is retired by RETIRE through the broker, and exits with 0 (autorestart=unexpected frees its slot). Within startsecs
  such an exit counts as a failure, so young workers are stopped by supervisord: on SIGTERM a worker drains in the same way.
* `startProcess` of a slot that is STOPPING returns success, and does nothing: such a slot is left to the next poll.
* supervisord sees an exit up to 1 s late, unless it is queried, as each poll does. The broker reports a lost worker sooner.
* FATAL lasts until the slot is started: this is tried again after 60 s, three times, then logged as an error.
* Events (eventlistener) are dropped when 10 wait, and one stray print ends them for good: supervisord is polled instead.
* After its restart, supervisord has no record of slots that were started: the wanted number is kept by the broker and here.
"""

import time
import xmlrpc.client
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import structlog
import zmq

from hulak.bus.errors import BusError
from hulak.bus.process import lifecycle, log, supervisor_rpc
from hulak.bus.process.member import Member
from hulak.bus.process.settings import Settings
from hulak.bus.wire.names import SCALED_SERVICES
from hulak.workers.runtime.broker_request import BrokerRequester
from hulak.workers.scaling import Decision, Options, PoolWorker, Scaling, Slot

ASK_S = 1.0  # seconds for a reply of the broker
GRACE_S = 10.0  # after the start no warning is logged: broker and supervisord may still be starting
FEWER = "fewer are wanted"  # the reason sent to retired workers
LOST_RACES = (supervisor_rpc.ALREADY_STARTED, supervisor_rpc.NOT_RUNNING)  # the slot is already in the wanted state


class Scaler:
    """Keeps the number of workers of each scaled service at the wanted one.

    Args:
        settings: checked.
        home: the folder of the broker and of supervisord.
        stop: set by a signal.
        logger: of this process.
    """

    def __init__(
        self, settings: Settings, home: Path, stop: lifecycle.Stop, logger: structlog.typing.FilteringBoundLogger
    ) -> None:
        limits = settings.scaling
        options = Options(limits.min_workers, limits.max_workers, limits.idle_timeout_s, limits.scaling_threshold)
        self.settings = settings
        self.home = home
        self.stop = stop
        self.log = logger
        self.pools = {service: Scaling(options) for service in SCALED_SERVICES}
        self.control = BrokerRequester(settings, home, stop)
        self.reports: dict[str, dict[str, Any]] = {service: {} for service in SCALED_SERVICES}
        self.members = [
            Member(settings, home, logger, kind="scaler", name=service, collect=partial(self.reports.__getitem__, service))
            for service in SCALED_SERVICES
        ]
        self._trouble = ""  # logged last
        self._grace_until = time.monotonic() + GRACE_S  # until then, or the first success

    def run(self) -> None:
        """Poll until a stop signal."""
        poller = zmq.Poller()
        poller.register(self.stop.reader, zmq.POLLIN)
        self.log.info("scaler started", services=list(self.pools))
        for member in self.members:
            member.start()
        while not self.stop.asked:
            for member in self.members:
                member.beat()
            due = time.monotonic() + self.settings.scaling.look_s
            self.poll(time.monotonic())
            while not self.stop.asked and (left_s := due - time.monotonic()) > 0:
                poller.poll(int(left_s * 1000) + 1)
        for member in self.members:
            member.stop()
        self.control.close()
        self.log.info("scaler stopped")

    def poll(self, now: float) -> None:
        """Poll once and carry out the decisions; an unreachable process is logged once, and tried again at the next poll.

        Args:
            now: monotonic seconds.
        """
        try:
            stats = self.control.ask("hulak.stats", timeout_s=ASK_S)
            rows = supervisor_rpc.list_processes(self.home)
            for service, pool in self.pools.items():
                self._scale(now, service, pool, stats, rows)
        except BusError as error:
            self._log_trouble(now, f"broker: {error}")
        except supervisor_rpc.Unreached as error:
            self._log_trouble(now, f"supervisord: {error!r}")
        else:
            self._log_trouble(now, "")
            self._grace_until = now

    def _log_trouble(self, now: float, trouble: str) -> None:
        if trouble and now < self._grace_until:
            return
        if trouble != self._trouble and not self.stop.asked:
            if trouble:
                self.log.warning("poll failed", why=trouble)
            else:
                self.log.info("poll succeeded again")
        self._trouble = trouble

    def _scale(self, now: float, service: str, pool: Scaling, stats: Mapping[str, Any], rows: list[dict[str, Any]]) -> None:
        slots = slots_of(service, rows)
        workers = workers_of(service, stats)
        scaling = stats["scaling"][service]
        target = scaling["workers"] if isinstance(scaling["workers"], int) else None
        decision = pool.decide(now, workers, slots, scaling["queued"], target)
        self._carry_out(service, decision)
        live = sum(not worker.retiring for worker in workers)
        self.reports[service] = {"wanted": decision.wanted, "by_hand": target is not None, "live": live}

    def _carry_out(self, service: str, decision: Decision) -> None:
        if decision.why:
            self.log.info("pool scaled", service=service, wanted=decision.wanted, why=decision.why)
        for slot in decision.given_up:
            self.log.error("slot given up", slot=f"{service}:{slot}", why="its process failed repeatedly; see its log")
        # False: do not wait, which would take startsecs, or stopwaitsecs.
        for slot in decision.start:
            self._call_supervisor("startProcess", f"{service}:{slot}")
        for slot in decision.stop:
            self._call_supervisor("stopProcess", f"{service}:{slot}")
        for worker in decision.retire:
            try:
                self.control.ask("hulak.retire", {"worker": worker, "reason": FEWER}, timeout_s=ASK_S)
            except BusError as error:
                if error.code != "UNKNOWN_WORKER":  # it has already left, as wanted
                    raise

    def _call_supervisor(self, method: str, process: str) -> None:
        try:
            supervisor_rpc.ask(self.home, method, process, False)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode not in LOST_RACES:
                raise
        self.log.info("supervisord called", method=method, process=process)


def slots_of(service: str, rows: list[dict[str, Any]]) -> list[Slot]:
    """Return a service's slots, sorted by name, from the rows of `bus.process.supervisor_rpc.list_processes`."""
    of_service = (row for row in rows if row["group"] == service)
    return sorted(
        (Slot(row["name"], row["state"], row["pid"], row["uptime_s"]) for row in of_service), key=lambda slot: slot.name
    )


def workers_of(service: str, stats: Mapping[str, Any]) -> list[PoolWorker]:
    """Return a service's workers from the broker's statistics."""
    return [
        PoolWorker(
            name=row["name"],
            slot=str(row.get("slot") or ""),
            pid=row.get("pid") or 0,
            busy=row["state"] == "busy" or row["held"] > 0,
            handled=row["done"] + row["failed"],
            age_s=row["age_s"],
            retiring=row["state"] == "retiring",
        )
        for row in stats["workers"]
        if row["service"] == service
    ]


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
        Scaler(settings, home, stop, logger).run()
    return 0

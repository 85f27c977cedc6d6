"""The scaler: the broker's statistics and supervisord's states in, starts and retirements out, look after look.

What to do is decided in `workers.scaling`; here it is carried out. Nothing is waited for and nothing remembered of what was
asked: whatever got lost, in a broker or a supervisord that was killed, frozen or restarted, shows at the next look as a
difference between what is and what is wanted.

Why it is done so, found by experiment with supervisor 4.3.0:

* `numprocs` cannot change while it runs: five slots are there, and are started and freed.
* A worker is sent away by RETIRE through the broker, and exits with 0 (autorestart=unexpected frees its slot). One younger
  than startsecs would count as failed with that, so young ones are stopped by supervisord: SIGTERM lets it drain just so.
* `startProcess` says yes to a slot that is STOPPING, and does nothing: such a slot is left for the next look.
* An exit is seen up to 1 s late, unless somebody asks: each look does. Deaths are known from the broker sooner anyway.
* FATAL stays until somebody starts it: tried again after 60 s, three times, then told in the log.
* Events (eventlistener) are dropped when 10 wait, and one stray print ends them for ever: it is asked instead.
* What supervisord says after its restart is that nothing was ever started by hand: the wanted number is the broker's and ours.
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

ASK_S = 1.0  # seconds for an answer of the broker
PATIENT_S = 10.0  # from the start, while broker and supervisord may be on their way: no warning yet
FEWER = "fewer are wanted"  # told to workers that are sent away
LOST_RACES = (supervisor_rpc.ALREADY_STARTED, supervisor_rpc.NOT_RUNNING)  # somebody else was quicker: as wanted


class Scaler:
    """Keeps as many workers of each scaled service as there should be.

    Args:
        settings: checked.
        home: the folder of the broker and of supervisord.
        stop: set by a signal.
        logger: of this process.
    """

    def __init__(
        self, settings: Settings, home: Path, stop: lifecycle.Stop, logger: structlog.typing.FilteringBoundLogger
    ) -> None:
        told = settings.scaling
        options = Options(told.min_workers, told.max_workers, told.idle_timeout_s, told.scaling_threshold)
        self.settings = settings
        self.home = home
        self.stop = stop
        self.log = logger
        self.pools = {service: Scaling(options) for service in SCALED_SERVICES}
        self.control = BrokerRequester(settings, home, stop)
        self.told: dict[str, dict[str, Any]] = {service: {} for service in SCALED_SERVICES}
        self.members = [
            Member(settings, home, logger, kind="scaler", name=service, collect=partial(self.told.__getitem__, service))
            for service in SCALED_SERVICES
        ]
        self._trouble = ""  # that was told last
        self._patient_until = time.monotonic() + PATIENT_S  # until then, or the first success, others may still be starting

    def run(self) -> None:
        """Look until a signal asks to stop."""
        poller = zmq.Poller()
        poller.register(self.stop.reader, zmq.POLLIN)
        self.log.info("scaler started", services=list(self.pools))
        for member in self.members:
            member.start()
        while not self.stop.asked:
            for member in self.members:
                member.beat()
            due = time.monotonic() + self.settings.scaling.look_s
            self.look(time.monotonic())
            while not self.stop.asked and (left_s := due - time.monotonic()) > 0:
                poller.poll(int(left_s * 1000) + 1)
        for member in self.members:
            member.stop()
        self.control.close()
        self.log.info("scaler stopped")

    def look(self, now: float) -> None:
        """Look once and do what it takes; who cannot be reached is told once, and asked again at the next look.

        Args:
            now: monotonic seconds.
        """
        try:
            stats = self.control.ask("hulak.stats", timeout_s=ASK_S)
            rows = supervisor_rpc.list_processes(self.home)
            for service, pool in self.pools.items():
                self._tend(now, service, pool, stats, rows)
        except BusError as error:
            self._tell(now, f"broker: {error}")
        except supervisor_rpc.Unreached as error:
            self._tell(now, f"supervisord: {error!r}")
        else:
            self._tell(now, "")
            self._patient_until = now

    def _tell(self, now: float, trouble: str) -> None:
        if trouble and now < self._patient_until:
            return
        if trouble != self._trouble and not self.stop.asked:
            if trouble:
                self.log.warning("look failed", why=trouble)
            else:
                self.log.info("look succeeded again")
        self._trouble = trouble

    def _tend(self, now: float, service: str, pool: Scaling, stats: Mapping[str, Any], rows: list[dict[str, Any]]) -> None:
        slots = slots_of(service, rows)
        workers = workers_of(service, stats)
        scaling = stats["scaling"][service]
        target = scaling["workers"] if isinstance(scaling["workers"], int) else None
        decision = pool.decide(now, workers, slots, scaling["queued"], target)
        self._carry_out(service, decision)
        live = sum(not one.retiring for one in workers)
        self.told[service] = {"wanted": decision.wanted, "by_hand": target is not None, "live": live}

    def _carry_out(self, service: str, decision: Decision) -> None:
        if decision.why:
            self.log.info("pool scaled", service=service, wanted=decision.wanted, why=decision.why)
        for slot in decision.given_up:
            self.log.error("slot given up", slot=f"{service}:{slot}", why="its process failed again and again; see its log")
        # False: not to be waited for, which would take startsecs, or stopwaitsecs.
        for slot in decision.start:
            self._have("startProcess", f"{service}:{slot}")
        for slot in decision.stop:
            self._have("stopProcess", f"{service}:{slot}")
        for worker in decision.retire:
            try:
                self.control.ask("hulak.retire", {"worker": worker, "reason": FEWER}, timeout_s=ASK_S)
            except BusError as error:
                if error.code != "UNKNOWN_WORKER":  # it is gone already: as wanted
                    raise

    def _have(self, method: str, process: str) -> None:
        try:
            supervisor_rpc.ask(self.home, method, process, False)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode not in LOST_RACES:
                raise
        self.log.info("supervisord asked", method=method, process=process)


def slots_of(service: str, rows: list[dict[str, Any]]) -> list[Slot]:
    """Pick a service's slots, by name, out of what `bus.process.supervisor_rpc.list_processes` gives."""
    mine = (row for row in rows if row["group"] == service)
    return sorted((Slot(row["name"], row["state"], row["pid"], row["uptime_s"]) for row in mine), key=lambda slot: slot.name)


def workers_of(service: str, stats: Mapping[str, Any]) -> list[PoolWorker]:
    """Pick a service's workers out of the broker's statistics."""
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
    """Run the scaler until a signal; returns the exit code, 0.

    Args:
        settings: checked.
        home: the folder of the broker and of supervisord.
    Raises:
        ConfigError: another one runs on this home.
    """
    lifecycle.make_home(home)
    stop = lifecycle.Stop()
    lifecycle.end_with_supervisor()
    logger = log.set_up(settings.log, process="scaler")
    with lifecycle.only_one(home / "run" / "scaler.lock", "a scaler"):
        Scaler(settings, home, stop, logger).run()
    return 0

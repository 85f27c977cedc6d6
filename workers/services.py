"""The services that workers of this package offer, and how a worker process for one of them runs."""

import os
import socket as plain
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hulak.bus.errors import ConfigError
from hulak.bus.live_config.scopes import kind_of
from hulak.bus.process import cpu_scheduling, lifecycle, log, tracing
from hulak.bus.process.member import Member
from hulak.bus.process.resource_usage import started_ns
from hulak.bus.process.settings import Settings
from hulak.bus.wire import names
from hulak.workers.runtime.session import Session
from hulak.workers.runtime.task_runner import Actions
from hulak.workers.runtime.worker import Worker
from hulak.workers.tasks import load


@dataclass(frozen=True, slots=True)
class Service:
    """One service."""

    credit: int  # tasks a worker holds at a time
    make_actions: Callable[[Settings, Member], Actions]
    adapts: bool = False  # the credit adapts to the duration of tasks
    check: Callable[[Settings], None] = lambda _: None  # raises ConfigError for settings with which no task could succeed


def _nepse() -> Service:
    from hulak.workers.nepse.actions import build_actions  # noqa: PLC0415 - other workers do not load it, nor `requests`
    from hulak.workers.nepse.http import check_ca_file  # noqa: PLC0415 - likewise
    from hulak.workers.nepse.live_settings import LiveSettings  # noqa: PLC0415 - likewise

    # One task at a time, so that no task waits behind a slow call while another worker is free.
    return Service(
        1,
        lambda settings, member: build_actions(LiveSettings(settings.nepse, lambda: member.live)),
        check=lambda settings: check_ca_file(settings.nepse.ca_file),
    )


EXIT_S = 5.0  # for what the tasks have left running, and for their functions of `atexit`
SERVICES: dict[str, Callable[[], Service]] = {
    "nepse": _nepse,
    names.DISPLAY_SERVICE: lambda: Service(1, lambda *_: {}),  # has another loop: `workers.display.worker`
}


def make_session(settings: Settings, service: str, credit: int, name: str | None, *, adapts: bool = False) -> Session:
    """Return the session of this process; it is named after its supervisor slot, else its service, and its pid."""
    slot = os.environ.get("SUPERVISOR_PROCESS_NAME", "")
    info = {"pid": os.getpid(), "slot": slot, "host": plain.gethostname(), "started_ns": started_ns()}
    return Session(
        service=service,
        name=name or f"{slot or service}/{os.getpid()}",
        credit=credit,
        heartbeat_s=settings.task.heartbeat_s,
        info=info,
        adapts=adapts,
    )


def run_worker(
    settings: Settings, home: Path, service: str, name: str | None = None, *, module: str | None = None, credit: int | None = None
) -> int:
    """Run a worker process until it is retired or stopped; the process is then to exit, and does so within `EXIT_S`.

    Args:
        settings: checked.
        home: the broker's folder.
        service: one of `SERVICES`, or one for which the module has tasks.
        name: unique among living workers; by default the supervisor's slot and the pid.
        module: the user's module, with functions decorated by `workers.tasks.task`.
        credit: tasks held at a time, for a module's service; None: it adapts to the duration of tasks.
    Returns:
        the exit code: 0 after a retirement or a stop, 70 when a task exceeded its hard limit.
    Raises:
        ConfigError: the service does not exist, the module cannot be used, or a setting of the service is wrong.
    """
    if module is not None:
        actions = load(module, service)
        offered = Service(credit or 1, lambda *_: actions, adapts=credit is None)
    elif service in SERVICES:
        offered = SERVICES[service]()
    else:
        raise ConfigError(f"service {service!r} is unknown, must be one of {', '.join(SERVICES)}, or be given with --module")
    offered.check(settings)
    lifecycle.make_home(home)
    stop = lifecycle.Stop()
    lifecycle.end_with_supervisor()
    if module is None and service == names.DISPLAY_SERVICE:
        return run_display_worker(settings, home, stop, name)
    tracing.export(settings, f"hulak-{service}")
    cpu_scheduling.set_batch_policy()
    session = make_session(settings, service, offered.credit, name, adapts=offered.adapts)
    logger = log.set_up(settings.log, process="worker", worker=session.name)
    with Member(settings, home, logger, kind=kind_of(service), name=session.name) as member:
        code = Worker(settings, home, session, lambda: offered.make_actions(settings, member), stop, logger, member).run()
    lifecycle.exit_within(EXIT_S, code)
    return code


def run_display_worker(settings: Settings, home: Path, stop: lifecycle.Stop, name: str | None) -> int:
    """Run a display worker until it is retired or stopped; returns the exit code."""
    from hulak.workers.display.worker import DisplayWorker  # noqa: PLC0415 - other workers do not load it

    session = make_session(settings, names.DISPLAY_SERVICE, 1, name)
    logger = log.set_up(settings.log, process="display", worker=session.name)
    return DisplayWorker(settings, home, session, stop, logger).run()

"""The services that workers of this package offer, and how a worker process for one of them runs."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bus import daemon, log
from bus.errors import ConfigError
from bus.settings import Settings
from workers.carrier import Actions
from workers.nepse.actions import build_actions
from workers.tasks import load
from workers.worker import Worker, make_session


@dataclass(frozen=True, slots=True)
class Service:
    """One service."""

    credit: int  # tasks a worker holds at a time
    make_actions: Callable[[Settings], Actions]
    adapts: bool = False  # the credit, to how long tasks take


# NEPSE takes one at a time, so that nothing waits behind a slow call while another worker is free.
SERVICES = {"nepse": Service(1, lambda settings: build_actions(settings.nepse))}


def run_worker(
    settings: Settings, home: Path, service: str, name: str | None = None, *, module: str | None = None, credit: int | None = None
) -> int:
    """Run a worker process until it is retired or stopped.

    Args:
        settings: checked.
        home: the broker's folder.
        service: one of `SERVICES`, or any that the module has tasks of.
        name: unique among living workers; by default the supervisor's slot and the pid.
        module: of the user's, with functions under `workers.tasks.task`.
        credit: tasks held at a time, of a module's service; None adapts it to how long they take.
    Returns:
        the exit code: 0 after a retirement or a stop, 70 when a task passed its hard limit.
    Raises:
        ConfigError: there is no such service, or the module cannot be used.
    """
    offered = SERVICES.get(service)
    if module is not None:
        actions = load(module, service)
        offered = Service(credit or 1, lambda _: actions, adapts=credit is None)
    if offered is None:
        raise ConfigError(f"service {service!r} is unknown, must be one of {', '.join(SERVICES)}, or come with --module")
    daemon.make_home(home)
    stop = daemon.Stop()
    daemon.end_with_supervisor()
    session = make_session(settings, service, offered.credit, name, adapts=offered.adapts)
    logger = log.set_up(settings.log, process="worker", worker=session.name)
    return Worker(settings, home, session, lambda: offered.make_actions(settings), stop, logger).run()

"""The services that workers of this package offer, and how a worker process for one of them runs."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bus import daemon, log
from bus.config import Settings
from bus.errors import ConfigError
from workers.nepse.actions import build_actions
from workers.worker import Actions, Worker, make_session


@dataclass(frozen=True, slots=True)
class Service:
    """One service."""

    credit: int  # tasks a worker holds at a time
    make_actions: Callable[[Settings], Actions]


# NEPSE takes one at a time, so that nothing waits behind a slow call while another worker is free.
SERVICES = {"nepse": Service(1, lambda settings: build_actions(settings.nepse))}


def run_worker(settings: Settings, home: Path, service: str, name: str | None = None) -> int:
    """Run a worker process until it is retired or stopped.

    Args:
        settings: checked.
        home: the broker's folder.
        service: one of `SERVICES`.
        name: unique among living workers; by default the supervisor's slot and the pid.
    Returns:
        the exit code: 0 after a retirement or a stop, 70 when a task passed its hard limit.
    Raises:
        ConfigError: there is no such service.
    """
    offered = SERVICES.get(service)
    if offered is None:
        raise ConfigError(f"service {service!r} is unknown, must be one of {', '.join(SERVICES)}")
    daemon.make_home(home)
    stop = daemon.Stop()
    daemon.end_with_supervisor()
    session = make_session(settings, service, offered.credit, name)
    logger = log.set_up(settings.log, process="worker", worker=session.name)
    return Worker(settings, home, session, lambda: offered.make_actions(settings), stop, logger).run()
